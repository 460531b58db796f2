"""The rate limit, as one budget for every thread and every kind of request of the process.

Requests are paced, not sent in bursts: a turn every 1/per_second. The server counts arrivals in a sliding second. A
request may leave late (a new connection, a busy machine) and arrive late. So the sliding window is kept over the times
at which requests left, plus the lateness that their answers show (`Jitter`). A constant margin does worse: the margin
that an uneven network needs (_ASSUMED_LATE) would cost every even network eight per cent.
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
_ANSWERS = 200  # the newest answers, by which jitter is measured
_FEWEST_ANSWERS = 12  # answers before which jitter is not known
_MANY_ANSWERS = 32  # answers from which on _DOUBT is enough; with fewer, twice as much
_DOUBT = 4  # how much faster than all answers so far another may be (mean gaps between their sorted times)
_USUAL = 0.9  # the share of answers whose time shows the network; the slowest few may be late for any reason
_STEADY = 0.12  # the largest spread of answer times that shows the network (seconds); more is the server's own work
_ASSUMED_LATE = 0.08  # lateness assumed while answers do not show it, and the most assumed after refusals (seconds)
_LATE_AFTER_ONE = 0.045  # lateness assumed after one refusal, which may have had another cause (seconds)
_ASSUMED_FOR = 800
"""How many answers lateness is assumed for: two minutes at the usual limit. Each refusal doubles the number. To assume
less risks a refusal, so it pays only if much is left to read."""
_EASED = 200  # answers over which the assumed lateness then shrinks to nothing
_MOST_LATE = 0.15
"""The most that one request is taken to be late (seconds): a busy server counts a request when it gets to it."""
_UNUSUAL = 1.1  # an answer that takes more than this many times the usual comes from a busy server

# Pace of the turns
_SMOOTHING = 0.2  # weight of the newest answer in the mean latency
_SPARE = 1.0  # requests under way beyond rate × latency, so that a turn never waits for a request
_SAFETY = 0.018  # share of the period that is kept free for jitter while it is not known
_SAFETY_IF_KNOWN = 0.002  # the same share once answers show how late each request was
_EAGER = 0.7
"""While jitter exceeds _EVEN, turns are 70 % of the usual gap apart; the sliding window keeps the limit, and one late
request delays nobody."""
_EVEN = 0.01  # jitter up to which a network counts as even (seconds)
_SLOWER = 1.1  # factor by which a 429 slows the pace down when none came lately
_MUCH_SLOWER = 1.25  # the same factor before the pace has recovered from the last 429
_SLOWEST = 10.0  # the largest product of these factors
_RECOVERY_STEP = 5.0  # seconds without a 429 after which the pace is a factor of _SLOWER faster again
_POLL = 0.005  # seconds between two looks at requests that have a turn and have not left
_LATENESS = 0.02  # seconds by which a thread may wake late without delaying the next turn
_LONGEST_SLEEP = 1.0  # seconds: a thread that waits out a pause must learn soon that the budget was shut


class Jitter:
    """How unevenly requests arrive, as answers and refusals show (seconds)."""

    def __init__(self) -> None:
        # By how much some requests arrive later than others; None where the answers do not show it
        self.spread: float | None = None
        # By how much the next request may arrive earlier than the earliest of the measured ones
        self.margin: float | None = None
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._fastest, self._usual = 0.0, math.inf  # seconds; no answer is late while nothing is known
        self._count = 0
        # For how many answers lateness is assumed in full, and the number of the last of them
        self._assumed_for = self._assumed_until = _ASSUMED_FOR
        self._share = 1.0  # the part of the assumed lateness that still holds: 1 up to that answer, later down to 0
        self._refused = 0.0  # lateness assumed since a refusal, whatever the answers show (seconds)

    def answered(self, elapsed: float) -> None:
        """Notes that an answer came `elapsed` seconds after its request left."""
        self._count += 1
        self._share = min(1.0, max(0.0, 1.0 - (self._count - self._assumed_until) / _EASED))
        self._answers.append(elapsed)
        count = len(self._answers)
        if count < _FEWEST_ANSWERS:
            return
        ordered = sorted(self._answers)
        self._fastest, self._usual = ordered[0], ordered[int(_USUAL * (count - 1))]
        spread = (self._usual - self._fastest) / _USUAL
        self.spread = self.margin = None
        if spread <= _STEADY:
            self.spread = spread
            self.margin = (_DOUBT if count >= _MANY_ANSWERS else 2 * _DOUBT) * spread / (count + 1)

    def refused(self) -> None:
        """Notes that the server refused a request as one too many."""
        self._refused = min(_ASSUMED_LATE, self._refused * self._share + _LATE_AFTER_ONE)
        self._assumed_for *= 2
        self._assumed_until = self._count + self._assumed_for
        self._share = 1.0

    def lateness(self, elapsed: float | None) -> float:
        """How long after a request left it may have been counted, at most. `elapsed` None: it is not answered yet."""
        if self.spread is None:
            late = _ASSUMED_LATE * self._share + min(_MOST_LATE, max(0.0, (elapsed or 0.0) - _UNUSUAL * self._usual))
        else:
            late = self.spread if elapsed is None else min(_MOST_LATE, max(0.0, elapsed - self._fastest))
        return max(late, self._refused * self._share)


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
        """Called with the seconds of a pause when it begins, but not when a later 429 prolongs it."""
        self.waited = 0.0  # seconds that requests have waited for their turns, in all
        self._outstanding = 0  # requests that wait for their turn or have it
        self._latency = 0.0  # mean seconds of the last answers
        self._slots: dict[Any, Slot] = {}

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Waits for a turn, first come, first served, and for as long as it takes. Raises when the budget is shut.

        Until `departed` or `update_from_response`, the request counts as leaving now.
        """
        arrived, served = self._clock(), threading.Event()
        with self._lock:
            self._outstanding += 1
            before, self._last = self._last, served
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
                        self.waited += now - arrived
                        return
                self._sleep(min(wait, _LONGEST_SLEEP))
        finally:
            served.set()

    def departed(self, request: Any) -> None:
        """Notes that the request is on its way."""
        slot = self._slots[request]
        slot.time = self._clock() if slot.time is None else slot.time

    def update_from_response(self, request: Any, response: Any) -> None:
        """Ends the request's turn. `response` None: there was no answer."""
        self.departed(request)
        with self._lock:
            self._outstanding -= 1
            slot = self._slots.pop(request)
            # a refusal comes at once, and tells nothing of the network
            if isinstance(response, requests.Response) and response.status_code in (200, 204):
                slot.elapsed = elapsed = response.elapsed.total_seconds()
                self._jitter.answered(elapsed)
                self._latency += (elapsed - self._latency) * (_SMOOTHING if self._latency else 1)

    def room(self) -> int:
        """How many more requests should be under way to use the rate limit up; negative if threads wait for turns."""
        return math.ceil(self.per_second * self._latency + _SPARE) - self._outstanding

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
        """Makes `acquire_call` raise `error` from now on, also where a thread waits in it."""
        with self._lock:
            self._shut = error

    def _wait(self, now: float) -> float:
        """Seconds until the next turn, as far as known now."""
        jitter, period = self._jitter, self._period()
        window = self._exact * (1 + _SAFETY_IF_KNOWN) + (jitter.margin or 0.0)
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
            # the end of a turn whose request has not left yet is not known: look again soon
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
        """The shortest time in which as many turns are used as the window holds (seconds)."""
        margin = self._jitter.margin
        return self._exact * (1 + _SAFETY) if margin is None else self._exact * (1 + _SAFETY_IF_KNOWN) + margin

    def _pace(self, now: float) -> float:
        """The factor by which turns are further apart than the limit demands: 1.0 if no 429 came lately."""
        steps = max(0, int((now - self._slowed_at) / _RECOVERY_STEP))
        return max(1.0, self._slowness / _SLOWER**steps)
