"""One request, one reply: paced, timed, never redirected. What a reply means is decided elsewhere."""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import requests
import urllib3

from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.body import LARGEST, PAGE_ROOM, ROOM, Kind, fits, parse
from source_amocrm.http.connections import EXCHANGE, TellingAdapter
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.reading import ACCEPTED, Garbled, TooLarge, pieces

USER_AGENT = "source-amocrm"
# Bytes of a refusal, or of anything else that holds no rows
_SMALL = 1 << 20
# Bytes of an answer from which on it is read and taken apart while no other large one is
_LARGE = 2 << 20
_one_large = threading.Lock()
# Held for as long as there is an object that takes more than PAGE_ROOM
_one_heavy = threading.Lock()


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` None: there was no whole answer, and `kind` says how it failed."""

    status: int | None
    kind: Kind
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    elapsed: float  # seconds from sending to the last byte
    received: float  # unix seconds, this machine's clock
    trouble: str = ""  # the technical word for a failed exchange
    token: str | None = field(default=None, repr=False)  # the one that was sent

    @property
    def server_time(self) -> int | None:
        """Unix seconds of the Date header."""
        return http_date(self.headers.get("Date"))


def http_date(text: str | None) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(text or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


class _Bearer(requests.auth.AuthBase):
    """The token, and nothing that a .netrc file holds for the host."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    def __init__(self, session: requests.Session, budget: Budget, retry: RetryPolicy) -> None:
        self._session = session
        self._budget = budget
        self._retry = retry

    def send(
        self,
        method: str,
        url: str,
        *,
        token: Callable[[], str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        room: int = ROOM,
    ) -> Reply:
        """Wait for a turn, send once, read the answer whole. `token` is asked after the wait, so it is the newest.

        `room`: bytes of memory that the answer may take. Network failures are Replies too; raises what the budget
        raises when it is shut.
        """
        with self._budget.slot() as slot:
            bearer = token() if token is not None else None
            if not isinstance(self._session.get_adapter(url), TellingAdapter):
                slot.left()
            started = time.monotonic()
            EXCHANGE.told, EXCHANGE.until = slot.left, started + self._retry.deadline
            try:
                reply = self._exchange(method, url, _Bearer(bearer), headers or {}, json, room)
            finally:
                EXCHANGE.told = EXCHANGE.until = None
        elapsed = time.monotonic() - started
        if reply[0] in (200, 204):  # what is refused is refused at once
            self._budget.answered(slot, elapsed)
        status, kind, body, reply_headers, trouble = reply
        return Reply(status, kind, body, reply_headers, elapsed, time.time(), trouble, bearer)

    def _exchange(
        self,
        method: str,
        url: str,
        auth: _Bearer,
        headers: Mapping[str, str],
        json: Mapping[str, Any] | None,
        room: int,
    ) -> tuple[int | None, Kind, dict[str, Any] | None, Mapping[str, str], str]:
        asked = {"Accept": "application/json", "Accept-Encoding": ACCEPTED, "User-Agent": USER_AGENT, **headers}
        response: requests.Response | None = None
        try:
            response = self._session.request(
                method,
                url,
                auth=auth,
                headers=asked,
                json=json,
                stream=True,
                allow_redirects=False,
                timeout=(self._retry.connect_timeout, self._retry.read_timeout),
            )
            kind, body = _taken(response, room)
            return response.status_code, kind, body, response.headers, ""
        except (Garbled, TooLarge) as error:
            # a body that cannot be unpacked still came under a status
            kind = Kind.BROKEN if isinstance(error, Garbled) else Kind.TOO_LARGE
            if response is None:
                return None, kind, None, {}, type(error).__name__
            return response.status_code, kind, None, response.headers, type(error).__name__
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return None, failure(error, answered=response is not None), None, {}, type(error).__name__
        finally:
            if response is not None:
                response.close()


def _taken(response: requests.Response, room: int) -> tuple[Kind, dict[str, Any] | None]:
    """The kind of the body and the object that it is. Raises TooLarge."""
    most = min(LARGEST, room // 2) if 200 <= response.status_code < 300 else _SMALL
    data = bytearray()
    with ExitStack() as alone:
        for piece in pieces(response, most):
            EXCHANGE.left()
            if len(data) <= _LARGE < len(data) + len(piece):
                _take(_one_large)
                alone.callback(_one_large.release)
            data += piece
        return _parsed(data, room)


def _parsed(data: bytearray, room: int) -> tuple[Kind, dict[str, Any] | None]:
    if fits(data, PAGE_ROOM) or not fits(data, room):
        return parse(data, room)
    _take(_one_heavy)
    try:
        kind, body = parse(data, room)
        held = _Heavy(body or {})
    except BaseException:
        _one_heavy.release()
        raise
    weakref.finalize(held, _one_heavy.release).atexit = False
    return kind, held or None


class _Heavy(dict[str, Any]):
    """An object that no other one of its weight may be made beside."""


def _take(lock: threading.Lock) -> None:
    if not lock.acquire(timeout=EXCHANGE.left() or 0):
        raise TimeoutError("another large answer was in the way until the deadline")


def failure(error: BaseException, *, answered: bool) -> Kind:
    """Which failure an exception of requests, urllib3 or the socket stands for."""
    causes = _causes(error)

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(ssl.SSLCertVerificationError):
        return Kind.CERTIFICATE
    if among(socket.gaierror, urllib3.exceptions.NameResolutionError):
        return Kind.DNS
    if among(ConnectionRefusedError):
        return Kind.REFUSED
    if among(requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError) and not answered:
        return Kind.CONNECT_TIMEOUT
    if among(requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, socket.timeout):
        return Kind.READ_TIMEOUT
    if among(ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return Kind.TLS
    return Kind.TRUNCATED if answered else Kind.RESET


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found
