"""How evenly requests arrive at the server, as far as their answers and refusals tell.

Where all answers take about the same time, what varies may be the way to the server: each answer then tells how late
its request was. Where they take any time, only a refusal tells that requests arrive less evenly than they leave.
"""

from __future__ import annotations

from collections import deque

_ANSWERS = 200
_LEAST = 12
"""Answers before anything is known."""
_DOUBT = 4
"""How many times the distance between two answers the earliest of many may be from the earliest that there can be;
twice so many where there are few."""
_MANY = 32
_USUAL = 0.9
"""The share of answers that tells of the way; a few more may come late for any reason."""
_STEADY = 0.12
"""Seconds: answers that differ by more than that differ by the server's own work."""
_WORST = 0.08
"""Seconds by which requests are taken to be late while nothing is known, and after several refusals."""
_FIRST = 0.045
"""The same after one refusal, which may have had another cause."""
_FORGOTTEN = 0.01 / 60
"""How much of that is taken back with each second without a refusal."""
_MOST_LATE = 0.15
# An answer so much later than any of the last ones may be late because the request was counted late, by a server that
# was busy with itself
_UNUSUAL = 1.15


class Jitter:
    """Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._sorted: list[float] = []
        self._refused_at = 0.0
        self._guarded = 0.0
        """Seconds by which requests were taken to be late from then on."""

    def answered(self, elapsed: float) -> float:
        """By how much later than any of the last ones the answer came; 0 where that is not unusual."""
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
