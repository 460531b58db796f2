"""Converts the values of one table: knows the column that a value is for, warns once a column, and checks keys."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import tzinfo
from typing import Any, TypeVar

from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import json_kind
from source_amocrm.streams.values import (
    FIRST_SECOND,
    INT64,
    Json,
    Row,
    RowError,
    UnreadableError,
    as_array,
    as_boolean,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_seconds,
    as_text,
    as_timestamp,
    local_date,
    utc_text,
)

T = TypeVar("T")

_LOGGER = logging.getLogger("airbyte")
_CLUES = ("id", "type", "entity_id", "entity_type", "pipeline_id", "account_id", "created_at", "updated_at")
"""Fields of a broken row that an error may show: numbers and codes, nothing personal."""
NOTHING: frozenset[str] = frozenset()


class ChangedRow(dict[str, Any]):
    """A row of which the columns `changes` do not hold all that amoCRM sent, because their types cannot."""

    def __init__(self, row: Row, changes: tuple[str, ...]) -> None:
        super().__init__(row)
        self.changes = changes


def changes_of(row: Row) -> frozenset[str]:
    return frozenset(row.changes) if isinstance(row, ChangedRow) else NOTHING


class Coercion:
    """Converts values to the types of a table's columns.

    A value that its column cannot hold becomes None. The log names the column once, with the kind of the value and
    never its content. Values of the right type return at once, because a row has some thirty of them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reported: set[str] = set()
        self._lock = threading.Lock()
        self._left_out = threading.local()
        """The columns of the row that a thread is making."""

    def source(self, element: Json) -> dict[str, Json]:
        """The list element that a row is made of. Raises RowError when it is not an object."""
        if type(element) is dict:
            return element
        raise RowError(
            f"amoCRM sent {json_kind(element)} where a row of the table {self.name} should be, so that row "
            "cannot be delivered. Run the sync again; if it repeats, report it to amoCRM support "
            "with the time of the sync."
        )

    def integer_key(self, value: Json, element: dict[str, Json], column: str) -> int:
        """A key column of the row that is made of `element`. Raises RowError when the value is not an integer."""
        if type(value) is int and -INT64 <= value < INT64:
            return value
        return self._key(as_integer, element, value, column)

    def text_key(self, value: Json, element: dict[str, Json], column: str) -> str:
        """A key column. Raises RowError when the value is not a text that says something."""
        if type(value) is str and value:
            return value
        return self._key(_as_name, element, value, column)

    def integer(self, value: Json, column: str) -> int | None:
        if value is None or (type(value) is int and -INT64 <= value < INT64):
            return value
        return self._or_none(as_integer, value, column)

    def number(self, value: Json, column: str) -> int | float | None:
        return None if value is None else self._or_none(as_number, value, column)

    def text(self, value: Json, column: str) -> str | None:
        if value is None or type(value) is str:
            return value
        return self._or_none(as_text, value, column)

    def boolean(self, value: Json, column: str) -> bool | None:
        if value is None or type(value) is bool:
            return value
        return self._or_none(as_boolean, value, column)

    def timestamp(self, value: Json, column: str) -> str | None:
        if value is None:
            return None
        if type(value) is int and value and FIRST_SECOND <= value <= LAST_SECOND:
            return utc_text(value)
        return self._or_none(as_timestamp, value, column)

    def array(self, value: Json, column: str) -> list[Json] | None:
        return None if value is None else self._or_none(as_array, value, column)

    def object(self, value: Json, column: str) -> dict[str, Json] | None:
        return None if value is None else self._or_none(as_object, value, column)

    def ids(self, elements: Json, column: str) -> list[int]:
        """The ids of related elements, in their order. Never None."""
        found = []
        for element in as_list(elements):
            value = element.get("id") if type(element) is dict else element
            number = self.integer(value, column)
            if number is not None:
                found.append(number)
            elif value is None:
                self.leave_out(column, value)
        return found

    def texts(self, values: Iterable[Json], column: str) -> list[str]:
        """The values that are there, as texts. Never None."""
        return [text for value in values if (text := self.text(value, column)) is not None]

    def tags(self, elements: Json) -> list[dict[str, Json]]:
        """`[{id, name, color}]`. A bare text is a tag's name."""
        tags = []
        for element in as_list(elements):
            tag = {"name": element} if type(element) is str else element
            if type(tag) is dict:
                own, name, color = self.integer(tag.get("id"), "tags"), tag.get("name"), tag.get("color")
                tags.append({"id": own, "name": self.text(name, "tags"), "color": self.text(color, "tags")})
            else:
                self.leave_out("tags", element)
        return tags

    def field_value(self, element: dict[str, Json], kind: Json, zone: tzinfo, column: str = "value") -> str | None:
        """The text of one value of a custom field of the type `kind`.

        A value that the writer of its type cannot read is written like that of any other type.
        """
        value = element.get("value")
        if value is None:
            return self.text(element, column) if kind == "chained_list" else None
        if type(kind) is str and kind in _WRITERS:
            with suppress(UnreadableError):
                return _WRITERS[kind](value, zone)
        return self.text(value, column)

    def leave_out(self, column: str, value: Json) -> None:
        """Notes, for the row that is being made, that its column does not hold what amoCRM sent, and warns once."""
        self._left_out.columns = self.noted() | {column}
        self.report(column, value)

    def row(self, made: Row, noted: frozenset[str] = NOTHING) -> Row:
        """The finished row, which tells what was left out of it since the last one; `noted`: what was before."""
        if not self.reported:  # nothing ever was, as with most tables
            return made
        left_out = self.noted()
        if not left_out and not noted:
            return made
        columns = left_out | noted | changes_of(made)
        return ChangedRow(made, tuple(column for column in made if column in columns))

    def noted(self) -> frozenset[str]:
        """Takes what was left out so far, for all rows that have it in common."""
        columns: frozenset[str] = getattr(self._left_out, "columns", NOTHING)
        if columns:
            self._left_out.columns = NOTHING
        return columns

    def report(self, column: str, value: Json) -> None:
        """Warn, once a column, that a value was left out."""
        with self._lock:
            if column in self.reported:
                return
            self.reported.add(column)
        _LOGGER.warning(
            "Table %s, column %s: amoCRM sent %s that the column cannot hold; it is left empty in that row. "
            "Further ones in this column are not reported.",
            self.name,
            column,
            json_kind(value),
        )

    def _or_none(self, coerce: Callable[[Json], T | None], value: Json, column: str) -> T | None:
        try:
            return coerce(value)
        except UnreadableError:
            self.leave_out(column, value)
            return None

    def _key(self, coerce: Callable[[Json], T | None], element: dict[str, Json], value: Json, column: str) -> T:
        with suppress(UnreadableError):
            if (key := coerce(value)) is not None:
                return key
        clues = [f"{name} {element[name]}" for name in _CLUES if type(element.get(name)) is int]
        raise RowError(
            f"amoCRM sent a row for the table {self.name} without its key {column} "
            f"({json_kind(value)} stands there), so it cannot be delivered. "
            f"Known of the row: {', '.join(clues) or 'nothing'}. "
            "Run the sync again; if it repeats, report it to amoCRM support with what is known of the row."
        )


_WRITERS: Mapping[str, Callable[[Json, tzinfo], str]] = {
    "checkbox": lambda value, _: "true" if as_boolean(value) else "false",
    "date": lambda value, zone: local_date(as_seconds(value), zone),
    "birthday": lambda value, zone: local_date(as_seconds(value), zone),
    "date_time": lambda value, _: utc_text(as_seconds(value)),
}
"""By the type of a custom field, how one of its values is written."""


def _as_name(value: Json) -> str | None:
    return str(as_integer(value) or "") or None
