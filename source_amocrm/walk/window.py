"""A stretch of time that one walker reads from end to end, and of which another may take the far part."""

from __future__ import annotations

import threading

from source_amocrm.walk.spans import FOREVER

PAGES_WORTH_A_SPLIT = 2
PAGES_OF_A_LONG_LIST = 40
LEAST_AHEAD = 3
"""Pages: how far behind a walker towards the past the next one starts, at the least."""


class Window:
    """The seconds `low` to `high` (inclusive) that are still to be read, shrinking as the walker goes.

    Thread-safe: the walker moves one end, a second walker may cut off the other.
    """

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self._density = 0.0
        self._now = FOREVER
        self._ascending: bool | None = None
        self._first: int | None = None
        self._rows = 0
        self._rows_before = 0
        self._last = True
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

    def rows_left(self, now: int | None = None) -> float:
        """An estimate from the density so far, or the neighbour's; 0 while nothing is known."""
        if now is not None:
            self._now = now
        return self._rows_a_second() * max(0, min(self.high, self._now) - self.low)

    def _rows_a_second(self) -> float:
        if self._first is None or not self._rows:
            return self._density
        here = self.low if self._ascending else self.high
        return self._rows / max(1, abs(here - self._first))

    def split(self, now: int, page: int, among: int = 2, ahead: float | None = None) -> Window | None:
        """Cut off the far part for another walker; None where that is not worth a request.

        `among`: the present walker keeps the share of one among so many; with `ahead` no more than so many pages.
        The last part of a walk towards the past may reach far beyond the oldest row, so the density says nothing of
        what it holds: its walker keeps as many pages as were read so far, and one walker at a time explores as long as
        the list has not proven long.
        """
        with self._lock:
            left = self.rows_left(now)
            if left < PAGES_WORTH_A_SPLIT * page:
                return None
            if self._last and not self._ascending:
                read = (self._rows_before + self._rows) / page
                if read < (PAGES_WORTH_A_SPLIT if self._rows else PAGES_OF_A_LONG_LIST):
                    return None
                ahead = min(ahead or read, max(read, LEAST_AHEAD))
            share = 1 / among if ahead is None else min(1 / among, ahead * page / left)
            length = int((min(self.high, now) - self.low) * share)
            if length < 1:
                return None
            density = self._rows_a_second()
            if self._ascending:
                far = Window(self.low + length + 1, self.high)
                self.high = self.low + length
            else:
                far = Window(self.low, self.high - length - 1)
                self.low = self.high - length
            # what is known of a part before it is walked: it is read in the same direction as its neighbour
            far._density, far._now, far._ascending = density, now, self._ascending
            far._last, self._last = self._last, False
            far._rows_before = self._rows_before + self._rows
            return far if far.low <= far.high else None
