"""`python -m benchmarks.bare CONFIG [DATABASE]`: the floor of `read` or `sync`, a bare script for the fifteen tables.

It requests each list page by page with urllib3, parses with orjson, makes a dict of each row and prints it as JSON.
With a DATABASE it inserts the rows into that DuckDB file instead, by Arrow tables; objects and arrays as JSON.
Nothing is deduplicated, resumed, converted, retried or guarded.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

SCHEMAS = Path(__file__).resolve().parent.parent / "source_amocrm" / "schemas"
CARDS = ("leads", "contacts", "companies", "customers")
WITH = "contacts,loss_reason,is_price_modified_by_robot,catalog_elements,source,source_id"
LISTS: list[tuple[str, str, int, tuple[str, ...]]] = [
    ("leads", "leads", 250, ("deals", "custom_fields_deals")),
    ("contacts", "contacts", 250, ("contacts",)),
    ("companies", "companies", 250, ("companies",)),
    ("tasks", "tasks", 250, ("tasks",)),
    *((f"{card}/notes", "notes", 250, ("notes",)) for card in CARDS),
    ("events", "events", 100, ("events", "deal_statuses")),
    ("leads/pipelines", "pipelines", 250, ("statuses",)),
    ("users", "users", 250, ("users",)),
    *((f"{card}/custom_fields", "custom_fields", 250, ("custom_fields",)) for card in CARDS),
]
"""Each list's path, the key of its records, the rows of its page, and the tables that are made of it."""
AT_ONCE = 10_000  # rows of an Arrow table


def columns(table: str) -> dict[str, str]:
    """Returns the field of a record by the column that holds it."""
    declared = json.loads((SCHEMAS / f"{table}.json").read_text(encoding="utf-8"))["properties"]
    named = {name: column.get("x-field", name) for name, column in declared.items()}
    return {name: field if isinstance(field, str) else name for name, field in named.items()}


def records(http: urllib3.PoolManager, url: str, path: str, collection: str, limit: int) -> Iterator[dict[str, Any]]:
    page, more = 1, True
    while more:
        query = urlencode({"limit": limit, "page": page, "with": WITH})
        answer = http.request("GET", f"{url}/api/v4/{path}?{query}")
        body = orjson.loads(answer.data) if answer.status == 200 else {"_embedded": {collection: []}}
        yield from body["_embedded"][collection]
        page, more = page + 1, "next" in body.get("_links", ())


def rows(table: str, record: dict[str, Any], fields: dict[str, str]) -> Iterable[dict[str, Any]]:
    if table == "custom_fields_deals":
        return [
            {**field, **value, "lead_id": record["id"], "lead_updated_at": record["updated_at"], "values": None}
            for field in record["custom_fields_values"] or ()
            for value in field["values"]
        ]
    if table == "statuses":
        return [{**status, "pipeline_name": record["name"]} for status in record["_embedded"]["statuses"]]
    if table == "deal_statuses" and record["type"] != "lead_status_changed":
        return ()
    return [{name: record.get(field) for name, field in fields.items()}]


class Prints:
    """Prints rows as the connector's messages."""

    def add(self, table: str, row: dict[str, Any]) -> None:
        message = {"type": "RECORD", "record": {"stream": table, "data": row, "emitted_at": 0}}
        sys.stdout.buffer.write(orjson.dumps(message) + b"\n")

    def close(self) -> None:
        sys.stdout.flush()


class Inserts:
    """Inserts the rows of each table into a DuckDB file, AT_ONCE at a time."""

    def __init__(self, database: str) -> None:
        import duckdb

        self._connection = duckdb.connect(database, config={"threads": 1})
        self._rows = defaultdict[str, list[dict[str, Any]]](list)
        self._schemas: dict[str, Any] = {}

    def add(self, table: str, row: dict[str, Any]) -> None:
        rows = self._rows[table]
        rows.append({name: orjson.dumps(v).decode() if type(v) in (dict, list) else v for name, v in row.items()})
        if len(rows) >= AT_ONCE:
            self._insert(table, rows)

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        if table not in self._schemas:
            kinds = {name: {type(row.get(name)) for row in rows} - {type(None)} for name in {**rows[0], **rows[-1]}}
            types = {name: pa.int64() if kind == {int} else pa.string() for name, kind in kinds.items()}
            self._schemas[table] = pa.schema(types.items())
            self._connection.register("new_rows", self._schemas[table].empty_table())
            self._connection.execute(f"CREATE TABLE {table} AS FROM new_rows")
        schema = self._schemas[table]
        texts = [name for name in schema.names if schema.field(name).type == pa.string()]
        for row in rows:
            for name in texts:
                value = row.get(name)
                row[name] = value if value is None or type(value) is str else str(value)
        self._connection.register("new_rows", pa.Table.from_pylist(rows, schema))
        self._connection.execute(f"INSERT INTO {table} FROM new_rows")
        rows.clear()

    def close(self) -> None:
        for table, rows in self._rows.items():
            if rows:
                self._insert(table, rows)
        self._connection.close()


def main(config: str, database: str = "") -> None:
    settings = json.loads(Path(config).read_text(encoding="utf-8"))
    token = settings["credentials"]["access_token"]
    http = urllib3.PoolManager(headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
    sink = Inserts(database) if database else Prints()
    for path, collection, limit, tables in LISTS:
        made = [(table, columns(table)) for table in tables]
        for record in records(http, settings["api_base_url"], path, collection, limit):
            for table, fields in made:
                for row in rows(table, record, fields):
                    sink.add(table, row)
    sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
