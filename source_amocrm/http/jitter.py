"""The jitter with which requests arrive at the server, estimated from answers and refusals.

If all answers take about the same time, the rest of the variation may be the way to the server: then each answer tells
how late its request arrived. If answers take any time, only a 429 tells that requests arrive less evenly than they
leave.
"""

from __future__ import annotations

from collections import deque

_ANSWERS = 200
_LEAST = 12
"""How many answers must have come before anything is known."""
_DOUBT = 4
"""The fastest of many answers may be slower than the fastest possible one by this many times the typical distance
between two answers; by twice as many if there are few answers."""
_MANY = 32
_USUAL = 0.9
"""The share of answers whose time is that of the way; the slowest few may be late for any reason."""
_STEADY = 0.12
"""Seconds. If answers differ by more, the difference is the server's own work."""
_WORST = 0.08
"""Seconds by which requests are assumed to be late after several refusals, or while nothing is known."""
_FIRST = 0.045
"""Seconds by which they are assumed to be late after one refusal, which may have had another cause."""
_FORGOTTEN = 0.01 / 60
"""Seconds by which that assumption shrinks with each second without a refusal."""
_MOST_LATE = 0.15
# An answer so much later than any of the last ones may be late because the request was counted late, by a server that
# was busy with itself
_UNUSUAL = 1.15


class Jitter:
    """All times are in seconds, by the same clock."""

    def __init__(self) -> None:
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._sorted: list[float] = []
        self._refused_at = 0.0
        self._guarded = 0.0
        """Seconds by which requests were assumed to be late at that moment."""

    def answered(self, elapsed: float) -> float:
        """Seconds by which the answer took longer than any recent one; 0 if that is not unusual."""
        usual = self._sorted[-1] if self._sorted else elapsed
        self._answers.append(elapsed)
        self._sorted = sorted(self._answers)
        return min(elapsed - usual, _MOST_LATE) if elapsed > usual * _UNUSUAL else 0.0

    def refused(self, now: float) -> None:
        self._guarded = min(_WORST, self._guard(now) + _FIRST)
        self._refused_at = now

    @property
    def spread(self) -> float | None:
        """By how much requests arrive earlier or later than others; None where the answers do not tell."""
        count = len(self._sorted)
        if count < _LEAST:
            return None
        spread = (self._sorted[int(_USUAL * (count - 1))] - self._sorted[0]) / _USUAL
        return spread if spread <= _STEADY else None

    def margin(self) -> float | None:
        """Seconds by which the earliest of the last requests may have been later than another one will be."""
        spread, count = self.spread, len(self._sorted)
        if spread is None:
            return None
        return (_DOUBT if count >= _MANY else 2 * _DOUBT) * spread / (count + 1)

    def lateness(self, elapsed: float | None, now: float) -> float:
        """By how much later than its turn a request may have been counted; `elapsed` None: it is not answered yet."""
        spread = self.spread
        if spread is not None:
            return spread if elapsed is None else min(_MOST_LATE, max(0.0, elapsed - self._sorted[0]))
        if len(self._sorted) < _LEAST:
            return _WORST if self._sorted else 0.0
        return min(self._guard(now), _WORST if elapsed is None else elapsed - self._sorted[0])

    def _guard(self, now: float) -> float:
        return max(0.0, self._guarded - _FORGOTTEN * max(0.0, now - self._refused_at))
