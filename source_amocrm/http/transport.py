"""One request, one reply: paced, timed, never redirected. What a reply means is decided elsewhere."""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.body import Kind, parse
from source_amocrm.http.rate_limit import Budget

USER_AGENT = "source-amocrm"
_CHUNK = 1 << 18
# Threads that ask now and then besides the workers
_OTHER_THREADS = 8
_departure = threading.local()


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


class _Told:
    """Tells the waiting Slot the moment its request is handed to the network."""

    def getresponse(self) -> Any:
        told: Callable[[], None] | None = getattr(_departure, "told", None)
        if told is not None:
            told()
        return super().getresponse()  # type: ignore[misc]


class _Http(_Told, HTTPConnection):
    pass


class _Https(_Told, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


class TellingAdapter(HTTPAdapter):
    """A pool for so many threads, whose connections tell when a request has left."""

    def __init__(self, threads: int) -> None:
        super().__init__(pool_connections=4, pool_maxsize=threads + _OTHER_THREADS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._tell(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._tell(manager)
        return manager

    @staticmethod
    def _tell(manager: Any) -> None:
        # a SOCKS manager brings its own pools
        if manager.pool_classes_by_scheme.get("https") is urllib3.HTTPSConnectionPool:
            manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _Bearer(requests.auth.AuthBase):
    """The token, and nothing that a .netrc file holds for the host."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def new_session(threads: int) -> requests.Session:
    session = requests.Session()
    session.mount("https://", TellingAdapter(threads))
    session.mount("http://", TellingAdapter(threads))
    # amoCRM's session cookies are of no use to a token, and a jar is not for many threads
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


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
    ) -> Reply:
        """Wait for a turn, send once, read the answer whole. `token` is asked after the wait, so it is the newest.

        Network failures are Replies too; raises what the budget raises when it is shut.
        """
        with self._budget.slot() as slot:
            bearer = token() if token is not None else None
            if not isinstance(self._session.get_adapter(url), TellingAdapter):
                slot.left()
            _departure.told = slot.left
            started = time.monotonic()
            try:
                reply = self._exchange(method, url, _Bearer(bearer), headers or {}, json)
            finally:
                _departure.told = None
        elapsed = time.monotonic() - started
        if reply[0] in (200, 204):  # what is refused is refused at once
            self._budget.answered(slot, elapsed)
        status, kind, body, reply_headers, trouble = reply
        return Reply(status, kind, body, reply_headers, elapsed, time.time(), trouble, bearer)

    def _exchange(
        self, method: str, url: str, auth: _Bearer, headers: Mapping[str, str], json: Mapping[str, Any] | None
    ) -> tuple[int | None, Kind, dict[str, Any] | None, Mapping[str, str], str]:
        until = time.monotonic() + self._retry.deadline
        asked = {"Accept": "application/json", "User-Agent": USER_AGENT, **headers}
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
            data = _read(response, until)
            kind, body = parse(data)
            return response.status_code, kind, body, response.headers, ""
        except _Late as late:
            return None, Kind.READ_TIMEOUT, None, {}, str(late)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            kind = failure(error, answered=response is not None)
            # a body that cannot be unpacked still came under a status
            status = response.status_code if response is not None and kind is Kind.BROKEN else None
            return status, kind, None, {}, type(error).__name__
        finally:
            if response is not None:
                response.close()


class _Late(Exception):
    """The answer dripped for longer than the deadline."""


def _read(response: requests.Response, until: float) -> bytes:
    chunks: list[bytes] = []
    # read1 gives what has arrived; read would sit in a dripping body for as long as it drips
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        if time.monotonic() > until:
            raise _Late("the body had not ended by the deadline")
    return b"".join(chunks)


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
    if among(urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
        return Kind.BROKEN
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
