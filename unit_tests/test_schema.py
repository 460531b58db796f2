"""The schemas, and the rows, against the table catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import AirbyteCatalog, AirbyteStream, SyncMode
from airbyte_cdk.test.standard_tests._catalog_checks import find_catalog_problems

from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.activity import ElementTypes, NoteTypes
from testing.row_functions import rows, tombstone

TABLE_CATALOG = Path(__file__).resolve().parents[1] / "testing" / "table-catalog.yaml"
CATALOG: dict[str, Any] = yaml.safe_load(TABLE_CATALOG.read_text(encoding="utf-8"))["tables"]
TABLES = sorted(CATALOG)
FURTHER = sorted(set(STREAMS) - set(CATALOG))
"""Tables beyond the catalog, which says nothing of them."""
JSON_TYPES = {"int": "integer", "number": "number", "string": "string", "bool": "boolean"}
JSON_OBJECTS = {("users", "rights"), ("notes", "params")}
"""json columns that are objects; all others are arrays."""


def columns_of(table: str) -> dict[str, str]:
    """The catalog's columns in its order, extra ones last: name -> type."""
    columns = {name: column["type"] for name, column in CATALOG[table]["columns"].items()}
    extra = CATALOG[table].get("extra") or {}
    return columns | {name: re.split(r"[,;\s]", text)[0] for name, text in extra.items()}


def expected(table: str, column: str, kind: str) -> dict[str, Any]:
    whole = {"airbyte_type": "integer"} if kind.startswith("int") else {}
    if kind.endswith("[]"):
        return {"type": "array", "items": {"type": JSON_TYPES[kind[:-2]], **whole}}
    if kind == "timestamp":
        text = {"type": ["null", "string"], "format": "date-time"}
        return {**text, "airbyte_type": "timestamp_with_timezone"}
    if kind == "json":
        return {"type": ["null", "object" if (table, column) in JSON_OBJECTS else "array"]}
    if column in CATALOG[table]["primary_key"]:
        return {"type": JSON_TYPES[kind], **whole}
    return {"type": ["null", JSON_TYPES[kind]], **whole}


def russian(column: dict[str, Any]) -> str:
    """The catalog's name; YAML takes what follows a comma in it for another key, one without a value."""
    return ", ".join([column["ru"], *(key for key, value in column.items() if value is None)])


def test_the_catalog_has_fifteen_tables_and_144_columns() -> None:
    assert len(CATALOG) == 15
    assert sum(len(table["columns"]) for table in CATALOG.values()) == 144


def test_there_is_a_schema_for_each_table_and_no_other() -> None:
    folder = Path(schema.__file__).parent.parent / "schemas"
    assert sorted(file.stem for file in folder.glob("*")) == sorted(STREAMS)
    assert set(CATALOG) <= set(STREAMS)
    with pytest.raises(FileNotFoundError):
        schema.load("no_such_table")


@pytest.mark.parametrize("table", TABLES)
def test_schema_has_the_columns_of_the_catalog_in_its_order_and_then_others(table: str) -> None:
    loaded = schema.load(table)
    properties = loaded.pop("properties")
    assert loaded == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
    }
    columns = columns_of(table)
    assert list(properties)[: len(columns)] == list(columns)
    added = list(properties)[len(columns) :]
    names = {column.name: column.russian for column in schema.columns(table)}
    known = {name: russian(column) for name, column in CATALOG[table]["columns"].items()}
    assert {name: names[name] for name in known} == known
    assert all(names.values())
    for name in added:
        assert re.fullmatch(r"[A-Z][ -~]{8,}\.", properties[name]["description"]), name
        assert "null" in properties[name]["type"], name
    for name, kind in columns.items():
        found = dict(properties[name])
        description = found.pop("description")
        assert re.fullmatch(r"[A-Z][ -~]{8,}\.", description), (name, description)
        if name == "tags":
            tag = found.pop("items")
            assert {part: value["type"] for part, value in tag["properties"].items()} == {
                "id": ["null", "integer"],
                "name": ["null", "string"],
                "color": ["null", "string"],
            }
        assert found == expected(table, name, kind), name


@pytest.mark.parametrize("table", FURTHER)
def test_a_further_table_is_described(table: str) -> None:
    declared, loaded = STREAMS[table], schema.load(table)
    properties = loaded.pop("properties")
    assert loaded == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
    }
    assert declared.primary_key
    assert {properties[column]["type"] for column in declared.primary_key} <= {"integer", "string"}
    if declared.cursor_field:
        assert properties[declared.cursor_field] | {"description": ""} == expected("deals", "x", "timestamp") | {
            "description": ""
        }
    for name, column in properties.items():
        assert re.fullmatch(r"[A-Z][ -~]{8,}\.", column["description"]), (name, column["description"])
        assert name in declared.primary_key or column["type"] == "array" or "null" in column["type"], name
    assert schema.russian(table)
    assert all(column.russian for column in schema.columns(table))


@pytest.mark.parametrize("table", STREAMS)
def test_integers_are_declared_as_such_and_nothing_of_ours_is_shown(table: str) -> None:
    """Airbyte would take a number of JSON for one with decimals, and does not know our keys."""
    for column in objects(schema.load(table)):
        assert ("integer" in column.get("type", ())) is (column.get("airbyte_type") == "integer"), column
        assert not [key for key in column if key.startswith("x-")]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from objects(inner)


def test_a_loaded_schema_is_the_callers_own() -> None:
    schema.load("deals")["properties"].clear()
    assert len(schema.load("deals")["properties"]) == 33


def test_airbyte_accepts_the_schemas() -> None:
    streams = [
        AirbyteStream(
            name=table,
            json_schema=schema.load(table),
            supported_sync_modes=[SyncMode.full_refresh],
            source_defined_primary_key=[[column] for column in declared.primary_key],
            default_cursor_field=[declared.cursor_field] if declared.cursor_field else None,
        )
        for table, declared in STREAMS.items()
    ]
    assert find_catalog_problems(AirbyteCatalog(streams=streams)) == {}


ROWS: dict[str, list[dict[str, Any]]] = {
    "deals": [*rows("deals", {"id": 1}), tombstone("deals", "lead_id", 1, 2, 3, 4)],
    "custom_fields_deals": rows(
        "custom_fields_deals", {"id": 1, "custom_fields_values": [{"field_id": 2, "values": [{}]}]}
    ),
    "contacts": [*rows("contacts", {"id": 1}), tombstone("contacts", "contact_id", 1, 2, 3, 4)],
    "companies": [*rows("companies", {"id": 1}), tombstone("companies", "company_id", 1, 2, 3, 4)],
    "statuses": rows("statuses", {"id": 1, "_embedded": {"statuses": [{"id": 2}]}}),
    "users": rows("users", {"id": 1}),
    "groups": rows("groups", {"id": 1}),
    "note_types": NoteTypes.fixed,
    "task_types": rows("task_types", {"id": 1}),
    "element_types": ElementTypes.fixed,
    "deal_statuses": rows("deal_statuses", {"id": "1"}),
    "notes": [*rows("notes", {"id": 1}, "leads"), tombstone("notes", "note_id", 1, 2, 3, 4)],
    "tasks": [*rows("tasks", {"id": 1}), tombstone("tasks", "task_id", 1, 2, 3, 4)],
    "events": rows("events", {"id": "1"}),
    "custom_fields": rows("custom_fields", {"id": 1}, "leads"),
}


@pytest.mark.parametrize("table", TABLES)
def test_rows_have_the_columns_of_the_schema_in_its_order(table: str) -> None:
    assert ROWS[table]
    for row in ROWS[table]:
        assert list(row) == list(schema.load(table)["properties"])
