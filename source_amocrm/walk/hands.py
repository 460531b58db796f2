"""Threads that help a walk when the request budget has room, shared by every walk of the process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

STARTING = 0.05
"""Seconds within which a hand that was started is taken to ask for the first time."""


class Hands:
    """`room` tells how many more requests would have to be under way to use the budget up."""

    def __init__(self, workers: int, room: Callable[[], int]) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="fetch")
        self._free = workers
        self._room = room
        self._started: deque[float] = deque()
        self._lock = threading.Lock()

    def offer(self, about_to_ask: int = 0) -> int:
        """How many more hands are worth taking now, when so many requests are about to be sent anyhow."""
        with self._lock:
            past = time.monotonic() - STARTING
            while self._started and self._started[0] < past:
                self._started.popleft()
            return max(0, min(self._free, self._room() - len(self._started) - about_to_ask))

    def start(self, task: Callable[[], T]) -> Future[T]:
        with self._lock:
            self._free -= 1
            self._started.append(time.monotonic())

        def run() -> T:
            try:
                return task()
            finally:
                with self._lock:
                    self._free += 1

        future = self._executor.submit(run)
        future.add_done_callback(self._cancelled)
        return future

    def _cancelled(self, future: Future[T]) -> None:
        if future.cancelled():
            with self._lock:
                self._free += 1

    def dismiss(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
