"""Makes a table's rows by its schema, which tells the type of each column and where it stands in amoCRM's record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from source_amocrm.errors import AmocrmError, json_kind
from source_amocrm.streams import schema, values
from source_amocrm.streams.values import Json, Row, as_integer, as_timestamp, child, read

LOGGER = logging.getLogger("airbyte")
Find = Callable[[dict[str, Json]], Json]
"""Finds the value of a column in a record."""
Convert = Callable[[Json], Json]
"""Converts a value that is not null to the type of a column. Raises UnreadableError."""

_CONVERTS: Mapping[tuple[str, str | None], Convert] = {
    ("integer", None): as_integer,
    ("number", None): values.as_number,
    ("boolean", None): values.as_boolean,
    ("string", None): values.as_text,
    ("string", "date-time"): as_timestamp,
    ("object", None): values.as_object,
    ("array", None): values.as_array,
    ("array", "integer"): values.as_ids,
    ("array", "string"): values.as_texts,
    ("array", "object"): values.as_tags,
}
"""By the type of a column, and its format or the type of its items."""
_CLUES = ("id", "type", "entity_id", "entity_type", "pipeline_id", "account_id", "created_at", "updated_at")
"""Fields of a broken row that an error may show: numbers and codes, nothing personal."""


class RowError(AmocrmError):
    """A row that cannot be delivered."""


class ChangedRow(dict[str, Json]):
    """A row whose columns `changes` hold less than amoCRM sent, because of their types."""

    changes: tuple[str, ...]


class Record:
    """Makes the rows of a table. `found`: by column, the function that finds its value in the record.

    A value that its column cannot hold becomes None. The log names the column once, with the kind of the value and
    never its content.
    """

    def __init__(self, table: str, found: Mapping[str, Find] | None = None) -> None:
        self.table = table
        self.blank: Row = {}  # The row of an empty record
        self._finds = dict[str, Find]()
        self._converts: dict[str, Convert] = {}
        self._keys: list[tuple[str, Find]] = []
        self._reported: dict[str, str] = {}
        for column in schema.columns(table):
            name, find = column.name, (found or {}).get(column.name)
            convert = _CONVERTS[column.type, column.items.get("type") or column.schema.get("format")]
            if find or column.fields:
                self._finds[name] = find or _finding(column.fields)
            if column.in_key:
                convert = values.as_code if convert is values.as_text else convert
                self._keys.append((name, self._finds.get(name, lambda _: None)))
            self.blank[name], self._converts[name] = column.default, convert

    def add(self, column: str, convert: Convert | None = None) -> None:
        """Adds a column. `convert` makes its value of the whole record; without `convert` the caller passes it."""
        self.blank[column] = None
        if convert:
            self._finds[column], self._converts[column] = lambda record: record, convert

    def __call__(self, record: Json, odd: Row | None = None, **elsewhere: Json) -> Row:
        """Returns the row of a record. `elsewhere`: by column, values that are not in the record itself.

        `odd`: by column, a value that the caller could not convert. Raises RowError if a column of the key is missing.
        """
        source, odd = self.source(record), odd or {}
        row = self._begin(source, odd)
        for column, value in elsewhere.items():
            row[column] = read(self._converts[column], value, odd, column) if column in self._converts else value
        for column, find in self._keys:
            odd.pop(column, None)
            if row[column] is None:
                value = elsewhere[column] if column in elsewhere else find(source)
                row[column] = self.key(value, source, column, self._converts[column])
        return self.finished(row, odd)

    def _begin(self, record: dict[str, Json], odd: Row) -> Row:
        """Makes a row of a record, and adds values that a column cannot hold to `odd`."""
        row = dict(self.blank)
        for column, find in self._finds.items():
            if (value := find(record)) is not None:
                row[column] = read(self._converts[column], value, odd, column)
        return row

    def tombstone(self, key: str, element_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
        """Returns the row of a deleted entity: its key, `is_deleted`, who deleted it and when. Nothing else is known.

        `key`: the column of its id. `updated_at`: the deletion's time (Unix seconds), so that the row wins over every
        earlier one with its key. Raises RowError if there is no id.
        """
        odd: Row = {}
        arrays: Row = {column.name: [] for column in schema.columns(self.table) if column.schema["type"] == "array"}
        row: Row = {**dict.fromkeys(self.blank), **arrays}
        row[key] = self.key(element_id, {"id": element_id, "updated_at": updated_at}, key)
        known = {"account_id": account_id, "updated_by": updated_by, "updated_at": updated_at, "is_deleted": True}
        row |= {column: read(self._converts[column], value, odd, column) for column, value in known.items()}
        if "date" in row:
            row["date"] = row["updated_at"]
        return self.finished(row, odd)

    def source(self, element: Json) -> dict[str, Json]:
        """Returns `element`, of which a row is made. Raises RowError if it is not an object."""
        if type(element) is dict:
            return element
        raise RowError(
            f"amoCRM sent {json_kind(element)} where a row of the table {self.table} should be, so that row "
            "cannot be delivered. Run the sync again; if it repeats, report it to amoCRM support "
            "with the time of the sync."
        )

    def key(self, value: Json, element: dict[str, Json], column: str, convert: Convert = as_integer) -> Any:
        """Returns a key column's value in the row made of `element`. Raises RowError if `value` is no key."""
        if (key := read(convert, value)) is not None:
            return key
        clues = [f"{name} {element[name]}" for name in _CLUES if type(element.get(name)) is int]
        raise RowError(
            f"amoCRM sent a row for the table {self.table} without its key {column} "
            f"({json_kind(value)} stands there), so it cannot be delivered. "
            f"Known of the row: {', '.join(clues) or 'nothing'}. "
            "Run the sync again; if it repeats, report it to amoCRM support with what is known of the row."
        )

    def report(self, column: str, value: Json) -> None:
        """Warns, once for each column, that a value was left out."""
        warning = (
            f"Table {self.table}, column {column}: amoCRM sent {json_kind(value)} that the column cannot hold; it is "
            "left empty in that row. Further ones in this column are not reported."
        )
        if self._reported.setdefault(column, warning) is warning:
            LOGGER.warning(warning)

    def finished(self, row: Row, odd: Row) -> Row:
        """Warns of the `odd` values, and returns the row: a ChangedRow if there are any."""
        if not odd:
            return row
        for column, value in odd.items():
            self.report(column, value)
        changed = ChangedRow(row)
        changed.changes = tuple(column for column in row if column in odd)
        return changed


def _finding(fields: tuple[str, ...]) -> Find:
    """Returns the function that finds in a record the value of the first of these fields that is not null."""
    paths = [field.split(".") for field in fields]
    if len(paths) == 1 and len(paths[0]) == 1:
        [[name]] = paths
        return lambda record: record.get(name)

    def find(record: dict[str, Json]) -> Json:
        for path in paths:
            value: Json = record
            for name in path:
                value = child(value, name)
            if value is not None:
                return value
        return None

    return find
