from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3

from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.reply import ReplyKind, http_date
from source_amocrm.http.session import AmocrmSession, failure
from testing.http_server import Connection, serve
from testing.http_tools import DATE, NOW, exchange, exchange_clock

HASTY = RetryPolicy(read_timeout=0.3)
"""For servers that stop: who answers has the usual time."""


def session(budget: Budget | None = None, policy: RetryPolicy = RetryPolicy()) -> AmocrmSession:  # noqa: B008
    return AmocrmSession(budget or Budget(1000), policy)


def header(head: str, name: str) -> str | None:
    found = [line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith(f"{name}:")]
    return found[0] if found else None


def test_one_request_as_it_leaves() -> None:
    with serve(lambda conn, _: conn.json(b'{"id": 1}', "200 OK", f"Date: {DATE}", "X-Request-Id: r-1")) as server:
        reply = exchange(session(), "GET", f"{server.url}/api/v4/leads?with=contacts", token="secret-token")
    assert (reply.status, reply.kind, reply.body) == (200, ReplyKind.OBJECT, {"id": 1})
    assert reply.headers["x-request-id"] == "r-1"
    assert reply.server_time == NOW
    assert reply.elapsed > 0
    assert reply.token == "secret-token"
    assert "secret-token" not in repr(reply)
    (head,) = server.heads
    assert head.startswith("GET /api/v4/leads?with=contacts HTTP/1.1\r\n")
    assert header(head, "authorization") == "Bearer secret-token"
    assert header(head, "accept") == "application/json"
    assert header(head, "user-agent") == "source-amocrm"


def test_a_json_body_leaves_as_json() -> None:
    with serve(lambda conn, _: conn.json()) as server:
        exchange(session(), "POST", f"{server.url}/oauth2/access_token", json={"grant_type": "refresh_token"})
    assert server.bodies == [b'{"grant_type": "refresh_token"}']
    assert header(server.heads[0], "content-type") == "application/json"
    assert header(server.heads[0], "authorization") is None


def test_connections_are_kept_204_and_compressed_bodies_included() -> None:
    packed = gzip.compress(b'{"name": "' + b"x" * 100_000 + b'"}')

    def answer(conn: Connection, head: str) -> bool:
        if "/empty" in head:
            conn.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            return True
        return conn.json(packed, "200 OK", "Content-Encoding: gzip")

    with serve(answer) as server:
        sent = session()
        replies = [exchange(sent, "GET", server.url + path) for path in ("/a", "/empty", "/b", "/c")]
    assert [reply.kind for reply in replies] == [ReplyKind.OBJECT, ReplyKind.EMPTY, ReplyKind.OBJECT, ReplyKind.OBJECT]
    assert server.connections == 1


def test_a_chunked_body_is_read() -> None:
    def answer(conn: Connection, _: str) -> bool:
        conn.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n')
        return True

    with serve(answer) as server:
        sent = session()
        assert [exchange(sent, "GET", server.url).body for _ in range(2)] == [{"a": 1}, {"a": 1}]
    assert server.connections == 1


def test_a_redirect_is_not_followed() -> None:
    with serve(lambda conn, _: conn.json(b"", "302 Found", "Location: /elsewhere")) as server:
        reply = exchange(session(), "GET", server.url, token="secret-token")
    assert reply.status == 302
    assert len(server.heads) == 1


def test_cookies_are_not_kept_and_netrc_does_not_replace_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serve(lambda conn, _: conn.json(b"{}", "200 OK", "Set-Cookie: session_id=1; Path=/")) as server:
        sent = session()
        for _ in range(2):
            exchange(sent, "GET", server.url, token="secret-token")
    assert [header(head, "cookie") for head in server.heads] == [None, None]
    assert header(server.heads[1], "authorization") == "Bearer secret-token"


BROKEN = {
    "an end before an answer": (lambda conn, _: conn.send(b""), ReplyKind.RESET),
    "no HTTP at all": (lambda conn, _: conn.send(b"220 smtp ready\r\n\r\n"), ReplyKind.RESET),
    "a body cut short": (
        lambda conn, _: conn.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": 1'),
        ReplyKind.TRUNCATED,
    ),
    "a chunk cut short": (
        lambda conn, _: conn.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"id"'),
        ReplyKind.TRUNCATED,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_exchange_has_no_status(name: str) -> None:
    answer, kind = BROKEN[name]
    with serve(answer) as server:
        reply = exchange(session(), "GET", server.url)
    assert (reply.status, reply.kind, reply.body) == (None, kind, None)
    assert reply.trouble


def test_a_body_that_cannot_be_unpacked_is_broken() -> None:
    with serve(lambda conn, _: conn.json(b"{}", "200 OK", "Content-Encoding: gzip")) as server:
        reply = exchange(session(), "GET", server.url)
    assert (reply.status, reply.kind, reply.body) == (200, ReplyKind.BROKEN, None)


def test_a_body_that_ends_with_the_connection() -> None:
    with serve(lambda conn, _: conn.send(b'HTTP/1.0 200 OK\r\n\r\n{"id": 1}')) as server:
        assert exchange(session(), "GET", server.url).body == {"id": 1}
    with serve(lambda conn, _: conn.send(b'HTTP/1.0 200 OK\r\n\r\n{"id": ')) as server:
        reply = exchange(session(), "GET", server.url)
    assert (reply.status, reply.kind) == (200, ReplyKind.BROKEN)


@pytest.fixture
def patience() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()


def test_no_answer_in_time_is_a_read_timeout(patience: threading.Event) -> None:
    with serve(lambda *_: patience.wait(60)) as server:
        reply = exchange(session(policy=HASTY), "GET", server.url)
        patience.set()
    assert reply.kind is ReplyKind.READ_TIMEOUT


def test_a_body_that_stops_is_a_read_timeout(patience: threading.Event) -> None:
    def answer(conn: Connection, _: str) -> None:
        conn.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id"')
        patience.wait(60)

    with serve(answer) as server:
        reply = exchange(session(policy=HASTY), "GET", server.url)
        patience.set()
    assert reply.kind is ReplyKind.READ_TIMEOUT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_drips_ends_at_the_deadline(chunked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause is long, so that nothing but the deadline of the whole ends it."""
    clock, policy = exchange_clock(monkeypatch), RetryPolicy()

    def answer(conn: Connection, _: str) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 999"))
        conn.send(b"\r\n\r\n")
        for _second in range(int(2 * policy.deadline)):
            conn.send(b"1\r\nx\r\n" if chunked else b"x")
            clock.sleep(1.0)

    with serve(answer) as server:
        reply = exchange(session(policy=policy), "GET", server.url)
    assert reply.kind is ReplyKind.READ_TIMEOUT
    assert reply.elapsed >= policy.deadline


def test_a_closed_port_is_a_refused_connection() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        reply = exchange(session(), "GET", f"http://127.0.0.1:{deaf.getsockname()[1]}/")
    assert (reply.status, reply.kind, reply.trouble) == (None, ReplyKind.REFUSED, "ConnectionError")


def test_a_server_without_tls_is_a_tls_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as accepted:
                accepted.recv(4096)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        reply = exchange(session(), "GET", f"https://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    assert reply.kind is ReplyKind.TLS


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (socket.gaierror(-2, "Name or service not known"), ReplyKind.DNS),
        (ssl.SSLCertVerificationError("self-signed certificate"), ReplyKind.CERTIFICATE),
        (ssl.SSLEOFError("eof"), ReplyKind.TLS),
        (ConnectionRefusedError(), ReplyKind.REFUSED),
        (ConnectionResetError(), ReplyKind.RESET),
        (OSError(113, "No route to host"), ReplyKind.RESET),
    ],
)
def test_failures_are_known_by_their_cause(cause: Exception, kind: ReplyKind) -> None:
    wrapped = requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))
    assert failure(wrapped, answered=False) is kind


def test_no_connection_in_time_is_a_connect_timeout() -> None:
    assert failure(requests.ConnectTimeout(), answered=False) is ReplyKind.CONNECT_TIMEOUT


def test_a_turn_counts_from_the_moment_the_request_leaves() -> None:
    """Not from the moment the turn was given: the first request on a connection leaves later than that."""
    order: list[str] = []
    left = threading.Event()

    def connect(*_: object, **__: object) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
        order.append("connected")
        return connection

    def departed(*_: object) -> None:
        order.append("departed")
        left.set()

    def answer(conn: Connection, _: str) -> bool:
        left.wait(60)
        order.append("answered")
        return conn.json()

    with serve(answer) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("urllib3.util.connection.create_connection", connect)
        patch.setattr("source_amocrm.http.rate_limit.Budget.departed", departed)
        exchange(session(Budget(1000)), "GET", server.url)
    assert order[:3] == ["connected", "departed", "answered"]


@pytest.mark.parametrize(("text", "moment"), [(DATE, NOW), (None, None), ("", None), ("soon", None), ("9" * 50, None)])
def test_dates_of_http(text: str | None, moment: int | None) -> None:
    assert http_date(text) == moment
