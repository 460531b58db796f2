"""How many connections the HTTP server of the assistant has, and how long a request may take to arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    aborted: bool = False

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, _: str) -> None:
        return None


def test_the_server_of_the_assistant_has_such_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[uvicorn.Config] = []

    async def serve_until_told(server: uvicorn.Server) -> None:
        served.append(server.config)

    monkeypatch.setattr(uvicorn.Server, "serve", serve_until_told)
    mcp_command.serve(Server("amocrm"), "127.0.0.1", 8000, "a token")
    assert [config.http for config in served] == [BoundedConnection]


def connected(loop: Loop, state: ServerState) -> tuple[BoundedConnection, Transport]:
    connection, transport = BoundedConnection(CONFIG, state, {}, loop), Transport()  # type: ignore[arg-type]
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


def test_a_65th_connection_is_closed_at_once_and_a_place_that_is_left_is_taken_again() -> None:
    loop, state = Loop(), ServerState()
    open_ones = [connected(loop, state) for _ in range(64)]
    refused, transport = connected(loop, state)
    assert [one.aborted for _, one in open_ones] == [False] * 64
    assert transport.aborted
    assert len(loop.timers) == 64
    refused.connection_lost(ConnectionAbortedError())
    open_ones[0][0].connection_lost(ConnectionResetError())
    assert not connected(loop, state)[1].aborted
