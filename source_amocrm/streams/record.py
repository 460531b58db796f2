"""Rows made by the table's schema, which says where in amoCRM's record each column stands and of what type it is."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache

from source_amocrm.streams import schema
from source_amocrm.streams.values import Coercion, Json, Row, child

Find = Callable[[dict[str, Json]], Json]
"""Finds the value of a column in a record."""
Convert = Callable[..., Json]
"""Brings a value to the type of a column. That of a key is given the record too, to tell which one lacks its key."""


class Record:
    """Makes the rows of a table. `found`: by column, what works its value out of the record.

    `_blank`: the row of an empty record. `_plain`: columns with the value of a field. `_found`: those whose value is
    found in the record. Both stay as in `_blank` where the value is null. `_lists`: a null makes an empty one. `_keys`:
    a null is an error.
    """

    def __init__(self, table: str, **found: Find) -> None:
        self.to = Coercion(table)
        self._blank: Row = {}
        self.converts: dict[str, Convert] = {}
        self._plain: list[tuple[str, str, Convert]] = []
        self._found: list[tuple[str, Find, Convert]] = []
        self._lists: list[tuple[str, Find, Convert]] = []
        self._keys: list[tuple[str, Find, Convert]] = []
        for column in schema.columns(table):
            name, own, convert = column.name, found.get(column.name), self._conversion(column)
            find = own or _finder(column.fields)
            several = column.schema["type"] == "array" or isinstance(column.default, (list, dict))
            self.converts[name] = convert
            self._blank[name] = None if several else column.default
            if column.in_key:
                self._keys.append((name, find, self.to.integer_key if column.type == "integer" else self.to.text_key))
            elif several or column.items.get("type") == "object":
                self._lists.append((name, find, convert))
            elif not own and len(column.fields) == 1 and "." not in column.fields[0]:
                self._plain.append((name, column.fields[0], convert))
            elif own or column.fields:
                self._found.append((name, find, convert))

    def __call__(self, record: Json, **elsewhere: Json) -> Row:
        """Returns the row of a record. `elsewhere`: by column, values that are not in the record itself.

        Raises RowError when a column of the key is missing.
        """
        source, row = self.to.source(record), self._blank.copy()
        for column, name, convert in self._plain:
            value = source.get(name)
            if value is not None:
                row[column] = convert(value, column)
        for column, find, convert in self._found:
            value = find(source)
            if value is not None:
                row[column] = convert(value, column)
        for column, find, convert in self._lists:
            row[column] = convert(find(source), column)
        for column, value in elsewhere.items():
            row[column] = self.converts[column](value, column)
        for column, find, convert in self._keys:
            value = elsewhere[column] if column in elsewhere else find(source)
            row[column] = convert(row[column] if value is None else value, source, column)
        return self.to.row(row)

    def _conversion(self, column: schema.Column) -> Convert:
        to, default = self.to, column.default
        of_items: dict[str | None, Convert] = {"integer": to.ids, "string": to.texts, "object": to.tags}
        if convert := of_items.get(column.items.get("type")):
            return convert
        kind = "timestamp" if column.schema.get("format") == "date-time" else column.type
        convert_one: Convert = to.text if kind == "string" else getattr(to, kind)
        if isinstance(default, (list, dict)):  # each row has its own
            return lambda value, name: convert_one(copy(default) if value is None else value, name)
        return convert_one


def _finder(fields: tuple[str, ...]) -> Find:
    places = [field.split(".") for field in fields]

    def find(record: dict[str, Json]) -> Json:
        for place in places:
            value: Json = record
            for name in place:
                value = value[name] if type(value) is dict and name in value else child(value, name)
            if value is not None:
                return value
        return None

    return find


def tombstone(
    table: str, key: str, element_id: Json, account_id: Json, updated_by: Json, updated_at: Json, **others: Json
) -> Row:
    """Returns the row of a deleted element: its key, who, when, `is_deleted`; the rest is known no more.

    `key`: the column of its id. `updated_at`: the deletion's time (Unix seconds), so that the row wins over every
    earlier one with its key. `others`: columns that a deletion leaves as they are. Raises RowError without an id.
    """
    to = _coercion(table)
    row: Row = {one.name: [] if one.schema["type"] == "array" else None for one in schema.columns(table)}
    row[key] = to.integer_key(element_id, {"id": element_id, "updated_at": updated_at}, key)
    row["account_id"] = to.integer(account_id, "account_id")
    row["updated_by"] = to.integer(updated_by, "updated_by")
    row["updated_at"] = to.timestamp(updated_at, "updated_at")
    row["is_deleted"] = True
    if "date" in row:
        row["date"] = row["updated_at"]
    return to.row({**row, **others})


_coercion = cache(Coercion)
"""One for all tombstones of a table: it warns of each odd value once."""
