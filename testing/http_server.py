"""A server on loopback that answers with exactly the bytes a test wants, as slowly as it wants."""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Answering = Callable[["Connection", str], bool | None]
"""Gets the connection and the request's head; True keeps the connection for the next request."""


@dataclass
class Connection:
    socket: Any

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def json(self, body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bool:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/hal+json", *headers]
        self.send("\r\n".join([*head, "", ""]).encode() + body)
        return True


@dataclass
class Server:
    url: str
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Lets the server answer in a thread of its own, in the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def serve(answer: Answering) -> Iterator[Server]:
    held = Server("")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            held.connections += 1
            while True:
                head = b""
                while (line := self.rfile.readline()) not in (b"\r\n", b""):
                    head += line
                if not head:
                    return
                text = head.decode()
                lengths = [row for row in text.lower().splitlines() if row.startswith("content-length:")]
                held.bodies.append(self.rfile.read(int(lengths[0].split(":")[1])) if lengths else b"")
                held.heads.append(text)
                try:
                    if not answer(Connection(self.request), text):
                        return
                except OSError:
                    return

    class Threaded(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 100

        def handle_error(self, request: object, client_address: object) -> None:
            """Prints nothing when a client closes its connection."""
            if not isinstance(sys.exc_info()[1], OSError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    with Threaded(("127.0.0.1", 0), Handler) as server:
        held.url = f"http://127.0.0.1:{server.server_address[1]}"
        with serving(server):
            try:
                yield held
            finally:
                held.stopping.set()
