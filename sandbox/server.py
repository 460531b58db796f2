"""Serves the sandbox on a loopback port: HTTP/1.1 with keep-alive, a latency for each request, and network faults."""

from __future__ import annotations

import socket
import struct
import time
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Event, Thread
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from .account import Account
from .control import control
from .faults import Faults
from .http import Request, Response
from .limits import Rate
from .sandbox import LoggedRequest, Sandbox
from .switches import Switches
from .tokens import Tokens


class Server:
    """`with Server(account) as server: server.url`. `latency`: the least and the most of a request (seconds, uniform).

    `jitter`: the most by which a request arrives early or late (seconds).
    """

    def __init__(
        self,
        account: Account,
        *,
        switches: Switches | None = None,
        latency: tuple[float, float] = (0.0, 0.0),
        jitter: float = 0.0,
        rate: Rate | None = None,
        faults: Faults | None = None,
        tokens: Tokens | None = None,
        port: int = 0,
    ) -> None:
        rate = rate or Rate()
        self.sandbox = Sandbox(account, switches=switches, rate=rate, faults=faults, tokens=tokens)
        self.latency = latency
        self.jitter = jitter
        self.stopping = Event()
        self.random = Random(0)
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.server = self
        self.url = self.sandbox.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    @property
    def account(self) -> Account:
        return self.sandbox.account

    @property
    def tokens(self) -> Tokens:
        return self.sandbox.tokens

    @property
    def log(self) -> list[LoggedRequest]:
        return self.sandbox.log

    def config(self, *, oauth: bool = False) -> dict[str, object]:
        """Returns a config of the connector for this account, with a long-lived token or a new OAuth pair."""
        if oauth:
            credentials = oauth_credentials(self.tokens)
        else:
            credentials = {"auth_type": "long_lived_token", "access_token": self.tokens.long_lived()}
        return {"account_domain": self.account.domain, "api_base_url": self.url, "credentials": credentials}

    def start(self) -> Server:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def oauth_credentials(tokens: Tokens) -> dict[str, object]:
    """Returns the integration's keys with a new pair of tokens, as if a person had just allowed access."""
    pair, client = tokens.grant(), tokens.client
    expires = datetime.fromtimestamp(pair["server_time"] + pair["expires_in"], timezone.utc)
    return {
        "auth_type": "oauth2.0",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": client.redirect_uri,
        "refresh_token": pair["refresh_token"],
        "access_token": pair["access_token"],
        "token_expiry_date": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    server: Server

    def handle_error(self, request: object, client_address: object) -> None:
        """Prints nothing when a client closes its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _respond(self) -> None:
        server = cast(_Http, self.server).server
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, url.query, headers, body)
        controlled = control(server.sandbox, request)
        if controlled is not None:
            self._send(server, controlled)
            return
        time.sleep(server.random.uniform(0.0, 2 * server.jitter))
        # the limiter counts requests at their arrival
        refused = server.sandbox.limiter.check()
        # the answer is a snapshot of a random moment within the request's latency
        wait = server.random.uniform(*server.latency)
        before = wait * server.random.random()
        time.sleep(before)
        response = server.sandbox.answer(request, refused)
        time.sleep(wait - before)
        self._send(server, server.sandbox.stamp(response))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _respond  # noqa: N815

    def _send(self, server: Server, response: Response) -> None:
        if response.wire == "reset_before":
            return self._reset()
        if response.wire == "hang":
            server.stopping.wait(server.sandbox.faults.hang_seconds)
            return self._reset()
        head = self._head(response)
        if response.wire == "drip":
            return self._drip(server, head + response.body)
        if response.wire == "reset_after_headers":
            self.wfile.write(head)
            return self._reset()
        if response.wire == "short_body":
            self.wfile.write(head + response.body[: len(response.body) // 2])
            self.close_connection = True
            return None
        self.wfile.write(head + response.body)
        return None

    def _head(self, response: Response) -> bytes:
        phrase = HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {phrase}"]
        lines += [f"{name.title()}: {value}" for name, value in response.headers.items()]
        if response.status != 204:
            lines.append(f"Content-Length: {len(response.body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8")

    def _drip(self, server: Server, whole: bytes) -> None:
        for start in range(len(whole)):
            if server.stopping.wait(server.sandbox.faults.drip_seconds):
                return
            self.wfile.write(whole[start : start + 1])

    def _reset(self) -> None:
        """Closes with RST, as a crashed server or a firewall does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Prints nothing: the log is `Server.log`."""
