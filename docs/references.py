"""Foreign keys, as the schemas declare them (`x-ref`).

A column refers to a table by the last column of that table's key; a column of lists holds many such values. Ids are at
least 1: a value of 0 stands for a robot or nothing, -1 for a client. The forms of `x-ref`:

* `"account"`: the row always exists; `"users?"`: it may be absent.
* `{"table": …, "key": {…}}`: names the other columns of that key: each a constant, or after `$` a column of this row.
* `{"by": …, "tables": {…}}`: one of several tables, chosen by the value of the column `by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_amocrm.streams import schema


@dataclass(frozen=True)
class Reference:
    """A reference to one table. `absent`: whether the row may be missing there."""

    table: str
    absent: bool
    key: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OneOf:
    """A reference to one of several tables, by the text of the value in the column `by`."""

    by: str
    tables: Mapping[str, Reference]


def references(table: str) -> dict[str, Reference | OneOf]:
    """Returns the references of a table, by column."""
    return {column.name: _parsed(column.reference) for column in schema.columns(table) if column.reference}


def tables_of(reference: Reference | OneOf) -> list[str]:
    return [one.table for one in (reference.tables.values() if isinstance(reference, OneOf) else [reference])]


def _parsed(declared: Any) -> Reference | OneOf:
    if isinstance(declared, Mapping) and "by" in declared:
        return OneOf(declared["by"], {value: _reference(one) for value, one in declared["tables"].items()})
    return _reference(declared)


def _reference(declared: Any) -> Reference:
    table, key = (declared, {}) if isinstance(declared, str) else (declared["table"], declared["key"])
    return Reference(table.rstrip("?"), table.endswith("?"), key)
