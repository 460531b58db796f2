"""Several walkers in the windows of one list: a keyset walk in each, and a window is cut when the budget has room.

Why it cannot skip: the windows do not overlap and together are the whole; a row edited meanwhile leaves its window for
"now", which lies in the last window, or is met by the next sync, that starts no later than this one's start.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, Full, Queue

from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Page
from source_amocrm.walk.window import Window

Split = Callable[[Window, int], "Window | None"]
"""Cut off the part of a window that is left when its walker keeps its share as one of so many."""
Walk = Callable[[Window], Iterator[Page]]

WAITING_PAGES = 2
A_MOMENT = 0.05


def crew(windows: Iterable[Window], walk: Walk, hands: Hands, split: Split) -> Iterator[Page]:
    """The pages of every window, in the order in which they come.

    The calling thread takes the pages as they come, so that no walker waits with one; it walks only while no hand is
    free.
    """
    team = _Team(deque(windows), walk, hands, split)
    try:
        while not team.idle():
            if not team.employ() and (window := team.next_window()):
                for page in team.walk(window):
                    team.grow()
                    yield page
                    yield from team.delivered()
            yield from team.delivered(wait=True)
        yield from team.delivered()
    finally:
        team.stop.set()


class _Team:
    def __init__(self, todo: deque[Window], walk: Walk, hands: Hands, split: Split) -> None:
        self.stop = threading.Event()
        self._todo = todo
        self._walk = walk
        self._hands = hands
        self._split = split
        self._pages: Queue[Page] = Queue(WAITING_PAGES)
        self._helpers: list[Future[None]] = []
        self._busy: list[Window] = []
        self._lock = threading.Lock()

    def employ(self) -> bool:
        """Whether somebody walks: a hand is taken for it when there is one."""
        if not self._helpers and (window := self._take(2)):
            self._send(window)
        return bool(self._helpers)

    def _send(self, window: Window) -> bool:
        """False where no hand is free. None is waited for: what it does may wait for this list to be read."""
        helper = self._hands.start_now(lambda: self._help(window))
        if helper is None:
            with self._lock:
                self._busy.remove(window)
                self._todo.appendleft(window)
            return False
        self._helpers.append(helper)
        return True

    def next_window(self) -> Window | None:
        """A window that nobody walks yet; else, while the budget has room, a part of one that somebody does."""
        return self._take(2) if self._todo or self._wanted() else None

    def _wanted(self, about_to_ask: int = 0) -> int:
        """How many more walkers: none when pages wait for the reader already, which is then what all wait for."""
        return 0 if self._pages.full() else self._hands.offer(about_to_ask)

    def _take(self, among: int) -> Window | None:
        with self._lock:
            window = self._todo.popleft() if self._todo else self._part(among)
            if window:
                self._busy.append(window)
            return window

    def _part(self, among: int) -> Window | None:
        for window in sorted(self._busy, key=lambda window: window.rows_left(), reverse=True):
            if part := self._split(window, among):
                return part
        return None

    def walk(self, window: Window) -> Iterator[Page]:
        """The pages of a window that was taken."""
        try:
            yield from self._walk(window)
        finally:
            with self._lock:
                self._busy.remove(window)

    def grow(self) -> None:
        """Called between two requests of a walker: as many hands more as there is room for, in equal parts."""
        for wanted in range(self._wanted(about_to_ask=1), 0, -1):
            window = self._take(wanted + 1)
            if window is None or not self._send(window):
                return

    def _help(self, window: Window | None) -> None:
        while window:
            for page in self.walk(window):
                self.grow()
                while not self.stop.is_set():
                    try:
                        self._pages.put(page, timeout=A_MOMENT)
                        break
                    except Full:
                        continue
                if self.stop.is_set():
                    return
            window = self.next_window()

    def delivered(self, wait: bool = False) -> Iterator[Page]:
        """The helpers' pages so far; raises what a helper raised."""
        if wait and self._helpers:
            with suppress(Empty):
                yield self._pages.get(timeout=A_MOMENT)
        done = [helper for helper in self._helpers if helper.done()]
        while not self._pages.empty():
            yield self._pages.get()
        for helper in done:
            self._helpers.remove(helper)
            helper.result()

    def idle(self) -> bool:
        return not self._todo and not self._helpers and self._pages.empty()
