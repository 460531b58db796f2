"""The CDK's session with bounds: one request, one answer, in its turn, in time, read once, never redirected.

Bounds of memory: a body is at most LARGEST, and heavy answers are read and parsed one at a time. A thread that delivers
rows keeps the turn until it needs the next answer, so that the rows of one heavy answer are on their way at a time.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar

import requests
import urllib3
from airbyte_cdk.sources.streams.call_rate import LimiterSession

from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.body import ACCEPTED, LARGEST, MOST_OF_VALUES, Garbled, Kind, TooLarge, cost, parse, pieces
from source_amocrm.http.connections import EXCHANGE, ReportingAdapter
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.reply import AmocrmResponse, NoAnswer, Reply

USER_AGENT = "source-amocrm"
# The most bytes of an answer that holds no rows
_SMALL = 1 << 20
LARGE = 4 << 20
"""An answer of more bytes is heavy. Where a smaller page can be asked for, it is refused."""
HEAVY_VALUES = 32 << 20
"""An answer whose values cost more bytes of memory is heavy, too."""


LONGEST_TURN = 5.0
"""Seconds after which another thread takes the turn over, because its holder may wait for that very thread."""


class _HeavyTurn(threading.local):
    """The turn of heavy answers, which one thread of the process has at a time. `keeps`: this thread keeps it."""

    changed = threading.Condition()
    holder: ClassVar[tuple[int, float]] = (0, 0.0)
    """The thread that has the turn (0 for none), and since when (seconds, monotonic clock)."""
    keeps = False

    def take(self, patience: float) -> None:
        """Raises TimeoutError after `patience` seconds."""
        me, until = threading.get_ident(), time.monotonic() + patience
        with self.changed:
            while True:
                (thread, since), now = self.holder, time.monotonic()
                if thread in (0, me) or now >= since + LONGEST_TURN:
                    _HeavyTurn.holder = (me, now)
                    return
                if now >= until:
                    raise TimeoutError("another heavy answer was in the way until the deadline")
                self.changed.wait(min(until, since + LONGEST_TURN) - now)

    def leave(self) -> None:
        with self.changed:
            if self.holder[0] == threading.get_ident():
                _HeavyTurn.holder = (0, 0.0)
                self.changed.notify()


_heavy_turn = _HeavyTurn()


@contextmanager
def delivering_rows() -> Iterator[None]:
    """Within, this thread keeps the turn of a heavy answer until its next request, when it has delivered the rows."""
    _heavy_turn.keeps = True
    try:
        yield
    finally:
        _heavy_turn.keeps = False
        _heavy_turn.leave()


class _SignedLater(requests.auth.AuthBase):
    """Signs nothing, so that no password of a .netrc file is sent; `send` adds the token after its turn has come."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class AmocrmSession(LimiterSession):
    """One for all requests of the process; safe to share by threads."""

    def __init__(self, budget: Budget, policy: RetryPolicy, threads: int = 1) -> None:
        super().__init__(api_budget=budget)
        self.budget = budget
        self._deadline = policy.deadline
        self._timeouts = (policy.connect_timeout, policy.read_timeout)
        self.auth = _SignedLater()
        self.headers.update({"Accept": "application/json", "Accept-Encoding": ACCEPTED, "User-Agent": USER_AGENT})
        self.mount("https://", ReportingAdapter(threads))
        self.mount("http://", ReportingAdapter(threads))
        # amoCRM's session cookies are of no use to a token, and a jar is not for many threads
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Makes a redirect an answer like any other: requests would read its body to the end and parse its Location."""

    def send(
        self,
        request: requests.PreparedRequest,
        *,
        bearer: Callable[[], str] | None = None,
        shrinkable: bool = False,
        **kwargs: Any,
    ) -> AmocrmResponse:
        """Waits for a turn, sends once, and reads the answer whole. Raises NoAnswer, and what a shut budget raises.

        `bearer` is asked for the token after the wait, so that it is the newest. `shrinkable`: less can be asked for,
        so a large answer is refused where another one would be taken. Unlike the CDK's, it gives the turn back when
        the exchange fails, too.
        """
        _heavy_turn.leave()
        self.budget.acquire_call(request)
        response = None
        try:
            response = self._sent(request, bearer() if bearer else "", shrinkable, kwargs)
        finally:
            self.budget.update_from_response(request, response)
            if not _heavy_turn.keeps:
                _heavy_turn.leave()
        return response

    def _sent(
        self, request: requests.PreparedRequest, token: str, shrinkable: bool, kwargs: dict[str, Any]
    ) -> AmocrmResponse:
        signed = request.copy()  # the given request stays without a token, so that no error can show one
        if token:
            signed.headers["Authorization"] = f"Bearer {token}"
        if not isinstance(self.get_adapter(str(request.url)), ReportingAdapter):
            self.budget.left(request)
        started = time.monotonic()
        EXCHANGE.on_sent, EXCHANGE.until = partial(self.budget.left, request), started + self._deadline
        try:
            response, kind, body, size, trouble = self._exchange(signed, shrinkable, kwargs)
        finally:
            EXCHANGE.on_sent = EXCHANGE.until = None
        elapsed, received = time.monotonic() - started, time.time()
        if response is None:
            raise NoAnswer(request, Reply(None, kind, None, {}, elapsed, received, trouble, token or None))
        reply = Reply(
            response.status_code, kind, body, response.headers, elapsed, received, trouble, token or None, size
        )
        return AmocrmResponse(response, request, reply)

    def _exchange(
        self, request: requests.PreparedRequest, shrinkable: bool, kwargs: dict[str, Any]
    ) -> tuple[requests.Response | None, Kind, dict[str, Any] | None, int, str]:
        """The answer (None if it is not whole), its body's kind, object and cost, and a technical word for failures."""
        response: requests.Response | None = None
        bounds = {"timeout": self._timeouts, "stream": True, "allow_redirects": False}
        try:
            response = requests.Session.send(self, request, **{**kwargs, **bounds})
            return response, *_taken(response, shrinkable), ""
        except (Garbled, TooLarge, MemoryError) as error:
            # a body that cannot be unpacked still came under a status
            kind = Kind.BROKEN if isinstance(error, Garbled) else Kind.TOO_LARGE
            return response, kind, None, 0, type(error).__name__
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return None, failure(error, answered=response is not None), None, 0, type(error).__name__
        finally:
            if response is not None:
                response.close()


def _taken(response: requests.Response, shrinkable: bool) -> tuple[Kind, dict[str, Any] | None, int]:
    """The kind of the body, the object that it is, and its cost. Raises TooLarge, MemoryError or TimeoutError."""
    most = _SMALL if not 200 <= response.status_code < 300 else LARGE if shrinkable else LARGEST
    data = bytearray()
    for piece in pieces(response, most):
        data += piece
        if len(data) > LARGE:
            _heavy_turn.take(EXCHANGE.left() or 0)
    values = cost(data)
    if values > (HEAVY_VALUES if shrinkable else MOST_OF_VALUES):
        raise TooLarge
    if values > HEAVY_VALUES:
        _heavy_turn.take(EXCHANGE.left() or 0)
    return *parse(data, values), values


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
