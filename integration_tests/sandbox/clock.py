"""The account's clock: what the `Date` header, new rows and token lifetimes are read from."""

from __future__ import annotations

import time
from typing import Protocol

NOW = 1_790_000_000
"""2026-09-21 14:13:20 UTC: for accounts that are the same whenever the tests run."""


class Clock(Protocol):
    """Unix seconds, as the server sees them."""

    def time(self) -> float: ...

    def now(self) -> int: ...


class RealClock:
    """The machine's time, optionally shifted to play a server whose clock disagrees with ours."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def time(self) -> float:
        return time.time() + self.shift

    def now(self) -> int:
        return int(self.time())


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, now: float = NOW) -> None:
        self._now = float(now)

    def time(self) -> float:
        return self._now

    def now(self) -> int:
        return int(self._now)

    def advance(self, seconds: float) -> None:
        """Moves the clock forward; a server's clock never goes back."""
        if seconds < 0:
            raise ValueError("the account's clock cannot go back")
        self._now += seconds

    def set(self, now: float) -> None:
        self.advance(now - self._now)
