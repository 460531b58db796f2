"""Connections that report when a request has left, and end an exchange at its deadline, whatever it waits for."""

from __future__ import annotations

import functools
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter

from source_amocrm.http.body import TooLarge

LARGEST_HEAD = 1 << 17
"""Bytes of all that comes before a body: the status, the headers, and what the server says before them."""

# Threads that ask now and then besides the workers
_OTHER_THREADS = 8


class Exchange(threading.local):
    """What the connection that a thread uses must know of its request.

    `on_sent` is called the moment the request is handed to the network; `until`: the deadline by the monotonic clock.
    """

    on_sent: Callable[[], None] | None = None
    until: float | None = None

    def left(self) -> float | None:
        """Seconds until the deadline. Raises TimeoutError when it is over."""
        if self.until is None:
            return None
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline of the exchange is over")
        return seconds


EXCHANGE = Exchange()


class _Timed(io.RawIOBase):
    """Reads from a socket until the deadline of the exchange. `head`: how many bytes may come; None: any number."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._patience = connected.gettimeout()
        self.head: int | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = EXCHANGE.left()
        if left is not None:
            self._socket.settimeout(left if self._patience is None else min(left, self._patience))
        count: int | None = self._raw.readinto(buffer)
        if self.head is not None and count:
            self.head -= count
            if self.head < 0:
                raise TooLarge
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._timed = _Timed(sock)
        self.fp = io.BufferedReader(self._timed)

    def begin(self) -> None:
        self._timed.head = LARGEST_HEAD
        super().begin()
        self._timed.head = None


class _ReportingConnection:
    """To be mixed into a connection of urllib3: it reports that the request has left."""

    response_class = _Response

    def getresponse(self) -> Any:
        if EXCHANGE.on_sent is not None:
            EXCHANGE.on_sent()
        return super().getresponse()  # type: ignore[misc]

    def _new_conn(self) -> Any:
        return _in_time(super()._new_conn)  # type: ignore[misc]


def _in_time(connect: Callable[[], Any]) -> Any:
    """Connects before the deadline: a lookup of a name cannot be interrupted, so it runs in a thread of its own."""
    left = EXCHANGE.left()
    if left is None:
        return connect()
    done: Future[Any] = Future()
    threading.Thread(target=_settle, args=(done, connect), name="connect", daemon=True).start()
    if not wait([done], left).done:
        done.add_done_callback(_close)
        raise urllib3.exceptions.ConnectTimeoutError("no connection by the deadline of the exchange")
    return done.result()


def _settle(done: Future[Any], connect: Callable[[], Any]) -> None:
    try:
        done.set_result(connect())
    except BaseException as error:
        done.set_exception(error)


def _close(late: Future[Any]) -> None:
    if late.exception() is None:
        late.result().close()


@functools.cache
def _reporting(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    """The same pool with connections that report."""
    connection = type(f"Reporting{pool.ConnectionCls.__name__}", (_ReportingConnection, pool.ConnectionCls), {})
    return type(f"Reporting{pool.__name__}", (pool,), {"ConnectionCls": connection})


class ReportingAdapter(HTTPAdapter):
    """A pool of connections for `threads` workers that report when a request has left."""

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
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {
            scheme: pool if issubclass(pool.ConnectionCls, _ReportingConnection) else _reporting(pool)
            for scheme, pool in pools.items()
        }
