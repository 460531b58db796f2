"""Threads that ask for pages ahead when the request budget has room, shared by every walk of the process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

STARTING = 0.05
"""Seconds within which a worker that was started is taken to send its first request."""


class WorkerPool:
    """At most `workers` daemon threads: the process may end while they work, for nothing of theirs is delivered then.

    `room` tells how many more requests would have to be under way to use the request budget up.
    """

    def __init__(self, workers: int, room: Callable[[], int]) -> None:
        self._workers = workers
        self._free = workers
        self._room = room
        self._hired = 0
        self._dismissed = False
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._started: deque[float] = deque()
        self._lock = threading.Lock()

    def vacancies(self) -> int:
        """How many more tasks are worth submitting now: free workers, as far as the request budget has room."""
        with self._lock:
            past = time.monotonic() - STARTING
            while self._started and self._started[0] < past:
                self._started.popleft()
            if self._dismissed:
                return 0
            return max(0, min(self._free, self._room() - len(self._started)))

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """The future of `task`; it is cancelled if the pool is shut down before the task was begun."""
        with self._lock:
            return self._start(task)

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        """As `submit`; None if no worker is free. For a task that must not wait for others, which may wait for it."""
        with self._lock:
            return self._start(task) if self._free > 0 and not self._dismissed else None

    def _start(self, task: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._dismissed:
            future.cancel()
        else:
            self._free -= 1
            self._started.append(time.monotonic())
            self._tasks.put((future, task))
            if self._hired < self._workers:
                self._hired += 1
                threading.Thread(target=self._work, name=f"fetch-{self._hired}", daemon=True).start()
        return future

    def shut_down(self) -> None:
        """Takes no more tasks. Each thread ends with the task that it is doing."""
        with self._lock:
            self._dismissed = True
            for _ in range(self._hired):
                self._tasks.put(None)

    def _work(self) -> None:
        while job := self._tasks.get():
            self._do(*job)

    def _do(self, future: Future[Any], task: Callable[[], Any]) -> None:
        if self._dismissed:
            future.cancel()
        if not future.set_running_or_notify_cancel():
            self._release()
            return
        try:
            result = task()
        except BaseException as error:
            self._release()
            future.set_exception(error)
        else:
            self._release()
            future.set_result(result)

    def _release(self) -> None:
        with self._lock:
            self._free += 1


class Prefetch(Generic[T]):
    """A task whose result may be asked for before it is wanted."""

    def __init__(self, pool: WorkerPool, task: Callable[[], T]) -> None:
        self._pool = pool
        self._task = task
        self._future: Future[T] | None = None

    @property
    def started(self) -> bool:
        return self._future is not None

    def start(self) -> None:
        self._future = self._pool.submit(self._task)

    def result(self) -> T:
        """What the task brings; it is done here and now if no worker has begun with it."""
        future, self._future = self._future, None
        if future is None or future.cancel():
            return self._task()
        return future.result()
