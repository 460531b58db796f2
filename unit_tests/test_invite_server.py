"""The invitation page's server against strangers: floods, requests that trickle, and what no browser sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from amocrm_fleet.invite import invite_command
from amocrm_fleet.invite import invite_server as module
from amocrm_fleet.invite.granted_account import Landing
from amocrm_fleet.invite.grants import Grants
from amocrm_fleet.invite.invitations import Invitations
from amocrm_fleet.invite.invite_server import (
    MOST_PER_ADDRESS,
    MOST_PER_STATE,
    WINDOW,
    Application,
    InvitationServer,
    RateLimit,
)
from amocrm_fleet.invite.invite_site import InvitationSite, PageAddress
from source_amocrm.connect.connect_site import HEADERS
from testing.http_tools import FakeClock

PUBLIC = "https://connect.example.com"
HOST = "Host: connect.example.com\r\n"


def site(folder: Path) -> InvitationSite:
    invitations = Invitations(folder)
    return InvitationSite(PageAddress(PUBLIC, 8766), Landing(folder, invitations, f"{PUBLIC}/callback"), Grants(), "en")


@contextmanager
def served(folder: Path) -> Iterator[InvitationServer]:
    server = InvitationServer(site(folder), 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        # the loop ends with its last descriptor, which it looks for once a second
        server.close()
        for channel in list(server._server.active_channels.values()):
            channel.handle_close()
        thread.join()


def test_what_is_missing_is_said_before_a_link_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(invite_command, "find_spec", {"waitress": None}.__getitem__)
    arguments = ["--public-url", PUBLIC, "--accounts", str(tmp_path / "accounts")]
    assert invite_command.main(arguments) == 1
    told = capsys.readouterr()
    assert "the page needs more than the connector: pip install 'source-amocrm[fleet]" in told.err
    assert (told.out, Invitations(tmp_path / "accounts").all()) == ("", [])


def connected(server: InvitationServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=600)


def status(server: InvitationServer, request: str) -> tuple[int, dict[str, str]]:
    with connected(server) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
            answer += more
    first, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


def test_an_invitation_is_served(tmp_path: Path) -> None:
    key = Invitations(tmp_path).new(1)
    with served(tmp_path) as server:
        code, headers = status(server, f"GET /i/{key} HTTP/1.1\r\n{HOST}\r\n")
        assert (code, headers["Location"].partition("=")[0]) == (303, f"{PUBLIC}/allow?state")
        assert {name: headers[name] for name in HEADERS} == HEADERS
        path = headers["Location"].removeprefix(PUBLIC)
        assert status(server, f"GET {path} HTTP/1.1\r\n{HOST}\r\n")[0] == 200


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (f"GET /i/x HTTP/1.1\r\n{HOST}\r\n", 404),
        ("GET /i/x HTTP/1.1\r\nHost: evil.com\r\n\r\n", 403),
        (f"GET /i/x HTTP/1.1\r\n{HOST}Host: evil.com\r\n\r\n", 403),
        (f"POST /secrets HTTP/1.1\r\n{HOST}Content-Length: 5000\r\n\r\n{'x' * 5000}", 413),
        (f"POST /secrets HTTP/1.1\r\n{HOST}Content-Length: 99999999999999999999\r\n\r\n", 413),
        (f"POST /secrets HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n", 400),
        (f"GET /{'a' * 20_000} HTTP/1.1\r\n{HOST}\r\n", 431),
        (f"PUT /secrets HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n", 404),
        ("\x16\x03\x01\x02\r\n\r\n", 400),
    ],
)
def test_what_is_refused(tmp_path: Path, request_: str, code: int) -> None:
    with served(tmp_path) as server:
        assert status(server, request_)[0] == code


@pytest.mark.parametrize("begun", [b"", b"GET /i/", b"POST /secrets HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_two_hundred_requests_that_never_end_keep_nobody_waiting(tmp_path: Path, begun: bytes) -> None:
    key = Invitations(tmp_path).new(1)
    with served(tmp_path) as server, ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(server)).sendall(begun)
        assert status(server, f"GET /i/{key} HTTP/1.1\r\n{HOST}\r\n")[0] == 303


def test_a_request_that_trickles_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with served(tmp_path) as server, connected(server) as connection:
        connection.sendall(b"GET")
        until_closed(connection)


def until_closed(connection: socket.socket) -> None:
    connection.settimeout(0.05)
    for _ in range(12_000):
        try:
            connection.sendall(b" ")
            if connection.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return
    raise AssertionError("it is still open")


def test_limits_of_a_state_and_of_an_address() -> None:
    clock = FakeClock(0.0)
    limit = RateLimit(clock)
    assert [limit.admits("one", "") for _ in range(MOST_PER_STATE + 2)] == [True] * MOST_PER_STATE + [False] * 2
    assert limit.admits("other", "")
    assert [limit.admits("", "1.2.3.4") for _ in range(MOST_PER_ADDRESS + 2)] == [True] * MOST_PER_ADDRESS + [False] * 2
    assert limit.admits("", "1.2.3.5")
    clock.sleep(WINDOW)
    assert limit.admits("one", "1.2.3.4")


class _All(RateLimit):
    """Whatever it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def admits(self, state: str, address: str) -> bool:
        self.asked.append((state, address))
        return state != "refused"


@pytest.mark.parametrize(
    ("path", "address", "asked", "code"),
    [
        ("/wait?state=st", "1.2.3.4", [("st", "1.2.3.4")], "410 Gone"),
        ("/wait?state=st", "127.0.0.1", [("st", "")], "410 Gone"),  # the proxy does not say for whom it asks
        ("/wait?state=refused", "1.2.3.4", [("refused", "1.2.3.4")], "429 Too Many Requests"),
        ("/static/app.css", "1.2.3.4", [], "200 OK"),
    ],
)
def test_what_counts(tmp_path: Path, path: str, address: str, asked: list[tuple[str, str]], code: str) -> None:
    limit, told = _All(), []
    path, _, query = path.partition("?")
    environment: dict[str, Any] = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": address,
        "HTTP_HOST": "connect.example.com", "wsgi.input": BytesIO(),
    }  # fmt: skip
    application = Application(site(tmp_path), "127.0.0.1", limit)
    list(application(environment, lambda status, _: told.append(status)))
    assert (limit.asked, told) == (asked, [code])


def test_the_address_is_the_one_that_the_proxy_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = _All()
    monkeypatch.setattr(module, "RateLimit", lambda: limit)
    with served(tmp_path) as server:
        status(server, f"GET /i/x HTTP/1.1\r\n{HOST}X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n\r\n")
    assert limit.asked == [("", "1.2.3.4")]


def test_an_unforeseen_error_shows_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("s3cr3t")

    monkeypatch.setattr(InvitationSite, "handle", fails)
    with served(tmp_path) as server:
        assert status(server, f"GET /i/x HTTP/1.1\r\n{HOST}\r\n")[0] == 500
    said = capsys.readouterr().err
    assert "a page could not be shown: KeyError at " in said
    assert "s3cr3t" not in said
