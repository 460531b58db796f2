"""The connections of `source-amocrm mcp --http`: how many there may be, and how long a request may take to arrive."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 64
"""Open connections; a further one is closed at once."""
SECONDS_TO_ARRIVE = 10.0
"""How long a request may take from its connection or its first byte to its last byte; past it the connection is cut."""


class BoundedConnection(H11Protocol):
    """A connection that nobody can hold open by a request that never ends. Idle ones uvicorn closes after 5 seconds."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._arrived()
        elif not self._deadline:
            self._deadline = self.loop.call_later(SECONDS_TO_ARRIVE, self.transport.abort)

    def _arrived(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
