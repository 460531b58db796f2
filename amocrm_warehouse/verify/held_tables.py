"""The tables of one account as a database holds them, DuckDB or PostgreSQL, written by `sync` or by Airbyte."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from amocrm_warehouse.database import Run, reading
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.table_names import table_name

Key = tuple[Any, ...]
Row = dict[str, Any]
ROWS_AT_ONCE = 20_000
"""Rows that one statement returns of a table that is read whole."""
KEYS_AT_ONCE = 1_000
"""Keys in the condition of one statement."""
AIRBYTE_START = 60
"""Seconds by which a sync of Airbyte may have begun before it read the account's row."""


class Span(NamedTuple):
    """All IDs from `first` to `last`; without `last`, all from `first` on."""

    first: int
    last: int | None


class HeldTables:
    """Reads the tables `amocrm_<project>_<stream>` of the schema `dataset`, as they are at each call.

    `columns`: the columns of each table, by stream. They and the table of syncs are read once.
    """

    def __init__(self, database: str, project: str, dataset: str) -> None:
        self.prefix = table_name(project)
        self._database = database
        self._dataset = dataset
        self._run: Run | None = None
        self.columns: dict[str, set[str]] = {}
        listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $dataset"
        for table, column in self._query(listed, dataset=dataset):
            if table.startswith(self.prefix):
                self.columns.setdefault(table.removeprefix(self.prefix), set()).add(column)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """In the block, keeps a DuckDB file open: opening it reads its catalog, and nobody else writes meanwhile."""
        with self.at_one_moment() if is_file(self._database) else nullcontext():
            yield

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """In the block, all calls see the tables as they are at its beginning."""
        if self._run:
            yield
            return
        with reading(self._database, read_only=True) as self._run:
            try:
                yield
            finally:
                self._run = None

    def _query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        if self._run:
            return self._run(sql, **values)[1]
        with reading(self._database, read_only=True) as run:
            return run(sql, **values)[1]

    def _table(self, stream: str) -> str:
        return f'"{self._catalog}"."{self._dataset}"."{self.prefix}{stream}"'

    @cached_property
    def _catalog(self) -> str:
        """The database's name: a DuckDB file may have the name of the schema."""
        return str(self._query("SELECT current_database()")[0][0])

    def syncs_began(self) -> dict[str, int]:
        """Returns, by stream, when the last sync that read it to its end began (Unix seconds, that machine's clock).

        Airbyte keeps no such table: the row of `account`, the first that a sync reads, tells it of all streams. A sync
        that has not ended has no row in its table of syncs.
        """
        if self._syncs:
            return {stream: at for at, tables in self._syncs for stream in tables if stream in self.columns}
        if "_airbyte_extracted_at" not in self.columns.get("account", ()) or self._are_of_a_sync:
            return {}
        [[at]] = self._query(f"SELECT {_second('max(_airbyte_extracted_at)')} FROM {self._table('account')}")
        return {} if at is None else dict.fromkeys(self.columns, int(at) - AIRBYTE_START)

    @property
    def _are_of_a_sync(self) -> bool:
        """Whether `source-amocrm sync` has loaded the tables."""
        listed = "SELECT 1 FROM information_schema.columns WHERE table_schema = $dataset AND table_name = '_dlt_loads'"
        if not self._query(f"{listed} AND column_name = 'schema_name'", dataset=self._dataset):
            return False
        loads = f'"{self._catalog}"."{self._dataset}"._dlt_loads'
        return bool(self._query(f"SELECT 1 FROM {loads} WHERE schema_name = $name LIMIT 1", name=self.prefix[:-1]))

    def gone(self) -> list[str]:
        """Returns the streams of which a sync has brought rows, and whose table is not there."""
        brought = {stream for _, tables in self._syncs for stream, rows in tables.items() if rows}
        return sorted(brought - self.columns.keys())

    @cached_property
    def _syncs(self) -> list[tuple[int, dict[str, int]]]:
        """Returns when each sync began (Unix seconds), and its rows by stream; none if Airbyte wrote the tables."""
        if "tables" not in self.columns.get("syncs", ()):
            return []
        rows = self._query(f"SELECT {_second('started_at')}, tables FROM {self._table('syncs')} ORDER BY started_at")
        return [(int(at), _parsed(tables) or {}) for at, tables in rows]

    def dated(self, stream: str, key: str, cursor: str) -> Iterator[tuple[int, int, bool]]:
        """Yields the ID, the date (Unix seconds) and whether it is deleted of each row, in the order of IDs."""
        after = -(2**63)
        while True:
            rows = self._query(
                f"SELECT {key}, {_second(cursor)}, coalesce(is_deleted, false) FROM {self._table(stream)} "
                f"WHERE {key} > {after} ORDER BY 1 LIMIT {ROWS_AT_ONCE}"
            )
            for entity_id, second, deleted in rows:
                yield int(entity_id), int(second or 0), bool(deleted)
            if len(rows) < ROWS_AT_ONCE:
                return
            after = int(rows[-1][0])

    def rows(self, stream: str, kinds: Mapping[str, str], condition: str = "true") -> list[Row]:
        """Returns the rows that meet a condition, with the columns of `kinds` that the table has."""
        names = [name for name in kinds if name in self.columns[stream]]
        listed = ", ".join(f'"{name}"' for name in names)
        found = self._query(f"SELECT {listed} FROM {self._table(stream)} WHERE {condition}")
        return [{name: normal(kinds[name], value) for name, value in zip(names, row, strict=True)} for row in found]

    def rows_with(
        self, stream: str, kinds: Mapping[str, str], column: str, keys: Span | Collection[int | str], also: str = "true"
    ) -> list[Row]:
        """Returns the rows whose `column` holds one of the keys, and which meet the condition `also`."""
        if isinstance(keys, Span):
            most = "" if keys.last is None else f" AND {column} <= {keys.last}"
            return self.rows(stream, kinds, f"{column} >= {keys.first}{most} AND {also}")
        wanted, rows = sorted(keys), list[Row]()
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            some = ", ".join(map(_literal, wanted[start : start + KEYS_AT_ONCE]))
            rows += self.rows(stream, kinds, f"{column} IN ({some}) AND {also}")
        return rows

    def count(self, stream: str, condition: str = "true") -> int:
        live = "NOT coalesce(is_deleted, false)" if "is_deleted" in self.columns[stream] else "true"
        return int(self._query(f"SELECT count(*) FROM {self._table(stream)} WHERE {live} AND {condition}")[0][0])

    def ids_at_random(self, stream: str, column: str, count: int, condition: str) -> list[int]:
        statement = f"SELECT {column} FROM {self._table(stream)} WHERE {condition} ORDER BY random() LIMIT {count}"
        return [int(found) for (found,) in self._query(statement)]

    def oldest(self, stream: str, cursor: str) -> int | None:
        """Returns the date of the oldest row (Unix seconds)."""
        return _optional(self._query(f"SELECT {_second(f'min({cursor})')} FROM {self._table(stream)}"))

    def at_random(self, stream: str, cursor: str) -> int | None:
        """Returns the date of a row drawn at random (Unix seconds)."""
        return _optional(self._query(f"SELECT {_second(cursor)} FROM {self._table(stream)} ORDER BY random() LIMIT 1"))

    def after(self, stream: str, cursor: str, second: int, rows: int) -> int | None:
        """Returns the date of the last of the next `rows` rows from `second` on (Unix seconds); None without rows."""
        following = (
            f"SELECT {cursor} AS moment FROM {self._table(stream)} WHERE {cursor} >= {moment(second)} "
            f"ORDER BY {cursor} LIMIT {rows}"
        )
        return _optional(self._query(f"SELECT {_second('max(moment)')} FROM ({following}) AS following"))


def moment(second: int) -> str:
    return f"to_timestamp({second})"


def _second(column: str) -> str:
    return f"CAST(floor(extract(epoch FROM {column})) AS BIGINT)"


def _optional(rows: list[tuple[Any, ...]]) -> int | None:
    return int(rows[0][0]) if rows and rows[0][0] is not None else None


def _literal(key: int | str) -> str:
    return str(key) if isinstance(key, int) else "'" + key.replace("'", "''") + "'"


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def normal(kind: str, value: Any) -> Any:
    """Returns a value in one form, whether a row function or a database gives it. `kind`: as of `column_kind`."""
    if value is None:
        return None
    if kind == "json":
        return _parsed(value)
    if kind == "time":
        found = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
        return found.astimezone(timezone.utc)
    if kind == "number":
        return Decimal(repr(value) if isinstance(value, float) else str(value)).normalize()
    return value
