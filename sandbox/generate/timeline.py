"""The times of the generated history: three years with office hours, growth, and robots' edits of many rows at once."""

from __future__ import annotations

from bisect import bisect_left
from random import Random

DAY = 86_400
SPAN = 3 * 365 * DAY
BURST_ROWS = 60  # most rows that a robot changes in one second


class Timeline:
    """Draws times from `start` to `end`, both included (unix seconds)."""

    def __init__(self, rng: Random, end: int, rows: int) -> None:
        self._random = rng.random
        self._expovariate = rng.expovariate
        self.end = end
        self.start = end - SPAN
        count = max(3, rows // 250)
        self._bursts = sorted(self.start + int(SPAN * rng.random() ** 0.7) for _ in range(count))
        self._sizes = [rng.randint(2, BURST_ROWS) for _ in range(count)]
        self._left: dict[str, list[int]] = {}

    def moment(self) -> int:
        """Draws a time for a new row: more often late in the history, mostly in working hours of weekdays."""
        random = self._random
        for _ in range(2):
            day = int(random() ** 0.7 * SPAN / DAY)
            if day % 7 < 5 or random() < 0.3:
                break
        second = 6 * 3600 + int((random() + random()) * 5 * 3600) if random() < 0.9 else int(random() * DAY)
        return min(self.start + day * DAY + second, self.end)

    def moments(self, count: int) -> list[int]:
        return sorted(self.moment() for _ in range(count))

    def after(self, moment: int, mean_days: float = 4.0) -> int:
        """Draws a time after `moment`, `mean_days` later on average, never past the end."""
        later = moment + 1 + int(self._expovariate(1 / (mean_days * DAY)))
        if later <= self.end:
            return later
        return moment + int(self._random() * (self.end - moment))

    def burst(self, kind: str, moment: int) -> int:
        """Returns a later second in which a robot changes many rows of that kind, or `moment` if none is free."""
        left = self._left.setdefault(kind, list(self._sizes))
        first = bisect_left(self._bursts, moment)
        if first == len(self._bursts):
            return moment
        chosen = first + int(self._random() * (len(self._bursts) - first))
        if not left[chosen]:
            return moment
        left[chosen] -= 1
        return self._bursts[chosen]
