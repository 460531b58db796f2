"""The rate limit, as one budget for every thread and every kind of request of the process.

Requests are paced, not sent in bursts: a turn every 1/per_second, a little less often for the margin. The server counts
arrivals in a sliding second, and a request may leave late (a new connection, a busy machine). So the sliding window is
kept over the times at which requests left, and the margin is what one may take longer on its way than another.
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

_MARGIN = 0.08  # how much longer one request may take on its way than another without a 429 (seconds)
_SLOWER = 1.1  # factor by which a 429 slows the pace down
_SLOWEST = 4.0  # the largest product of these factors
_RECOVERY_STEP = 120.0
"""Seconds without a 429 after which the pace is a factor of _SLOWER faster again: on a network less even than the
margin, one request in five hundred is refused."""
_SMOOTHING = 0.2  # weight of the newest answer in the mean latency
_SPARE = 1.0  # requests under way beyond rate × latency, so that a turn never waits for a request
_POLL = 0.005  # seconds between two looks at requests that have a turn and have not left
_LATENESS = 0.02  # seconds by which a thread may wake late without delaying the next turn
_LONGEST_SLEEP = 1.0  # seconds: a thread that waits out a pause must learn soon that the budget was shut


@dataclass(slots=True)
class Slot:
    """A turn to send one request."""

    left: float = math.inf  # when the request left


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
        self._period = self._window / per_second + _MARGIN  # seconds for as many turns as the window holds
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
        slot.left = min(slot.left, self._clock())

    def update_from_response(self, request: Any, response: Any) -> None:
        """Ends the request's turn. `response` None: there was no answer."""
        self.departed(request)
        with self._lock:
            self._outstanding -= 1
            del self._slots[request]
            # a refusal comes at once, and tells nothing of the server's pace
            if isinstance(response, requests.Response) and response.status_code in (200, 204):
                elapsed = response.elapsed.total_seconds()
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
                self._slowness = min(_SLOWEST, self._pace(now) * _SLOWER)
            self._paused_until = self._slowed_at = max(self._paused_until, now + seconds)
        if begins:
            self.on_pause(seconds)

    def shut(self, error: Exception) -> None:
        """Makes `acquire_call` raise `error` from now on, also where a thread waits in it."""
        with self._lock:
            self._shut = error

    def _wait(self, now: float) -> float:
        """Seconds until the next turn, as far as known now."""
        while self._recent and self._recent[0].left + self._period <= now:
            self._recent.popleft()
        due = max(self._next, self._paused_until)
        if len(self._recent) >= self._window:
            left = sorted(slot.left for slot in self._recent)[-self._window]
            # if that request has not left yet, look again soon
            due = max(due, now + _POLL if left == math.inf else left + self._period)
        return due - now

    def _grant(self, now: float) -> Slot:
        slot = Slot()
        self._recent.append(slot)
        due = max(self._next, self._paused_until, now - _LATENESS)
        self._next = due + self._period / self._window * self._pace(now)
        return slot

    def _pace(self, now: float) -> float:
        """The factor by which turns are further apart than the limit demands: 1.0 if no 429 came lately."""
        steps = max(0, int((now - self._slowed_at) / _RECOVERY_STEP))
        return max(1.0, self._slowness / _SLOWER**steps)
