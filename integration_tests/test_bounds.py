"""The real command under servers that want its memory: it ends with a sentence, and does not hold what they send.

`benchmarks/` measures how much memory a sync takes. The bound of these tests is far from that, since the allocator and
the load of a machine move the peak; the bomb alone would take a gigabyte if it were unpacked.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.credentials import MARK
from testing.combinations import one_in
from testing.connector import COMMAND, catalog, dumped, files
from testing.http_server import Connection, Server, serve
from testing.leaks import clean

MB = 1 << 20
MOST = 700 * MB
PATIENCE = 600.0
STREAMS = ["deals", "contacts", "tasks", "users"]
"""Read at once, each from a list of its own."""
ACCOUNT = b'{"id":1,"subdomain":"example","is_api_filter_enabled":true}'
LINUX = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell what a process takes"
)
TOO_LARGE = "is too large: more than 32 MB, or more than fits into the memory that is allowed for one."


def page(rows: bytes, collection: bytes = b"leads") -> bytes:
    return b'{"_page":1,"_links":{},"_embedded":{"' + collection + b'":[' + rows + b"]}}"


def bomb() -> bytes:
    """A gigabyte, packed. After a full flush the same megabyte is packed into the same bytes."""
    packing = zlib.compressobj(9, wbits=31)
    head = packing.compress(b'{"_embedded":"') + packing.flush(zlib.Z_FULL_FLUSH)
    megabyte = packing.compress(b"x" * MB) + packing.flush(zlib.Z_FULL_FLUSH)
    return head + 1024 * megabyte


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
    "a long text with NUL": (lambda: whole(page(b'{"id":1,"name":"' + b"x" * (17 * MB) + rb'\u0000"}')), TOO_LARGE),
}


def reading(server: Server, streams: list[str], tmp_path: Path, out: IO[bytes] | int) -> subprocess.Popen[bytes]:
    config = {
        "account_domain": "example.amocrm.ru",
        "api_base_url": server.url,
        "credentials": {"auth_type": "long_lived_token", "access_token": f"{MARK}-token"},
        "requests_per_second": 50,
    }
    command = [str(COMMAND), "read", *files(tmp_path, config=config, catalog=dumped(catalog(streams)))]
    return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)


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


@LINUX
@pytest.mark.parametrize("name", one_in(3, HOSTILE))
def test_a_hostile_server(name: str, tmp_path: Path) -> None:
    answering, sentence = HOSTILE[name][0](), HOSTILE[name][1]

    def answer(conn: Connection, head: str) -> bool:
        if " /api/v4/account" in head:
            return conn.json(ACCOUNT)
        return answering(conn)

    with (
        serve(answer) as server,
        (tmp_path / "out").open("wb") as out,
        reading(server, STREAMS, tmp_path, out) as process,
    ):
        memory = peak(process)
    messages = [json.loads(line) for line in clean((tmp_path / "out").read_text()).splitlines()]
    errors = [one["trace"]["error"] for one in messages if one["type"] == "TRACE" and "error" in one["trace"]]
    assert process.returncode == 1
    assert "deals" in {error["stream_descriptor"]["name"] for error in errors}
    assert any(sentence in error["message"] for error in errors)
    assert not any(error.get("stack_trace") for error in errors)
    assert 0 < memory < MOST


ROW = re.compile(rb'\{"type":"RECORD","record":\{"stream":"(\w+)"')
NOTE, FIELD = "щ" * 40_000, '{"field_id":%d,"field_name":"A field","values":[{"value":"A value"}]}'
VALUE = '{"field_id":1,"field_name":"A","field_type":"textarea","values":[{"value":"%s"}]}'
LARGEST = VALUE % ("x" * (31 * MB))
HEAVY: dict[str, tuple[str, int, list[str], float]] = {
    "a row of the largest size in each list": (LARGEST, 1, ["deals", "contacts", "tasks"], 0),
    "and a reader that looks away": (LARGEST, 1, ["deals", "contacts", "tasks"], 0.2),
    "pages of the largest size in each list": (VALUE % NOTE, 400, ["deals", "contacts", "companies", "tasks"], 0),
    "pages and a reader that is slow": (VALUE % NOTE, 200, ["deals", "contacts", "companies", "tasks"], 0.005),
    "cards of many fields": (
        ",".join(FIELD % number for number in range(300)),
        1500,
        ["deals", "contacts", "companies"],
        0,
    ),
}
"""The custom fields of each row, the rows of each list, the streams, and for how many seconds the reader pauses."""


@LINUX
@pytest.mark.parametrize("name", one_in(3, HEAVY))
def test_large_rows_in_several_lists(name: str, tmp_path: Path) -> None:
    """They come whole, however many lists have them, and none of the memory for one is forgotten."""
    fields, number, streams, pause = HEAVY[name]
    begun = 1_700_000_000

    def answer(conn: Connection, head: str) -> bool:
        url = urlsplit(head.split()[1])
        collection = url.path.rpartition("/")[2]
        if collection == "account":
            return conn.json(ACCOUNT)
        asked = {name: int(values[0]) for name, values in parse_qs(url.query).items() if values[0].isdecimal()}
        wanted = range(max(1, asked.get("filter[updated_at][from]", 0) - begun), number + 1)
        if "desc" in url.query:
            wanted = wanted[::-1]
        size, first = asked.get("limit", 250), asked.get("page", 1) - 1
        part = wanted[first * size : first * size + size]
        if not part or collection == "events" or "only_deleted" in url.query:
            return conn.json(b"", "204 No Content")
        rows = (f'{{"id":{at},"updated_at":{begun + at},"custom_fields_values":[{fields}]}}' for at in part)
        more = first * size + size < len(wanted)
        body = page(",".join(rows).encode(), collection.encode())
        return conn.json(body.replace(b'"_links":{}', b'"_links":{"next":{"href":"more"}}') if more else body)

    found: Counter[str] = Counter()
    with serve(answer) as server, reading(server, streams, tmp_path, subprocess.PIPE) as process:
        assert process.stdout is not None
        memory: list[int] = []
        watch = threading.Thread(target=lambda: memory.append(peak(process)))
        watch.start()
        for line in process.stdout:
            if row := ROW.match(line):
                found[row[1].decode()] += 1
            threading.Event().wait(pause)
        watch.join()
    assert process.returncode == 0
    assert found == dict.fromkeys(streams, number)
    assert 0 < memory[0] < MOST
