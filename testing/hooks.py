"""A web hook on this machine, which keeps what it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from sandbox.credentials import MARK

from .http_server import serving

SECRET = f"{MARK}-of-the-hook"
PASSWORD = f"pa%2Fss-{MARK}"
PARTS = (MARK, "pa%2Fss", "pa/ss", "ann:")
"""What must not be shown of the address."""


class Hooks(HTTPServer):
    """Keeps the path and the body of each request, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"json://ann:{PASSWORD}@127.0.0.1:{self.server_port}/hook/{SECRET}"


class Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        self.server.found.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hook() -> Iterator[Hooks]:
    with Hooks() as server, serving(server):
        yield server
