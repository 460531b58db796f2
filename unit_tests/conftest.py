"""What several modules of the unit tests ask for by name."""

from __future__ import annotations

from collections.abc import Iterator

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
