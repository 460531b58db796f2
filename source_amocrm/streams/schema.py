"""The tables' schemas, one file each: what `discover` shows, where in amoCRM's record a column stands, Russian names.

A column that is never null is part of the key. A key of the JSON that begins with `x-` is ours and hidden from Airbyte:

* `x-ru`: the Russian name of the table or column.
* `x-key`: the columns of the key, where their order is not that of the schema.
* `x-field`: the path of the column in the record (`_embedded.source.name`), or a list of paths, of which the first that
  is not null counts; an empty list if the record does not hold the column. By default the column's name.
* `x-default`: the value where amoCRM sends null or nothing.
* `x-with`: the `with` parameter, or several, without which the list does not show the column.
* `x-left-out`: fields of the list that are in no column on purpose.
* `x-ref`: the table whose row the column refers to (`docs/references.py`).
* `x-inside`: the names of the fields inside a column of JSON, at any depth, that hold no personal data.
* `x-personal`: what personal data the column holds, of the kinds in `PERSONAL` (`streams/personal_data.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

PERSONAL: Mapping[str, str] = {
    "phone": "phone number",
    "email": "e-mail address",
    "name": "name",
    "text": "text",
    "file": "name of a file",
    "link": "address of a file or a recording",
    "texts": "the texts inside",
    "own": "the values of personal custom fields",
    "colleague": "phone numbers and e-mail addresses, no names",
}
"""The kinds of personal data."""


@dataclass(frozen=True)
class Column:
    """A column as its schema declares it. `explicit`: the schema says where in the record it stands."""

    name: str
    schema: Mapping[str, Any]
    russian: str
    fields: tuple[str, ...]
    explicit: bool
    default: Any
    extras: tuple[str, ...]
    reference: str | Mapping[str, Any] | None
    personal: str | None
    inside: frozenset[str]

    @property
    def in_key(self) -> bool:
        return self.schema["type"] in ("integer", "string")

    @property
    def type(self) -> str:
        """The JSON type besides null."""
        declared = self.schema["type"]
        return declared if isinstance(declared, str) else next(one for one in declared if one != "null")

    @property
    def items(self) -> Mapping[str, Any]:
        return dict(self.schema.get("items", {}))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths in the record that the column keeps: of embedded objects only the ids, or the declared parts."""
        parts = ("id",) if self.items.get("type") == "integer" else tuple(self.items.get("properties", ()))
        inside = [f".{part}" for part in parts] or [""]
        return tuple(
            field + part for field in self.fields for part in (inside if field.startswith("_embedded.") else [""])
        )


def load(table: str) -> dict[str, Any]:
    """Returns the caller's own copy of a table's schema. Raises FileNotFoundError for a table that has none."""
    return deepcopy({**_shown(_read(table)), "properties": {one.name: one.schema for one in columns(table)}})


@cache
def columns(table: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            name,
            _shown(declared),
            str(declared["x-ru"]),
            _as_tuple(declared.get("x-field", name)),
            "x-field" in declared,
            declared.get("x-default", [] if "items" in declared else None),
            _as_tuple(declared.get("x-with", ())),
            declared.get("x-ref"),
            declared.get("x-personal"),
            frozenset(declared.get("x-inside", ())),
        )
        for name, declared in _read(table)["properties"].items()
    )


def key(table: str) -> list[str]:
    return list(_read(table).get("x-key") or (column.name for column in columns(table) if column.in_key))


def russian(table: str) -> str:
    return str(_read(table)["x-ru"])


def left_out(table: str) -> tuple[str, ...]:
    """Returns the paths of the fields in the records of the table's list that no column keeps on purpose."""
    return tuple(_read(table).get("x-left-out", ()))


def _as_tuple(declared: str | list[str]) -> tuple[str, ...]:
    return (declared,) if isinstance(declared, str) else tuple(declared)


def _shown(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in declared.items() if not key.startswith("x-")}


@cache
def _read(table: str) -> dict[str, Any]:
    file = resources.files("source_amocrm") / "schemas" / f"{table}.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema
