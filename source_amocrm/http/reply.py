"""An answer with its kind, its times, and its body, which is parsed if the values fit into memory."""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

import orjson
import requests

LARGEST_BODY = 32 << 20  # bytes of an answer, unpacked; a larger one is refused
MOST_OF_VALUES = 128 << 20  # bytes of memory that an answer's values may take, by `cost`; a body past it is not parsed
MOST_WITHOUT_TEXTS = 64 << 20  # the same for the values alone, without the contents of their texts

_NUL = rb"\u0000"  # as JSON writes it
# The most bytes of memory, as measured: for each sign of the JSON, and for a text that is no key
_COST = {b"{": 176, b"[": 96, b",": 56, b":": 110}
_STRING = 48
# The first bytes of a character beyond 16 bits. One such character makes each character of its text take four bytes
_WIDE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", rb"\ud", rb"\uD")
_MENDING_COPIES = 4  # times that the values are in memory while `_mended` parses them


class ReplyKind(Enum):
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


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` None: there was no whole answer, and `kind` says how the exchange failed."""

    status: int | None
    kind: ReplyKind
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    elapsed: float  # seconds from sending to the last byte
    received: float  # unix seconds, this machine's clock
    trouble: str = ""  # the name of the exception that ended the exchange
    token: str = field(default="", repr=False)  # the token that was sent
    url: str = ""  # the address that was requested

    @property
    def server_time(self) -> int:
        """The Date header (Unix seconds); the time by this machine's clock if there is none."""
        date = http_date(self.headers.get("Date"))
        return int(self.received) if date is None else date

    @property
    def meant_status(self) -> int | None:
        """The status; if the body under a 200 describes a problem, the status of that: such a body is no empty list."""
        body = self.body or {}
        if self.status == 200 and "title" in body and "detail" in body:
            stated = body.get("status")
            if isinstance(stated, int) and 400 <= stated <= 599:
                return stated
        return self.status


def http_date(text: str | None) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(text or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


class AmocrmResponse(requests.Response):
    """The response of an exchange with its reply. `json()` returns the parsed body; the bytes are not kept."""

    def __init__(self, response: requests.Response, request: requests.PreparedRequest, reply: Reply) -> None:
        super().__init__()
        self.__dict__.update(response.__dict__)
        self._content = b""
        self._content_consumed = True
        self.request = request
        self.elapsed = timedelta(seconds=reply.elapsed)
        self.reply = reply

    def json(self, **_: Any) -> Any:
        return self.reply.body


def reply_of(response_or_exception: object) -> Reply:
    """The reply that a response of our session carries."""
    if isinstance(response_or_exception, AmocrmResponse):
        return response_or_exception.reply
    raise TypeError(f"{type(response_or_exception).__name__} did not come through an AmocrmSession")


def parse(data: bytes | bytearray, values: int | None = None) -> tuple[ReplyKind, dict[str, Any] | None]:
    """The kind of a body by its content, for the content type is not always honest, and the JSON object if it is one.

    An empty object counts as broken. `values`: the `cost` of the body, if it is known.
    """
    first = re.search(rb"\S", data)
    if first is None:
        return ReplyKind.EMPTY, None
    if first[0] == b"<":
        return ReplyKind.HTML, None
    values = cost(data) if values is None else values
    if values > MOST_OF_VALUES:
        return ReplyKind.TOO_LARGE, None
    try:
        value = None if b"\\" in data and _NUL in data else orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    if value is None:
        if values * _MENDING_COPIES > MOST_OF_VALUES:
            return ReplyKind.TOO_LARGE, None
        value = _mended(data)
    return (ReplyKind.OBJECT, value) if value and isinstance(value, dict) else (ReplyKind.BROKEN, None)


def _mended(data: bytes | bytearray) -> Any:
    """Parses what orjson refuses: halves of emoji, control characters, broken UTF-8. None if the body is no JSON."""
    try:
        text = data.decode("utf-8-sig", "replace")
        return _mend(json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def cost(data: bytes | bytearray) -> int:
    """The most bytes of memory that the values of a body take, estimated by the signs in it.

    More than MOST_OF_VALUES if the values without their texts take more than MOST_WITHOUT_TEXTS.
    """
    signs = {sign: data.count(sign) for sign in _COST}
    strings = max(0, data.count(b'"') // 2 - signs[b":"])
    values = sum(_COST[sign] * number for sign, number in signs.items()) + strings * _STRING
    if values > MOST_WITHOUT_TEXTS:
        return MOST_OF_VALUES + 1
    narrow = data.isascii() and rb"\u" not in data
    width = 1 if narrow else 4 if any(start in data for start in _WIDE) else 2
    return len(data) * width + values


def costs_at_most(most: int, data: bytes | bytearray) -> bool:
    """Whether the `cost` of a body is surely no more. Counts all signs at once, in a quarter of the time of `cost`."""
    texts = 4 * len(data)
    if texts > most:
        return False
    signs = len(data) - len(data.translate(None, b'"' + b"".join(_COST)))
    return texts + max(_COST.values()) * signs <= most


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _mend(value: Any) -> Any:
    """The value, with U+FFFD in place of what databases cannot store: halves of a surrogate pair, and NUL."""
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mend(item) for item in value]
    return value
