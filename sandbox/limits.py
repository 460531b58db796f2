"""The rate limit of an integration: 7 requests a second, 429 above it, and a block after too many 429s."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .http import Response, blocked, html, problem

Form = Literal["none", "header", "body"]


@dataclass(frozen=True)
class Rate:
    """`per_second`: None for no limit. `form` of a 429: "none" (HTML), "header" (Retry-After) or "body" (Kommo's JSON).

    `block_after`: 429s within a minute after which every request gets 403 until `unblock`; None for never.
    """

    per_second: float | None = 7
    form: Form = "none"
    retry_after: int = 1
    block_after: int | None = 60


OFF = Rate(per_second=None)


class Limiter:
    """Counts the accepted requests of the last second. Thread-safe."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.blocked = False
        self._clock = clock
        self._accepted: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._lock = threading.Lock()

    def check(self) -> Response | None:
        """Counts a request at its arrival. Returns None if it is accepted, else the refusal."""
        with self._lock:
            return self._check()

    def _check(self) -> Response | None:
        if self.blocked:
            return blocked()
        if self.rate.per_second is None:
            return None
        now = self._clock()
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) + 1 <= self.rate.per_second:
            self._accepted.append(now)
            return None
        while self._refused and self._refused[0] <= now - 60:
            self._refused.popleft()
        self._refused.append(now)
        if self.rate.block_after is not None and len(self._refused) >= self.rate.block_after:
            self.blocked = True
        return too_many(self.rate.form, self.rate.retry_after)

    def unblock(self) -> None:
        """Lifts the block, as amoCRM's support does."""
        with self._lock:
            self.blocked = False
            self._refused.clear()


def too_many(form: Form = "none", retry_after: int = 1) -> Response:
    if form == "body":
        detail = "You have sent too many requests in a given amount of time. Please try again later."
        return problem(429, "Too Many Requests", detail, retry_after=retry_after)
    headers = {"retry-after": str(retry_after)} if form == "header" else {}
    return html(429, "<html><body><h1>429 Too Many Requests</h1></body></html>\n", **headers)
