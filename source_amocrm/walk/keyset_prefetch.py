"""Keyset windows that are asked for before the walk has come to where they begin.

Rows move meanwhile, so where a window begins is a guess. The walk sees from its rows whether it follows on what was
read: a wrong guess costs a request and nothing else.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

from source_amocrm.walk.directed_list import DirectedList
from source_amocrm.walk.keyset_windows import Anchor, KeysetWindow, best_window
from source_amocrm.walk.listing import RawPage
from source_amocrm.walk.worker_pool import WorkerPool

MOST_AHEAD = 8
"""Pages under way or waiting in memory."""
LEAST_OVERLAP = 2.0
"""How many rows a page shares with the one before it, so that the two can be seen to join: the last row and one of an
earlier second."""
MOST_OVERLAP = 1 / 8
"""The share of a page that pages overlap at most. A second with more rows says nothing about the rest of the list."""
CALMER = 1 / 32
"""By how many rows the overlap shrinks with each page that joined; a page that did not join adds a row or more."""
TRIES = 10
"""By how many rows a full page may begin earlier, so that it can be counted from the first row of a second."""
CAUTION = 1.2
"""How many times the estimated rest of the list is asked for."""
REACH = 10
"""How many pages back anchors are kept, but always the last FEW."""
FEW = 4
CROWD = 8
"""A second with more rows than this is crowded: its rows are not asked for again if that can be avoided."""
A_MOMENT = 0.05

Place = int
Key = int | str


@dataclass(slots=True)
class _Asked:
    window: KeysetWindow
    future: Future[RawPage]
    refused: bool = False


class KeysetPrefetcher:
    """Places are seconds counted in the direction of the walk (see DirectedList); positions count rows.

    `pool`: None for a walk that asks for one page at a time.
    """

    def __init__(self, pool: WorkerPool | None, view: DirectedList) -> None:
        self._pool = pool
        self._asked_edge = False
        self._view = view
        self.limit = view.listing.limit
        """The rows of the largest page that the server gives."""
        self._overlap = LEAST_OVERLAP
        self._asked: deque[_Asked] = deque()
        self._anchors: deque[Anchor] = deque()
        self._asked_to = 0
        """The position behind the last row that was asked for."""
        self._places: Sequence[Place] = ()
        self._keys: Sequence[Key] = ()
        self._index: dict[Key, int] = {}
        self._start = 0
        """Of the last page: the places and keys of its rows, the index of each key, the position of its first row."""
        self._restless = False
        """Whether rows of the last page were seen in another order than there."""
        self._end = 0
        """The position behind the last row that the walk has read."""
        self._pages = 0
        self._begun: Place | None = None
        self._far: Place | None = None

    def head(self) -> RawPage | None:
        """Waits for the next page, and meanwhile asks for others behind it. None if no page was asked for. Raises what
        asking for it raised."""
        if not self._asked:
            return None
        while not wait([self._asked[0].future], A_MOMENT).done:
            self.fill(self._far)
        return self._asked[0].future.result()

    @property
    def window(self) -> KeysetWindow:
        """The window of the next page."""
        return self._asked[0].window

    def repeated(self, window: KeysetWindow, keys: Sequence[Key]) -> int:
        """How many rows of the last page a page begins with, each at the position where it was, to go on behind them.

        None once the rows of one query were seen to change places.
        """
        start = _planned(window)
        if not self._start <= start < self._end < start + len(keys) or self._restless:
            return 0
        shifts = {
            index - known for index, row_key in enumerate(keys) if (known := self._index.get(row_key)) is not None
        }
        self._restless = len(shifts) > 1
        shared = self._end - start
        return shared if keys[:shared] == self._keys[-shared:] else 0

    def pop(self) -> KeysetWindow:
        """Removes the next page, which is taken or brings nothing new."""
        return self._asked.popleft().window

    def refused(self, needed: int) -> None:
        """Notes that the next page does not follow on what was read, and lets later pages overlap more.

        It is kept once, for it may follow on the page that is read instead. `needed`: how many rows it would have had
        to share with the page before it.
        """
        most = max(LEAST_OVERLAP, self.limit * MOST_OVERLAP)
        self._overlap = min(most, max(self._overlap + 1, needed if needed <= most else 0))
        if self._asked[0].refused:
            self.drop()
        else:
            self._asked[0].refused = True

    def drop(self) -> None:
        """Forgets the pages that were asked for: the walk goes on elsewhere."""
        while self._asked:
            self._asked.pop().future.cancel()
        self._asked_to = self._end

    def came(self, asked: KeysetWindow, places: Sequence[Place], keys: Sequence[Key], ahead: bool) -> None:
        """Notes a page that follows on what was read. `ahead`: it was prefetched."""
        start = self._located(asked, keys)
        if asked.anchor and asked.edge in (asked.anchor.edge, self._view.edge(asked.anchor.place)):
            self._correct(asked.anchor, start - (asked.number - 1) * asked.limit)
        elif asked.begins is not None and (not self._anchors or self._anchors[-1].position < start):
            self._anchors.append(Anchor(start, asked.begins, asked.edge))
        self._add_anchors(places, start)
        self._places, self._keys, self._start = places, keys, start
        self._index = {row_key: index for index, row_key in enumerate(keys)}
        self._end = start + len(places)
        self._asked_to = max(self._asked_to, self._end)
        self._pages += 1
        if self._begun is None and places:
            self._begun = places[0]
        if ahead:
            self._overlap = max(LEAST_OVERLAP, self._overlap - CALMER)

    def resize(self, limit: int) -> None:
        """Changes how many rows a page can have."""
        if limit < self.limit:
            self.drop()
        self.limit = limit

    def first(self, edge: int, place: Place, limit: int) -> KeysetWindow:
        """The window of the first page from a place on."""
        known = (anchor.position for anchor in reversed(self._anchors) if anchor.place == place)
        return KeysetWindow(edge, 1, limit, next(known, self._end), place)

    def fill(self, far: Place | None) -> None:
        """Asks for as many pages as the request budget has room for. `far`: the place where the list ends, if known."""
        self._far = far
        if self._pool is None:
            return
        most = min(MOST_AHEAD, self._pages_left(far))
        while len(self._asked) < most and self._pool.vacancies():
            planned = self._plan()
            future = planned and self._pool.submit_if_free(partial(self._view.ask_ahead, planned))
            if not planned or not future:
                return
            self._asked.append(_Asked(planned, future))
            self._asked_to = planned.start + planned.limit

    def behind(self, back: int) -> KeysetWindow | None:
        """The window that follows on what was read and begins `back` rows earlier than it must."""
        wanted = self._end - 1 - back
        return best_window(self._usable(), wanted, wanted if back else self._end, self.limit)

    def _pages_left(self, far: Place | None) -> int:
        """Estimates how many pages are left, by how dense the rows of the last page and of all pages are. If the end of
        the list is not known: half as many pages as were read."""
        proven = self._pages // 2
        if far is None:
            return proven
        first, last = self._places[0], self._places[-1]
        left = CAUTION * max(0, far - last)
        by_page = math.ceil(left / max(1, last - first))
        read = last - (self._begun or 0)
        by_all = math.ceil(left * self._pages / read) if read else 0
        return min(by_page, max(by_all, proven))

    def _plan(self) -> KeysetWindow | None:
        """The next window to ask for: a full page counted from the last one, else the window that reaches farthest."""
        wanted = self._asked_to - round(self._overlap)
        for start in range(wanted, wanted - TRIES, -1):
            index = (start - self._start) % self.limit
            number = (start - self._start - index) // self.limit + 1
            if 0 < index < len(self._places) and number > 0:
                place = self._places[index]
                if place != self._places[index - 1] and not self._too_many(self._crowded(self._places, index)):
                    return KeysetWindow(
                        self._view.edge(place), number, self.limit, start, place if number == 1 else None
                    )
        return best_window(self._usable(), wanted, self._asked_to, self.limit)

    def _usable(self) -> Iterator[tuple[Anchor, int]]:
        """The anchors that windows can be counted from, the last one first."""
        for anchor in reversed(self._anchors):
            if anchor.edge is not None:
                yield anchor, anchor.edge
            elif not self._too_many(anchor.crowded):
                yield anchor, self._view.edge(anchor.place)
            elif self._pool and not self._asked_edge:
                self._asked_edge = True
                self._pool.submit(partial(self._view.look_at_edge, anchor.place))

    def _too_many(self, crowded: bool) -> bool:
        """Whether an anchor is of no use, because the many rows of the second before it might come too."""
        return crowded and self._view.traits.inclusive is None

    @staticmethod
    def _crowded(places: Sequence[Place], index: int) -> bool:
        before = places[index - 1]
        return before == places[index] - 1 and before == places[max(0, index - CROWD)]

    def _located(self, asked: KeysetWindow, keys: Sequence[Key]) -> int:
        """The position of a page's first row, by a row that it shares with the page before, else as planned."""
        for index, row_key in enumerate(keys):
            if (known := self._index.get(row_key)) is not None:
                return self._start + known - index
        return asked.start

    def _correct(self, counted_from: Anchor, position: int) -> None:
        """Moves an anchor and those before it, because rows have left or entered behind it."""
        moved = position - counted_from.position
        if moved:
            for anchor in self._anchors:
                if anchor.position <= counted_from.position and anchor is not counted_from:
                    anchor.position += moved
            counted_from.position = position

    def _add_anchors(self, places: Sequence[Place], start: int) -> None:
        last = self._anchors[-1].position if self._anchors else -1
        for index in range(max(1, last + 1 - start), len(places)):
            if places[index] != places[index - 1]:
                self._anchors.append(Anchor(start + index, places[index], None, self._crowded(places, index)))
        oldest = start - REACH * self.limit
        while len(self._anchors) > FEW and self._anchors[1].position < oldest:
            self._anchors.popleft()


def _planned(window: KeysetWindow) -> int:
    """The position of a window's first row, by what is known now of the anchor that it is counted from."""
    return window.anchor.position + (window.number - 1) * window.limit if window.anchor else window.start
