"""The command line, and the server behind the page."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from source_amocrm.browser import has_display
from source_amocrm.connect import connect_command
from source_amocrm.connect.connect_server import Server
from source_amocrm.connect.connect_site import Request, Response, Site
from testing.connect_tools import served
from testing.ports import free_port

COMMAND = [sys.executable, "-c", "from source_amocrm.run import run; run()", "connect"]


def ask(server: Server, method: str, path: str, body: str | None = None, **headers: str) -> http.client.HTTPResponse:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, body, {"Host": f"localhost:{port}", **headers})
    return connection.getresponse()


def test_the_page_over_http(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with served(tmp_path) as server:
        assert server.server_address[0] == "127.0.0.1"
        opened = ask(server, "GET", server.site.link.removeprefix(server.site.origin))
        assert opened.status == 303
        cookie = (opened.getheader("Set-Cookie") or "").partition(";")[0]
        page = ask(server, "GET", "/account", Cookie=cookie)
        assert (page.status, page.getheader("Cache-Control"), page.getheader("Server")) == (
            200,
            "no-store",
            "source-amocrm",
        )
        assert "Which account?" in page.read().decode()
        form = {"Cookie": cookie, "Origin": server.site.origin}
        form["Content-Type"] = "application/x-www-form-urlencoded"
        sent = ask(server, "POST", "/account", "address=Ex%61mple&way=token&address=example", **form)
        assert (sent.status, sent.getheader("Location")) == (303, f"{server.site.origin}/integration")
        assert ask(server, "GET", "/account", Cookie=cookie, Host="evil.com").status == 403
        assert ask(server, "GET", "/?" + "a=1&" * 60, Cookie=cookie).status == 303
        assert ask(server, "PUT", "/account").status == 501
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", ["65537", "-1", "x", "٣"])
def test_a_body_that_is_too_long(tmp_path: Path, length: str) -> None:
    with (
        served(tmp_path) as server,
        socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=600) as connection,
    ):
        connection.sendall(f"POST /account HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_mistake_of_ours_shows_no_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Site, request: Request) -> Response:
        raise ValueError(f"secret {request.path}")

    monkeypatch.setattr(Site, "handle", fail)
    with served(tmp_path) as server:
        failed = ask(server, "GET", "/callback?code=secret")
        page = failed.read().decode()
    assert (failed.status, failed.getheader("Cache-Control")) == (500, "no-store")
    err = capfd.readouterr().err
    assert err.startswith("source-amocrm connect: ValueError at ")
    assert "secret" not in page + err


def test_the_end_is_told_to_the_server(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        opened = ask(server, "GET", server.site.link.removeprefix(server.site.origin))
        cookie = (opened.getheader("Set-Cookie") or "").partition(";")[0]
        ended = ask(server, "POST", "/finish", "", Cookie=cookie, Origin=server.site.origin)
        assert "You can close this page." in ended.read().decode()
        # the answer is out, and then serve_forever returns


def test_the_page_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    port = free_port()
    command = [*COMMAND, "--port", str(port), "--language", "ru", "--config", str(tmp_path / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(5)]
        assert lines[0].startswith("Откройте эту ссылку в браузере на этом компьютере")
        assert lines[2].startswith(f"  http://localhost:{port}/start?key=")
        assert lines[4] == "Ctrl-C закрывает страницу.\n"
        taken = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (taken.returncode, taken.stdout) == (1, "")
        assert taken.stderr == (
            f"Порт {port} на этом компьютере занят. Выберите другой, например --port {port + 1}, и укажите его же в "
            "ссылке для перенаправления интеграции.\n"
        )
        process.send_signal(signal.SIGINT)
        assert (process.wait(600), process.stderr.read()) == (130, "\nНичего не сохранено.\n")


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "x"], ["--language", "de"], ["--nothing"]])
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        connect_command.main(arguments)
    assert caught.value.code == 2
    assert "source-amocrm connect: error: argument" in capsys.readouterr().err or arguments == ["--nothing"]


def test_a_place_that_cannot_be_written_is_told_of_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert connect_command.main(["--config", str(tmp_path), "--language", "en", "--no-browser"]) == 1
    out, err = capsys.readouterr()
    advice = "Start source-amocrm connect with --config and a path that you can write to."
    assert (out, err) == ("", f"{tmp_path} could not be written. {advice}\n")


def test_a_wrong_test_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert connect_command.main(["--api-base-url", "http://example.com", "--language", "en"]) == 2
    assert capsys.readouterr().err == ("--api-base-url: give an https:// address, or an address of this machine.\n")


@pytest.mark.parametrize(
    ("variables", "opens"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True), ({"BROWSER": "firefox"}, True)],
)
def test_a_browser_is_opened_where_there_is_a_screen(
    variables: dict[str, str], opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "CI", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", "linux")
    assert has_display() == opens


def test_other_commands_do_not_load_the_page() -> None:
    script = (
        "import json, sys; import source_amocrm.run as r; r._run(['check', '--config', 'none.json']);"
        "print(json.dumps([n for n in sys.modules if n.startswith(('source_amocrm.connect', 'http.server'))]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
