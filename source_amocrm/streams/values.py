"""Converts values of amoCRM's JSON to the types of columns.

Plain functions, one per column type. Each returns None if there is nothing to deliver and raises `UnreadableError` if
the type cannot hold the value. They do not know the table: `coercion`
does, and turns the error into a null and one warning.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

import orjson

from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import AmocrmError

Json = Any
Row = dict[str, Any]

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


class RowError(AmocrmError):
    """A row that cannot be delivered."""


class UnreadableError(ValueError):
    """The value cannot be brought to the column's type."""


def as_number(value: Json) -> int | float | None:
    """A finite number or its text; "" is None. Whole numbers beyond 64 bits become floats."""
    if type(value) is str:
        value = _number_in(value)
        if value is None:
            return None
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


def given(value: Json, default: Json) -> Json:
    """The value, or the default when amoCRM sent null or nothing."""
    return default if value is None else value


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
    except TypeError:  # integers beyond 64 bits, lone surrogates, deep nesting
        return _any_json(value)


def _any_json(value: Json) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
    return text.encode("utf-8", "replace").decode()


def _number_in(text: str) -> int | float | None:
    text = text.strip()
    if not text:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    raise UnreadableError
