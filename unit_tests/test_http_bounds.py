"""No answer takes more memory or time than it is allowed, and none leads elsewhere."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from itertools import cycle, islice
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.config import parse_config
from source_amocrm.errors import Moved, NotGranted, PageTooLarge
from source_amocrm.http import Api, open_api
from source_amocrm.http import session as sessions
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.error_handler import classify
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.refusals import API, DRIVE, REFRESH, Rules
from source_amocrm.http.reply import LARGEST_BODY, MOST_OF_VALUES, Reply, ReplyKind, cost, parse
from source_amocrm.http.session import HEAVY_BODY, HEAVY_VALUES, AmocrmSession, turn_of_heavy_answer
from testing.http_server import Answering, Connection, serve
from testing.http_tools import FakeClock, exchange, exchange_clock, explained, long_lived

HASTY = RetryPolicy(attempts=1, cold_attempts=1, connect_timeout=5, read_timeout=5, deadline=0.5)
"""For what never connects."""
PATIENT = RetryPolicy(attempts=1, cold_attempts=1)
MB = 1 << 20


def send(answer: Answering, *, shrinkable: bool = False) -> Reply:
    with serve(answer) as server:
        return exchange(AmocrmSession(Budget(1000), PATIENT), "GET", server.url, shrinkable=shrinkable)


def bomb(size: int) -> bytes:
    """A JSON object of so many bytes, packed."""
    packing = zlib.compressobj(9, wbits=31)
    parts = [packing.compress(b'{"a":"')]
    parts += [packing.compress(b"x" * MB) for _ in range(size // MB)]
    return b"".join([*parts, packing.compress(b'"}'), packing.flush()])


def packed(body: bytes, encoding: str = "gzip", status: str = "200 OK") -> Answering:
    return lambda conn, _: conn.json(body, status, f"Content-Encoding: {encoding}")


def endless(head: bytes) -> Answering:
    def answer(conn: Connection, _: str) -> None:
        conn.send(head)
        while True:
            conn.send(b"x" * MB)

    return answer


TOO_LARGE = {
    "a bomb": packed(bomb(LARGEST_BODY + MB)),
    "a bomb of members": packed(gzip.compress(b"x" * MB) * (LARGEST_BODY // MB + 1)),
    "no end": endless(b'HTTP/1.1 200 OK\r\n\r\n{"a":"'),
    "no end of a chunk": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"),
    "a long length": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_body_past_the_cap_is_refused(name: str) -> None:
    reply = send(TOO_LARGE[name])
    assert (reply.status, reply.kind, reply.body) == (200, ReplyKind.TOO_LARGE, None)


def test_empty_gzip_members_count_by_their_packed_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking so many takes long, so fewer are allowed here."""
    monkeypatch.setattr("source_amocrm.http.session.LARGEST_BODY", MB)
    empty = gzip.compress(b"")
    assert send(packed(empty * (MB // len(empty) + 1))).kind is ReplyKind.TOO_LARGE
    assert send(packed(empty * (MB // len(empty) - 9) + gzip.compress(b'{"a":1}'))).body == {"a": 1}


def test_a_heavy_answer_is_refused_only_where_a_smaller_page_can_be_requested() -> None:
    for page in (b'{"a":"' + b"x" * HEAVY_BODY + b'"}', b'{"a":[' + b"{}," * (HEAVY_VALUES // 230) + b"0]}"):
        assert send(packed(gzip.compress(page, 1))).kind is ReplyKind.OBJECT
        assert send(packed(gzip.compress(page, 1)), shrinkable=True).kind is ReplyKind.TOO_LARGE


def test_a_body_at_the_cap_is_accepted() -> None:
    body = b'{"a":1}' + b" " * (LARGEST_BODY - 7)
    assert send(packed(gzip.compress(body, 1))).body == {"a": 1}
    assert send(lambda conn, _: conn.json(body)).body == {"a": 1}


PACKED = {
    "gzip": gzip.compress(b'{"a":1}'),
    "GZIP": gzip.compress(b'{"a":') + gzip.compress(b"1}"),
    "x-gzip": gzip.compress(b'{"a":1}') + b"what some servers add",
    "deflate": zlib.compress(b'{"a":1}'),
    "identity": b'{"a":1}',
}


@pytest.mark.parametrize("encoding", PACKED)
def test_an_accepted_encoding_is_unpacked(encoding: str) -> None:
    assert send(packed(PACKED[encoding], encoding)).body == {"a": 1}


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip, deflate, gzip", "nonsense"])
def test_a_body_in_another_encoding_is_broken(encoding: str) -> None:
    reply = send(packed(gzip.compress(gzip.compress(b'{"a":1}')), encoding))
    assert (reply.status, reply.kind, reply.body) == (200, ReplyKind.BROKEN, None)


def test_only_gzip_is_requested() -> None:
    with serve(lambda conn, _: conn.json()) as server:
        exchange(AmocrmSession(Budget(1000), PATIENT), "GET", server.url)
    assert "accept-encoding: gzip\r\n" in server.heads[0].lower()


NUL = rb"\u0000"
COSTLY = {
    "lists": b'{"a":[' + b"[]," * MB + b"0]}",
    "lists in lists": b'{"a":[' + (b"[" * 500 + b"]" * 500 + b",") * 1500 + b"0]}",
    "objects": b'{"a":[' + b"{}," * MB + b"0]}",
    "objects in objects": b'{"a":[' + (b'{"":' * 300 + b"1" + b"}" * 300 + b",") * 1500 + b"0]}",
    "texts": b'{"a":[' + b'"ab",' * MB + b"0]}",
    "numbers": b'{"a":[' + b"1e1," * (2 * MB) + b"0]}",
    "names": b"{" + b",".join(b'"%x":0' % number for number in range(MB)) + b"}",
    "wide letters": b'{"a":"' + b"x" * (32 * MB) + b'\\ud83d\\ude00"}',
    "NUL": b'{"a":"' + b"x" * (17 * MB) + NUL + b'"}',
    "bytes that are no UTF-8": b'{"a":"' + b"x" * (17 * MB) + b'\xff"}',
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_body_whose_values_cost_too_much_memory_is_not_parsed(name: str) -> None:
    assert parse(COSTLY[name]) == (ReplyKind.TOO_LARGE, None)


def test_a_page_of_heavy_cards_is_accepted() -> None:
    """250 cards of eight kilobytes each, as accounts with many custom fields have them."""
    field = '{"field_id":1234567,"field_name":"Источник","field_code":null,"field_type":"select","values":[%s]}'
    value = '{"value":"Вариант 12","enum_id":5000000,"enum_code":null}'
    card = f'{{"id":1,"custom_fields_values":[{",".join([field % value] * 50)}]}}'
    page = f'{{"_embedded":{{"leads":[{",".join([card] * 250)}]}}}}'.encode()
    assert len(page) > 2 * MB
    assert cost(page) <= HEAVY_VALUES <= MOST_OF_VALUES
    assert send(lambda conn, _: conn.json(page), shrinkable=True).kind is ReplyKind.OBJECT


def api_of(url: str, policy: RetryPolicy = PATIENT) -> Api:
    raw = long_lived(api_base_url=url, requests_per_second=50)
    return open_api(parse_config(raw), raw, policy)


def test_too_large_an_answer_is_an_error_at_once_and_lets_smaller_pages_be_tried() -> None:
    with serve(packed(bomb(LARGEST_BODY + MB))) as server:
        for shrinkable in (True, False):
            with pytest.raises(PageTooLarge) as caught:
                api_of(server.url, RetryPolicy()).get("/api/v4/leads", shrinkable=shrinkable)
            assert str(caught.value) == (
                "amoCRM's answer to /api/v4/leads is too large: more than 32 MB, or more than fits into the memory "
                "that is allowed for one. Smaller pages were tried where the list has pages. Run the sync again "
                "later; if it repeats, report it to amoCRM support with the address of the list."
            )
    assert len(server.heads) == 2


HEAVY = {
    "a large text": b'{"a":"' + b"x" * (2 * HEAVY_BODY) + b'"}',
    "many values": b'{"a":[' + b"{}," * 200_000 + b"0]}",
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_answers_come_one_at_a_time(name: str) -> None:
    """A light one does not wait."""
    session = AmocrmSession(Budget(1000), PATIENT)
    with (
        serve(lambda conn, head: conn.json(b'{"a":1}' if "light" in head else HEAVY[name])) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        with turn_of_heavy_answer(0):
            heavy = threads.submit(exchange, session, "GET", server.url)
            assert exchange(session, "GET", f"{server.url}/light").kind is ReplyKind.OBJECT
            assert not wait([heavy], 0.5).done
        assert heavy.result().kind is ReplyKind.OBJECT


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_answer_waits_for_its_turn_until_its_deadline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other answer is in the way until the clock has passed the deadline."""
    clock, policy = exchange_clock(monkeypatch), RetryPolicy()
    taken = sessions.turn_of_heavy_answer

    def turn(patience: float) -> AbstractContextManager[None]:
        assert 0 < patience <= policy.deadline
        clock.sleep(patience)
        return taken(0)

    monkeypatch.setattr(sessions, "turn_of_heavy_answer", turn)
    with serve(lambda conn, _: conn.json(HEAVY[name])) as server, taken(0):
        reply = exchange(AmocrmSession(Budget(1000), policy), "GET", server.url)
    assert (reply.status, reply.kind) == (None, ReplyKind.READ_TIMEOUT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


@given(st.lists(JSON, min_size=1).map(orjson.dumps))
def test_the_estimated_cost_of_values_is_not_too_low(data: bytes) -> None:
    """A hundred copies, so that what is not the value's own does not count."""
    many = b"[" + b",".join([data] * 100) + b"]"
    orjson.loads(many)
    tracemalloc.start()
    try:
        value = orjson.loads(many)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert value
    assert taken <= cost(many) + 1024


LONG = 10.0
"""Seconds for which a server that drips waits for its reader, which may have gone."""
DRIPS = 2_000
"""Bytes after which a server that drips gives up: many times as many as there are seconds to the deadline."""


def dripping(first: bytes, again: bytes) -> Callable[[FakeClock], Answering]:
    """`first` at once, and then `again` for as good as ever, each byte a second after the other.

    Before each the reader has looked at the clock anew, so that no bytes gather for one read.
    """

    def by(clock: FakeClock) -> Answering:
        def answer(conn: Connection, _: str) -> None:
            conn.send(first)
            for byte in islice(cycle(again), DRIPS):
                asked, patience = clock.asked, time.monotonic() + LONG
                conn.send(bytes([byte]))
                clock.sleep(1.0)
                while clock.asked == asked and time.monotonic() < patience:
                    time.sleep(0.0005)

        return answer

    return by


DRIPPING = {
    "the status": dripping(b"", b"HTTP/1.1 200 O" + b"K" * 10_000),
    "a header": dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "100 Continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "the length of a chunk": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "what follows the chunks": dripping(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: y\r\n"
    ),
    "a redirect": dripping(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("name", DRIPPING)
def test_an_exchange_ends_at_its_deadline_whatever_drips(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(DRIPPING[name](exchange_clock(monkeypatch))) as server:
        reply = exchange(AmocrmSession(Budget(1000), PATIENT), "GET", server.url)
    assert (reply.status, reply.kind) == (None, ReplyKind.READ_TIMEOUT)


@pytest.mark.parametrize("again", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X: y\r\n"])
def test_an_endless_head_is_refused(again: bytes) -> None:
    def answer(conn: Connection, _: str) -> None:
        conn.send(b"HTTP/1.1 100 Continue\r\n")
        while True:
            conn.send(again * 1000)

    assert send(answer).kind in (ReplyKind.TOO_LARGE, ReplyKind.RESET)


def test_headers_of_many_bytes_are_refused() -> None:
    def answer(conn: Connection, _: str) -> None:
        conn.send(
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 60_000) for n in range(90)) + b"\r\n{}"
        )

    reply = send(answer)
    assert (reply.status, reply.kind) == (None, ReplyKind.TOO_LARGE)


def test_the_endless_lookup_of_a_name_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slowly(*_: object, **__: object) -> list[object]:
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    reply = exchange(AmocrmSession(Budget(1000), HASTY), "GET", "https://example.amocrm.ru/")
    over.set()
    assert (reply.status, reply.kind) == (None, ReplyKind.CONNECT_TIMEOUT)


def test_a_stalled_handshake_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        policy = RetryPolicy(connect_timeout=0.3, read_timeout=5, deadline=5)
        reply = exchange(AmocrmSession(Budget(1000), policy), "GET", url)
    assert (reply.status, reply.kind) == (None, ReplyKind.READ_TIMEOUT)


def test_a_dripping_proxy_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is asked for the way to amoCRM: what it sends is read by no code of ours, but the connecting ends."""
    over = threading.Event()

    def drip(conn: Connection, _: str) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.01):
            conn.send(b"X: y\r\n")

    with serve(drip) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        reply = exchange(AmocrmSession(Budget(1000), HASTY), "GET", "https://example.amocrm.ru/")
        over.set()
    assert reply.status is None
    assert reply.kind in (ReplyKind.READ_TIMEOUT, ReplyKind.CONNECT_TIMEOUT)


LOCATIONS = {
    "no address": b"http://[",
    "no UTF-8": b"http://\xff\xfe\x80/",
    "control characters": b"http://a\x01\x02\x7f\x1b[31m/",
    "long": b"https://example.amocrm.ru/" + b"a" * 60_000,
    "not in Unicode's form": "http://\u2100.amocrm.ru".encode(),
    "empty": b"",
    "a port that is none": b"https://example.amocrm.ru:port/",
    "elsewhere": b"https://evil.example/",
}


def redirect(location: bytes, status: bytes = b"302 Found") -> Answering:
    def answer(conn: Connection, _: str) -> bool:
        conn.send(b"HTTP/1.1 %s\r\nContent-Length: 2\r\nLocation: %s\r\n\r\n{}" % (status, location))
        return True

    return answer


@pytest.mark.parametrize("rules", [API, REFRESH, DRIVE])
@pytest.mark.parametrize("name", LOCATIONS)
def test_a_redirect_is_an_answer_like_any_other(name: str, rules: Rules) -> None:
    with serve(redirect(LOCATIONS[name])) as server:
        reply = exchange(AmocrmSession(Budget(1000), PATIENT), "GET", server.url)
    assert (reply.status, len(server.heads)) == (302, 1)
    error = explained(classify(reply, rules), reply)
    assert isinstance(error, Moved | NotGranted)
    shown = " (to example.amocrm.ru)" if name in ("long", "a port that is none") else ""
    assert f"leads elsewhere{shown}" in str(error)
    assert str(error).isprintable()


def test_a_redirect_is_not_read_without_an_end() -> None:
    reply = send(endless(b"HTTP/1.1 302 Found\r\nLocation: https://www.amocrm.ru/\r\n\r\n"))
    assert (reply.status, reply.kind) == (302, ReplyKind.TOO_LARGE)
    assert reply.headers["location"] == "https://www.amocrm.ru/"


def test_a_refusal_without_an_end_is_still_a_refusal() -> None:
    reply = send(endless(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n"))
    assert (reply.status, reply.kind, reply.headers["retry-after"]) == (429, ReplyKind.TOO_LARGE, "7")


def test_the_ceilings_are_those_of_the_docs() -> None:
    page = " ".join((Path(__file__).parents[1] / "docs" / "amocrm.md").read_text(encoding="utf-8").split())
    told = re.search(
        r"ended within (\d+) minutes,.* all its repetitions ends within (\d+) minutes, within (\d+) while", page
    )
    assert told
    exchange_, failing, throttled = (60 * int(minutes) for minutes in told.groups())
    policy = RetryPolicy()
    assert policy.deadline == exchange_
    # no attempt begins after its ceiling
    assert policy.ceiling + policy.deadline <= failing
    assert policy.throttled_ceiling == throttled
