"""Several walkers in the windows of one list: a keyset walk in each, and a window is cut when a hand is free.

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

Split = Callable[[Window], "Window | None"]
Walk = Callable[[Window], Iterator[Page]]

WAITING_PAGES = 16
A_MOMENT = 0.05


def crew(windows: Iterable[Window], walk: Walk, hands: Hands, split: Split) -> Iterator[Page]:
    """The pages of every window, in the order in which they come.

    The calling thread walks too, so that the read goes on when no hand is free.
    """
    team = _Team(deque(windows), walk, hands, split)
    try:
        while window := team.next_window():
            for page in team.walk(window):
                yield page
                yield from team.delivered()
                team.grow()
        while not team.idle():
            yield from team.delivered(wait=True)
            team.grow()
            while window := team.next_window():
                for page in team.walk(window):
                    yield page
                    yield from team.delivered()
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

    def next_window(self) -> Window | None:
        """A window that nobody walks yet; else a part of the largest one that somebody does."""
        if self._todo:
            return self._todo.popleft()
        for window in list(self._busy):
            if part := self._split(window):
                return part
        return None

    def walk(self, window: Window) -> Iterator[Page]:
        self._busy.append(window)
        try:
            yield from self._walk(window)
        finally:
            self._busy.remove(window)

    def grow(self) -> None:
        if self._hands.offer() and (window := self.next_window()):
            self._helpers.append(self._hands.start(lambda: self._help(window)))

    def _help(self, window: Window) -> None:
        for page in self.walk(window):
            while not self.stop.is_set():
                try:
                    self._pages.put(page, timeout=A_MOMENT)
                    break
                except Full:
                    continue
            if self.stop.is_set():
                return

    def delivered(self, wait: bool = False) -> Iterator[Page]:
        """The helpers' pages so far; raises what a helper raised."""
        if wait:
            with suppress(Empty):
                yield self._pages.get(timeout=A_MOMENT)
        while not self._pages.empty():
            yield self._pages.get()
        for helper in [helper for helper in self._helpers if helper.done()]:
            self._helpers.remove(helper)
            helper.result()

    def idle(self) -> bool:
        return not self._helpers and self._pages.empty()
