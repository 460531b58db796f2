"""The rate limit: one budget for every thread and every kind of request of the process.

Requests are paced, not sent in bursts: one slot each 1/per_second. The server counts arrivals in a sliding second. A
request may leave late (a new connection, a busy machine) and arrive late, so the moving window is kept over the times
at which requests really left, plus how late each arrived, as far as that is known (see `jitter`).
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import requests
from airbyte_cdk.sources.streams.call_rate import AbstractAPIBudget, AbstractCallRatePolicy

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


# The share of the period that is kept free for jitter and so lost to the rate: while nothing is known of jitter, and
# when answers tell how late each request was
_SAFETY = 0.018
_LESS = 0.002
# If requests arrive with more than _EVEN seconds of jitter, turns follow each other at this share of the distance, so
# that a late request does not delay all
_EAGER = 0.7
_EVEN = 0.01
# The factor by which a 429 slows the pace down: in quiet times, and before the pace has recovered from the last one
_SLOWER = 1.1
_MUCH_SLOWER = 1.25
_SLOWEST = 10.0
# Seconds without a 429 after which the pace is a factor of _SLOWER faster again
_RECOVERY_STEP = 5.0
_POLL = 0.005
# Seconds by which a thread may wake late without delaying the next turn
_LATENESS = 0.02
# Seconds of the longest sleep: a thread that waits out a pause must learn soon that the budget was shut
_NAP = 1.0


def _quietly(_: float) -> None:
    """Does nothing: no one wants to hear of pauses."""


class Slot:
    """A turn to send one request; `left()` is called when the request is on its way."""

    __slots__ = ("_clock", "elapsed", "time")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.time: float | None = None
        self.elapsed: float | None = None
        """Seconds until the answer came."""

    def left(self) -> None:
        if self.time is None:
            self.time = self._clock()


class Budget(AbstractAPIBudget):
    """The rate limit of the account, in the CDK's terms: one for all requests, so no policy is anyone's own.

    A request has a turn from `acquire_call` to `update_from_response`.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_second = per_second
        self._window = max(1, int(per_second))
        self._jitter = Jitter()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._recent: deque[Slot] = deque()
        self._next = clock()
        self._paused_until = self._next
        self._slowness = 1.0
        self._slowed_at = self._next
        self._shut: Exception | None = None
        self.on_pause: Callable[[float], None] = _quietly
        """Called with its seconds when a pause begins, but not when a pause is made longer."""
        self.waited = 0.0
        self._slots: dict[Any, Slot] = {}

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Waits for a turn, first come, first served, and for as long as it takes. Raises when the budget is shut.

        Until `left` or `update_from_response` the turn counts as just being used.
        """
        self._slots[request] = self._take()

    def left(self, request: Any) -> None:
        """Notes that the request is on its way."""
        self._slots[request].left()

    def update_from_response(self, request: Any, response: Any) -> None:
        """Ends the request's turn. `response` None: there was no answer."""
        slot = self._slots.pop(request)
        slot.left()
        # a refusal comes at once, and tells nothing of the network
        if isinstance(response, requests.Response) and response.status_code in (200, 204):
            self.answered(slot, response.elapsed.total_seconds())

    def get_matching_policy(self, request: Any) -> AbstractCallRatePolicy | None:  # noqa: ARG002 - the one limit holds for all
        return None

    def pause(self, seconds: float) -> None:
        """Makes all threads wait for `seconds` after a 429, and then go slower for a while."""
        with self._lock:
            now = self._clock()
            # the answers to requests that left before the pause must not slow the pace again
            begins = now >= self._paused_until
            if begins:
                pace = self._pace(now)
                self._slowness = min(_SLOWEST, pace * (_SLOWER if pace == 1.0 else _MUCH_SLOWER))
                self._jitter.refused()
            self._paused_until = max(self._paused_until, now + seconds)
            self._slowed_at = self._paused_until
        if begins:
            self.on_pause(seconds)

    def answered(self, slot: Slot, elapsed: float) -> None:
        """Notes that the answer to the request of this turn came `elapsed` seconds after it left."""
        with self._lock:
            slot.elapsed = elapsed
            self._jitter.answered(elapsed)

    def shut(self, error: Exception) -> None:
        """Makes every turn raise `error` from now on, also those that threads wait for."""
        with self._lock:
            self._shut = error

    def _take(self) -> Slot:
        asked = self._clock()
        me = threading.Event()
        with self._lock:
            self._queue.append(me)
            if self._queue[0] is me:
                me.set()
        me.wait()
        try:
            while True:
                with self._lock:
                    if self._shut is not None:
                        raise copy.copy(self._shut)
                    now = self._clock()
                    wait = self._wait(now)
                    if wait <= 0:
                        return self._grant(now, asked)
                self._sleep(min(wait, _NAP))
        finally:
            with self._lock:
                self._queue.popleft()
                if self._queue:
                    self._queue[0].set()

    def _grant(self, now: float, asked: float) -> Slot:
        slot = Slot(self._clock)
        self._recent.append(slot)
        due = max(self._next, self._paused_until, now - _LATENESS)
        eager = _EAGER if (self._jitter.spread or 0.0) > _EVEN else 1.0
        self._next = due + eager * self._period() / self._window * self._pace(now)
        self.waited += now - asked
        return slot

    def _wait(self, now: float) -> float:
        """Seconds until the next turn, by what is known now."""
        due = max(self._next, self._paused_until)
        period = self._period()
        free = [self._free(slot, period) for slot in self._recent]
        while self._recent and free[0] is not None and free[0] <= now:
            self._recent.popleft()
            del free[0]
        excess = len(free) - self._window
        if excess >= 0:
            times = sorted(one for one in free if one is not None)
            # the turns that have not left yet cannot be timed: look again soon
            due = max(due, times[excess] if excess < len(times) else now + _POLL)
        return due - now

    def _free(self, slot: Slot, period: float) -> float | None:
        """When a turn no longer counts in the window; None if its request has not left yet."""
        if slot.time is None:
            return None
        exact, late = self._window / self.per_second, self._jitter.lateness(slot.elapsed)
        return slot.time + max(period, exact * (1 + _LESS) + late + (self._jitter.margin() or 0.0))

    def _period(self) -> float:
        """The fewest seconds in which as many turns are used as the window holds."""
        margin, exact = self._jitter.margin(), self._window / self.per_second
        return exact * (1 + _SAFETY) if margin is None else exact * (1 + _LESS) + margin

    def _pace(self, now: float) -> float:
        """The factor by which turns are further apart than the limit demands: 1.0 in quiet times."""
        steps = max(0, int((now - self._slowed_at) / _RECOVERY_STEP))
        return max(1.0, self._slowness / _SLOWER**steps)
