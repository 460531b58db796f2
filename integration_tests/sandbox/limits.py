"""The rate an integration is held to: 7 requests a second, 429 above it, a block for those who do not listen."""

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
    """`per_second`: None is no limit. `form`: what a 429 says: nothing (HTML), Retry-After, or Kommo's JSON body.

    `block_after`: 429s within a minute that end in a block (403 on any request until lifted by hand); None: never.
    """

    per_second: float | None = 7
    form: Form = "none"
    retry_after: int = 1
    block_after: int | None = 60


OFF = Rate(per_second=None)


class Limiter:
    """Counts accepted requests over any sliding second. Safe to call from any thread."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.blocked = False
        self._clock = clock
        self._accepted: deque[float] = deque()
        self._refused: deque[float] = deque()
        self._lock = threading.Lock()

    def check(self) -> Response | None:
        """Called once when a request arrives: None lets it in; otherwise the refusal."""
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
        """What the support does when asked."""
        with self._lock:
            self.blocked = False
            self._refused.clear()


def too_many(form: Form = "none", retry_after: int = 1) -> Response:
    if form == "body":
        detail = "You have sent too many requests in a given amount of time. Please try again later."
        return problem(429, "Too Many Requests", detail, retry_after=retry_after)
    headers = {"retry-after": str(retry_after)} if form == "header" else {}
    return html(429, "<html><body><h1>429 Too Many Requests</h1></body></html>\n", **headers)
