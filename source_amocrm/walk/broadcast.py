"""One reading of a list for all who need it: a page is asked for once, parsed once, and handed to each subscriber."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

from source_amocrm.errors import anew

T = TypeVar("T")

WAITING_ITEMS = 2
"""Items that wait in memory for each subscription."""
A_MOMENT = 0.2
"""Seconds between two looks whether a subscription was closed."""


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


class Closed(Exception):
    """The subscription was closed before the last item came."""


class Broadcast(Generic[T]):
    """Runs `read` once, in a thread of its own that starts when the first subscription is iterated over.

    Every subscription gets every item. A slow one holds the others back, so that few items are in memory at a time; a
    closed one does not.
    """

    def __init__(self, name: str, read: Callable[[], Iterator[T]]) -> None:
        self._name = name
        self._read = read
        self._subscriptions: list[Subscription[T]] = []
        self._started = False
        self._lock = threading.Lock()

    def subscribe(self) -> Subscription[T]:
        """A new subscription; to be called before the thread is started."""
        subscription = Subscription[T](self.start)
        self._subscriptions.append(subscription)
        return subscription

    def start(self) -> None:
        """Starts the thread, which reads ahead of the subscriptions by WAITING_ITEMS items."""
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._run, name=f"broadcast-{self._name}", daemon=True).start()

    def cancel(self) -> None:
        """Cancels the reading."""
        for subscription in self._subscriptions:
            subscription.close()

    def _run(self) -> None:
        error: Exception | None = None
        items = self._read()
        try:
            for item in items:
                taken = [subscription.put(item) for subscription in self._subscriptions]
                if not any(taken):
                    break
        except Exception as failure:
            error = failure
        finally:
            if isinstance(items, Generator):
                items.close()
        for subscription in self._subscriptions:
            subscription.put(_End(error))


class Subscription(Generic[T]):
    """To be iterated over once and closed when done: while it is open it holds the others back."""

    def __init__(self, start: Callable[[], None]) -> None:
        self._start = start
        self._queue: Queue[T | _End] = Queue(WAITING_ITEMS)
        self._closed = threading.Event()

    def close(self) -> None:
        """Takes no more items, and ends the iteration with Closed if it is under way."""
        self._closed.set()

    def put(self, item: T | _End) -> bool:
        """Waits for room and takes the item; False if the subscription is closed."""
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=A_MOMENT)
                return True
            except Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        self._start()
        while True:
            try:
                item = self._queue.get(timeout=A_MOMENT)
            except Empty:
                if self._closed.is_set():
                    raise Closed from None
                continue
            if isinstance(item, _End):
                if item.error:
                    # each subscription raises a copy, so that their tracebacks do not mix
                    raise anew(item.error)
                return
            yield item
