"""Serves the invitation page behind a proxy, on waitress, with limits on requests and connections."""

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

from amocrm_fleet.invite.granted_account import tell
from amocrm_fleet.invite.invite_site import InvitationSite
from source_amocrm.connect.connect_site import Request, Response, message
from source_amocrm.connect.connect_words import Texts
from source_amocrm.errors import raised_at

LARGEST_BODY, LARGEST_HEAD = 4_096, 16_384
"""Size of a request's body and of its head (bytes). Larger requests are refused with 413 and 431."""
CONNECTIONS = 512
"""Connections at a time. Further ones wait in the system's queue until one is closed."""
PATIENCE = 15.0
"""Time for a request to come whole, and for a connection to be idle (seconds). Past that the connection is closed."""
WINDOW = 10.0
MOST_PER_STATE, MOST_PER_ADDRESS = 30, 300
"""Requests of one state and of one address within WINDOW seconds. Further ones are answered with 429."""
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
        """Counts a request. False past a limit. A state or address of "" is not counted."""
        with self._lock:
            if (window := int(self._clock() / WINDOW)) != self._window:
                self._window, self._counts = window, {}
            counts = (self._count("state", state, MOST_PER_STATE), self._count("address", address, MOST_PER_ADDRESS))
            return all(counts)

    def _count(self, kind: str, who: str, most: int) -> bool:
        if not who:
            return True
        count = self._counts.get((kind, who), 0)
        self._counts[kind, who] = min(count + 1, most + 1)
        return count < most


class Application:
    """The WSGI application between waitress and the page. `proxy`: the address whose `X-Forwarded-For` is believed."""

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
            # without X-Forwarded-For, all visitors have the proxy's address, whose limit would refuse them together
            counted = "" if address == self._proxy else address
            if not self._limit.admits(request.query.get("state", ""), counted):
                return Response(429, b"", {"Retry-After": str(int(WINDOW))})
        try:
            return self._site.handle(request)
        except Exception as error:
            tell(f"a page could not be shown: {type(error).__name__} at {raised_at(error)}.")
            return message(500, "invite_unavailable", Texts("en"))


class _Channel(HTTPChannel):
    """Closes the connection of a request that has not come whole within PATIENCE seconds, even if bytes keep coming."""

    _began = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self._began = time.monotonic()
        elif time.monotonic() - self._began > PATIENCE:
            self.will_close = True
            return False
        return bool(super().received(data))


class InvitationServer:
    """Listens as soon as it is made. Raises OSError."""

    def __init__(self, site: InvitationSite, port: int, address: str = "127.0.0.1", proxy: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family, backlog=CONNECTIONS)
        # waitress logs only its queue's length and requests' addresses, which may hold a code
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
