"""Unpacks the body of an answer piece by piece and parses it, as far as its values fit into memory."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from enum import Enum
from typing import Any

import orjson
import requests

ACCEPTED = "gzip"
"""The only compression that is asked for; others are refused."""
PIECE = 1 << 18
"""How many bytes are unpacked at a time."""

_PACKED = ("gzip", "x-gzip", "deflate")
# As zlib wants it, for both of them
_EITHER = zlib.MAX_WBITS | 32


class TooLarge(Exception):
    """The answer is larger than it may be."""


class Garbled(Exception):
    """The body is not packed as its header says, or in a way that was not asked for."""


def pieces(response: requests.Response, most: int) -> Iterator[bytes]:
    """The body as it comes, unpacked. Raises TooLarge if it has more than `most` bytes, packed or unpacked."""
    arriving = _limited(_arriving(response), most)
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        return arriving
    if packing not in _PACKED:
        raise Garbled
    return _limited(_unpacked(arriving), most)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    # read1 gives what has arrived; read would sit in a dripping body for as long as it drips
    while piece := response.raw.read1(PIECE, decode_content=False):
        yield piece


def _limited(given: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in given:
        size += len(piece)
        if size > most:
            raise TooLarge
        yield piece


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    """A body of gzip may have several members; what follows the last of them is passed over, as others do."""
    member, whole = zlib.decompressobj(_EITHER), 0
    for data in packed:
        left = data
        while left:
            try:
                piece = member.decompress(left, PIECE)
            except zlib.error:
                if not whole:
                    raise Garbled from None
                return
            if piece:
                yield piece
            left = member.unconsumed_tail
            if member.eof:
                left, whole = member.unused_data, whole + 1
                member = zlib.decompressobj(_EITHER)
    if tail := member.flush():
        yield tail


LARGEST = 32 << 20
"""Bytes of an answer, unpacked; a larger one is refused."""
MOST_OF_VALUES = 128 << 20
"""Bytes of memory that the values of an answer may take, by `cost`; dearer ones are not made."""
MANY = 64 << 20
"""Bytes of memory that the values may take by their number, apart from their contents."""

NUL = rb"\u0000"
"""As JSON writes it."""

# Bytes of memory at the most, as measured: for each sign, and for a text that is no key
_COST = {b"{": 176, b"[": 96, b",": 56, b":": 110}
_STRING = 48
# The first bytes of a character beyond 16 bits; one of them makes every character of its text take four bytes
_WIDE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", rb"\ud", rb"\uD")
# A text that must be mended is in memory several times
_MENDED = 4
_MARGIN = 64


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


def parse(data: bytes | bytearray, values: int | None = None) -> tuple[Kind, dict[str, Any] | None]:
    """The kind of a body, by its content: the content type is not always honest. The object when it is one.

    An empty object is no answer. `values`: the `cost` of the body, if it is known.
    """
    first = _first(data)
    if not first:
        return Kind.EMPTY, None
    if first == b"<":
        return Kind.HTML, None
    try:
        value = _loads(data, cost(data) if values is None else values)
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


def _loads(data: bytes | bytearray, values: int) -> Any:
    """The parsed value; None if the text is not JSON. Raises MemoryError if its values take too much memory."""
    _bounded(values)
    try:
        if NUL not in data:
            return orjson.loads(data)
        _bounded(values * _MENDED)
        return _mend(orjson.loads(data))
    except orjson.JSONDecodeError:
        pass
    except RecursionError:
        return None
    _bounded(values * _MENDED)
    # Texts typed in amoCRM may hold halves of emoji, raw control characters, bytes that are no UTF-8
    try:
        text = data.decode("utf-8-sig", "replace")
        return _mend(json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def _bounded(values: int) -> None:
    if values > MOST_OF_VALUES:
        raise MemoryError


def cost(data: bytes | bytearray) -> int:
    """The most bytes of memory that the values of a body take, estimated by the signs in it.

    Values that are too many cost more than MOST_OF_VALUES, whatever is in them.
    """
    signs = {sign: data.count(sign) for sign in _COST}
    strings = max(0, data.count(b'"') // 2 - signs[b":"])
    values = sum(_COST[sign] * number for sign, number in signs.items()) + strings * _STRING
    if values > MANY:
        return MOST_OF_VALUES + 1
    wide = any(start in data for start in _WIDE)
    width = 1 if data.isascii() and rb"\u" not in data else 4 if wide else 2
    return len(data) * width + values


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
