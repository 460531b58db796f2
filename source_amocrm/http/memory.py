"""Bounds what the pages of heavy answers take of the memory together.

A heavy answer is parsed only while the pages that are not delivered yet leave room for it, and one at a time.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 4 << 20
"""Bytes of an answer: a larger one is read only while no other large one is."""
HEAVY = 1 << 20
"""Bytes that the values of an answer take at the most: a page of more counts until it is delivered."""
SIZE = 128 << 20
"""Bytes for all heavy pages of the process; an answer beyond them waits until others are delivered."""
A_MOMENT = 0.02
"""Seconds between two looks whether pages have been delivered."""
BETWEEN_SEARCHES = 1.0
"""Seconds between two searches for garbage that holds pages, while an answer waits."""

_turn = threading.Lock()
_lock = threading.Lock()
_held = 0
# A finalizer may run in the middle of anything, so that it may wait for no lock
_released: deque[int] = deque()


@contextmanager
def turn_of_heavy_answer(left: float) -> Iterator[None]:
    """The turn of one heavy answer, in which it is read and parsed. Raises TimeoutError after `left` seconds."""
    if not _turn.acquire(timeout=left):
        raise TimeoutError("another heavy answer was in the way until the deadline")
    try:
        yield
    finally:
        _turn.release()


def hold(size: int) -> None:
    """A page of `size` bytes is there."""
    _count(size if size > HEAVY else 0)


def release(size: int) -> None:
    """A page of `size` bytes is delivered."""
    if size > HEAVY:
        _released.append(size)


def has_room() -> bool:
    """Whether pages may be prefetched: less than half of SIZE is held."""
    return _count() < SIZE // 2


def wait_for_room(size: int, patience: float) -> None:
    """Waits until the pages that are there leave `size` bytes. Raises MemoryError after `patience` seconds."""
    if _count() + size <= SIZE:
        return
    until = time.monotonic() + patience
    searched = 0.0
    while _count() + size > SIZE:
        now = time.monotonic()
        if now >= searched + BETWEEN_SEARCHES:
            gc.collect()  # exceptions and frames that refer to each other may hold pages
            searched = now
        elif now >= until:
            raise MemoryError
        else:
            time.sleep(A_MOMENT)


def _count(more: int = 0) -> int:
    """The bytes of all pages that are there, with `more` of a new one."""
    global _held
    with _lock:
        while _released:
            _held -= _released.popleft()
        _held += more
        return _held
