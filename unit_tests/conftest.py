"""What several modules of the unit tests ask for by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Server
from testing.connect_tools import hurry, sandbox


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the pace of the API nor pauses between attempts take time."""
    hurry(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    """An account to connect."""
    with sandbox() as started:
        yield started


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, once of each kind."""
    if request.param == "duckdb":
        yield str(tmp_path / "crm.duckdb")
        return
    from testing import postgres  # loads psycopg only for tests that need it

    with postgres.server() as url:
        yield url
