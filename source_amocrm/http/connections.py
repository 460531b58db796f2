"""Connections that tell when a request has left, and that end an exchange at its deadline, whatever it waits for."""

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

from source_amocrm.http.decompression import TooLarge

LARGEST_HEAD = 1 << 17
"""Bytes of all that comes before a body: the status, the headers, and what the server says before them."""

# Threads that ask now and then besides the workers
_OTHER_THREADS = 8


class Exchange(threading.local):
    """What the connection that a thread uses must know of its request.

    `told` is called the moment the request is handed to the network; `until`: the deadline by the monotonic clock.
    """

    told: Callable[[], None] | None = None
    until: float | None = None

    def left(self) -> float | None:
        """Seconds; raises when there are none."""
        if self.until is None:
            return None
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline of the exchange is over")
        return seconds


EXCHANGE = Exchange()


class _Timed(io.RawIOBase):
    """What comes through a socket. Each wait for it ends with the exchange; `head`: the bytes that may come, None: any
    number."""

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


class _Telling:
    """To be mixed into a connection of urllib3."""

    response_class = _Response

    def getresponse(self) -> Any:
        if EXCHANGE.told is not None:
            EXCHANGE.told()
        return super().getresponse()  # type: ignore[misc]

    def _new_conn(self) -> Any:
        return _in_time(super()._new_conn)  # type: ignore[misc]


def _in_time(connect: Callable[[], Any]) -> Any:
    """A name that is looked up cannot be interrupted, and may have many addresses: neither is waited for too long."""
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
def _telling(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    """The same pool with connections of ours."""
    connection = type(f"Telling{pool.ConnectionCls.__name__}", (_Telling, pool.ConnectionCls), {})
    return type(f"Telling{pool.__name__}", (pool,), {"ConnectionCls": connection})


class TellingAdapter(HTTPAdapter):
    """A pool for so many threads, whose connections tell when a request has left, and end with their exchange."""

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
            scheme: pool if issubclass(pool.ConnectionCls, _Telling) else _telling(pool)
            for scheme, pool in pools.items()
        }
