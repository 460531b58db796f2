"""The schemas, and the rows, against the table catalog."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from airbyte_cdk.models import AirbyteCatalog, AirbyteStream, SyncMode
from airbyte_cdk.test.standard_tests._catalog_checks import find_catalog_problems

from source_amocrm.connect.words import table_names
from source_amocrm.streams import TABLES as STREAMS
from source_amocrm.streams import schema
from source_amocrm.streams.rows import activity, deals, dictionaries, field_values, people, tombstones

CATALOG: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "table-catalog.yaml").read_text(encoding="utf-8"))[
    "tables"
]
TABLES = sorted(CATALOG)
FURTHER = sorted(set(STREAMS) - set(CATALOG))
"""Tables beyond the catalog, which says nothing of them."""
RUSSIAN: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "docs" / "russian.yaml").read_text("utf-8"))
JSON_TYPES = {"int": "integer", "number": "number", "string": "string", "bool": "boolean"}
JSON_OBJECTS = {("users", "rights"), ("notes", "params")}
"""json columns that are objects; all others are arrays."""


def columns_of(table: str) -> dict[str, str]:
    """The catalog's columns in its order, extra ones last: name -> type."""
    columns = {name: column["type"] for name, column in CATALOG[table]["columns"].items()}
    extra = CATALOG[table].get("extra") or {}
    return columns | {name: re.split(r"[,;\s]", text)[0] for name, text in extra.items()}


def expected(table: str, column: str, kind: str) -> dict[str, Any]:
    if kind.endswith("[]"):
        return {"type": "array", "items": {"type": JSON_TYPES[kind[:-2]]}}
    if kind == "timestamp":
        text = {"type": ["null", "string"], "format": "date-time"}
        return {**text, "airbyte_type": "timestamp_with_timezone"}
    if kind == "json":
        return {"type": ["null", "object" if (table, column) in JSON_OBJECTS else "array"]}
    if column in CATALOG[table]["primary_key"]:
        return {"type": JSON_TYPES[kind]}
    return {"type": ["null", JSON_TYPES[kind]]}


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
    assert list(RUSSIAN["columns"].get(table) or {}) == [*(CATALOG[table].get("extra") or {}), *added]
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
    assert declared.key
    assert {properties[column]["type"] for column in declared.key} <= {"integer", "string"}
    if declared.cursor:
        assert properties[declared.cursor] | {"description": ""} == expected("deals", "x", "timestamp") | {
            "description": ""
        }
    for name, column in properties.items():
        assert re.fullmatch(r"[A-Z][ -~]{8,}\.", column["description"]), (name, column["description"])
        assert name in declared.key or column["type"] == "array" or "null" in column["type"], name
    assert table_names("ru")[table]
    assert list(RUSSIAN["columns"][table]) == list(properties)
    assert all(RUSSIAN["columns"][table].values())


def test_a_loaded_schema_is_the_callers_own() -> None:
    schema.load("deals")["properties"].clear()
    assert len(schema.load("deals")["properties"]) == 32


def test_airbyte_accepts_the_schemas() -> None:
    streams = [
        AirbyteStream(
            name=table,
            json_schema=schema.load(table),
            supported_sync_modes=[SyncMode.full_refresh],
            source_defined_primary_key=[[column] for column in declared.key],
            default_cursor_field=[declared.cursor] if declared.cursor else None,
        )
        for table, declared in STREAMS.items()
    ]
    assert find_catalog_problems(AirbyteCatalog(streams=streams)) == {}


ROWS: dict[str, list[dict[str, Any]]] = {
    "deals": [deals.deal({"id": 1}), tombstones.deal(1, 2, 3, 4)],
    "custom_fields_deals": field_values.deal_fields(
        {"id": 1, "custom_fields_values": [{"field_id": 2, "values": [{}]}]},
        timezone=ZoneInfo("UTC"),
        system_fields={},
    ),
    "contacts": [people.contact({"id": 1}, None), tombstones.contact(1, 2, 3, 4)],
    "companies": [people.company({"id": 1}), tombstones.company(1, 2, 3, 4)],
    "statuses": dictionaries.statuses({"id": 1, "_embedded": {"statuses": [{"id": 2}]}}),
    "users": [dictionaries.user({"id": 1})],
    "groups": [dictionaries.group({"id": 1})],
    "note_types": dictionaries.NOTE_TYPES,
    "task_types": [dictionaries.task_type({"id": 1})],
    "element_types": dictionaries.ELEMENT_TYPES,
    "deal_statuses": [activity.deal_status({"id": "1"}, None) or {}],
    "notes": [activity.note({"id": 1}, "leads"), tombstones.note(1, 2, 3, 4, "leads")],
    "tasks": [activity.task({"id": 1}), tombstones.task(1, 2, 3, 4)],
    "events": [activity.event({"id": "1"})],
    "custom_fields": [dictionaries.custom_field({"id": 1}, "leads")],
}


@pytest.mark.parametrize("table", TABLES)
def test_rows_have_the_columns_of_the_schema_in_its_order(table: str) -> None:
    assert ROWS[table]
    for row in ROWS[table]:
        assert list(row) == list(schema.load(table)["properties"])
