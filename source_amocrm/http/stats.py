"""Counters of the whole process."""

from __future__ import annotations

import threading
from collections import Counter

_SMOOTH = 0.2


class Stats:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.by_path: Counter[str] = Counter()
        self.throttled = 0  # answers 429
        self.asking = 0  # callers that want an answer now
        self.latency = 0.0  # seconds that an answer takes, of late

    def asks(self, change: int) -> None:
        with self._lock:
            self.asking += change

    def took(self, seconds: float) -> None:
        with self._lock:
            self.latency += (seconds - self.latency) * (_SMOOTH if self.latency else 1)

    def sent(self, path: str) -> None:
        with self._lock:
            self.requests += 1
            self.by_path[path] += 1

    def refused(self) -> None:
        with self._lock:
            self.throttled += 1
