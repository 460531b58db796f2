"""An answer as it was understood, and the CDK's kinds of response and exception that carry it."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests

from source_amocrm.http.body import Kind


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it was understood. `status` None: there was no whole answer, and `kind` says how it failed."""

    status: int | None
    kind: Kind
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    elapsed: float  # seconds from sending to the last byte
    received: float  # unix seconds, this machine's clock
    trouble: str = ""  # the technical word for a failed exchange
    token: str | None = field(default=None, repr=False)  # the one that was sent
    size: int = 0  # bytes of memory that the body takes at the most

    @property
    def server_time(self) -> int | None:
        """Unix seconds of the Date header."""
        return http_date(self.headers.get("Date"))

    @property
    def meant_status(self) -> int | None:
        """The status, or the one inside a problem that was sent under 200: that is no empty list."""
        body = self.body or {}
        if self.status == 200 and "title" in body and "detail" in body:
            told = body.get("status")
            if isinstance(told, int) and 400 <= told <= 599:
                return told
        return self.status


def http_date(text: str | None) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(text or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


class AmocrmResponse(requests.Response):
    """An answer whose body has been read and parsed; `json()` gives the values, and the bytes are not kept."""

    def __init__(self, given: requests.Response, request: requests.PreparedRequest, reply: Reply) -> None:
        super().__init__()
        self.__dict__.update(given.__dict__)
        self._content = b""
        self._content_consumed = True
        self.request = request
        self.elapsed = timedelta(seconds=reply.elapsed)
        self.reply = reply

    def json(self, **_: Any) -> Any:
        return self.reply.body


class NoAnswer(requests.RequestException):
    """The exchange failed before there was a whole answer."""

    def __init__(self, request: requests.PreparedRequest, reply: Reply) -> None:
        super().__init__(reply.trouble, request=request)
        self.reply = reply


def reply_of(response_or_exception: object) -> Reply:
    """The reply that a response or an exception of our session carries."""
    if isinstance(response_or_exception, AmocrmResponse | NoAnswer):
        return response_or_exception.reply
    raise TypeError(f"{type(response_or_exception).__name__} did not come through an AmocrmSession")
