"""The CDK's session with bounds: a request leaves in its turn, its answer has a deadline and a size, no redirects."""

from __future__ import annotations

import functools
import gc
import http.client
import io
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from airbyte_cdk.sources.streams.call_rate import LimiterSession
from requests.adapters import HTTPAdapter

from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.reply import (
    LARGEST_BODY,
    MOST_OF_VALUES,
    AmocrmResponse,
    Reply,
    ReplyKind,
    cost,
    costs_at_most,
    parse,
)

LARGEST_HEAD = 1 << 17  # bytes of the status, the headers, and what the server says before them
_LARGEST_REFUSAL = 1 << 20  # the largest body of an answer that is no success (bytes)
_READ_SIZE = 1 << 18  # bytes that are unpacked at a time
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""The accepted encodings of a body, although only gzip is requested. A body in another encoding is refused."""
_CONNECTIONS = 72  # kept open to one host, one a thread: the most workers, and threads that request now and then
HEAVY_BODY = 4 << 20  # bytes; a larger answer is heavy, and refused where a smaller page can be requested
HEAVY_VALUES = 32 << 20  # bytes of memory; an answer whose values cost more is heavy, too
LIGHT_BODY = HEAVY_VALUES // 180  # bytes; no answer up to here is heavy, as no byte of one costs more than 180


class TooLarge(Exception):
    """The answer is larger than it may be."""


class _CurrentExchange(threading.local):
    """The bounds of a thread's current exchange, for the connection that the thread uses."""

    on_sent: Callable[[], None]  # is called the moment the request is handed to the network
    until: float  # deadline (seconds, monotonic clock)
    room: int  # bytes that may still come

    def remaining(self) -> float:
        """Seconds until the deadline. Raises TimeoutError past it."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline of the exchange is over")
        return seconds


_CURRENT = _CurrentExchange()


class _BoundedReader(io.RawIOBase):
    """Reads from a socket as long and as much as the exchange allows; http.client takes it for that socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._patience = connected.gettimeout() or math.inf

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(min(_CURRENT.remaining(), self._patience))
        count: int | None = self._raw.readinto(buffer)
        _CURRENT.room -= count or 0
        if _CURRENT.room < 0:
            raise TooLarge
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedConnection:
    """Mixed into a connection of urllib3: keeps the bounds of the exchange, and reports that the request has left."""

    @staticmethod
    def response_class(connected: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_BoundedReader(connected), *args, **kwargs)  # type: ignore[arg-type]

    def getresponse(self) -> Any:
        _CURRENT.on_sent()
        response = super().getresponse()  # type: ignore[misc]
        _CURRENT.room = 2 * LARGEST_BODY  # chunks may take as much again as what is in them
        return response

    def _new_conn(self) -> Any:
        """Connects in a thread of its own, because nothing can interrupt the lookup of a name."""
        connect, remaining, done = super()._new_conn, _CURRENT.remaining(), Future[Any]()  # type: ignore[misc]

        def run() -> None:
            try:
                done.set_result(connect())
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=run, name="connect", daemon=True).start()
        if not wait([done], remaining).done:
            done.add_done_callback(lambda late: late.exception() or late.result().close())
            raise urllib3.exceptions.ConnectTimeoutError("no connection by the deadline of the exchange")
        return done.result()


@functools.cache
def _bounded(connection: type) -> type:
    return type(f"Bounded{connection.__name__}", (_BoundedConnection, connection), {})


class _BoundedAdapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool of a request's host or of its proxy, with bounded connections."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _bounded(type(pool).ConnectionCls)
        return pool


_heavy_turn = threading.Lock()


@contextmanager
def turn_of_heavy_answer(patience: float) -> Iterator[None]:
    """Lets one thread at a time read a heavy answer. Raises TimeoutError after `patience` seconds."""
    if not _heavy_turn.acquire(timeout=patience):
        raise TimeoutError("another heavy answer was in the way until the deadline")
    try:
        gc.collect()  # exceptions and frames that refer to each other may hold heavy answers that are done with
        yield
    finally:
        _heavy_turn.release()


class AmocrmSession(LimiterSession):
    """The session of all requests of the process, with its clocks; safe to share by threads.

    `clock` returns the seconds of this machine's monotonic clock, and `wall` Unix seconds.
    """

    def __init__(
        self,
        budget: Budget,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(api_budget=budget)
        self.budget, self.policy = budget, policy
        self.clock, self.wall, self.sleep = clock, wall, sleep
        # signs nothing, so that no password of a .netrc file is sent; `send` adds the token after its turn has come
        self.auth = lambda request: request
        self.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "source-amocrm"})
        for scheme in ("https://", "http://"):  # ignore-https-check: plain HTTP is for this machine only
            self.mount(scheme, _BoundedAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS))
        # amoCRM's session cookies are of no use to a token, and a jar is not for many threads
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Makes a redirect an answer like any other: requests would read its body to the end and parse its Location."""

    def send(
        self,
        request: requests.PreparedRequest,
        *,
        bearer: Callable[[], str] = lambda: "",
        shrinkable: bool = False,
        **kwargs: Any,
    ) -> AmocrmResponse:
        """Waits for a turn, sends once, and reads the whole answer. If none came, the response has no status.

        `bearer` returns the token; it is called after the wait, so that the token is the newest. `shrinkable`: a
        smaller page can be requested, so a heavy answer is refused. Unlike the CDK's session, this one gives the turn
        back also when the exchange fails.
        """
        self.budget.acquire_call(request)
        response = None
        try:
            response = self._exchange(request, bearer(), shrinkable, kwargs)
            return response
        finally:
            self.budget.update_from_response(request, response)

    def _exchange(
        self, request: requests.PreparedRequest, token: str, shrinkable: bool, kwargs: dict[str, Any]
    ) -> AmocrmResponse:
        signed = request.copy()  # `request` itself stays without a token, so that no error can show one
        if token:
            signed.headers["Authorization"] = f"Bearer {token}"
        bounds = {"timeout": (self.policy.connect_timeout, self.policy.read_timeout), "stream": True}
        response, kind, body, trouble = requests.Response(), ReplyKind.EMPTY, None, ""
        started = time.monotonic()
        _CURRENT.until, _CURRENT.room = started + self.policy.deadline, LARGEST_HEAD
        _CURRENT.on_sent = functools.partial(self.budget.departed, request)
        try:
            with requests.Session.send(self, signed, **{**kwargs, **bounds}) as response:
                kind, body = _read_body(response, shrinkable)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, TooLarge, MemoryError) as error:
            kind, trouble = failure(error, answered=response.status_code is not None), type(error).__name__
            if kind not in (ReplyKind.BROKEN, ReplyKind.TOO_LARGE):  # with these the status that came before counts
                response = requests.Response()
        status, headers, elapsed = response.status_code, response.headers, time.monotonic() - started
        reply = Reply(status, kind, body, headers, elapsed, self.wall(), trouble, token, str(request.url))
        return AmocrmResponse(response, request, reply)


def _read_body(response: requests.Response, shrinkable: bool) -> tuple[ReplyKind, dict[str, Any] | None]:
    """The kind of the body and its JSON object. Raises TooLarge, MemoryError or TimeoutError."""
    most = _LARGEST_REFUSAL if not 200 <= response.status_code < 300 else HEAVY_BODY if shrinkable else LARGEST_BODY
    if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        raise urllib3.exceptions.DecodeError("an encoding that was not requested")
    data = bytearray()
    with ExitStack() as turn:
        piece: bytes | None = None
        while piece != b"":
            # read1 gives what has arrived; read would sit in a dripping body for as long as it drips
            piece = response.raw.read1(_READ_SIZE, decode_content=True) or b""
            # packed bytes count, too: a gzip file may have any number of members with nothing in them
            if max(len(data) + len(piece), response.raw.tell()) > most:
                raise TooLarge
            remaining = _CURRENT.remaining()
            if len(data) <= HEAVY_BODY < len(data) + len(piece):
                turn.enter_context(turn_of_heavy_answer(remaining))
            data += piece
        values = 0 if len(data) <= LIGHT_BODY or costs_at_most(HEAVY_VALUES, data) else cost(data)
        if values > (HEAVY_VALUES if shrinkable else MOST_OF_VALUES):
            raise TooLarge
        if values > HEAVY_VALUES and len(data) <= HEAVY_BODY:
            turn.enter_context(turn_of_heavy_answer(_CURRENT.remaining()))
        return parse(data, values)


_FAILURES: dict[ReplyKind, tuple[type[BaseException], ...]] = {
    ReplyKind.BROKEN: (urllib3.exceptions.DecodeError,),
    ReplyKind.TOO_LARGE: (TooLarge, MemoryError),
    ReplyKind.CERTIFICATE: (ssl.SSLCertVerificationError,),
    ReplyKind.DNS: (socket.gaierror, urllib3.exceptions.NameResolutionError),
    ReplyKind.REFUSED: (ConnectionRefusedError,),
    ReplyKind.CONNECT_TIMEOUT: (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
    ReplyKind.READ_TIMEOUT: (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, socket.timeout),
    ReplyKind.TLS: (ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError),
}
"""The exceptions that stand for each kind of failure; the first match counts."""


def failure(error: BaseException, *, answered: bool) -> ReplyKind:
    """The kind of failure that an exception of requests, urllib3 or the socket stands for."""
    causes = list(_causes(error))
    for kind, types in _FAILURES.items():
        if any(isinstance(cause, types) for cause in causes) and not (answered and kind is ReplyKind.CONNECT_TIMEOUT):
            return kind
    return ReplyKind.TRUNCATED if answered else ReplyKind.RESET


def _causes(error: object) -> Iterator[BaseException]:
    """Yields the exception and all that led to it; the libraries chain a cause or put it into the arguments."""
    if isinstance(error, BaseException):
        yield error
        for cause in (error.__cause__, error.__context__, *error.args):
            yield from _causes(cause)
