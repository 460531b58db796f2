"""Counters of the whole process."""

from __future__ import annotations

import threading


class Stats:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.throttled = 0  # answers 429
        self.retries = 0  # requests sent again

    def sent(self, *, again: bool) -> None:
        with self._lock:
            self.requests += 1
            self.retries += again

    def refused(self) -> None:
        with self._lock:
            self.throttled += 1
