"""The jitter with which requests arrive at the server, estimated from answers and refusals.

If all answers take about the same time, the rest of the variation may be the way to the server: then each answer tells
how late its request arrived. If answers take any time, any request may have been up to _WORST late, and only a long
time without a 429 tells that requests arrive as evenly as they leave.
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
"""Seconds by which requests are assumed to be late while the answers do not tell, and after several refusals."""
_FIRST = 0.045
"""Seconds by which they are assumed to be late after one refusal, which may have had another cause."""
_CAREFUL = 800
"""For how many answers that is assumed: those of two minutes at the usual limit. To find out that requests arrive
evenly risks a refusal, so it pays only if there is much left to read. Each refusal doubles the number."""
_EASED = 200
"""Over how many answers more the assumption shrinks to nothing."""
_MOST_LATE = 0.15
"""Seconds by which a single request may be late: a server that was busy with itself counted it when it got to it."""
_UNUSUAL = 1.1
"""If answers take any time, one that took so many times what most take is late for that reason."""


class Jitter:
    """All times are in seconds."""

    def __init__(self) -> None:
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._sorted: list[float] = []
        self._count = 0
        """How many answers came, including those that are forgotten."""
        self._careful = _CAREFUL
        self._until = _CAREFUL
        """The number of the answer at which the careful time ends."""
        self._refused = 0.0
        """Seconds by which requests are assumed to be late since a refusal, whatever the answers tell."""

    def answered(self, elapsed: float) -> None:
        """Notes that an answer came `elapsed` seconds after its request left."""
        self._count += 1
        self._answers.append(elapsed)
        self._sorted = sorted(self._answers)

    def refused(self) -> None:
        """Notes that a request was one too many."""
        self._refused = min(_WORST, self._refused * self._care() + _FIRST)
        self._careful *= 2
        self._until = self._count + self._careful

    @property
    def spread(self) -> float | None:
        """By how much requests arrive earlier or later than others; None where the answers do not tell."""
        count = len(self._sorted)
        if count < _LEAST:
            return None
        spread = (self._usual() - self._sorted[0]) / _USUAL
        return spread if spread <= _STEADY else None

    def margin(self) -> float | None:
        """Seconds by which the earliest of the last requests may have been later than another one will be."""
        spread, count = self.spread, len(self._sorted)
        if spread is None:
            return None
        return (_DOUBT if count >= _MANY else 2 * _DOUBT) * spread / (count + 1)

    def lateness(self, elapsed: float | None) -> float:
        """By how much later than its turn a request may have been counted; `elapsed` None: it is not answered yet."""
        if len(self._sorted) < _LEAST:
            return _WORST
        care, spread = self._care(), self.spread
        if spread is None:
            told = _WORST * care + min(_MOST_LATE, max(0.0, (elapsed or 0.0) - _UNUSUAL * self._usual()))
        else:
            told = spread if elapsed is None else min(_MOST_LATE, max(0.0, elapsed - self._sorted[0]))
        return max(told, self._refused * care)

    def _usual(self) -> float:
        """Seconds that most answers do not exceed."""
        return self._sorted[int(_USUAL * (len(self._sorted) - 1))]

    def _care(self) -> float:
        """How much of the assumptions still holds: 1 in the careful time, 0 long after it."""
        return min(1.0, max(0.0, 1.0 - (self._count - self._until) / _EASED))
