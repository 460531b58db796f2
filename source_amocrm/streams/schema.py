"""The tables' schemas, one file each: what `discover` shows, where in amoCRM's record a column stands, Russian names.

A key that begins with `x-` is ours and never shown to Airbyte:

* `x-ru`: the Russian name of the table or column.
* `x-field`: where in the record the column stands (`_embedded.source.name`), or a list of places, of which the first
  that is not null counts; an empty list if the record does not hold it. Without this key: the field of that name.
* `x-default`: the value where amoCRM sends null or nothing.
* `x-left-out`: fields of the list that are in no column on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

OURS = "x-"


@dataclass(frozen=True)
class Column:
    """A column as its schema declares it. `explicit`: the schema says where in the record it stands."""

    name: str
    schema: Mapping[str, Any]
    russian: str
    fields: tuple[str, ...]
    explicit: bool
    default: Any

    @property
    def paths(self) -> tuple[str, ...]:
        """Where in the record stands what the column keeps: of embedded objects only the ids, or the declared parts."""
        items = self.schema.get("items", {})
        parts = ("id",) if items.get("type") == "integer" else tuple(items.get("properties", ()))
        return tuple(place for field in self.fields for place in _places(field, parts))


def _places(field: str, parts: tuple[str, ...]) -> list[str]:
    return [f"{field}.{part}" for part in parts] if parts and field.startswith("_embedded.") else [field]


def load(table: str) -> dict[str, Any]:
    """The schema of a table, the caller's own copy. Raises FileNotFoundError for a table that has none."""
    return deepcopy(_shown(table))


def columns(table: str) -> tuple[Column, ...]:
    return _columns(table)


def russian(table: str) -> str:
    """The Russian name of a table."""
    return str(_read(table)["x-ru"])


def left_out(table: str) -> tuple[str, ...]:
    """Where in the records of the table's list stands what no column keeps."""
    return tuple(_read(table).get("x-left-out", ()))


def blank_row(table: str) -> dict[str, Any]:
    """A row that knows nothing: `[]` in the columns that are never null, None in all others."""
    return {column.name: [] if column.schema["type"] == "array" else None for column in _columns(table)}


@cache
def _columns(table: str) -> tuple[Column, ...]:
    shown = _shown(table)["properties"]
    found = []
    for name, declared in _read(table)["properties"].items():
        field = declared.get("x-field", name)
        fields = (field,) if isinstance(field, str) else tuple(field)
        told = "x-field" in declared, declared.get("x-default")
        found.append(Column(name, shown[name], str(declared["x-ru"]), fields, *told))
    return tuple(found)


@cache
def _shown(table: str) -> dict[str, Any]:
    """The schema without what is ours."""
    schema = {key: value for key, value in _read(table).items() if not key.startswith(OURS)}
    schema["properties"] = {
        name: {key: value for key, value in column.items() if not key.startswith(OURS)}
        for name, column in schema["properties"].items()
    }
    return schema


@cache
def _read(table: str) -> dict[str, Any]:
    file = resources.files("source_amocrm") / "schemas" / f"{table}.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema
