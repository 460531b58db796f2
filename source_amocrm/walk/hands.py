"""Threads that help a walk when the request budget has room, shared by every walk of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Hands:
    """`spare` tells whether a request could be sent right now that nobody else is waiting to send."""

    def __init__(self, workers: int, spare: Callable[[], bool]) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="fetch")
        self._free = workers
        self._spare = spare
        self._lock = threading.Lock()

    def offer(self) -> bool:
        """Whether one more hand is worth taking now."""
        return self._free > 0 and self._spare()

    def start(self, task: Callable[[], T]) -> Future[T]:
        with self._lock:
            self._free -= 1

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
