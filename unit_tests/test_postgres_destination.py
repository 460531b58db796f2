"""Rows on their way to a PostgreSQL server, and the lock of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import BinaryIO
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pytest

from amocrm_warehouse.sync import postgres_destination as module


class Connection:
    """Keeps the lines of each COPY."""

    def __init__(self) -> None:
        self.copies: list[list[bytes]] = []
        self.rowcount = 0

    @contextmanager
    def cursor(self) -> Iterator[Connection]:
        yield self

    def copy_expert(self, sql: str, file: BinaryIO) -> None:
        assert sql == "COPY things (id) FROM STDIN (FORMAT csv)"
        self.copies.append(file.read().splitlines())
        self.rowcount = len(self.copies[-1])


def test_rows_are_copied_in_parts_that_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COPY_BYTES", 100)
    server = module.Postgres(urlsplit("postgresql://example/crm"))
    server._connection = connection = Connection()
    rows = pa.table({"id": pa.array(range(50), pa.int64())})
    assert server.copy(rows, "things (id)") == 50
    assert [len(copy) for copy in connection.copies] == [12, 12, 12, 12, 2]
    assert [int(line) for copy in connection.copies for line in copy] == [*range(50)]


def test_the_lock_is_released_before_the_connection_is_closed() -> None:
    """The server notices a closed connection later, and would refuse a sync that follows at once."""
    calls: list[str] = []

    def rollback() -> None:
        calls.append("rollback")
        raise psycopg2.OperationalError("The connection is lost.")

    server = module.Postgres(urlsplit("postgresql://example/crm"))
    server._locking = SimpleNamespace(rollback=rollback, close=lambda: calls.append("close"))
    server.close()
    assert calls == ["rollback", "close"]
