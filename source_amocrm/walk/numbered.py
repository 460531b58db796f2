"""The walk by page number over a list ordered by id, for lists that cannot be filtered by time.

Why it cannot skip: ids never change and new rows come last, so edits move nothing; a row that enters shifts others to
later pages, where they are met again. Only a row that leaves (a deletion, a merge) shifts the rest towards pages that
were read already. `departures` tells when that happened, and the pages that were being read then are read again.

Progress rule: `Patience`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count, pairwise

from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import (
    Found,
    Listing,
    OrderIgnored,
    Page,
    PageMark,
    Patience,
    Row,
    key,
)
from source_amocrm.walk.ties import one_pass, repeated

Departures = Callable[[int, int], list[int]]
"""When rows left the list, between two seconds of the server's clock."""

STRETCH = 36
"""Pages between two looks for departures: 9,000 rows, for a state must follow within 10,000."""
CLOCK_SLACK = 3


def numbered(listing: Listing, hands: Hands, departures: Departures, mark: PageMark | None = None) -> Iterator[Page]:
    """Every row of `listing`, once, in the order of ids; goes on after `mark`."""
    walk = _Numbered(listing, hands, departures)
    try:
        yield from walk.pages(mark)
    except OrderIgnored:
        rows = repeated(lambda: one_pass(listing, {}))
        yield Page([row for row in rows if key(row) not in walk.delivered])


@dataclass(slots=True)
class _Read:
    page: int
    found: Found


class _Numbered:
    def __init__(self, listing: Listing, hands: Hands, departures: Departures) -> None:
        self._listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._hands = hands
        self._departures = departures
        self.delivered: set[int | str] = set()

    def pages(self, mark: PageMark | None) -> Iterator[Page]:
        place = self._safe_place(mark) if mark else None
        page, after = self._first_page(*place) if place else (1, 0)
        stretch: list[_Read] = []
        safe = place or (1, 0)
        patience = Patience()
        for read in self._in_order(page):
            patience.meet(read.found)
            rows = [row for row in self._new(read.found) if _after(row, after)]
            last = self._last_id(read.found.rows)
            after = 0
            stretch.append(read)
            checked = stretch[0].found.sent_at
            yield Page(rows, mark=PageMark(read.page, last, *safe, checked) if last else None)
            if len(stretch) > STRETCH or not read.found.more:
                yield from self._repaired(stretch)
                safe = (read.page, last) if last else safe
                stretch = [read]

    def _safe_place(self, mark: PageMark) -> tuple[int, int]:
        """The mark's own place, unless a row left the list since it was last looked at."""
        now = self._ask(mark.page).server_time
        if self._departures(mark.checked - CLOCK_SLACK, now):
            return mark.safe_page, mark.safe_after
        return mark.page, mark.after

    def _new(self, found: Found) -> list[Row]:
        rows = [row for row in found.rows if key(row) not in self.delivered]
        self.delivered.update(key(row) for row in rows)
        return rows

    def _last_id(self, rows: list[Row]) -> int | None:
        ids = [own for row in rows if isinstance(own := row.get("id"), int)]
        if len(ids) < len(rows) or any(one >= other for one, other in pairwise(ids)):
            raise OrderIgnored
        return ids[-1] if ids else None

    def _first_page(self, page: int, after: int) -> tuple[int, int]:
        """Where to go on: the page that still holds the last row delivered, or one before it."""
        while page > 1:
            rows = self._ask(page).rows
            if rows and not _after(rows[0], after):
                break
            page -= 1
        return page, after

    def _in_order(self, first: int) -> Iterator[_Read]:
        """Pages in their order, some of them asked ahead when a hand is free: the more, the longer the list is."""
        ahead: deque[tuple[int, Future[Found]]] = deque()
        page, found = first, self._ask(first)
        for read in count(1):
            while found.more and len(ahead) <= read // 4 and (not ahead or self._hands.offer()):
                following = page + len(ahead) + 1
                ahead.append((following, self._start(following)))
            yield _Read(page, found)
            if not found.more:
                for _, future in ahead:
                    future.cancel()
                return
            page, future = ahead.popleft()
            if future.cancel() or not (found := future.result()).rows:
                found = self._ask(page)

    def _start(self, page: int) -> Future[Found]:
        """The page was asked for without knowing whether there is one, so that its emptiness is no surprise."""
        listing = self._listing.believing(0)
        return self._hands.start(lambda: listing.whole(page))

    def _ask(self, page: int) -> Found:
        return self._listing.whole(page)

    def _repaired(self, stretch: list[_Read]) -> Iterator[Page]:
        """Read again the pages into whose end rows may have slipped when others left the list."""
        if len(stretch) < 2:
            return
        times = self._departures(stretch[0].found.sent_at - CLOCK_SLACK, stretch[-1].found.server_time + CLOCK_SLACK)
        for one, other in pairwise(stretch):
            left = sum(_between(second, one.found, other.found) for second in times)
            if left:
                for page in range(max(1, one.page - left // self._listing.limit), one.page + 1):
                    yield Page(self._new(self._ask(page)))


def _after(row: Row, mark: int) -> bool:
    own = row.get("id")
    return not isinstance(own, int) or own > mark


def _between(second: int, one: Found, other: Found) -> bool:
    """Whether a row that left at `second` may have shifted a row from the one page to the other unseen."""
    low = min(one.sent_at, other.sent_at) - CLOCK_SLACK
    high = max(one.server_time, other.server_time) + CLOCK_SLACK
    return low <= second <= high
