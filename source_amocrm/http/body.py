"""What an answer's body is, read once."""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import Any

import orjson

NUL = rb"\u0000"
"""As JSON writes it."""


class Kind(Enum):
    """What came back: the kind of a body, or how the exchange failed before there was one."""

    OBJECT = "a JSON object"
    EMPTY = "nothing"
    HTML = "a web page"
    BROKEN = "broken JSON"
    REFUSED = "connection refused"
    RESET = "connection lost"
    DNS = "host name not found"
    CERTIFICATE = "certificate not trusted"
    TLS = "TLS failure"
    CONNECT_TIMEOUT = "no connection in time"
    READ_TIMEOUT = "no answer in time"
    TRUNCATED = "body cut short"


def parse(data: bytes) -> tuple[Kind, dict[str, Any] | None]:
    """The kind of a body, by its content: the content type is not always honest. The object when it is one.

    An object with nothing in it is no answer.
    """
    if not data.strip():
        return Kind.EMPTY, None
    value = _loads(data)
    if value and isinstance(value, dict):
        return Kind.OBJECT, value
    return (Kind.HTML if data.lstrip()[:1] == b"<" else Kind.BROKEN), None


def _loads(data: bytes) -> Any:
    try:
        value = orjson.loads(data)
        return _mend(value) if NUL in data else value
    except orjson.JSONDecodeError:
        pass
    except RecursionError:
        return None
    if data.lstrip()[:1] == b"<":
        return None
    # Texts typed in amoCRM may hold halves of emoji, raw control characters, bytes that are no UTF-8
    try:
        text = data.decode("utf-8-sig", "replace")
        return _mend(json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _mend(value: Any) -> Any:
    """The same value with U+FFFD in place of what no database stores: halves of a surrogate pair, and NUL."""
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mend(item) for item in value]
    return value
