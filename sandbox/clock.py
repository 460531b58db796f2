"""The account's clock, which dates new rows, the `Date` header and tokens."""

from __future__ import annotations

import time
from multiprocessing.sharedctypes import RawValue
from typing import Protocol

NOW = 1_790_000_000
"""2026-09-21 14:13:20 UTC. With a fixed time, generated accounts are the same in every run of the tests."""


class Clock(Protocol):
    """`time` and `now`: unix seconds, server clock."""

    def time(self) -> float: ...

    def now(self) -> int: ...


class RealClock:
    """The machine's time plus `shift` seconds, for a server whose clock is wrong."""

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


class MovedClock(ManualClock):
    """Goes on as the machine's clock does, from a moment to which a test moves it, and stands still while people play.

    A program that waits for the account's next second gets it. A process that this one starts has the same clock.
    """

    def __init__(self, now: float = NOW) -> None:
        self._shared = RawValue("d", now)
        self._since: float | None = None

    @property
    def _now(self) -> float:
        return float(self._shared.value)

    @_now.setter
    def _now(self, moment: float) -> None:
        self._shared.value = moment

    def time(self) -> float:
        return self._now + (0 if self._since is None else time.monotonic() - self._since)

    def now(self) -> int:
        return int(self.time())

    def go_on(self) -> None:
        self._since = time.monotonic()

    def stop(self) -> None:
        self._now, self._since = self.time(), None
