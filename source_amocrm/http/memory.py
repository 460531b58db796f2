"""How much memory the answers of a process take together.

What an answer takes is estimated before it is parsed, by the dearest that its text can stand for, and counted as long
as a page of it is there. Real answers take less than half of that, so more is allowed where the system tells that the
process is still small.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

from source_amocrm.http.body import PAGE_ROOM

SIZE = 205 << 20
"""Bytes for all answers together, as estimated: one of the largest fits, and the process stays below 300 MB."""
SMALL = 255 << 20
"""Bytes of a whole process that is small."""
UNCOUNTED = 1 << 20
"""An answer that takes no more bytes than these is not counted."""
SHARE = 3
"""A page that may come in smaller ones takes at most this part of what is free, so that something always is."""
MEASURED = (4 << 20, PAGE_ROOM)
"""Between so many bytes of estimate an answer may be measured: that takes as long as to parse it."""
A_MOMENT = 0.05
"""Seconds between two looks whether others have given back."""

_STATM = Path("/proc/self/statm")


class Memory:
    """Bytes to take and give back, shared by all threads."""

    def __init__(self, size: int = SIZE, small: int = SMALL) -> None:
        self._size = self._free = size
        self._small = small
        self._unseen = 0
        """Bytes that were taken for what is not made yet, so that the system cannot tell of them."""
        self._lock = threading.Lock()
        # A finalizer may run in the middle of anything, and this queue is made to be put to by one
        self._returned: SimpleQueue[int] = SimpleQueue()

    @property
    def is_short(self) -> bool:
        """Whether less than half of it is free, so that nothing should be read ahead."""
        return self.free() < self._size // 2

    @property
    def is_scarce(self) -> bool:
        """Whether less than a quarter of it is free."""
        return self.free() < self._size // 4

    def free(self) -> int:
        with self._lock:
            return self._room()

    def take(self, size: int, above: int, until: float) -> bool:
        """Takes `size` bytes as soon as `above` more than these are free; False if they are not `until` that second of
        the monotonic clock."""
        while True:
            with self._lock:
                if size + above <= self._room():
                    self._free -= size
                    self._unseen += size
                    return True
            if time.monotonic() >= until:
                return False
            time.sleep(A_MOMENT)

    def insist(self, size: int) -> None:
        """Takes `size` bytes, whether they are free or not."""
        with self._lock:
            self._free -= size

    def seen(self, size: int) -> None:
        """What `size` bytes were taken for has been made."""
        with self._lock:
            self._unseen -= size

    def give_back(self, size: int) -> None:
        self._returned.put(size)

    def _room(self) -> int:
        try:
            while True:
                self._free += self._returned.get_nowait()
        except Empty:
            return max(self._free, self._small - resident() - self._unseen)


class Reservation:
    """What one answer takes of the memory; it is given back when nothing refers to the reservation any more."""

    def __init__(self, memory: Memory, most: int, share: int = 1, patience: float = 0.0) -> None:
        """`most`: bytes that it may have, which are at most one of `share` parts of what is free. `patience`: seconds
        that it waits for them in all."""
        self.size = self._lasting = 0
        self.most = most
        self._memory = memory
        self._share = share
        self._patience = patience
        self._until: float | None = None

    @classmethod
    def for_what_is_there(cls, memory: Memory, size: int) -> Reservation:
        """One of `size` bytes, whether they were free or not."""
        one = cls(memory, size)
        memory.insist(size)
        one.size = size
        return one

    def reach(self, size: int, lasting: int = 0) -> None:
        """Makes it `size` bytes, if it has fewer, of which `lasting` are needed also when everything is made.

        Raises MemoryError where they are too many or not free in time.
        """
        self._lasting = lasting
        if size > self.most:
            raise MemoryError
        if size <= max(self.size, UNCOUNTED):
            return
        more, above = size - self.size, size * (self._share - 1)
        if not self._memory.take(more, above, 0):
            if not self._patience:
                raise MemoryError
            gc.collect()  # exceptions and frames that hold each other may hold pages
            self._until = self._until or time.monotonic() + self._patience
            if not self._memory.take(more, above, self._until):
                raise MemoryError
        self.size = size

    def made(self) -> None:
        """Everything that it was taken for has been made, or never will be."""
        self.settle(self._lasting)
        self._memory.seen(self.size)

    @property
    def is_worth_measuring(self) -> bool:
        """Whether it may be much too high an estimate, and others may need what is too much."""
        return MEASURED[0] < self.size <= MEASURED[1] and self._memory.is_scarce

    def settle(self, size: int) -> None:
        """Gives back what is more than `size` bytes, for what it was taken for is made and has been measured."""
        more = self.size - size
        if more > 0:
            self.size = size
            self._memory.seen(more)
            self._memory.give_back(more)

    def __del__(self) -> None:
        if self.size:
            self._memory.give_back(self.size)


def resident() -> int:
    """Bytes of memory that this process takes; more than any where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 1 << 62
