"""How many connections the HTTP server of the assistant has, and how long a request may take to arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import uvicorn
from mcp.server import Server
from uvicorn.server import ServerState

from amocrm_warehouse.assistant import mcp_command
from amocrm_warehouse.assistant.connections import BoundedConnection

GET = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"


def app(*_: Any) -> Any:
    """Is never run: the loop of these tests only notes what it was asked for."""


@dataclass
class Loop:
    """Notes the timers that run, by the seconds after which each calls."""

    timers: list[tuple[float, Any]] = field(default_factory=list)

    def call_later(self, seconds: float, call: Any) -> Loop.Timer:
        self.timers.append((seconds, call))
        return Loop.Timer(self, (seconds, call))

    def create_task(self, coroutine: Any, **_: Any) -> Any:
        coroutine.close()
        return type("Task", (), {"add_done_callback": lambda *_: None})()

    @dataclass
    class Timer:
        loop: Loop
        own: tuple[float, Any]

        def cancel(self) -> None:
            self.loop.timers.remove(self.own)


@dataclass
class Transport:
    peer: tuple[str, int]
    aborted: bool = False

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str) -> Any:
        return self.peer if name == "peername" else None


PORTS = count(1)


@pytest.fixture(autouse=True)
def _nobody() -> None:
    BoundedConnection.strangers.clear()
    BoundedConnection.known.clear()


def test_the_server_of_the_assistant_has_such_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[uvicorn.Config] = []

    async def serve_until_told(server: uvicorn.Server) -> None:
        served.append(server.config)

    monkeypatch.setattr(uvicorn.Server, "serve", serve_until_told)
    mcp_command.serve(Server("amocrm"), "127.0.0.1", 8000, "a token")
    assert [(config.http, config.proxy_headers) for config in served] == [(BoundedConnection, False)]


def connected(loop: Loop, state: ServerState) -> tuple[BoundedConnection, Transport]:
    connection, transport = BoundedConnection(CONFIG, state, {}, loop), Transport(("127.0.0.1", next(PORTS)))  # type: ignore[arg-type]
    connection.connection_made(transport)  # type: ignore[arg-type]
    return connection, transport


CONFIG = uvicorn.Config(app, interface="asgi3", http=BoundedConnection, lifespan="off", log_config=None)


def test_a_request_that_does_not_arrive_in_ten_seconds_is_cut() -> None:
    for sent in ([], [GET[:10]], [GET[:10], GET[10:-2]], [POST], [POST, b"bod"]):
        loop = Loop()
        connection, transport = connected(loop, ServerState())
        for part in sent:
            connection.data_received(part)
        [(seconds, call)] = loop.timers
        assert seconds == 10
        call()
        assert transport.aborted


def test_a_request_that_has_arrived_may_take_long_to_answer() -> None:
    for sent in ([GET], [GET[:10], GET[10:]], [POST, b"body"]):
        loop = Loop()
        connection, transport = connected(loop, ServerState())
        for part in sent:
            connection.data_received(part)
        assert (loop.timers, transport.aborted) == ([], False)
        connection.connection_lost(ConnectionResetError())
        assert loop.timers == []


def test_strangers_have_sixteen_places_and_the_oldest_gives_way() -> None:
    loop, state = Loop(), ServerState()
    open_ones = [connected(loop, state) for _ in range(17)]
    assert [one.aborted for _, one in open_ones] == [True] + [False] * 16
    open_ones[1][0].connection_lost(ConnectionResetError())
    connected(loop, state)
    assert [one.aborted for _, one in open_ones] == [True] + [False] * 16


def test_whoever_sent_the_token_stays_while_strangers_come_and_a_65th_of_them_is_closed_at_once() -> None:
    loop, state = Loop(), ServerState()
    known = []
    for _ in range(63):
        known.append(connected(loop, state))
        BoundedConnection.welcome(known[-1][0].client)
    strangers = [connected(loop, state) for _ in range(20)]
    assert [one.aborted for _, one in known] == [False] * 63
    assert [one.aborted for _, one in strangers] == [True] * 4 + [False] * 16
    BoundedConnection.welcome(strangers[-1][0].client)
    refused, transport = connected(loop, state)
    assert transport.aborted
    refused.connection_lost(ConnectionAbortedError())
    known[0][0].connection_lost(ConnectionResetError())
    assert not connected(loop, state)[1].aborted


def test_only_a_right_token_makes_a_connection_known() -> None:
    passed: list[str] = []

    async def tools(scope: Any, *_: Any) -> None:
        passed.append(scope["client"])

    async def send(_: Any) -> None:
        pass

    guarded = mcp_command.Guarded(tools, "right")
    BoundedConnection.strangers |= dict.fromkeys(("a", "b", "c"), object())  # type: ignore[arg-type]
    for client, header in (("a", b"Bearer wrong"), ("b", b""), ("c", b"Bearer right")):
        scope = {"type": "http", "method": "POST", "headers": [(b"authorization", header)], "client": client}
        asyncio.run(guarded(scope, None, send))  # type: ignore[arg-type]
    assert (passed, {*"abc"} & {*BoundedConnection.strangers}) == (["c"], {"a", "b"})
