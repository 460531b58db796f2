"""When things happened: three uneven years, with office hours, growth, and robots touching many rows at once."""

from __future__ import annotations

from bisect import bisect_left
from random import Random

DAY = 86_400
SPAN = 3 * 365 * DAY
BURST_ROWS = 60  # the most rows a robot touches in one second


class Timeline:
    """Moments between `start` and `end`, both unix seconds and both possible."""

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
        """When something new appears: more often lately, mostly in working hours of weekdays."""
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
        """Some time later, never past the end."""
        later = moment + 1 + int(self._expovariate(1 / (mean_days * DAY)))
        if later <= self.end:
            return later
        return moment + int(self._random() * (self.end - moment))

    def burst(self, kind: str, moment: int) -> int:
        """A later second in which a robot touched many rows of that kind; the moment itself when none is free."""
        left = self._left.setdefault(kind, list(self._sizes))
        first = bisect_left(self._bursts, moment)
        if first == len(self._bursts):
            return moment
        chosen = first + int(self._random() * (len(self._bursts) - first))
        if not left[chosen]:
            return moment
        left[chosen] -= 1
        return self._bursts[chosen]
