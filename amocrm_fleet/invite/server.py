"""The invitation page behind a proxy, on waitress: which requests reach the page, and how many of whom."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from waitress.channel import HTTPChannel
from waitress.server import create_server

from amocrm_fleet.invite.landing import tell
from amocrm_fleet.invite.site import InvitationSite
from source_amocrm.connect.site import Request, Response, message
from source_amocrm.connect.words import Texts
from source_amocrm.errors import raised_at

LARGEST_BODY, LARGEST_HEAD = 4_096, 16_384
"""Bytes of a request's body and of its head. Larger ones are refused with 413 and 431."""
CONNECTIONS = 512
"""Connections at a time. Further ones wait in the system's queue until one is closed."""
PATIENCE = 15.0
"""Seconds within which a request must have come whole, and for which a connection may be idle. Then it is closed."""
WINDOW = 10.0
OF_A_STATE, OF_AN_ADDRESS = 30, 300
"""Requests within WINDOW seconds that carry one state, or come from one address. Further ones are answered 429."""
_THREADS = 4

_Environment = Mapping[str, Any]
_Start = Callable[[str, list[tuple[str, str]]], object]


class RateLimit:
    """Counts requests by their state and by their address, in windows of WINDOW seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[tuple[str, str], int] = {}

    def admits(self, state: str, address: str) -> bool:
        """False past a limit. "" for the state or the address counts nothing."""
        with self._lock:
            if (window := int(self._clock() / WINDOW)) != self._window:
                self._window, self._counts = window, {}
            counts = (self._count("state", state, OF_A_STATE), self._count("address", address, OF_AN_ADDRESS))
            return all(counts)

    def _count(self, kind: str, who: str, most: int) -> bool:
        if not who:
            return True
        count = self._counts.get((kind, who), 0)
        self._counts[kind, who] = min(count + 1, most + 1)
        return count < most


class Application:
    """WSGI between waitress and the page. `proxy` is the address whose `X-Forwarded-For` is believed."""

    def __init__(self, site: InvitationSite, proxy: str, limit: RateLimit) -> None:
        self._site = site
        self._proxy = proxy
        self._limit = limit

    def __call__(self, environment: _Environment, start: _Start) -> Iterable[bytes]:
        response = self._answer(environment)
        headers = {**response.headers, "Content-Length": str(len(response.body))}
        start(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
        return [response.body]

    def _answer(self, environment: _Environment) -> Response:
        request = _request(environment)
        address = environment.get("REMOTE_ADDR", "")
        if not request.path.startswith("/static/"):
            # a proxy that does not say for whom it asks would be refused for all of them at once
            known = "" if address == self._proxy else address
            if not self._limit.admits(request.query.get("state", ""), known):
                return Response(429, b"", {"Retry-After": str(int(WINDOW))})
        try:
            return self._site.handle(request)
        except Exception as error:
            tell(f"a page could not be shown: {type(error).__name__} at {raised_at(error)}.")
            return message(500, "invite_unavailable", Texts("en"))


class _Channel(HTTPChannel):
    """Hangs up on a request that has not come whole within PATIENCE seconds, however it trickles in."""

    _began = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self._began = time.monotonic()
        elif time.monotonic() - self._began > PATIENCE:
            self.will_close = True
            return False
        return bool(super().received(data))


class InvitationServer:
    """Listens from the start. Raises OSError."""

    def __init__(self, site: InvitationSite, port: int, address: str = "127.0.0.1", proxy: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family, backlog=CONNECTIONS)
        # what it logs are addresses, which may hold a code, and the length of a queue
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        self._server = create_server(
            Application(site, proxy, RateLimit()),
            sockets=[listening],
            threads=_THREADS,
            connection_limit=CONNECTIONS,
            backlog=CONNECTIONS,
            channel_timeout=int(PATIENCE),
            cleanup_interval=5,
            max_request_body_size=LARGEST_BODY,
            max_request_header_size=LARGEST_HEAD,
            trusted_proxy=proxy,
            trusted_proxy_headers={"x-forwarded-for"},
            clear_untrusted_proxy_headers=True,
            asyncore_use_poll=True,
            ident="source-amocrm",
        )
        self._server.channel_class = _Channel
        self.port = listening.getsockname()[1]

    def run(self) -> None:
        """Serves until it is interrupted."""
        self._server.run()

    def close(self) -> None:
        self._server.task_dispatcher.shutdown()
        self._server.close()


def _request(environment: _Environment) -> Request:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environment.items()
        if name.startswith("HTTP_")
    }
    try:
        query = dict(parse_qsl(environment.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        query = {}
    return Request(
        environment["REQUEST_METHOD"],
        environment.get("PATH_INFO", ""),
        query,
        headers,
        {},
        environment["wsgi.input"].read(LARGEST_BODY),
    )
