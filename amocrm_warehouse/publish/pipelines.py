"""dlt's pipelines into the warehouses of publish, and what their errors mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amocrm_warehouse.database_address import postgres_url, server_of
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.sync.destination import LoadError
from amocrm_warehouse.sync.postgres_destination import HOLDER, LOCK
from amocrm_warehouse.this_machine import HOME, own_folder

# dlt reads these at import: no telemetry, no log lines, no settings from the current folder
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL", DLT_PROJECT_DIR=str(own_folder("dlt")),
    DLT_DATA_DIR=str(own_folder("dlt")),
)  # fmt: skip

import dlt as dlt
from dlt.destinations.impl.postgres.factory import postgres
from dlt.pipeline.exceptions import PipelineStepFailed


def postgres_of(address: str) -> Any:
    """Returns dlt's destination."""
    server = server_of(postgres_url(address))
    return postgres(
        {
            "drivername": "postgresql",
            "host": server.host,
            "port": server.port,
            "username": server.user,
            "password": server.password or os.environ.get("PGPASSWORD", ""),
            "database": server.database,
            "client_encoding": "UTF8",
        }
    )


def lock_tables(client: Any, tables: str) -> str | None:
    """Locks the tables while this connection lives. Returns whoever holds the lock already."""
    connection = client.open_connection()
    if (encoding := connection.get_parameter_status("server_encoding")) != "UTF8":
        raise ValueError(
            f"it keeps texts in {encoding}, which lacks letters and emoji that amoCRM has. Make one with CREATE "
            "DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    client.begin_transaction().__enter__()
    client.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    locked: Any = client.execute_sql(LOCK, tables)
    if locked[0][0]:
        return None
    holder: Any = client.execute_sql(HOLDER, tables)
    if not holder:
        return "it has just ended"
    return f"a connection from {holder[0][0]}, since {holder[0][1]:%Y-%m-%d %H:%M:%S %Z}"


@contextmanager
def one_at_a_time(client: Any, dataset: str) -> Iterator[None]:
    """Keeps others out of the block: two that create the schema and dlt's own tables at once would fail."""
    with client.begin_transaction():
        client.execute_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", dataset)
        yield


def no_room(folder: Path | str, error: OSError) -> LoadError:
    reason = os.strerror(error.errno) if error.errno else error
    return LoadError(
        f"Rows under way cannot be kept in {folder}: {reason}. Make room there, or name another folder in {HOME}."
    )


def has_no_room(cause: BaseException) -> bool:
    return isinstance(cause, OSError) and cause.errno == errno.ENOSPC


def cause_of(error: BaseException) -> BaseException:
    """Returns the error that the others follow from."""
    if isinstance(error, PipelineStepFailed):
        error = error.exception
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error


def reason_of(error: BaseException) -> str:
    """Returns why the error that the others follow from happened, and the next step."""
    return why(cause_of(error))
