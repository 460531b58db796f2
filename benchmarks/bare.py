"""`python -m benchmarks.bare CONFIG`: the floor of `read`, a bare script for the fifteen tables.

It requests each list page by page with urllib3, parses with orjson, makes a dict of each row and prints it as JSON.
Nothing is deduplicated, resumed, converted, retried or guarded.
"""

from __future__ import annotations

import json
import sys
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


def main(config: str) -> None:
    settings = json.loads(Path(config).read_text(encoding="utf-8"))
    token = settings["credentials"]["access_token"]
    http = urllib3.PoolManager(headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
    write = sys.stdout.buffer.write
    for path, collection, limit, tables in LISTS:
        made = [(table, columns(table)) for table in tables]
        for record in records(http, settings["api_base_url"], path, collection, limit):
            for table, fields in made:
                for row in rows(table, record, fields):
                    write(orjson.dumps({"type": "RECORD", "record": {"stream": table, "data": row, "emitted_at": 0}}))
                    write(b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
