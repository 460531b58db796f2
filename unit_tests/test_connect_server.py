"""The page's server against requests that no browser sends: each is refused whole, and none is waited for for long."""

from __future__ import annotations

import contextlib
import http.client
import socket
from pathlib import Path

import pytest

from source_amocrm.connect.connect_server import Server, _PageHandler
from source_amocrm.connect.connect_site import HEADERS
from testing.connect_tools import served


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=600)


def answered(server: Server, data: bytes) -> bytes:
    """Returns the answer. A connection with unread bytes in it is reset after the answer, which may be lost by that."""
    answer = b""
    for _ in range(10):
        with connected(server) as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(data)
            while more := connection.recv(65536):
                answer += more
        if answer:
            break
    return answer


def raw(server: Server, request: str | bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer; `HOST` in the request stands for the right one."""
    host = f"localhost:{server.server_address[1]}"
    data = request if isinstance(request, bytes) else request.replace("HOST", host).encode("latin-1")
    answer = answered(server, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(first.split()[1]), {name: value for name, _, value in pairs}, body


END = "Host: HOST\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (f"GET @evil.com/?lang=en HTTP/1.1\r\n{END}", 400),
        (f"GET evil.com/?lang=en HTTP/1.1\r\n{END}", 400),
        (f"GET :80@evil.com/?lang=en HTTP/1.1\r\n{END}", 400),
        (f"GET http://evil.com/?lang=en HTTP/1.1\r\n{END}", 400),
        (f"GET * HTTP/1.1\r\n{END}", 400),
        (f"GET /\\evil.com HTTP/1.1\r\n{END}", 400),
        (f"GET /\xe9 HTTP/1.1\r\n{END}", 400),
        (f"GET /\0 HTTP/1.1\r\n{END}", 400),
        (f"POST evil.com HTTP/1.1\r\nContent-Length: 0\r\n{END}", 400),
        (f"GET / HTTP/1.1\r\nHost: evil.com\r\n{END}", 400),
        (f"GET / HTTP/1.1\r\n{END.replace('HOST', 'evil.com', 1)}", 403),
        (f"GET / HTTP/1.1\r\nHost: HOST\r\n{END}", 400),
        (f"POST /account HTTP/1.1\r\nOrigin: http://HOST\r\nOrigin: null\r\nContent-Length: 0\r\n{END}", 400),
        (f"POST /account HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n{END}", 400),
        (f"POST /account HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n{END}", 400),
        (f"POST /account HTTP/1.1\r\n{END}", 413),
        (f"POST /account HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n{END}", 413),
        (f"GET / HTTP/1.1\r\nContent-Length: 5\r\n{END}hello", 400),
        (f"PUT / HTTP/1.1\r\n{END}", 501),
        (f"OPTIONS * HTTP/1.1\r\n{END}", 501),
        (f"<script> / HTTP/1.1\r\n{END}", 501),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/9\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        (f"GET /{'a' * 70_000} HTTP/1.1\r\n", 414),
        (f"GET / HTTP/1.1\r\nX: {'a' * 70_000}\r\n", 431),
        ("GET / HTTP/1.1\r\n" + "X: 1\r\n" * 101, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (f"GET /nothing HTTP/1.1\r\n{END}", 403),
    ],
)
def test_what_is_not_understood(
    tmp_path: Path, request_: str | bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.client, "_MAXHEADERS", 100)  # clickhouse_connect raises it where it is imported
    with served(tmp_path) as server:
        given, headers, body = raw(server, request_)
    assert given == status
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "Location" not in headers
    assert b"<script> /" not in body
    assert b"evil" not in body


def test_a_head_without_a_body(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert raw(server, f"HEAD / HTTP/1.1\r\n{END}") == (501, raw(server, f"PUT / HTTP/1.1\r\n{END}")[1], b"")


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"]
)
def test_what_never_ends_is_hung_up(tmp_path: Path, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PageHandler, "timeout", 0.2)
    with served(tmp_path) as server, connected(server) as connection:
        connection.sendall(begun)
        assert connection.recv(1) == b""


def test_a_connection_has_one_request(tmp_path: Path) -> None:
    with served(tmp_path) as server, connected(server) as connection:
        host = f"localhost:{server.server_address[1]}"
        connection.sendall(f"GET /account HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 2)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                answer += more
    assert answer.count(b"HTTP/1.1 403 ") == 1
