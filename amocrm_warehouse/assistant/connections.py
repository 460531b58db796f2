"""The connections of `source-amocrm mcp --http`: how many there may be, and how long a request may take to arrive."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 64
"""Open connections that have sent a right token; while there are so many, a new one is closed at once."""
MOST_STRANGERS = 16
"""Open connections that have sent no right token yet; for a further one the oldest of them is closed."""
SECONDS_TO_ARRIVE = 10.0
"""How long a request may take from its connection or its first byte to its last byte; past it the connection is cut."""


class BoundedConnection(H11Protocol):
    """A connection that nobody can hold open by a request that never ends. Idle ones uvicorn closes after 5 seconds."""

    strangers: dict[Any, BoundedConnection] = {}  # noqa: RUF012  # of the process
    """The open connections without a right token by their address and port, the oldest first."""
    known: set[Any] = set()  # noqa: RUF012
    """The addresses and ports of the others."""
    _deadline: asyncio.TimerHandle | None = None

    @classmethod
    def welcome(cls, client: Any) -> None:
        """Notes that a right token came from this address and port."""
        if cls.strangers.pop(client, None):
            cls.known.add(client)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.known) >= MOST_CONNECTIONS:
            transport.abort()
            return
        self.strangers[self.client] = self
        for client in list(self.strangers)[:-MOST_STRANGERS]:
            self.strangers.pop(client).transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self.strangers.pop(self.client, None)
        self.known.discard(self.client)
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
