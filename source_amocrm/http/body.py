"""Parses the body of an answer, within a bound of memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from enum import Enum
from sys import getrefcount, getsizeof
from typing import Any

import orjson

LARGEST = 64 << 20
"""The most bytes of an answer, unpacked."""
MANY = 64 << 20
"""How many bytes of memory the values may take by their number, apart from their contents."""

Reserve = Callable[[int, int], None]
"""Is told how many bytes of memory are needed, and how many of them stay; raises MemoryError if they cannot be had."""

NUL = rb"\u0000"
"""As JSON writes it."""

# Bytes of memory at the most, as measured: for what each sign stands for, and for a text that is no key
_COST = {b"{": 176, b"[": 96, b",": 56, b":": 110}
_STRING = 48
# What begins a character beyond 16 bits; one of them makes every character of its text take four bytes
_WIDE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", rb"\ud", rb"\uD")
# A text that must be mended is in memory several times
_MENDED = 4
_MARGIN = 64
# An eighth more is taken than what objects say of themselves
_ROUNDED = 8


def to_parse(size: int, values: int | None = None) -> int:
    """Bytes of memory that it takes to parse a text of `size` bytes into values of so many; at least as many as it has.

    Meanwhile the text is there twice, once in a buffer that grew by an eighth at a time.
    """
    return 2 * size + size // 8 + (size if values is None else values)


ROOM = to_parse(LARGEST) + (1 << 20)
"""The most bytes of memory to parse an answer."""
PAGE_ROOM = 56 << 20
"""As ROOM, for a page that can be asked for in smaller pages."""


class Kind(Enum):
    """The kind of a body, or how the exchange failed before there was one."""

    OBJECT = "a JSON object"
    EMPTY = "nothing"
    HTML = "a web page"
    BROKEN = "broken JSON"
    TOO_LARGE = "more than is taken"
    REFUSED = "connection refused"
    RESET = "connection lost"
    DNS = "host name not found"
    CERTIFICATE = "certificate not trusted"
    TLS = "TLS failure"
    CONNECT_TIMEOUT = "no connection in time"
    READ_TIMEOUT = "no answer in time"
    TRUNCATED = "body cut short"


def parse(data: bytes | bytearray, reserve: Reserve = lambda *_: None) -> tuple[Kind, dict[str, Any] | None]:
    """The kind of a body, by its content: the content type is not always honest. The object when it is one.

    An object with nothing in it is no answer. One for which memory cannot be reserved is not made.
    """
    first = _first(data)
    if not first:
        return Kind.EMPTY, None
    if first == b"<":
        return Kind.HTML, None
    try:
        value = _loads(data, reserve)
    except MemoryError:
        return Kind.TOO_LARGE, None
    if value and isinstance(value, dict):
        return Kind.OBJECT, value
    return Kind.BROKEN, None


def _first(data: bytes | bytearray) -> bytes:
    """The first byte that is no white space; empty if there is none."""
    for start in range(0, len(data), _MARGIN):
        if text := bytes(data[start : start + _MARGIN]).strip():
            return text[:1]
    return b""


def _loads(data: bytes | bytearray, reserve: Reserve) -> Any:
    """The parsed value; None if the text is not JSON. Raises MemoryError."""
    size, values = len(data), cost(data)
    reserve(to_parse(size, values), values)
    try:
        if NUL not in data:
            return orjson.loads(data)
        reserve(to_parse(size, values * _MENDED), values)
        return _mend(orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    except RecursionError:
        return None
    reserve(to_parse(size, values * _MENDED), values)
    # Texts typed in amoCRM may hold halves of emoji, raw control characters, bytes that are no UTF-8
    try:
        text = data.decode("utf-8-sig", "replace")
        return _mend(json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def cost(data: bytes | bytearray) -> int:
    """The most bytes of memory that the values of a text take, estimated by the signs in it.

    Raises MemoryError where the values are too many, whatever is free.
    """
    signs = {sign: data.count(sign) for sign in _COST}
    strings = max(0, data.count(b'"') // 2 - signs[b":"])
    values = sum(_COST[sign] * number for sign, number in signs.items()) + strings * _STRING
    if values > MANY:
        raise MemoryError
    wide = any(start in data for start in _WIDE)
    width = 1 if data.isascii() and rb"\u" not in data else 4 if wide else 2
    return len(data) * width + values


def measured(value: Any) -> int:
    """The bytes of memory that a parsed value takes; a key that several objects share counts for each in part."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        size += getsizeof(one)
        if type(one) is dict:
            size += sum(getsizeof(key) // getrefcount(key) for key in one)
            waiting += one.values()
        elif type(one) is list:
            waiting += one
    return size + size // _ROUNDED


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _mend(value: Any) -> Any:
    """The same value with U+FFFD in place of what databases cannot store: halves of a surrogate pair, and NUL."""
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mend(item) for item in value]
    return value
