"""The tables of one account as a database holds them, DuckDB or PostgreSQL, written by `sync` or by Airbyte."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from amocrm_warehouse.database import parsed_json, reading
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.table_names import table_name

Key = tuple[Any, ...]
Row = dict[str, Any]
FORGOTTEN = "forgotten"
"""The table of what is forgotten."""
ROWS_AT_ONCE = 20_000
"""Rows that one statement returns of a table that is read whole."""


class Span(NamedTuple):
    """All IDs from `first` to `last`; without `last`, all from `first` on."""

    first: int
    last: int | None


@contextmanager
def held_tables(database: str, project: str, dataset: str) -> Iterator[HeldTables]:
    """Yields the tables `amocrm_<project>_<stream>` of the schema `dataset`, on one connection.

    Nobody else writes into a DuckDB file meanwhile. In PostgreSQL no lock outlives a statement: a look takes minutes.
    """
    with reading(database, read_only=True) as run:

        def query(sql: str, **values: Any) -> list[tuple[Any, ...]]:
            rows = run(sql, **values)[1]
            if not is_file(database):
                run("COMMIT")
            return rows

        yield HeldTables(query, project, dataset)


class HeldTables:
    """Reads tables as they are at each call. `columns`: the columns of each table, by stream, read once."""

    def __init__(self, query: Callable[..., list[tuple[Any, ...]]], project: str, dataset: str) -> None:
        self.prefix, self._query = table_name(project), query
        [[catalog]] = query("SELECT current_database()")  # a DuckDB file may have the name of the schema
        self._path = f'"{catalog}"."{dataset}"."{self.prefix}'
        self.columns: dict[str, set[str]] = {}
        listed = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $dataset"
        for table, column in query(listed, dataset=dataset):
            if table.startswith(self.prefix):
                self.columns.setdefault(table.removeprefix(self.prefix), set()).add(column)

    def _table(self, stream: str) -> str:
        return f'{self._path}{stream}"'

    @property
    def of_airbyte(self) -> bool:
        """Whether Airbyte wrote the tables: our own loading has no column for its complaints."""
        return "_airbyte_meta" in self.columns.get("account", ())

    def synced_at(self) -> datetime | None:
        """Returns when the last sync began, or when Airbyte read the account; None if no sync has ended."""
        table, column = ("account", "_airbyte_extracted_at") if self.of_airbyte else ("syncs", "started_at")
        if column not in self.columns.get(table, ()):
            return None
        [[at]] = self._query(f"SELECT max({column}) FROM {self._table(table)}")
        return None if at is None else at.astimezone(timezone.utc)

    def gone(self) -> list[str]:
        """Returns the streams of which a sync has brought rows, and whose table is not there."""
        if "tables" not in self.columns.get("syncs", ()):
            return []
        synced = [parsed_json(tables) or {} for (tables,) in self._query(f"SELECT tables FROM {self._table('syncs')}")]
        return sorted({name for tables in synced for name, rows in tables.items() if rows} - self.columns.keys())

    def live(self, stream: str, key: str, condition: str) -> Iterator[tuple[int, int]]:
        """Yields the ID and the date (Unix seconds) of each row that is not deleted, in the order of IDs."""
        after, live = -(2**63), self._live(stream)
        while True:
            rows = self._query(
                f"SELECT {key}, {_second('updated_at')} FROM {self._table(stream)} "
                f"WHERE {key} > {after} AND {live} AND {condition} ORDER BY 1 LIMIT {ROWS_AT_ONCE}"
            )
            yield from ((int(entity_id), int(second or 0)) for entity_id, second in rows)
            if len(rows) < ROWS_AT_ONCE:
                return
            after = int(rows[-1][0])

    def _live(self, stream: str) -> str:
        return "NOT coalesce(is_deleted, false)" if "is_deleted" in self.columns[stream] else "true"

    def rows(self, stream: str, kinds: Mapping[str, str], condition: str = "true", **values: Any) -> list[Row]:
        """Returns the rows that meet a condition, with the columns of `kinds` that the table has."""
        names = [name for name in kinds if name in self.columns[stream]]
        listed = ", ".join(f'"{name}"' for name in names)
        found = self._query(f"SELECT {listed} FROM {self._table(stream)} WHERE {condition}", **values)
        return [{name: normal(kinds[name], value) for name, value in zip(names, row, strict=True)} for row in found]

    def rows_with(
        self, stream: str, kinds: Mapping[str, str], column: str, keys: Span | Collection[int], also: str = "true"
    ) -> list[Row]:
        """Returns the rows whose `column` holds one of the keys, and which meet the condition `also`."""
        if isinstance(keys, Span):
            most = "" if keys.last is None else f" AND {column} <= {keys.last}"
            return self.rows(stream, kinds, f"{column} >= {keys.first}{most} AND {also}")
        return self.rows(stream, kinds, f"{column} = ANY($ids) AND {also}", ids=[*keys]) if keys else []

    def forgotten(self, stream: str, keys: Collection[Key]) -> set[Key]:
        """Returns the keys of the rows of which `source-amocrm forget` has emptied columns."""
        if not keys or FORGOTTEN not in self.columns:
            return set()
        from amocrm_warehouse.sync.forgotten_cards import conditions, key_of  # which loads pyarrow

        found = conditions(stream, self.columns[stream], self._table(FORGOTTEN)).values()
        hidden, own = " OR ".join(sorted({*found})) or "false", key_of(stream)
        texts = {"/".join(map(str, key)): key for key in keys}
        statement = f"SELECT {own} FROM {self._table(stream)} WHERE {own} = ANY($keys) AND ({hidden})"
        return {texts[text] for (text,) in self._query(statement, keys=[*texts])}

    def count(self, stream: str) -> int:
        return int(self._query(f"SELECT count(*) FROM {self._table(stream)} WHERE {self._live(stream)}")[0][0])

    def every(self, count: int, stream: str, cursor: str) -> list[int]:
        """Returns the date (Unix seconds, oldest first, each once) of one row in `count`, in the order of dates."""
        numbered = f"SELECT {cursor}, row_number() OVER (ORDER BY {cursor}) AS number FROM {self._table(stream)}"
        sql = f"SELECT DISTINCT {_second(cursor)} FROM ({numbered}) AS numbered WHERE number % {count} = 0 ORDER BY 1"
        return [second for (second,) in self._query(sql) if second is not None]

    def deleted(self, entity: str, ids: Collection[int]) -> set[int]:
        """Returns the entities of which the table of deletions says that they were deleted, and did not come back."""
        if "deleted_entities" not in self.columns:
            return set()
        rows = self._query(
            f"SELECT entity_id FROM {self._table('deleted_entities')} WHERE entity_type = '{entity}' AND entity_id = "
            "ANY($ids) GROUP BY 1 HAVING max(deleted_at) > coalesce(max(restored_at), to_timestamp(0))",
            ids=[*ids],
        )
        return {int(found) for (found,) in rows}

    def listed(self, entity_type: str, ids: Collection[int]) -> set[int]:
        """Returns the cards that the table of live IDs has."""
        if "live_entities" not in self.columns:
            return set()
        kinds, also = {"entity_id": "integer"}, f"entity_type = '{entity_type}'"
        return {row["entity_id"] for row in self.rows_with("live_entities", kinds, "entity_id", ids, also)}


def window(cursor: str, begins: int, ends: int) -> str:
    """Returns the condition in SQL for rows of these seconds, both included."""
    return f"{cursor} >= to_timestamp({begins}) AND {cursor} < to_timestamp({ends + 1})"


def _second(column: str) -> str:
    return f"CAST(floor(extract(epoch FROM {column})) AS BIGINT)"


def normal(kind: str, value: Any) -> Any:
    """Returns a value in one form, whether a row function or a database gives it. `kind`: as of `column_kind`."""
    if value is None:
        return None
    if kind == "json":
        return parsed_json(value)
    if kind == "time":
        found = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
        return found.astimezone(timezone.utc)
    if kind == "number":
        return Decimal(repr(value) if isinstance(value, float) else str(value)).normalize()
    return value
