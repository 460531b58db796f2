"""A stretch of time that one walker reads from end to end, and of which another may take the far part."""

from __future__ import annotations

import threading

from source_amocrm.walk.spans import FOREVER

PAGES_WORTH_A_SPLIT = 3


class Window:
    """The seconds `low` to `high` (inclusive) that are still to be read, shrinking as the walker goes.

    Thread-safe: the walker moves one end, a second walker may cut off the other.
    """

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self._ascending: bool | None = None
        self._first: int | None = None
        self._rows = 0
        self._lock = threading.Lock()

    def claim(self, second: int, rows: int, ascending: bool) -> tuple[int, int]:
        """The walker is about to deliver everything up to `second`, seen in its direction, `rows` rows more.

        Returns the window as it was before: what lies outside of it belongs to another walker. From `second` on the
        window is still to be read.
        """
        with self._lock:
            was = (self.low, self.high)
            self._ascending = ascending
            self._rows += rows
            if ascending:
                self.low = max(self.low, second)
            else:
                self.high = min(self.high, second)
            return was

    def began(self, second: int) -> None:
        """Where the first row was found: the density is measured from there, not from the empty time before it."""
        if self._first is None:
            self._first = second

    def rows_left(self, now: int) -> float:
        """An estimate from the density so far; 0 while nothing is known."""
        if self._ascending is None or self._first is None or not self._rows:
            return 0.0
        here = self.low if self._ascending else self.high
        travelled = max(1, abs(here - self._first))
        return self._rows / travelled * max(0, self._length(now))

    def _length(self, now: int) -> int:
        return (now if self.high == FOREVER else self.high) - self.low

    def split(self, now: int, page: int, ahead: int | None = None) -> Window | None:
        """Cut off the far part for another walker; None where that is not worth a request.

        `ahead`: leave this many pages to the present walker; without it, half of what is left.
        """
        with self._lock:
            left = self.rows_left(now)
            if left < PAGES_WORTH_A_SPLIT * page:
                return None
            share = 0.5 if ahead is None else min(0.5, ahead * page / left)
            length = int(self._length(now) * share)
            if length < 1:
                return None
            if self._ascending:
                far = Window(self.low + length + 1, self.high)
                self.high = self.low + length
            else:
                far = Window(self.low, self.high - length - 1)
                self.low = self.high - length
            return far if far.low <= far.high else None
