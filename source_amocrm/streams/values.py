"""Converts values of amoCRM's JSON to the types of columns.

Each `as_…` function returns None if there is nothing to deliver, and raises `UnreadableError` if the type cannot hold
the value. `Coercion` knows the table: it turns the error into a null and one warning a column, and checks keys.
"""

from __future__ import annotations

import json
import logging
import math
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import AmocrmError, json_kind

LOGGER = logging.getLogger("airbyte")
Json = Any
Row = dict[str, Any]
T = TypeVar("T")

INT64 = 2**63
"""Integers of a row are 64-bit: no destination holds more."""
FIRST_SECOND = -62_135_596_800
"""0001-01-01T00:00:00Z in Unix seconds: RFC 3339 can write no earlier date."""
MAX_DEPTH = 200
"""Nesting of a json column that is sure to be kept; more than 254 levels orjson does not write."""

_EXACT_FLOAT = 2**53
_EPOCH = datetime(1970, 1, 1)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
_WORDS = {"true": True, "false": False, "1": True, "0": False, "": None}
_CLUES = ("id", "type", "entity_id", "entity_type", "pipeline_id", "account_id", "created_at", "updated_at")
"""Fields of a broken row that an error may show: numbers and codes, nothing personal."""
NOTHING: frozenset[str] = frozenset()


class RowError(AmocrmError):
    """A row that cannot be delivered."""


class UnreadableError(ValueError):
    """The value cannot be brought to the column's type."""


def as_number(value: Json) -> int | float | None:
    """A finite number or its text; "" is None. Whole numbers beyond 64 bits become floats."""
    if type(value) is str:
        text = value.strip()
        if not text:
            return None
        value = int(text) if _WHOLE.fullmatch(text) else float(text) if _DECIMAL.fullmatch(text) else text
    if type(value) is int:
        if -INT64 <= value < INT64:
            return value
        try:
            return float(value)
        except OverflowError as error:
            raise UnreadableError from error
    if type(value) is float and math.isfinite(value):
        return value
    raise UnreadableError


def as_integer(value: Json) -> int | None:
    """A 64-bit integer, its text, or a float that is exactly one; "" is None. A boolean is not a number."""
    number = as_number(value)
    if type(number) is float and number.is_integer() and abs(number) <= _EXACT_FLOAT:
        return int(number)
    if number is None or type(number) is int:
        return number
    raise UnreadableError


def as_text(value: Json) -> str:
    """Text as it is; other scalars as JSON writes them; objects and arrays as compact JSON."""
    if type(value) is str:
        return value
    if type(value) is float and not math.isfinite(value):
        raise UnreadableError
    return compact_json(value)


def as_boolean(value: Json) -> bool | None:
    """true or false, also as 1 or 0 or in words; "" is None."""
    if type(value) is bool:
        return value
    if type(value) is str:
        word = value.strip().lower()
        if word in _WORDS:
            return _WORDS[word]
    elif type(value) in (int, float) and value in (0, 1):
        return bool(value)
    raise UnreadableError


def as_timestamp(value: Json) -> str | None:
    """Unix seconds as RFC 3339 UTC; amoCRM's 0 is "no time". Fractions of a second are cut off."""
    seconds = as_number(value)
    return None if not seconds else utc_text(math.floor(seconds))


def as_seconds(value: Json) -> int:
    """The Unix seconds of a custom field's value; 0 is a moment here: amoCRM sends only filled fields."""
    number = as_number(value)
    if number is None:
        raise UnreadableError
    return math.floor(number)


@lru_cache(maxsize=8192)
def utc_text(seconds: int) -> str:
    """`2022-05-31T12:00:16Z`. Cached: a page repeats its times."""
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        raise UnreadableError
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}Z"


def local_date(seconds: int | float, zone: tzinfo) -> str:
    """`YYYY-MM-DD` of that moment in the zone: amoCRM keeps a date as its local midnight."""
    try:
        moment = _EPOCH.replace(tzinfo=timezone.utc) + timedelta(seconds=math.floor(seconds))
        return moment.astimezone(zone).date().isoformat()
    except (OverflowError, ValueError) as error:
        raise UnreadableError from error


def as_array(value: Json) -> list[Json]:
    """A JSON array without `_links`. An object in its place: see `as_list`."""
    if type(value) in (list, dict):
        return without_links(as_list(value))  # type: ignore[no-any-return]
    raise UnreadableError


def as_object(value: Json) -> dict[str, Json]:
    """A JSON object without `_links`. PHP writes an empty one as `[]`; other arrays are keyed by position."""
    if type(value) is list:
        value = {str(position): item for position, item in enumerate(value)}
    if type(value) is dict:
        return without_links(value)  # type: ignore[no-any-return]
    raise UnreadableError


def as_list(value: Json) -> list[Json]:
    """The elements of what should be an array: PHP also writes `{"0": …, "1": …}`, or one element bare."""
    if type(value) is list:
        return value
    if value is None or value == {}:
        return []
    if type(value) is dict and all(key.isdecimal() for key in value):
        return list(value.values())
    return [value]


def child(value: Json, name: str) -> Json:
    """`value.name` of what should be an object, or of the first element of an array in its place, or None."""
    if type(value) is list and value:
        value = value[0]
    elif type(value) is dict and name not in value:
        value = value.get("0")
    return value.get(name) if type(value) is dict else None


def exact_amount(name: str) -> Callable[[dict[str, Json]], Json]:
    """Returns a function that finds the amount `name` of a record, in `{name}_with_minor_units` if that says more.

    amoCRM cuts `name` to whole units (100) and writes the exact amount beside it (100.5); not every answer has it, and
    some have 0 there for an amount that is not 0. An amount without minor units stays a whole number.
    """

    def find(record: dict[str, Json]) -> Json:
        try:
            exact = as_number(record.get(f"{name}_with_minor_units"))
        except UnreadableError:
            exact = None
        if not exact:
            return record.get(name)
        return int(exact) if exact == int(exact) else exact

    return find


def main_contact(record: dict[str, Json]) -> Json:
    """The id of the contact that is marked as the main one among those that a record embeds."""
    for contact in as_list(child(record.get("_embedded"), "contacts")):
        if type(contact) is dict and contact.get("is_main") in (True, "1", "true"):
            return contact.get("id")
    return None


def values_of(wanted: Callable[[dict[str, Json]], bool]) -> Callable[[dict[str, Json]], list[Json]]:
    """Returns what finds the values of a record's custom fields that are `wanted`."""

    def find(record: dict[str, Json]) -> list[Json]:
        fields = [field for field in as_list(record.get("custom_fields_values")) if type(field) is dict]
        elements = (element for field in fields if wanted(field) for element in as_list(field.get("values")))
        return [element.get("value") if type(element) is dict else element for element in elements]

    return find


def without_links(value: Json) -> Json:
    """Returns the object or array without any `_links`: the same object if it has none, else a changed copy.

    Searching its JSON text for `_links` first is much quicker than walking through it.
    """
    try:
        if b'"_links"' not in orjson.dumps(value):
            return value
    except TypeError:
        pass  # too deep, or a number beyond 64 bits
    return _without_links(value, 0)


def _without_links(value: Json, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise UnreadableError
    if type(value) is dict and "_links" in value:
        value = {name: inner for name, inner in value.items() if name != "_links"}
    clean = value
    for key, inner in value.items() if type(value) is dict else enumerate(value):
        if type(inner) is dict or type(inner) is list:
            kept = _without_links(inner, depth + 1)
            if kept is not inner:
                clean = value.copy() if clean is value else clean
                clean[key] = kept
    return clean


def compact_json(value: Json) -> str:
    """JSON without spaces, letters as they are, keys in their order."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        pass  # integers beyond 64 bits, lone surrogates, deep nesting
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
    return text.encode("utf-8", "replace").decode()


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
        """Returns the list element that a row is made of. Raises RowError when it is not an object."""
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
        return self._key(lambda value: str(as_integer(value) or "") or None, element, value, column)

    def integer(self, value: Json, column: str) -> int | None:
        if value is None or (type(value) is int and -INT64 <= value < INT64):
            return value
        return self.read(as_integer, value, column)

    def number(self, value: Json, column: str) -> int | float | None:
        return self.read(as_number, value, column)

    def text(self, value: Json, column: str) -> str | None:
        if value is None or type(value) is str:
            return value
        return self.read(as_text, value, column)

    def boolean(self, value: Json, column: str) -> bool | None:
        if value is None or type(value) is bool:
            return value
        return self.read(as_boolean, value, column)

    def timestamp(self, value: Json, column: str) -> str | None:
        if type(value) is int and value and FIRST_SECOND <= value <= LAST_SECOND:
            return utc_text(value)
        return self.read(as_timestamp, value, column)

    def array(self, value: Json, column: str) -> list[Json] | None:
        return self.read(as_array, value, column)

    def object(self, value: Json, column: str) -> dict[str, Json] | None:
        return self.read(as_object, value, column)

    def ids(self, elements: Json, column: str) -> list[int]:
        """Returns the ids of related elements, in their order. Never None."""
        found = []
        for element in as_list(elements):
            value = element.get("id") if type(element) is dict else element
            number = self.integer(value, column)
            if number is not None:
                found.append(number)
            elif value is None:
                self.leave_out(column, value)
        return found

    def texts(self, values: Json, column: str) -> list[str]:
        """Returns the values that are there, as texts. Never None."""
        return [text for value in as_list(values) if (text := self.text(value, column)) is not None]

    def tags(self, elements: Json, column: str = "tags") -> list[dict[str, Json]]:
        """`[{id, name, color}]`. A bare text is a tag's name."""
        tags = []
        for element in as_list(elements):
            tag = {"name": element} if type(element) is str else element
            if type(tag) is dict:
                own, name, color = self.integer(tag.get("id"), column), tag.get("name"), tag.get("color")
                tags.append({"id": own, "name": self.text(name, column), "color": self.text(color, column)})
            else:
                self.leave_out(column, element)
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
        """Returns the finished row with the columns left out of it since the last one, and the `noted` ones."""
        if not self.reported:  # nothing ever was, as with most tables
            return made
        left_out = self.noted()
        if not left_out and not noted:
            return made
        columns = left_out | noted | changes_of(made)
        return ChangedRow(made, tuple(column for column in made if column in columns))

    def noted(self) -> frozenset[str]:
        """Returns and forgets the columns left out so far, for all rows that have them in common."""
        columns: frozenset[str] = getattr(self._left_out, "columns", NOTHING)
        if columns:
            self._left_out.columns = NOTHING
        return columns

    def report(self, column: str, value: Json) -> None:
        """Warns, once a column, that a value was left out."""
        with self._lock:
            if column in self.reported:
                return
            self.reported.add(column)
        LOGGER.warning(
            "Table %s, column %s: amoCRM sent %s that the column cannot hold; it is left empty in that row. "
            "Further ones in this column are not reported.",
            self.name,
            column,
            json_kind(value),
        )

    def read(self, coerce: Callable[[Json], T | None], value: Json, column: str) -> T | None:
        """Returns what `coerce` makes of a value; None where there is none, or the column cannot hold it."""
        try:
            return None if value is None else coerce(value)
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
