"""The tables of one account in a database, brought forward by dlt's load packages.

A package holds rows, and the connector's states that cover them. dlt restores a state from completed packages alone,
so a sync that is killed goes on from the last one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from amocrm_warehouse.place import own_folder
from amocrm_warehouse.sync.destination import Kind, destination
from amocrm_warehouse.sync.rows import Waiting

# dlt reads these when it is imported: no telemetry, no settings of whatever folder a person is in, no lines of its own
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL", DLT_PROJECT_DIR=str(own_folder("dlt")),
    DLT_DATA_DIR=str(own_folder("dlt")),
)  # fmt: skip

import dlt
import pyarrow as pa
from dlt.common.schema import Schema
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

MERGE = {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True}
STATES_KEPT = 10
"""States that the table _dlt_pipeline_state keeps of an account; older ones are deleted."""
SYNCS = pa.schema(
    [
        pa.field("started_at", pa.timestamp("us", "UTC")),
        pa.field("ended_at", pa.timestamp("us", "UTC")),
        pa.field("ended_well", pa.bool_()),
        pa.field("rows", pa.int64()),
        pa.field("failures", pa.string()),
    ]
)
"""The table of syncs: one row for each that has ended."""


class Ended(NamedTuple):
    """A row of the table of syncs. `failures`: a JSON list of sentences."""

    started_at: datetime
    ended_at: datetime
    ended_well: bool
    rows: int
    failures: str


class LoadError(ValueError):
    """Says in a sentence why the database could not be read or written."""


class Loader:
    """Every method is called from one and the same thread. Raises LoadError.

    `personal_data`: a mark of how personal data is replaced in the rows to load; `filled_with`: of those loaded last.
    """

    def __init__(self, kind: Kind, address: str, *, project: str, dataset: str, folder: Path) -> None:
        """`folder`: for packages that are under way, empty and this loader's alone."""
        self.prefix = f"amocrm_{project}_"
        self.dataset = dataset
        self._kind = kind
        self._name = f"amocrm_{project}"
        self.personal_data = self.filled_with = ""
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
            raise LoadError(f"The database cannot be opened: {_reason(error)}") from None

    def check_names(self, streams: Iterable[str]) -> None:
        """Raises LoadError for a table whose name is longer than the database takes; dlt would shorten it unseen."""
        table = self.prefix + max(streams, key=len)
        most = self._pipeline.destination.capabilities().max_identifier_length
        if len(table) > most:
            raise LoadError(
                f"The name {table} has {len(table)} letters, and this database takes {most}. Choose a project id with "
                f"{len(table) - most} letters less; in a fleet it is the name of the account's config."
            )

    def open(self) -> dict[str, str]:
        """Connects and holds the tables. Returns the states of the last completed package, as JSON by stream."""
        try:
            self._hold()
            self._pipeline.sync_destination()
        except LoadError:
            raise
        except Exception as error:
            raise LoadError(f"The database cannot be opened: {_reason(error)}") from None
        if self._name in self._pipeline.schemas:
            self._schema = self._pipeline.schemas[self._name]
        found = self._pipeline.state.get("sources", {}).get(self._name, {})
        self.filled_with = found.get("personal_data", "")
        return dict(found.get("streams", {}))

    def _hold(self) -> None:
        """Raises LoadError when a sync on another machine writes to these tables of a server."""
        if self._kind.file_format != "csv":
            return
        from amocrm_warehouse.sync.postgres import hold

        self._lock = self._pipeline.sql_client()
        if holder := hold(self._lock, f"{self.dataset}.{self.prefix}"):
            raise LoadError(f"Another sync writes to these tables: {holder}. One writes at a time; wait for its end.")

    def close(self) -> None:
        """Lets other syncs write to the tables."""
        if self._lock:
            self._lock.close_connection()

    def holds(self, stream: str) -> bool:
        return bool(self._schema.tables.get(self.prefix + stream, {}).get("columns"))

    def query(self, sql: str, **tables: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, in which {name} stands for the qualified name of a table."""
        try:
            with self._pipeline.sql_client() as client:
                names = {name: client.make_qualified_table_name(table) for name, table in tables.items()}
                return [tuple(row) for row in client.execute_sql(sql.format(**names)) or ()]
        except Exception as error:
            raise LoadError(f"The database cannot be read: {_reason(error)}") from None

    def schema_of(self, table: str, schemas: tuple[str, ...]) -> str | None:
        """The first of the schemas that has such a table. None also in databases whose catalog is not known here."""
        if not self._kind.comments:
            return None
        listed = ", ".join(f"'{name}'" for name in schemas)
        found = self.query(
            "SELECT table_schema FROM information_schema.tables "
            f"WHERE table_name = '{table}' AND table_schema IN ({listed})"
        )
        return str(found[0][0]) if found else None

    def load(self, rows: Iterable[Waiting], states: Mapping[str, str], sync: Ended | None = None) -> None:
        """Loads one package: the rows of each table, then the states, all of which cover what is loaded by then.

        `sync`: for the last package, the row of the table of syncs.
        """
        rows = list(rows)
        resources = [
            *map(self._resource, rows),
            _states(states, self.personal_data),
            *([self._syncs(sync)] if sync else []),
        ]
        source = DltSource(self._schema, self._name, resources)
        try:
            with self._connected(rows):
                self._pipeline.extract(source, loader_file_format=self._kind.file_format)
                _give_back_memory()
                self._pipeline.normalize()
                info = self._pipeline.load()
                _give_back_memory()
                self._schema = self._pipeline.schemas[self._name]
                if self._kind.comments:
                    self._comment(info.load_packages[-1].schema_update)
                    if sync:
                        self._forget_old_states()
        except Exception as error:
            raise LoadError(f"The database did not take the rows: {_reason(error)}") from None
        for waiting in rows:
            waiting.forget()

    @contextmanager
    def _connected(self, rows: Iterable[Waiting]) -> Iterator[None]:
        """A file stays open, for each of dlt's dozen connections would open it and write it back.

        On a server, lets one sync at a time load its first package: that may make what all accounts share.
        """
        if self._kind.file_format == "csv" and self._name not in self._pipeline.schemas:
            from amocrm_warehouse.sync.postgres import alone

            with self._pipeline.sql_client() as client, alone(client, self.dataset):
                yield
        elif self._kind.file_format == "parquet":
            from amocrm_warehouse.sync.duckdb import duckdb

            if isinstance(file := self._pipeline.destination, duckdb):
                file.make_room(rows)
            with self._pipeline.sql_client():
                yield
        else:
            yield

    def _syncs(self, sync: Ended) -> DltResource:
        row = pa.table([[value] for value in sync], schema=SYNCS)
        columns = {"failures": {"data_type": "json"}}
        return dlt.resource([row], name=f"{self.prefix}syncs", columns=columns, write_disposition="append")

    def _resource(self, waiting: Waiting) -> DltResource:
        table = waiting.table
        tables = waiting if self._kind.nul else map(table.without_nul, waiting)
        return dlt.resource(
            tables,
            name=self.prefix + table.stream,
            columns=table.hints,
            primary_key=table.key,
            write_disposition="replace" if table.whole else MERGE,
        )

    def _comment(self, tables: Mapping[str, Any]) -> None:
        """Writes the descriptions of new columns into the database."""
        if not tables:
            return
        with self._pipeline.sql_client() as client:
            literal = client.capabilities.escape_literal
            comments = [
                f"COMMENT ON COLUMN {client.make_qualified_table_name(name)}.{client.escape_column_name(column)} "
                f"IS {literal(said['description'])}"
                for name, table in tables.items()
                for column, said in table["columns"].items()
                if said.get("description")
            ]
            if comments:
                client.execute_sql(";\n".join(comments))

    def _forget_old_states(self) -> None:
        with self._pipeline.sql_client() as client:
            states = client.make_qualified_table_name("_dlt_pipeline_state")
            client.execute_sql(
                f"DELETE FROM {states} WHERE pipeline_name = %s AND version <= "
                f"(SELECT max(version) FROM {states} WHERE pipeline_name = %s) - {STATES_KEPT}",
                self._name,
                self._name,
            )


def _states(states: Mapping[str, str], personal_data: str) -> DltResource:
    """A resource without rows: dlt keeps what is written to the source's state within a resource."""

    def write() -> Iterator[Any]:
        state = dlt.current.source_state()
        state.setdefault("streams", {}).update(states)
        state["personal_data"] = personal_data
        yield from ()

    return dlt.resource(write, name="states")


def _give_back_memory() -> None:
    """Gives what was freed back to the system. glibc by itself keeps pages between two blocks that are in use."""
    pa.default_memory_pool().release_unused()


def _reason(error: BaseException) -> str:
    """The first line of the error that began it."""
    if isinstance(error, PipelineStepFailed):
        error = error.exception
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    text = str(error).strip() or type(error).__name__
    with suppress(IndexError):
        text = text.splitlines()[0]
    return text
