"""One reading of one list for every stream that needs it: a page is asked once, parsed once, and handed to each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

from source_amocrm.errors import anew, let_go

T = TypeVar("T")

WAITING_ITEMS = 2
A_MOMENT = 0.2


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


class Closed(Exception):
    """Nobody waits for the items any more: what came of them is not all."""


class Feed(Generic[T]):
    """`read` runs once, in a thread of its own that starts with the first reader.

    Every reader registered by `join` gets every item. A reader that is slow holds the others back, so that the items
    in memory stay few; one that is closed no longer does.
    """

    def __init__(self, name: str, read: Callable[[], Iterator[T]]) -> None:
        self._name = name
        self._read = read
        self._readers: list[Reader[T]] = []
        self._started = False
        self._lock = threading.Lock()

    def join(self) -> Reader[T]:
        """Register a reader, before anybody reads."""
        reader = Reader[T](self.start)
        self._readers.append(reader)
        return reader

    def start(self) -> None:
        """Read ahead of the first reader, as far as there is room."""
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._run, name=f"feed-{self._name}", daemon=True).start()

    def stop(self) -> None:
        """Nobody reads any more."""
        for reader in self._readers:
            reader.close()

    def _run(self) -> None:
        error: Exception | None = None
        items = self._read()
        try:
            for item in items:
                taken = [reader.put(item) for reader in self._readers]
                if not any(taken):
                    break
        except Exception as failure:
            error = failure
            let_go(error)
        finally:
            if isinstance(items, Generator):
                items.close()
        for reader in self._readers:
            reader.put(_End(error))


class Reader(Generic[T]):
    """To be iterated over once, and closed when done: one that is still open holds the others back for ever."""

    def __init__(self, start: Callable[[], None]) -> None:
        self._start = start
        self._queue: Queue[T | _End] = Queue(WAITING_ITEMS)
        self._closed = threading.Event()

    def close(self) -> None:
        """No item is wanted, or will come, any more."""
        self._closed.set()

    def put(self, item: T | _End) -> bool:
        """Wait for room; False when the reader has gone."""
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
                    # each reader has a failure of its own, whose traceback leads through no other reader
                    raise anew(item.error)
                return
            yield item
