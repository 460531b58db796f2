"""The real command under servers that want its memory: it ends with a sentence, and never takes 300 MB."""

from __future__ import annotations

import json
import subprocess
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from unit_tests.http_server import Connection, serve

from .connector import COMMAND, catalog, dumped, files
from .leaks import clean
from .sandbox.credentials import MARK

MB = 1 << 20
MOST = 300 * MB
PATIENCE = 300.0
STREAMS = ["deals", "contacts", "tasks", "users"]
"""Read at once, each from a list of its own."""
TOO_LARGE = "is too large: more than 64 MB, or more than fits into the memory that is allowed for one."


def page(rows: bytes) -> bytes:
    return b'{"_page":1,"_links":{},"_embedded":{"leads":[' + rows + b"]}}"


def bomb() -> bytes:
    packing = zlib.compressobj(9, wbits=31)
    parts = [packing.compress(b'{"_embedded":"')] + [packing.compress(b"x" * MB) for _ in range(1024)]
    return b"".join([*parts, packing.flush()])


def endless(head: bytes) -> Callable[[Connection], bool]:
    def answer(conn: Connection) -> bool:
        conn.send(head)
        while True:
            conn.send(b"x" * MB)

    return answer


def whole(body: bytes, *headers: str) -> Callable[[Connection], bool]:
    return lambda conn: conn.json(body, "200 OK", *headers)


HOSTILE: dict[str, tuple[Callable[[], Callable[[Connection], bool]], str]] = {
    "a bomb": (lambda: whole(bomb(), "Content-Encoding: gzip"), TOO_LARGE),
    "no end": (lambda: endless(b'HTTP/1.1 200 OK\r\n\r\n{"_embedded":"'), TOO_LARGE),
    "a redirect without an end": (lambda: endless(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), "leads elsewhere"),
    "lists in lists": (lambda: whole(page((b"[" * 500 + b"]" * 500 + b",") * 800 + b"0")), "an array instead of rows"),
    "more lists in lists": (
        lambda: whole(page((b"[" * 500 + b"]" * 500 + b",") * 1300 + b"0")),
        "an array instead of rows",
    ),
    "lists": (lambda: whole(page(b"[]," * (20 * MB) + b"0")), TOO_LARGE),
    "a long text with NUL": (lambda: whole(page(b'{"id":1,"name":"' + b"x" * (30 * MB) + rb'\u0000"}')), TOO_LARGE),
}


def peak(process: subprocess.Popen[bytes]) -> int:
    """Bytes that the process has had at the most, asked again and again until it ends."""
    found = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        found = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), found)
        threading.Event().wait(0.02)
    process.wait(PATIENCE)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process takes")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server(name: str, tmp_path: Path) -> None:
    answering, sentence = HOSTILE[name][0](), HOSTILE[name][1]

    def answer(conn: Connection, head: str) -> bool:
        if " /api/v4/account" in head:
            return conn.json(b'{"id":1,"subdomain":"example","is_api_filter_enabled":true}')
        return answering(conn)

    with serve(answer) as server, (tmp_path / "out").open("wb") as out:
        config = {
            "account_domain": "example.amocrm.ru",
            "api_base_url": server.url,
            "credentials": {"auth_type": "long_lived_token", "access_token": f"{MARK}-token"},
            "requests_per_second": 50,
        }
        command = [str(COMMAND), "read", *files(tmp_path, config=config, catalog=dumped(catalog(STREAMS)))]
        with subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
            memory = peak(process)
    messages = [json.loads(line) for line in clean((tmp_path / "out").read_text()).splitlines()]
    errors = [one["trace"]["error"] for one in messages if one["type"] == "TRACE" and "error" in one["trace"]]
    assert process.returncode == 1
    assert "deals" in {error["stream_descriptor"]["name"] for error in errors}
    assert any(sentence in error["message"] for error in errors)
    assert not any(error.get("stack_trace") for error in errors)
    assert 0 < memory < MOST
