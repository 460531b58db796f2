"""Sets of whole seconds as sorted, disjoint, inclusive intervals: which seconds are read, and which are left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

FOREVER = 2**62  # The end of an interval without end (Unix seconds)

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """Immutable; `intervals` are sorted, do not overlap and do not touch."""

    intervals: tuple[Interval, ...] = ()

    @staticmethod
    def of(intervals: Iterable[Interval]) -> IntervalSet:
        merged: list[Interval] = []
        for start, end in sorted(interval for interval in intervals if interval[0] <= interval[1]):
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return IntervalSet(tuple(merged))

    @property
    def gaps(self) -> tuple[Interval, ...]:
        """The gaps between the intervals of the set."""
        return tuple((one[1] + 1, other[0] - 1) for one, other in pairwise(self.intervals))

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: IntervalSet) -> IntervalSet:
        return IntervalSet.of((*self.intervals, *other.intervals))

    def __sub__(self, interval: Interval) -> IntervalSet:
        start, end = interval
        left = [(a, min(b, start - 1)) for a, b in self.intervals]
        right = [(max(a, end + 1), b) for a, b in self.intervals]
        return IntervalSet.of((*left, *right))

    def __contains__(self, second: int) -> bool:
        for start, end in self.intervals:  # noqa: SIM110 - asked of every row several times, and any() is much slower
            if start <= second <= end:
                return True
        return False

    def covers(self, interval: Interval) -> bool:
        """Whether one interval of the set holds this one whole."""
        return any(start <= interval[0] and interval[1] <= end for start, end in self.intervals)
