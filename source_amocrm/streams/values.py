"""Converts values of amoCRM's JSON to the types of columns.

Each `as_…` function takes a value that is not null. It returns None if there is nothing to deliver, and raises
`UnreadableError` if the type cannot hold the value. Values of the right type return at once, because a row has some
thirty of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from source_amocrm.dates import LAST_SECOND

Json = Any
Row = dict[str, Any]
T = TypeVar("T")

INT64 = 2**63  # The bound of a row's integers (64 bits): no destination holds more
FIRST_SECOND = -62_135_596_800  # 0001-01-01T00:00:00Z in Unix seconds: RFC 3339 can write no earlier date
MAX_DEPTH = 200
"""Levels of nesting that a json column always keeps; a deeper value may become null. orjson writes at most 254."""

_EXACT_FLOAT = 2**53
_EPOCH = datetime(1970, 1, 1)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
_WORDS: Mapping[Json, bool | None] = {1: True, 0: False, "true": True, "false": False, "1": True, "0": False, "": None}


class UnreadableError(ValueError):
    """A column's type cannot hold a value. If it can hold the rest of the value, `kept`, it cannot hold the `part`."""

    def __init__(self, kept: Json = None, part: Json = None) -> None:
        super().__init__()
        self.kept, self.part = kept, part

    def culprit(self, value: Json) -> Json:
        return value if self.kept is None else self.part


def as_number(value: Json) -> int | float | None:
    """Reads a finite number or its text; "" is None. Whole numbers beyond 64 bits become floats."""
    number = value
    if type(value) is str:
        text = value.strip()
        if not text:
            return None
        number = int(text) if _WHOLE.fullmatch(text) else float(text) if _DECIMAL.fullmatch(text) else None
    if type(number) is int:
        with suppress(OverflowError):
            return number if -INT64 <= number < INT64 else float(number)
    elif type(number) is float and math.isfinite(number):
        return number
    raise UnreadableError


def as_integer(value: Json) -> int | None:
    """Reads a 64-bit integer, its text, or a float that equals it; "" is None. A boolean is not a number."""
    if type(value) is int and -INT64 <= value < INT64:
        return value
    number = as_number(value)
    if not isinstance(number, float):
        return number
    if number.is_integer() and abs(number) <= _EXACT_FLOAT:
        return int(number)
    raise UnreadableError


def as_code(value: Json) -> str | None:
    """Reads a text that is not empty, or an integer that is not 0, as text; anything empty is None."""
    return value if type(value) is str and value else str(as_integer(value) or "") or None


def as_text(value: Json) -> str:
    """Returns text as it is, other scalars as JSON writes them, objects and arrays as compact JSON."""
    if type(value) is str:
        return value
    if type(value) is float and not math.isfinite(value):
        raise UnreadableError
    return compact_json(value)


def as_boolean(value: Json) -> bool | None:
    """Reads true or false, also as 1 or 0 or as a text; "" is None."""
    word = value.strip().lower() if type(value) is str else value
    if type(word) in (str, bool, int, float) and word in _WORDS:
        return _WORDS[word]
    raise UnreadableError


def as_timestamp(value: Json) -> str | None:
    """Writes Unix seconds as RFC 3339 UTC; amoCRM's 0 is "no time". Cuts off fractions of a second."""
    if type(value) is int:
        return utc_text(value) if value else None
    seconds = as_number(value)
    return utc_text(math.floor(seconds)) if seconds else None


@lru_cache(maxsize=8192)
def utc_text(seconds: int) -> str:
    """Writes Unix seconds as `2022-05-31T12:00:16Z`. Cached: the rows of a page repeat their times."""
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        raise UnreadableError
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}Z"


def as_array(value: Json) -> list[Json]:
    """Returns a JSON array without `_links`. For an object in its place see `as_list`."""
    if type(value) in (list, dict):
        return without_links(as_list(value))  # type: ignore[no-any-return]
    raise UnreadableError


def as_object(value: Json) -> dict[str, Json]:
    """Returns a JSON object without `_links`. PHP writes an empty one as `[]`; other arrays are keyed by position."""
    if type(value) is list:
        value = {str(position): item for position, item in enumerate(value)}
    if type(value) is dict:
        return without_links(value)  # type: ignore[no-any-return]
    raise UnreadableError


def as_list(value: Json) -> list[Json]:
    """Returns the elements of an array, which PHP also writes as `{"0": …, "1": …}`, or as its one element bare."""
    if type(value) is list:
        return value
    if value is None or value == {}:
        return []
    if type(value) is dict and next(iter(value)).isdecimal() and all(key.isdecimal() for key in value):
        return list(value.values())
    return [value]


def child(value: Json, name: str) -> Json:
    """Returns `value.name` of an object, or of the first element of an array in its place; None for anything else."""
    if type(value) is list and value:
        value = value[0]
    elif type(value) is dict and name not in value:
        value = value.get("0")
    return value.get(name) if type(value) is dict else None


def as_ids(elements: Json) -> list[int]:
    """Returns the ids of related elements, in their order."""
    return _each(as_integer, [one.get("id") if type(one) is dict else one for one in as_list(elements)])


def as_texts(values: Json) -> list[str]:
    return _each(as_text, [value for value in as_list(values) if value is not None])


def as_tags(elements: Json) -> list[dict[str, Json]]:
    """Returns tags as `[{id, name, color}]`. A bare text is a tag's name."""
    return _each(_tag, as_list(elements))


_TAG: Mapping[str, Callable[[Json], Json]] = {"id": as_integer, "name": as_text, "color": as_text}


def _tag(element: Json) -> dict[str, Json]:
    tag = {"name": element} if type(element) is str else element
    if type(tag) is not dict:
        raise UnreadableError
    odd: Row = {}
    made = {name: read(convert, tag.get(name), odd) for name, convert in _TAG.items()}
    if odd:
        raise UnreadableError(made, odd[""])
    return made


def _each(convert: Callable[[Json], T | None], values: list[Json]) -> list[T]:
    """Converts each value. Raises UnreadableError with the list of the readable ones, and the first unreadable part."""
    kept: list[T] = []
    culprits = []
    for value in values:
        try:
            item = convert(value)
        except UnreadableError as error:
            item = error.kept
            culprits.append(error.culprit(value))
        if item is not None:
            kept.append(item)
    if culprits:
        raise UnreadableError(kept, culprits[0])
    return kept


def as_joined_text(values: list[Json]) -> str | None:
    """Returns one text as it is, and several as a JSON array."""
    odd: Row = {}
    texts = read(as_texts, values, odd) or []
    text = compact_json(texts) if len(texts) > 1 else next(iter(texts), None)
    if odd:
        raise UnreadableError(text, odd[""])
    return text


def read(convert: Callable[[Json], T | None], value: Json, odd: Row | None = None, column: str = "") -> T | None:
    """Returns the converted value, or the part of it that `convert` keeps, with the unreadable part in `odd`."""
    try:
        return None if value is None else convert(value)
    except UnreadableError as error:
        if odd is not None:
            odd.setdefault(column, error.culprit(value))
        kept: T | None = error.kept
        return kept


def exact_amount(name: str) -> Callable[[dict[str, Json]], Json]:
    """Returns a function that finds the amount `name` of a record, in `{name}_with_minor_units` if that says more.

    amoCRM cuts `name` to whole units (100) and writes the exact amount beside it (100.5); not every answer has it, and
    some have 0 there for an amount that is not 0. An amount without minor units stays a whole number.
    """

    def find(record: dict[str, Json]) -> Json:
        exact = read(as_number, record.get(f"{name}_with_minor_units"))
        if not exact:
            return record.get(name)
        return int(exact) if exact == int(exact) else exact

    return find


def main_contact(record: dict[str, Json]) -> Json:
    """Returns the id of the main contact among a record's embedded contacts; None without a main contact."""
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
    """Writes JSON without spaces, with letters as they are and keys in their order."""
    with suppress(TypeError):  # integers beyond 64 bits, lone surrogates, deep nesting
        return orjson.dumps(value).decode()
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
    return text.encode("utf-8", "replace").decode()
