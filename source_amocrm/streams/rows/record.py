"""Rows whose columns are the record's own fields: the table's schema says which, and of what type."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from source_amocrm.streams import schema
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, as_list

_Read = Callable[[dict[str, Json]], Json]


class Record:
    """`names`: by column, the field's name where it is another one."""

    def __init__(self, table: str, **names: str) -> None:
        self._to = Coercion(table)
        self._names = names

    def __call__(self, record: Json, **elsewhere: Json) -> Row:
        """The row of a record. `elsewhere`: by column, what is not a field of the record itself.

        Raises RowError when a column of the key is missing.
        """
        source = self._to.source(record)
        if elsewhere:
            source = {**source, **elsewhere}
        return {column: read(source) for column, read in self._columns.items()}

    @cached_property
    def _columns(self) -> dict[str, _Read]:
        columns = schema.load(self._to.name)["properties"]
        return {column: self._reader(column, declared) for column, declared in columns.items()}

    def _reader(self, column: str, declared: dict[str, Any]) -> _Read:
        to, name, kind = self._to, self._names.get(column, column), declared["type"]
        items = declared.get("items", {}).get("type")
        if kind == "integer":
            return lambda source: to.integer_key(source, name, column)
        if kind == "string":
            return lambda source: to.text_key(source, name, column)
        if items == "integer":
            return lambda source: to.ids(source.get(name), column)
        if items == "string":
            return lambda source: to.texts(as_list(source.get(name)), column)
        if items == "object":
            return lambda source: to.tags(source.get(name))
        plain: dict[str, Callable[[Json, str], Json]] = {
            "integer": to.integer,
            "number": to.number,
            "string": to.timestamp if declared.get("format") == "date-time" else to.text,
            "boolean": to.boolean,
            "array": to.array,
            "object": to.object,
        }
        convert = plain[next(one for one in kind if one != "null")]
        return lambda source: convert(source.get(name), column)
