"""Loads the tables of one account into a database, in dlt's load packages.

A package holds rows and the connector's states that cover them. dlt restores states from completed packages alone, so
the sync after a killed one resumes from the last completed package.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from amocrm_warehouse.database_errors import RIGHTS, check_rights, why
from amocrm_warehouse.sync.destination import Kind, destination
from amocrm_warehouse.sync.row_buffer import LoadError, TakenRows, no_room
from amocrm_warehouse.table_names import table_name
from amocrm_warehouse.this_machine import own_folder

# dlt reads these at import: no telemetry, no log lines, no settings from the current folder
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL", DLT_PROJECT_DIR=str(own_folder("dlt")),
    DLT_DATA_DIR=str(own_folder("dlt")),
)  # fmt: skip

import dlt as dlt  # publish takes it from here, with the settings above
import pyarrow as pa
from dlt.common.schema import Schema
from dlt.common.schema.typing import VERSION_TABLE_NAME
from dlt.extract import DltResource
from dlt.extract import DltSource as DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

DISK_FULL = "53100"
"""PostgreSQL's code of the error."""
STATES = "_dlt_pipeline_state"
STATES_KEPT = 10
"""Newest states of an account that the table STATES keeps; a sync deletes older ones at its end."""
SYNCS = pa.schema(
    [
        pa.field("started_at", pa.timestamp("us", "UTC")),
        pa.field("ended_at", pa.timestamp("us", "UTC")),
        pa.field("ended_well", pa.bool_()),
        pa.field("rows", pa.int64()),
        pa.field("failures", pa.string()),
        pa.field("tables", pa.string()),
    ]
)
"""Columns of the table of syncs, which has one row per ended sync."""


class EndedSync(NamedTuple):
    """A row of the table of syncs. `failures`: a JSON list of sentences. `tables`: a JSON object with the rows read, by
    stream that was read to its end."""

    started_at: datetime
    ended_at: datetime
    ended_well: bool
    rows: int
    failures: str
    tables: str


class HeldAccount(NamedTuple):
    """The account whose data the tables hold. `number`: the account's id; None if amoCRM has not said it."""

    number: int | None
    subdomain: str


class Loader:
    """Whatever uses the database is called in one thread. Methods raise LoadError.

    `personal_data`: digest of the settings that replace personal data in the rows to load; `loaded_personal_data`: in
    the rows loaded before. `account`: the account whose data the tables hold; None for new tables.
    `refreshing`: streams that are to be read from the beginning, until a sync has done so.
    """

    def __init__(self, kind: Kind, address: str, *, project: str, dataset: str, folder: Path) -> None:
        """`folder`: for packages that are not loaded yet; empty, and of this loader alone."""
        self.prefix = table_name(project)
        self.dataset = dataset
        self._kind = kind
        self._name = self.prefix.removesuffix("_")
        self.personal_data = self.loaded_personal_data = ""
        self.account: HeldAccount | None = None
        self.refreshing = set[str]()
        self._lock: Any = None
        self._schema = Schema(self._name)
        os.environ["LOAD__WORKERS"] = str(kind.loaded_at_once)
        try:
            self._pipeline = dlt.pipeline(
                self._name,
                pipelines_dir=str(folder),
                destination=destination(kind, address),
                dataset_name=dataset,
            )
        except Exception as error:
            raise LoadError(f"The database cannot be opened: {reason_of(error)}") from None
        self._duckdb: Any = self._pipeline.destination if kind.file_format == "parquet" else None

    def check_names(self, streams: Iterable[str]) -> None:
        """Raises LoadError for a table whose name is longer than the database takes; dlt would shorten it silently."""
        table = self.prefix + max(streams, key=len)
        most = self._pipeline.destination.capabilities().max_identifier_length
        if len(table) > most:
            raise LoadError(
                f"The name {table} has {len(table)} letters, and this database takes {most}. Choose a project id with "
                f"{len(table) - most} letters less; in a fleet it is the name of the account's config."
            )

    def open(self) -> dict[str, str]:
        """Connects and locks the tables. Returns the states of the last completed package (JSON, by stream)."""
        try:
            if self._duckdb:
                self._duckdb.open()
            self._lock_tables()
            self._pipeline.sync_destination()
        except LoadError:
            raise
        except Exception as error:
            raise LoadError(f"The database cannot be opened: {reason_of(error)}") from None
        if self._name in self._pipeline.schemas:
            self._schema = self._pipeline.schemas[self._name]
        found = self._pipeline.state.get("sources", {}).get(self._name, {})
        self.loaded_personal_data = found.get("personal_data", "")
        self.refreshing = set(found.get("refreshing", ()))
        self.account = HeldAccount(*found["account"]) if "account" in found else None
        return dict(found.get("streams", {}))

    def check_tables(self, streams: Iterable[str]) -> None:
        """Raises LoadError if another project already owns one of our tables.

        `my_deal` + `contacts` and `my` + `deal_contacts` give the same name.
        """
        new = {self.prefix + stream for stream in streams} - self._schema.tables.keys()
        listed = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self.dataset}'"
        there = {str(table) for (table,) in self.query(listed)}
        if VERSION_TABLE_NAME not in there:
            return
        if STATES not in there:  # somebody dropped it: dlt makes it again for a schema that it does not know
            self.query(f"DELETE FROM {{versions}} WHERE schema_name = '{self._name}'", versions=VERSION_TABLE_NAME)
        projects = (
            f"SELECT DISTINCT schema_name FROM {{versions}} WHERE schema_name <> '{self._name}' ORDER BY schema_name"
        )
        for (other,) in self.query(projects, versions=VERSION_TABLE_NAME):
            if taken := sorted(table for table in new & there if table.startswith(f"{other}_")):
                raise LoadError(
                    f"The project {self._name.removeprefix('amocrm_')} would write to {', '.join(taken)}, which the "
                    f"project {other.removeprefix('amocrm_')} has filled. Give one of them another --project; in a "
                    "fleet it is the name of the account's config."
                )

    def mend(self, states: Mapping[str, str]) -> dict[str, str]:
        """Creates dropped tables and columns again. Returns the states of the streams whose tables were complete."""
        if not (damaged := self._damaged()):
            return dict(states)
        # their states are reset first: after a kill, a sync would resume from the state of an empty table
        self.load([], dict.fromkeys(damaged & {*states}, "{}"))
        try:
            with self._pipeline.destination_client(self._name) as client:
                client.update_stored_schema(force=True)
        except Exception as error:
            raise LoadError(f"The database cannot be written: {reason_of(error)}") from None
        return {stream: state for stream, state in states.items() if stream not in damaged}

    def _damaged(self) -> set[str]:
        """Returns the streams whose table, or one of its columns, has been dropped from the database."""
        present = set(
            self.query(
                f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{self.dataset}'"
            )
        )
        return {
            name.removeprefix(self.prefix)
            for name, table in self._schema.tables.items()
            if name.startswith(self.prefix) and any((name, column) not in present for column in table["columns"])
        }

    def _lock_tables(self) -> None:
        """Locks the tables on a PostgreSQL server.

        Raises LoadError if another sync, on any machine, holds the lock, or if this user may not create the tables.
        """
        if self._kind.file_format != "csv":
            return
        from amocrm_warehouse.sync.postgres_destination import TEMPORARY, lock_tables

        self._lock = self._pipeline.sql_client()
        if holder := lock_tables(self._lock, f"{self.dataset}.{self.prefix}"):
            raise LoadError(f"Another sync writes to these tables: {holder}. One writes at a time; wait for its end.")
        missing = [RIGHTS.format(schemas=self.dataset), TEMPORARY]
        try:
            check_rights([sql for query in missing for (sql,) in self._lock.execute_sql(query) if sql])
        except ValueError as error:
            raise LoadError(str(error)) from None

    def close(self) -> None:
        """Lets other syncs write to the tables."""
        if self._lock:
            self._lock.close_connection()
        if self._duckdb:
            self._duckdb.close()

    def has_table(self, stream: str) -> bool:
        return bool(self._schema.tables.get(self.prefix + stream, {}).get("columns"))

    def query(self, sql: str, **tables: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, in which {name} stands for the qualified name of a table."""
        try:
            with self._pipeline.sql_client() as client:
                names = {name: client.make_qualified_table_name(table) for name, table in tables.items()}
                return [tuple(row) for row in client.execute_sql(sql.format(**names)) or ()]
        except Exception as error:
            raise LoadError(f"The database cannot be read: {reason_of(error)}") from None

    def schema_of(self, table: str, schemas: Iterable[str]) -> str | None:
        """Returns one of the schemas that has the table; None if none has."""
        names = ", ".join(f"'{name}'" for name in schemas)
        found = self.query(
            "SELECT table_schema FROM information_schema.tables "
            f"WHERE table_name = '{table}' AND table_schema IN ({names})"
        )
        return str(found[0][0]) if found else None

    def load(self, rows: Iterable[TakenRows], states: Mapping[str, str], sync: EndedSync | None = None) -> None:
        """Loads one package: the rows of each table, and the states, which cover all rows loaded by then.

        `sync`: at the end of a sync, its row in the table of syncs, loaded after the package that it reports.
        """
        rows = list(rows)
        if rows or states or not sync:
            self._load([*map(self._resource, rows), self._states(states)], rows)
        if sync:
            self._load([self._states({}), self._syncs(sync)])
            self._forget_old_states()
        for taken in rows:
            taken.forget()

    def _load(self, resources: list[DltResource], rows: Sequence[TakenRows] = ()) -> None:
        source = DltSource(self._schema, self._name, resources)
        try:
            if self._lock:
                self._lock.execute_sql("SELECT 1")  # fails if the connection, and the lock with it, is gone
            with self._ready_for(rows):
                self._pipeline.extract(source, loader_file_format=self._kind.file_format)
                _give_back_memory()
                self._pipeline.normalize()
                info = self._pipeline.load()
                _give_back_memory()
                self._schema = self._pipeline.schemas[self._name]
                if info.load_packages:  # an unchanged state makes no package
                    self._comment(info.load_packages[-1].schema_update)
        except Exception as error:
            cause = cause_of(error)
            if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:  # in the packages' folder, not the database
                raise no_room(self._pipeline.pipelines_dir, cause) from None
            reason = reason_of(error).rstrip(".")
            if getattr(cause, "pgcode", None) == DISK_FULL or os.strerror(errno.ENOSPC) in reason:
                raise LoadError(
                    f"The disk of the database is full: {reason}. Make room on it and sync again. What the database "
                    "took before is kept; the next sync goes on from there."
                ) from None
            raise LoadError(
                f"The database did not take the rows: {reason}. What it took before is kept; the next sync goes on "
                "from there."
            ) from None

    @contextmanager
    def _ready_for(self, rows: Iterable[TakenRows]) -> Iterator[None]:
        """Lets DuckDB take the memory that the rows need.

        On PostgreSQL, lets one sync at a time load a first package, which may create what all accounts share.
        """
        if self._kind.file_format == "csv" and self._name not in self._pipeline.schemas:
            from amocrm_warehouse.sync.postgres_destination import one_sync_at_a_time

            with self._pipeline.sql_client() as client, one_sync_at_a_time(client, self.dataset):
                yield
        else:
            if self._duckdb:
                self._duckdb.make_room(rows)
            yield

    def _syncs(self, sync: EndedSync) -> DltResource:
        row = pa.table([[value] for value in sync], schema=SYNCS)
        columns = {"failures": {"data_type": "json"}, "tables": {"data_type": "json"}}
        return dlt.resource([row], name=f"{self.prefix}syncs", columns=columns, write_disposition="append")

    def _resource(self, rows: TakenRows) -> DltResource:
        table = rows.table
        return dlt.resource(
            self._parquet(rows) if self._kind.file_format == "parquet" else rows,
            name=self.prefix + table.stream,
            columns=table.hints,
            primary_key=table.key,
            write_disposition="replace" if table.whole else "merge",
        )

    def _parquet(self, rows: TakenRows) -> Iterator[Any]:
        path = Path(self._pipeline.pipelines_dir) / f"{rows.table.stream}.parquet"
        count = rows.write_parquet(path)
        yield dlt.mark.with_file_import(str(path), "parquet", count, rows.table.schema.empty_table())
        path.unlink()  # dlt has linked or copied the file

    def _comment(self, tables: Mapping[str, Any]) -> None:
        """Writes the descriptions of new columns into the database."""
        if not tables:
            return
        with self._pipeline.sql_client() as client:
            literal = client.capabilities.escape_literal
            comments = [
                f"COMMENT ON COLUMN {client.make_qualified_table_name(name)}.{client.escape_column_name(column)} "
                f"IS {literal(hints['description'])}"
                for name, table in tables.items()
                for column, hints in table["columns"].items()
                if hints.get("description")
            ]
            if comments:
                client.execute_sql(";\n".join(comments))

    def _forget_old_states(self) -> None:
        self.query(
            "DELETE FROM {states} WHERE pipeline_name = '" + self._name + "' AND version <= "
            "(SELECT max(version) FROM {states} WHERE pipeline_name = '" + self._name + f"') - {STATES_KEPT}",
            states=STATES,
        )

    def _states(self, states: Mapping[str, str]) -> DltResource:
        """Returns a resource without rows, because dlt keeps only states that are written within a resource."""

        def write() -> Iterator[Any]:
            state = dlt.current.source_state()
            state.setdefault("streams", {}).update(states)
            state["personal_data"] = self.personal_data
            state["refreshing"] = sorted(self.refreshing)
            if self.account:
                state["account"] = list(self.account)
            yield from ()

        return dlt.resource(write, name="states")


def _give_back_memory() -> None:
    """Gives freed memory back to the system. glibc by itself keeps free pages between two blocks in use."""
    pa.default_memory_pool().release_unused()


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
