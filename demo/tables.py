"""PyAirbyte's caches with Airbyte's own rules about what ends up in a table.

PyAirbyte 0.71 writes everything at the very end, merges a batch whose rows repeat a key in no order at all, keeps
dictionary entries that are gone, and lets pandas guess Postgres values from column names. Here:

- rows are written whenever the connector's state covers them, so a killed read goes on where it was;
- of rows with one key the one with the newest cursor stays, the last to arrive among equals;
- a table without a cursor holds what the last read saw;
- the database itself turns JSON into typed values;
- of the tables and states of other accounts in the same database nothing is read: a fleet has thousands.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from airbyte._processors.sql.duckdb import DuckDBSqlProcessor
from airbyte._processors.sql.postgres import PostgresSqlProcessor
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches._catalog_backend import CachedStream
from airbyte.caches._state_backend import CacheStreamStateModel
from airbyte.strategies import WriteMethod
from pydantic import PrivateAttr
from sqlalchemy import Column, Engine, MetaData, Table, event, inspect, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from amocrm_warehouse.address import location

ROWS_PER_COMMIT = 20_000
OF_PYAIRBYTE = 3
"""Tables of its own that PyAirbyte makes in a database."""
ARRIVAL = "_airbyte_extracted_at DESC, _airbyte_raw_id DESC"


class _Processor:
    """Mixed into PyAirbyte's processors; `self` is a SqlProcessorBase."""

    def process_airbyte_messages(
        self: Any, messages: Iterable[Any], *, write_strategy: Any, progress_tracker: Any
    ) -> None:
        def commit(stream: str) -> None:
            self.write_stream_data(stream, write_strategy=write_strategy, progress_tracker=progress_tracker)

        super().process_airbyte_messages(  # type: ignore[misc]
            self._committed(messages, commit), write_strategy=write_strategy, progress_tracker=progress_tracker
        )

    def _committed(self: Any, messages: Iterable[Any], commit: Callable[[str], None]) -> Iterator[Any]:
        """The messages as they are, each written after PyAirbyte has taken it in and a state covers it."""
        waiting: Counter[str] = Counter()  # rows not yet written
        covered: set[str] = set()  # streams of which a state has come
        filled: set[str] = set()  # streams of which a row has come
        try:
            for message in messages:
                yield message
                if message.record:
                    waiting[message.record.stream] += 1
                    filled.add(message.record.stream)
                elif message.state and message.state.stream:
                    stream = message.state.stream.stream_descriptor.name
                    covered.add(stream)
                    if waiting[stream] >= ROWS_PER_COMMIT and self._cursor(stream):
                        commit(stream)
                        waiting[stream] = 0
                elif stream := _completed(message):
                    commit(stream)
                    waiting[stream] = 0
                    if stream not in filled and not self._cursor(stream):
                        self._execute_sql(f"DELETE FROM {self._fully_qualified(self.get_sql_table_name(stream))}")
                if self.sql_config._seen:
                    self.sql_config._seen(message)
        except (Exception, KeyboardInterrupt):
            for stream in covered:
                if waiting[stream] and self._cursor(stream):
                    commit(stream)
            raise

    def _get_temp_table_name(self: Any, stream_name: str, batch_id: str | None = None) -> str:
        name: str = super()._get_temp_table_name(  # type: ignore[misc]
            f"{half_filled(self.sql_config.table_prefix)}{stream_name}", batch_id
        )
        return name

    def _table_exists(self: Any, table_name: str) -> bool:
        return table_name in self._cached_table_definitions or bool(
            inspect(self.get_sql_engine()).has_table(table_name, schema=self.sql_config.schema_name)
        )

    def _get_table_by_name(
        self: Any,
        table_name: str,
        *,
        force_refresh: bool = False,
        shallow_okay: bool = False,  # noqa: ARG002
    ) -> Table:
        """Its columns alone: most of what PyAirbyte asks the database for is about keys and indexes."""
        known, schema = self._cached_table_definitions, self.sql_config.schema_name
        if force_refresh or table_name not in known:
            found = inspect(self.get_sql_engine()).get_columns(table_name, schema=schema)
            known[table_name] = Table(table_name, MetaData(schema=schema), *(Column(one["name"]) for one in found))
        return known[table_name]

    def _cursor(self: Any, stream: str) -> str | None:
        field = self.catalog_provider.get_cursor_key(stream)
        return self._quote_identifier(self.normalizer.normalize(field[0])) if field else None

    def _write_temp_table_to_final_table(
        self: Any, stream_name: str, temp_table_name: str, final_table_name: str, write_method: Any
    ) -> None:
        if write_method != WriteMethod.MERGE:
            raise NotImplementedError("every table of this source has a key")
        self._ensure_compatible_table_schema(stream_name=stream_name, table_name=final_table_name)
        arrived, table = self._fully_qualified(temp_table_name), self._fully_qualified(final_table_name)
        key = [self._quote_identifier(column) for column in self.catalog_provider.get_primary_keys(stream_name)]
        columns = ", ".join(self._quote_identifier(column) for column in self._get_sql_column_definitions(stream_name))
        with self.get_sql_connection() as connection:
            for statement in newest(arrived, table, key, self._cursor(stream_name)):
                connection.execute(text(statement))
            connection.execute(text(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {arrived}"))


def _completed(message: Any) -> str | None:
    status = message.trace.stream_status if message.trace else None
    return status.stream_descriptor.name if status and status.status.value == "COMPLETE" else None


def newest(arrived: str, table: str, key: list[str], cursor: str | None) -> list[str]:
    """SQL that leaves in `arrived` the rows that are to stand in `table`, and makes room for them there."""
    same = " AND ".join(f"old.{column} = new.{column}" for column in key)
    order = f"{cursor} DESC NULLS LAST, {ARRIVAL}" if cursor else ARRIVAL
    repeated = (
        f"DELETE FROM {arrived} WHERE _airbyte_raw_id IN (SELECT _airbyte_raw_id FROM (SELECT _airbyte_raw_id, "
        f"row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY {order}) AS place "
        f"FROM {arrived}) AS ranked WHERE place > 1)"
    )
    if cursor is None:
        return [repeated, f"DELETE FROM {table}"]
    return [
        repeated,
        f"DELETE FROM {arrived} AS new WHERE EXISTS "
        f"(SELECT 1 FROM {table} AS old WHERE {same} AND old.{cursor} > new.{cursor})",
        f"DELETE FROM {table} AS old USING {arrived} AS new WHERE {same}",
    ]


def half_filled(prefix: str) -> str:
    """How the names of tables begin that rows are loaded into first, those of no other account."""
    return f"loading_{hashlib.sha256(prefix.encode()).hexdigest()[:8]}_"


def _own(asked: ORMExecuteState) -> None:
    """Of what PyAirbyte remembers of tables and states, the database is asked for this account's alone."""
    prefix = asked.session.get_bind().get_execution_options().get("amocrm_prefix")
    if asked.is_select and prefix:
        for kept in (CachedStream, CacheStreamStateModel):
            own = with_loader_criteria(kept, kept.table_name.startswith(prefix, autoescape=True))
            asked.statement = asked.statement.options(own)


event.listen(Session, "do_orm_execute", _own)


class _DuckDBProcessor(_Processor, DuckDBSqlProcessor):  # type: ignore[misc]
    pass


class _PostgresProcessor(_Processor, PostgresSqlProcessor):  # type: ignore[misc]
    LINES = 2_000  # of JSON in one statement
    # a text of Postgres cannot hold U+0000; an even number of backslashes before it are themselves escaped
    NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

    def _write_files_to_new_table(self, files: list[Path], stream_name: str, batch_id: str) -> str:
        name: str = self._create_table_for_loading(stream_name, batch_id)
        table = self._fully_qualified(name)
        columns = ", ".join(self._quote_identifier(column) for column in self._get_sql_column_definitions(stream_name))
        statement = text(
            f"INSERT INTO {table} ({columns}) "
            f"SELECT {columns} FROM json_populate_recordset(NULL::{table}, CAST(:rows AS json))"
        )
        with self.get_sql_connection() as connection:
            for path in files:
                with gzip.open(path, "rt", encoding="utf-8") as lines:
                    while part := list(islice(lines, self.LINES)):
                        rows = self.NUL.sub(r"\1", f"[{','.join(part)}]")
                        connection.execute(statement, {"rows": rows})
        return name


class _Tables:
    """Mixed into PyAirbyte's caches; `self` is a CacheBase."""

    _seen: Callable[[Any], None] | None = PrivateAttr(
        default=None
    )  # told of every message once what it completes is written

    def drop_leftovers(self: Any) -> None:
        """The half-filled tables of a read of this account that was killed while it wrote."""
        self._drop(lambda name: name.startswith(half_filled(self.table_prefix)))

    def get_sql_engine(self: Any) -> Engine:
        made: bool = self._engine is not None
        engine: Engine = super().get_sql_engine()  # type: ignore[misc]
        if not made:
            engine.update_execution_options(amocrm_prefix=self.table_prefix)
        return engine

    def forget(self: Any) -> None:
        """Every table with the prefix, and the states that go with them."""
        self._drop(lambda name: name.startswith(self.table_prefix))
        if "_airbyte_state" in self.processor._get_tables_list():
            self.execute_sql(f"DELETE FROM _airbyte_state WHERE starts_with(table_name, '{self.table_prefix}')")

    def _drop(self: Any, chosen: Callable[[str], bool]) -> None:
        for name in filter(chosen, self.processor._get_tables_list()):
            self.processor._drop_temp_table(name)


class DuckDB(_Tables, DuckDBCache):  # type: ignore[misc]
    _sql_processor_class = _DuckDBProcessor


class Postgres(_Tables, PostgresCache):  # type: ignore[misc]
    _sql_processor_class = _PostgresProcessor


def open_database(database: str, project: str, files: Path) -> DuckDB | Postgres:
    """Raises ValueError when the project or the database cannot be used."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,40}", project):
        raise ValueError("The project id goes into the tables' names: letters, digits and _ only, 40 at most.")
    common = {"table_prefix": f"amocrm_{project.lower()}_", "cache_dir": files, "cleanup": True}
    place = location(database)
    try:
        if isinstance(place, Path):
            return DuckDB(db_path=place, schema_name="main", **common)
        return _made_beside_others(
            host=place.hostname or "localhost",
            port=place.port or 5432,
            username=unquote(place.username or "postgres"),
            password=unquote(place.password or "") or os.environ.get("PGPASSWORD", ""),
            database=place.path.strip("/") or "postgres",
            schema_name="public",
            **common,
        )
    except Exception as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ValueError(f"The database cannot be opened: {reason}") from None


def _made_beside_others(**settings: Any) -> Postgres:
    """With the tables in which PyAirbyte remembers streams and states.

    First syncs of several accounts may make these at the same moment: the server lets one of them and refuses the
    others, who find them there when they try again.
    """
    for _ in range(OF_PYAIRBYTE):
        with suppress(IntegrityError, ProgrammingError):
            made = Postgres(**settings)
            made._state_backend._ensure_internal_tables()
            return made
    return Postgres(**settings)
