"""How often the process may ask: one budget for every thread and every kind of request.

Paced, not bursting: a slot each 1/per_second. The server counts arrivals in a sliding second, and a request may
leave late (a new connection, a busy machine), so the moving window is kept over the times requests really left.
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

# Share of the period kept free for the network's jitter, and so the price in rate; each 429 in spite of it shows that
# requests arrive less evenly than that, and the rest of the sync keeps more free
_SAFETY = 0.018
_LEARNED = 0.008
_MOST_SAFETY = 0.06
# By how much one 429 in quiet times slows all down, and another one before the pace has recovered
_SLOWER = 1.1
_MUCH_SLOWER = 1.25
_SLOWEST = 10.0
# Seconds without a 429 after which the pace comes one step of _SLOWER back
_RECOVERY_STEP = 5.0
_POLL = 0.005
# A thread may wake this late without costing the next turn anything
_LATENESS = 0.02
# An answer so much later than any of the last ones may be late because the request was counted late, by a server that
# was busy with itself: then the turn counts as used by so much later, but for no more than that many seconds
_UNUSUAL = 1.15
_ANSWERS = 16
_MOST_LATE = 0.15
# The longest sleep: whoever waits out a pause must hear soon that the budget was shut
_NAP = 1.0


def _quietly(_: float) -> None:
    """Nobody wants to know."""


class Slot:
    """A right to send one request; `left()` says that it is on its way."""

    __slots__ = ("_clock", "time")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.time: float | None = None

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
        self._keep_free(_SAFETY)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._recent: deque[Slot] = deque()
        self._answers: deque[float] = deque(maxlen=_ANSWERS)
        self._next = clock()
        self._paused_until = self._next
        self._slowness = 1.0
        self._slowed_at = self._next
        self._shut: Exception | None = None
        self.on_pause: Callable[[float], None] = _quietly
        """Called with the seconds of each pause when it begins; what only makes it longer is no other one."""
        self.waited = 0.0
        self._slots: dict[Any, Slot] = {}

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Waits for a turn, first come, first served, and for as long as it takes. Raises when the budget is shut.

        Until `left` or `update_from_response` the turn counts as just being used.
        """
        self._slots[request] = self._take()

    def left(self, request: Any) -> None:
        """The request is on its way."""
        self._slots[request].left()

    def update_from_response(self, request: Any, response: Any) -> None:
        """Ends the request's turn. `response` None: there was no answer."""
        slot = self._slots.pop(request)
        slot.left()
        if isinstance(response, requests.Response):
            self.answered(slot, response.elapsed.total_seconds())

    def get_matching_policy(self, request: Any) -> AbstractCallRatePolicy | None:  # noqa: ARG002 - the one limit holds for all
        return None

    def pause(self, seconds: float) -> None:
        """After a 429: nobody goes before `seconds` are over, and then all go slower for a while."""
        with self._lock:
            now = self._clock()
            # the answers to requests that left before the pause must not slow the pace again
            begins = now >= self._paused_until
            if begins:
                pace = self._pace(now)
                self._slowness = min(_SLOWEST, pace * (_SLOWER if pace == 1.0 else _MUCH_SLOWER))
                self._keep_free(min(_MOST_SAFETY, self._safety + _LEARNED))
            self._paused_until = max(self._paused_until, now + seconds)
            self._slowed_at = self._paused_until
        if begins:
            self.on_pause(seconds)

    def answered(self, slot: Slot, elapsed: float) -> None:
        """The answer to the request of a turn that was used came after so many seconds."""
        with self._lock:
            usual = max(self._answers, default=elapsed)
            self._answers.append(elapsed)
            if slot.time is not None and elapsed > usual * _UNUSUAL:
                slot.time += min(elapsed - usual, _MOST_LATE)

    def _keep_free(self, share: float) -> None:
        self._safety = share
        self._period = self._window / self.per_second * (1 + share)
        self._interval = self._period / self._window

    def shut(self, error: Exception) -> None:
        """From now on every turn, the awaited ones too, raises `error`."""
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
        self._next = due + self._interval * self._pace(now)
        self.waited += now - asked
        return slot

    def _wait(self, now: float) -> float:
        """Seconds until the next turn, by what is known now."""
        due = max(self._next, self._paused_until)
        past = now - self._period
        while self._recent and (sent := self._recent[0].time) is not None and sent <= past:
            self._recent.popleft()
        excess = len(self._recent) - self._window
        if excess >= 0:
            times = [slot.time for slot in self._recent if slot.time is not None]
            # the turns that have not left yet cannot be timed: look again soon
            free = sorted(times)[excess] + self._period if excess < len(times) else now + _POLL
            due = max(due, free)
        return due - now

    def _pace(self, now: float) -> float:
        """By how much turns are further apart than allowed: 1.0 in quiet times."""
        steps = max(0, int((now - self._slowed_at) / _RECOVERY_STEP))
        return max(1.0, self._slowness / _SLOWER**steps)
