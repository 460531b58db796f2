"""Threads that prefetch pages when the request budget has room, shared by every walk of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

MOST_AHEAD = 8
"""The most responses of one walk that are requested ahead or wait in memory; it requests no more until it takes one."""
STARTING = 0.05
"""How long a started task may take to send its first request (seconds). Until then it takes up room in the budget."""


class WorkerPool:
    """Does each task in a thread of its own, at most `workers` at a time.

    The threads are daemons: the process may end while they work, for nothing of theirs is delivered then. `room`: how
    many more requests would have to be under way to use the request budget up.
    """

    def __init__(self, workers: int, room: Callable[[], int]) -> None:
        self._workers = workers
        self._room = room
        self._turns = threading.Semaphore(workers)
        self._tasks = WeakSet[Future[Any]]()
        self._started: list[float] = []
        """When each of the last tasks was submitted."""
        self._shut_down = False
        self._lock = threading.RLock()

    def vacancies(self) -> int:
        """How many more tasks are worth submitting now: free workers, as far as the request budget has room."""
        with self._lock:
            past = time.monotonic() - STARTING
            self._started = [at for at in self._started if at > past]
            return max(0, min(self._free(), self._room() - len(self._started)))

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """The future of `task`. It is cancelled if the pool is shut down before the task begins."""
        future: Future[T] = Future()
        with self._lock:
            if self._shut_down:
                future.cancel()
                return future
            self._tasks.add(future)
            self._started.append(time.monotonic())
        threading.Thread(target=self._do, args=(future, task), name="fetch", daemon=True).start()
        return future

    def prefetch(self, task: Callable[[], T]) -> Callable[[], T]:
        """As `submit`; what is returned gives the result, and runs `task` itself if no worker has begun it."""
        future = self.submit(task)
        return lambda: task() if future.cancel() else future.result()

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        """As `submit`; None if no worker is free. For a task that must not wait for others, which may wait for it."""
        with self._lock:
            return self.submit(task) if self._free() > 0 else None

    def shut_down(self) -> None:
        """Takes no more tasks, and cancels those that have not begun."""
        with self._lock:
            self._shut_down = True
            for future in self._tasks:
                future.cancel()

    def _free(self) -> int:
        """How many workers are free: a task is done before anybody sees its result."""
        return 0 if self._shut_down else self._workers - sum(not future.done() for future in self._tasks)

    def _do(self, future: Future[T], task: Callable[[], T]) -> None:
        with self._turns:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)
