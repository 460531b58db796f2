"""The walk by page number over a list ordered by id, for lists that cannot be filtered by time.

Why it cannot skip: ids never change and new rows come last. Pages overlap (see `slices`), and one is believed only if
it begins with a row that comes no later than the last one read: then it holds every row behind that up to its own
last, whatever was edited, deleted or restored in between, and whenever it was asked. A walk that was cut off goes on
in the same way from the last row delivered.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from itertools import count

from source_amocrm.errors import TooFat
from source_amocrm.walk.full import full
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import (
    Found,
    Listing,
    OrderIgnored,
    Page,
    PageMark,
    PageProgress,
    Row,
    ids_in_order,
    key,
)
from source_amocrm.walk.slices import Course, Slice, following

MOST_AHEAD = 8
"""Pages that may wait in memory, or be asked for beyond the end of the list."""


def numbered(listing: Listing, hands: Hands | None, mark: PageMark | None = None) -> Iterator[Page]:
    """Every row of `listing`, once, in the order of ids; goes on after `mark`. `hands` ask for pages ahead."""
    walk = _Numbered(listing, hands, mark)
    try:
        yield from walk.pages()
    except OrderIgnored:
        yield Page(walk.missing(full(listing)))


class _Numbered:
    def __init__(self, listing: Listing, hands: Hands | None, mark: PageMark | None) -> None:
        self._listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._hands = hands
        self._course = Course(self._listing, mark.place if mark else 0)
        self._progress = PageProgress(listing.path)
        self._after = self._last = mark.after if mark else 0
        self._delivered: set[int | str] = set()
        self._ahead: deque[tuple[Slice, Future[Found]]] = deque()

    def pages(self) -> Iterator[Page]:
        try:
            for read in count(1):
                found, ids = self._joined()
                rows = self.missing([row for row in found.rows if row["id"] > self._after])
                self._last = max([self._last, *ids[-1:]])
                more = self._course.on(found, fresh=bool(rows))
                if more:
                    self._ask_ahead(min(read // 4, MOST_AHEAD))
                self._delivered.update(key(row) for row in rows)
                yield Page(rows, mark=PageMark(self._course.end, self._last))
                if not more:
                    return
        finally:
            self._forget_ahead()

    def missing(self, rows: list[Row]) -> list[Row]:
        """Those that were not delivered."""
        return [row for row in rows if key(row) not in self._delivered]

    def _joined(self) -> tuple[Found, list[int]]:
        """The next slice, once it begins among the rows already read, with its ids."""
        while True:
            try:
                found = self._found()
            except TooFat:
                self._forget_ahead()
                self._course.shrink()
                continue
            self._progress.meet(found)
            ids = ids_in_order(found.rows)
            if self._course.part.start == 0 or (ids and ids[0] <= self._last):
                return found, ids
            self._forget_ahead()
            self._course.back()

    def _found(self) -> Found:
        if self._ahead:
            _, asked = self._ahead.popleft()
            if not asked.cancel() and (found := asked.result()).rows:
                return found
        return self._course.part.ask(self._listing)

    def _ask_ahead(self, most: int) -> None:
        """The next slice, and behind it so many as there are hands free: the more, the longer the list is.

        They are asked for without knowing whether they are there, so that their emptiness is no surprise.
        """
        listing = self._listing.believing(0)
        part: Slice | None = self._course.part
        if self._ahead and self._ahead[0][0] != part:
            self._forget_ahead()
        if self._ahead:
            part = following(self._ahead[-1][0].end, self._course.most)
        while self._hands and part and len(self._ahead) <= most and (not self._ahead or self._hands.offer()):
            self._ahead.append((part, self._hands.start(partial(part.ask, listing))))
            part = following(part.end, self._course.most)

    def _forget_ahead(self) -> None:
        while self._ahead:
            self._ahead.pop()[1].cancel()
