"""Rows made by the table's schema, which says where in amoCRM's record each column stands and of what type it is."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property

from source_amocrm.streams import schema
from source_amocrm.streams.values import Coercion, Json, Row, as_list, child

Find = Callable[[dict[str, Json]], Json]
"""Finds the value of a column in a record."""
Convert = Callable[..., Json]
"""Brings a value to the type of a column. That of a key is given the record too, to tell which one lacks its key."""


@dataclass(frozen=True)
class _Steps:
    """How the columns of a table are filled, by what that takes.

    `blank`: the row of an empty record. `plain`: columns with the value of a field. `found`: those whose value is found
    in the record. Both stay as in `blank` where the value is null. `lists`: a null makes an empty one. `keys`: a null
    is an error.
    """

    blank: Row = field(default_factory=dict)
    plain: list[tuple[str, str, Convert]] = field(default_factory=list)
    found: list[tuple[str, Find, Convert]] = field(default_factory=list)
    lists: list[tuple[str, Find, Convert]] = field(default_factory=list)
    keys: list[tuple[str, Find, Convert]] = field(default_factory=list)
    converts: dict[str, Convert] = field(default_factory=dict)


class Record:
    """Makes the rows of a table. `found`: by column, what works its value out of the record."""

    def __init__(self, table: str, **found: Find) -> None:
        self.to = Coercion(table)
        self._found = found

    def __call__(self, record: Json, **elsewhere: Json) -> Row:
        """Returns the row of a record. `elsewhere`: by column, values that are not in the record itself.

        Raises RowError when a column of the key is missing.
        """
        source, steps = self.to.source(record), self._steps
        row, get = steps.blank.copy(), source.get
        for column, name, convert in steps.plain:
            value = get(name)
            if value is not None:
                row[column] = convert(value, column)
        for column, find, convert in steps.found:
            value = find(source)
            if value is not None:
                row[column] = convert(value, column)
        for column, find, convert in steps.lists:
            row[column] = convert(find(source), column)
        for column, value in elsewhere.items():
            row[column] = steps.converts[column](value, column)
        for column, find, convert in steps.keys:
            value = elsewhere[column] if column in elsewhere else find(source)
            row[column] = convert(row[column] if value is None else value, source, column)
        return self.to.row(row)

    @cached_property
    def _steps(self) -> _Steps:
        steps = _Steps()
        for column in schema.columns(self.to.name):
            convert, own = self._conversion(column), self._found.get(column.name)
            find = own or _finder(column.fields)
            plain = not own and len(column.fields) == 1 and "." not in column.fields[0]
            several = column.schema["type"] == "array" or isinstance(column.default, (list, dict))
            steps.converts[column.name] = convert
            steps.blank[column.name] = None if several else column.default
            if column.in_key:
                key = self.to.integer_key if column.schema["type"] == "integer" else self.to.text_key
                steps.keys.append((column.name, find, key))
            elif several or column.schema.get("items", {}).get("type") == "object":
                steps.lists.append((column.name, find, convert))
            elif plain:
                steps.plain.append((column.name, column.fields[0], convert))
            elif own or column.fields:
                steps.found.append((column.name, find, convert))
        return steps

    def _conversion(self, column: schema.Column) -> Convert:
        to, default, types = self.to, column.default, column.schema["type"]
        items = column.schema.get("items", {}).get("type")
        if items == "integer":
            return to.ids
        if items == "string":
            return lambda value, name: to.texts(as_list(value), name)
        if items == "object":
            return lambda value, _: to.tags(value)
        plain: dict[str, Convert] = {
            "integer": to.integer,
            "number": to.number,
            "string": to.timestamp if column.schema.get("format") == "date-time" else to.text,
            "boolean": to.boolean,
            "array": to.array,
            "object": to.object,
        }
        convert = plain[types if isinstance(types, str) else next(one for one in types if one != "null")]
        if isinstance(default, (list, dict)):  # each row has its own
            return lambda value, name: convert(copy(default) if value is None else value, name)
        return convert


def _finder(fields: tuple[str, ...]) -> Find:
    places = tuple(tuple(field.split(".")) for field in fields)
    if len(places) == 1 and len(places[0]) == 1:
        [name] = places[0]
        return lambda record: record[name] if name in record else child(record, name)

    def find(record: dict[str, Json]) -> Json:
        value = None
        for place in places:
            value = record
            for name in place:
                value = value[name] if type(value) is dict and name in value else child(value, name)
                if value is None:
                    break
            else:
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
    to, row = _coercion(table), schema.blank_row(table)
    row[key] = to.integer_key(element_id, {"id": element_id, "updated_at": updated_at}, key)
    row["account_id"] = to.integer(account_id, "account_id")
    row["updated_by"] = to.integer(updated_by, "updated_by")
    row["updated_at"] = to.timestamp(updated_at, "updated_at")
    row["is_deleted"] = True
    if "date" in row:
        row["date"] = row["updated_at"]
    row.update(others)
    return to.row(row)


@cache
def _coercion(table: str) -> Coercion:
    """Returns one for all tombstones of a table: it warns of each odd value once."""
    return Coercion(table)
