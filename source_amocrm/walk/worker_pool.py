"""Threads that prefetch pages when the request budget has room, shared by every walk of the process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

MOST_AHEAD = 8
"""The most responses of one walk that are requested ahead or wait in memory. Past it none is requested ahead."""
STARTING = 0.05
"""How long a started task may take to send its first request (seconds). Until then it takes up room in the budget."""


class WorkerPool:
    """At most `workers` daemon threads. The process may end while they work: nothing of their pages is delivered then.

    `room`: how many more requests must be under way to use up the request budget.
    """

    def __init__(self, workers: int, room: Callable[[], int]) -> None:
        self._workers = workers
        self._free = workers
        self._room = room
        self._threads = 0
        self._shut_down = False
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._started: deque[float] = deque()
        self._lock = threading.RLock()

    def may_go_ahead(self, requested: int) -> bool:
        """Whether a walk that has `requested` responses ahead is to request another."""
        return requested < MOST_AHEAD and self.vacancies() > 0

    def vacancies(self) -> int:
        """How many more tasks are worth submitting now: free workers, as far as the request budget has room."""
        with self._lock:
            past = time.monotonic() - STARTING
            while self._started and self._started[0] < past:
                self._started.popleft()
            return 0 if self._shut_down else max(0, min(self._free, self._room() - len(self._started)))

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Returns the future of `task`, which is cancelled if the pool shuts down before a worker begins the task."""
        future: Future[T] = Future()
        with self._lock:
            if self._shut_down:
                future.cancel()
                return future
            self._free -= 1
            self._started.append(time.monotonic())
            self._tasks.put((future, task))
            if self._threads < self._workers - self._free:  # no thread is idle
                self._threads += 1
                threading.Thread(target=self._work, name=f"fetch-{self._threads}", daemon=True).start()
        return future

    def prefetch(self, task: Callable[[], T]) -> Callable[[], T]:
        """As `submit`. Returns a function that returns the result, and runs `task` itself if no worker has begun it."""
        future = self.submit(task)
        return lambda: task() if future.cancel() else future.result()

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        """As `submit`; None if no worker is free. For a task that must not queue behind tasks which may wait for it."""
        with self._lock:
            return self.submit(task) if self._free > 0 and not self._shut_down else None

    def shut_down(self) -> None:
        """Takes no more tasks. Each thread ends after its present task."""
        with self._lock:
            self._shut_down = True
            for _ in range(self._threads):
                self._tasks.put(None)

    def _work(self) -> None:
        while job := self._tasks.get():
            self._do(*job)
            del job  # an idle worker keeps no page

    def _do(self, future: Future[Any], task: Callable[[], Any]) -> None:
        """Runs a task that is not cancelled. Frees the worker before it settles the future."""
        if self._shut_down:
            future.cancel()
        settle: Callable[[], object] = future.done
        if future.set_running_or_notify_cancel():
            try:
                settle = partial(future.set_result, task())
            except BaseException as error:
                settle = partial(future.set_exception, error)
        with self._lock:
            self._free += 1
        settle()
