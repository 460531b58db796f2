"""The tables of one account in a database, brought forward by dlt's load packages.

A package holds rows, and the connector's states that cover them. dlt restores a state from completed packages alone,
so a sync that is killed goes on from the last one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from amocrm_warehouse.place import own_folder
from amocrm_warehouse.sync.destination import Kind, destination
from amocrm_warehouse.sync.rows import LoadError, Waiting, no_room

# dlt reads these when it is imported: no telemetry, no settings of whatever folder a person is in, no lines of its own
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL", DLT_PROJECT_DIR=str(own_folder("dlt")),
    DLT_DATA_DIR=str(own_folder("dlt")),
)  # fmt: skip

import dlt
import pyarrow as pa
from dlt.common.schema import Schema
from dlt.common.schema.typing import VERSION_TABLE_NAME
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

MERGE = {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True}
DISK_FULL = "53100"
"""PostgreSQL's code of the error."""
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


class HeldAccount(NamedTuple):
    """Whose the tables are. `number`: None where no token has named it."""

    number: int | None
    subdomain: str


class Loader:
    """Every method is called from one and the same thread. Raises LoadError.

    `personal_data`: a mark of how personal data is replaced in the rows to load; `filled_with`: of those loaded last.
    `account`: the one that the tables hold; None for new tables.
    """

    def __init__(self, kind: Kind, address: str, *, project: str, dataset: str, folder: Path) -> None:
        """`folder`: for packages that are under way, empty and this loader's alone."""
        self.prefix = f"amocrm_{project}_"
        self.dataset = dataset
        self._kind = kind
        self._name = f"amocrm_{project}"
        self.personal_data = self.filled_with = ""
        self.account: HeldAccount | None = None
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
        self.account = HeldAccount(*found["account"]) if "account" in found else None
        return dict(found.get("streams", {}))

    def check_tables(self, streams: Iterable[str]) -> None:
        """Raises LoadError for a table of another project: the contacts of my_deal are the deal_contacts of my."""
        if not self._kind.comments:
            return
        new = {self.prefix + stream for stream in streams} - self._schema.tables.keys()
        listed = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self.dataset}'"
        there = {str(table) for (table,) in self.query(listed)}
        if not new & there or VERSION_TABLE_NAME not in there:
            return
        projects = "SELECT DISTINCT schema_name FROM {versions} ORDER BY schema_name"
        for (other,) in self.query(projects, versions=VERSION_TABLE_NAME):
            if taken := sorted(table for table in new & there if table.startswith(f"{other}_")):
                raise LoadError(
                    f"The project {self._name.removeprefix('amocrm_')} would write to {', '.join(taken)}, which the "
                    f"project {other.removeprefix('amocrm_')} has filled. Give one of them another --project; in a "
                    "fleet it is the name of the account's config."
                )

    def mend(self, states: Mapping[str, str]) -> dict[str, str]:
        """Makes tables that somebody dropped, and columns, again. Returns the states of all other streams."""
        if not (lost := self._lost()):
            return dict(states)
        # first in the database: a sync that is killed would go on from the state of an empty table
        self.load([], dict.fromkeys(lost & {*states}, "{}"))
        try:
            with self._pipeline.destination_client(self._name) as client:
                client.update_stored_schema(force=True)
        except Exception as error:
            raise LoadError(f"The database cannot be written: {_reason(error)}") from None
        return {stream: state for stream, state in states.items() if stream not in lost}

    def _lost(self) -> set[str]:
        """The streams whose tables, or columns of them, are not there any more."""
        if not self._kind.comments:
            return set()
        there = set(
            self.query(
                f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{self.dataset}'"
            )
        )
        return {
            name.removeprefix(self.prefix)
            for name, table in self._schema.tables.items()
            if name.startswith(self.prefix) and any((name, column) not in there for column in table["columns"])
        }

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

    def schema_of(self, table: str, schemas: Iterable[str]) -> str | None:
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

        `sync`: at the end of a sync, the row of the table of syncs. It is loaded after them, for it says that they are.
        """
        rows = list(rows)
        if rows or states:
            self._load([*map(self._resource, rows), self._states(states)], rows)
        if sync:
            self._load([self._states({}), self._syncs(sync)])
            self._forget_old_states()
        for waiting in rows:
            waiting.forget()

    def _load(self, resources: list[DltResource], rows: Sequence[Waiting] = ()) -> None:
        source = DltSource(self._schema, self._name, resources)
        try:
            if self._lock:
                self._lock.execute_sql("SELECT 1")  # the tables are held no longer than its connection
            with self._connected(rows):
                self._pipeline.extract(source, loader_file_format=self._kind.file_format)
                _give_back_memory()
                self._pipeline.normalize()
                info = self._pipeline.load()
                _give_back_memory()
                self._schema = self._pipeline.schemas[self._name]
                if self._kind.comments and info.load_packages:  # a state that is there already makes none
                    self._comment(info.load_packages[-1].schema_update)
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:  # of a load package, not of the database
                raise no_room(self._pipeline.pipelines_dir, cause) from None
            reason = _reason(error).rstrip(".")
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
        return dlt.resource(
            waiting,
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
        if self._kind.comments:
            self.query(
                "DELETE FROM {states} WHERE pipeline_name = '" + self._name + "' AND version <= "
                "(SELECT max(version) FROM {states} WHERE pipeline_name = '" + self._name + f"') - {STATES_KEPT}",
                states="_dlt_pipeline_state",
            )

    def _states(self, states: Mapping[str, str]) -> DltResource:
        """A resource without rows: dlt keeps what is written to the source's state within a resource."""

        def write() -> Iterator[Any]:
            state = dlt.current.source_state()
            state.setdefault("streams", {}).update(states)
            state["personal_data"] = self.personal_data
            if self.account:
                state["account"] = list(self.account)
            yield from ()

        return dlt.resource(write, name="states")


def _give_back_memory() -> None:
    """Gives what was freed back to the system. glibc by itself keeps pages between two blocks that are in use."""
    pa.default_memory_pool().release_unused()


def _cause(error: BaseException) -> BaseException:
    """The error that began it."""
    if isinstance(error, PipelineStepFailed):
        error = error.exception
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error


def _reason(error: BaseException) -> str:
    """The first line of the error that began it."""
    error = _cause(error)
    text = str(error).strip() or type(error).__name__
    with suppress(IndexError):
        text = text.splitlines()[0]
    return text
