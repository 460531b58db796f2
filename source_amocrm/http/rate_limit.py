"""The rate limit: one budget for every thread and every kind of request of the process.

Requests are paced, not sent in bursts: one slot each 1/per_second. The server counts arrivals in a sliding second. A
request may leave late (a new connection, a busy machine) and arrive late. So the moving window is kept over the times
at which requests left, plus the lateness that answers tell (`Jitter`). No constant margin does as well: the one that an
uneven network needs (_WORST) would cost every even network eight per cent.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from airbyte_cdk.sources.streams.call_rate import AbstractAPIBudget, AbstractCallRatePolicy

# Jitter of the network, as measured from answers
_ANSWERS = 200  # answers that are remembered
_LEAST = 12  # answers that must have come before anything is known
_MANY = 32  # answers from which on half of the doubt is enough
_DOUBT = 4  # typical distances between two answers by which the fastest possible one may be faster than all so far
_USUAL = 0.9  # the share of answers whose time is that of the way; the slowest few may be late for any reason
_STEADY = 0.12  # seconds; if answers differ by more, the difference is the server's own work
_WORST = 0.08  # seconds by which requests are assumed late while answers do not tell, and after several refusals
_AFTER_ONE = 0.045  # seconds by which they are assumed late after one refusal, which may have had another cause
_CAREFUL = 800
"""Answers for which that is assumed: two minutes at the usual limit. To find out that requests arrive evenly risks a
refusal, so it pays only if there is much left to read. Each refusal doubles the number."""
_EASED = 200  # answers over which the assumption then shrinks to nothing
_MOST_LATE = 0.15
"""Seconds by which a single request may be late: a server that was busy with itself counted it when it got to it."""
_UNUSUAL = 1.1  # an answer that took so many times what most take is late for that reason

# Pace of the turns
_SMOOTH = 0.2  # weight of the newest answer in the mean latency
_SPARE = 1.0  # requests under way beyond rate × latency, so that a turn never waits for a request
_SAFETY = 0.018  # share of the period that is kept free for jitter while nothing is known of it
_LESS = 0.002  # the same share once answers tell how late each request was
_EAGER = 0.7
"""Share of the usual distance between turns if jitter exceeds _EVEN, so that a late request does not delay all."""
_EVEN = 0.01  # seconds of jitter
_SLOWER = 1.1  # factor by which a 429 slows the pace down in quiet times
_MUCH_SLOWER = 1.25  # the same factor before the pace has recovered from the last 429
_SLOWEST = 10.0  # the largest product of these factors
_RECOVERY_STEP = 5.0  # seconds without a 429 after which the pace is a factor of _SLOWER faster again
_POLL = 0.005  # seconds between two looks at turns that have not left yet
_LATENESS = 0.02  # seconds by which a thread may wake late without delaying the next turn
_NAP = 1.0  # seconds of the longest sleep: a thread that waits out a pause must learn soon that the budget was shut


class Jitter:
    """How unevenly requests arrive, by what answers and refusals tell (seconds)."""

    def __init__(self) -> None:
        # By how much requests arrive earlier or later than others; None where the answers do not tell
        self.spread: float | None = None
        # By how much the earliest of the last requests may have been later than another one will be
        self.margin: float | None = None
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._fastest, self._usual = 0.0, math.inf  # seconds; no answer is late while nothing is known
        self._count = 0
        # For how many answers a refusal makes careful, and the number of the answer at which that ends
        self._careful = self._until = _CAREFUL
        self._care = 1.0  # how much of the assumptions still holds: 1 in the careful time, 0 long after it
        self._refused = 0.0  # seconds by which requests are assumed late since a refusal, whatever the answers tell

    def answered(self, elapsed: float) -> None:
        """Notes that an answer came `elapsed` seconds after its request left."""
        self._count += 1
        self._care = min(1.0, max(0.0, 1.0 - (self._count - self._until) / _EASED))
        self._answers.append(elapsed)
        count = len(self._answers)
        if count < _LEAST:
            return
        ordered = sorted(self._answers)
        self._fastest, self._usual = ordered[0], ordered[int(_USUAL * (count - 1))]
        spread = (self._usual - self._fastest) / _USUAL
        self.spread = self.margin = None
        if spread <= _STEADY:
            self.spread = spread
            self.margin = (_DOUBT if count >= _MANY else 2 * _DOUBT) * spread / (count + 1)

    def refused(self) -> None:
        """Notes that a request was one too many."""
        self._refused = min(_WORST, self._refused * self._care + _AFTER_ONE)
        self._careful *= 2
        self._until = self._count + self._careful
        self._care = 1.0

    def lateness(self, elapsed: float | None) -> float:
        """By how much later than its turn a request may have been counted; `elapsed` None: it is not answered yet."""
        if self.spread is None:
            told = _WORST * self._care + min(_MOST_LATE, max(0.0, (elapsed or 0.0) - _UNUSUAL * self._usual))
        else:
            told = self.spread if elapsed is None else min(_MOST_LATE, max(0.0, elapsed - self._fastest))
        return max(told, self._refused * self._care)


@dataclass(slots=True)
class Slot:
    """A turn to send one request."""

    time: float | None = None  # when the request left
    elapsed: float | None = None  # seconds until the answer came


class Budget(AbstractAPIBudget):
    """The rate limit in the CDK's terms. A request has a turn from `acquire_call` to `update_from_response`."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_second = per_second
        self._window = max(1, int(per_second))
        self._exact = self._window / per_second  # seconds in which the limit allows as many turns as the window holds
        self._jitter = Jitter()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._last = threading.Event()  # set when the last thread of the queue has its turn
        self._last.set()
        self._recent: deque[Slot] = deque()
        self._next = self._paused_until = self._slowed_at = clock()
        self._slowness = 1.0
        self._shut: Exception | None = None
        self.on_pause: Callable[[float], None] = lambda _: None
        """Called with its seconds when a pause begins, but not when a pause is made longer."""
        self.waited = 0.0
        self._asking = 0  # requests that wait for their turn or have it
        self._latency = 0.0  # mean seconds of the last answers
        self._slots: dict[Any, Slot] = {}

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Waits for a turn, first come, first served, and for as long as it takes. Raises when the budget is shut.

        Until `left` or `update_from_response` the turn counts as just being used.
        """
        asked, over = self._clock(), threading.Event()
        with self._lock:
            self._asking += 1
            before, self._last = self._last, over
        before.wait()
        try:
            while True:
                with self._lock:
                    if self._shut is not None:
                        raise copy.copy(self._shut)
                    now = self._clock()
                    wait = self._wait(now)
                    if wait <= 0:
                        self._slots[request] = self._grant(now)
                        self.waited += now - asked
                        return
                self._sleep(min(wait, _NAP))
        finally:
            over.set()

    def left(self, request: Any) -> None:
        """Notes that the request is on its way."""
        slot = self._slots[request]
        slot.time = self._clock() if slot.time is None else slot.time

    def update_from_response(self, request: Any, response: Any) -> None:
        """Ends the request's turn. `response` None: there was no answer."""
        self.left(request)
        with self._lock:
            self._asking -= 1
            slot = self._slots.pop(request)
            # a refusal comes at once, and tells nothing of the network
            if isinstance(response, requests.Response) and response.status_code in (200, 204):
                slot.elapsed = elapsed = response.elapsed.total_seconds()
                self._jitter.answered(elapsed)
                self._latency += (elapsed - self._latency) * (_SMOOTH if self._latency else 1)

    def room(self) -> int:
        """How many more requests should be under way to use the rate limit up; negative if threads wait for turns."""
        return math.ceil(self.per_second * self._latency + _SPARE) - self._asking

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
            self._paused_until = self._slowed_at = max(self._paused_until, now + seconds)
        if begins:
            self.on_pause(seconds)

    def shut(self, error: Exception) -> None:
        """Makes every turn raise `error` from now on, also those that threads wait for."""
        with self._lock:
            self._shut = error

    def _wait(self, now: float) -> float:
        """Seconds until the next turn, by what is known now."""
        jitter, period = self._jitter, self._period()
        window = self._exact * (1 + _LESS) + (jitter.margin or 0.0)
        # when each turn no longer counts in the window; infinite if its request has not left yet
        free = [
            math.inf if slot.time is None else slot.time + max(period, window + jitter.lateness(slot.elapsed))
            for slot in self._recent
        ]
        while free and free[0] <= now:
            self._recent.popleft()
            del free[0]
        due = max(self._next, self._paused_until)
        if len(free) >= self._window:
            last = sorted(free)[len(free) - self._window]
            # a turn that has not left yet cannot be timed: look again soon
            due = max(due, now + _POLL if last == math.inf else last)
        return due - now

    def _grant(self, now: float) -> Slot:
        slot = Slot()
        self._recent.append(slot)
        due = max(self._next, self._paused_until, now - _LATENESS)
        eager = _EAGER if (self._jitter.spread or 0.0) > _EVEN else 1.0
        self._next = due + eager * self._period() / self._window * self._pace(now)
        return slot

    def _period(self) -> float:
        """The fewest seconds in which as many turns are used as the window holds."""
        margin = self._jitter.margin
        return self._exact * (1 + _SAFETY) if margin is None else self._exact * (1 + _LESS) + margin

    def _pace(self, now: float) -> float:
        """The factor by which turns are further apart than the limit demands: 1.0 in quiet times."""
        steps = max(0, int((now - self._slowed_at) / _RECOVERY_STEP))
        return max(1.0, self._slowness / _SLOWER**steps)
