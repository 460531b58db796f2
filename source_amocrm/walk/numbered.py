"""The walk by page number over a list ordered by id, for lists that cannot be filtered by time.

Why it cannot skip: ids never change and new rows come last, so edits move nothing. A row that enters in the middle (it
was restored) moves others to later pages, where they are met again; only a row that leaves (a deletion, a merge)
moves the rest towards pages that were read already. `moves` tells when either happened, once that shows, and the pages
that were read about that time are read again, from the last to the first, for on that way the rest moves towards pages
that are still to be read; where nobody can tell, all of them are. After a break the walk begins at the page that still
holds the last row delivered.

Progress rule: `PageProgress`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count, pairwise, takewhile
from typing import NamedTuple, Protocol

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
from source_amocrm.walk.sizes import PAGES_OF_CAUTION, shrunk
from source_amocrm.walk.spans import FOREVER


class Move(NamedTuple):
    """A row left the list at this second of the server's clock, or came `back` to it."""

    second: int
    back: bool = False


class Moves(Protocol):
    """By the server's clock. What moved less than `SHOWN_WITHIN` seconds ago may not show yet."""

    def between(self, since: int, until: int) -> list[Move] | None:
        """What moved between two seconds, both included; None where nobody can tell."""

    def wait_until(self, second: int) -> None: ...


STRETCH = 36
"""Pages between two looks for moves, of those for which they show: what a walk that was killed may read again."""
CLOCK_SLACK = 3
SHOWN_WITHIN = 3
"""Seconds after which a move is taken to show: amoCRM documents none."""
MOST_PASSES = 20
MOST_AHEAD = 8
"""Pages that may wait in memory, or be asked for beyond the end of the list."""


def numbered(listing: Listing, hands: Hands | None, moves: Moves, mark: PageMark | None = None) -> Iterator[Page]:
    """Every row of `listing`, once, in the order of ids; goes on after `mark`.

    `hands` ask for pages ahead; None where rows may enter the list in its middle without `moves` telling it.
    """
    walk = _Numbered(listing, hands, moves)
    try:
        yield from walk.pages(mark)
    except OrderIgnored:
        yield Page(walk.new(full(listing)))


@dataclass(frozen=True, slots=True)
class _Read:
    """One page; `start` rows of the list stand before it."""

    start: int
    found: Found
    ids: list[int]


class _Numbered:
    def __init__(self, listing: Listing, hands: Hands | None, moves: Moves) -> None:
        self._whole = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._listing = self._whole
        self._hands = hands
        self._moves = moves
        self._progress = PageProgress(listing.path)
        self._delivered: set[int | str] = set()
        self._end, self._last = 0, 0
        """How many rows of the list are read, and the last of them."""
        self._safe = (1, 0)
        """The page and the last row up to which all moves are known."""
        self._stretch: list[_Read] = []
        """What was read behind that."""

    def pages(self, mark: PageMark | None) -> Iterator[Page]:
        while True:
            try:
                if mark:
                    self._go_on_after(mark)
                    mark = None
                small = 0
                for read in self._in_order():
                    yield self._page(read)
                    if not read.found.more:
                        yield from self._repaired(self._stretch)
                        return
                    if len(shown := self._shown(read.found.server_time)) > STRETCH:
                        yield from self._repaired(shown)
                    small += self._listing.limit < self._whole.limit
                    if small >= PAGES_OF_CAUTION:
                        self._listing = self._whole
                        break
            except TooFat:
                self._listing = shrunk(self._listing)

    def new(self, rows: list[Row]) -> list[Row]:
        """Those that were not delivered; now they are."""
        fresh = {key(row): row for row in reversed(rows) if key(row) not in self._delivered}
        self._delivered |= fresh.keys()
        return list(reversed(fresh.values()))

    def _go_on_after(self, mark: PageMark) -> None:
        """From the mark's own place, unless rows moved, or may have, since it was last looked at."""
        now = self._ask(mark.page).server_time
        unmoved = self._moved(mark.checked, now) == []
        page, self._last = (mark.page, mark.after) if unmoved else (mark.safe_page, mark.safe_after)
        self._end = page * self._whole.limit
        self._safe = (page, self._last)

    def _page(self, read: _Read) -> Page:
        self._progress.meet(read.found)
        if not read.ids:
            self._stretch += [] if read.found.more else [read]
            return Page([])
        if any(own <= self._last and own not in self._delivered for own in read.ids):
            raise OrderIgnored
        self._end, self._last = read.start + self._listing.limit, read.ids[-1]
        self._stretch.append(replace(read, found=replace(read.found, rows=[])))  # the ids tell enough
        rows = self.new(read.found.rows)
        return Page(rows, mark=PageMark(self._number(read), self._last, *self._safe, self._stretch[0].found.sent_at))

    def _number(self, read: _Read) -> int:
        """That of the page, in pages of the whole size, with its last row in it."""
        return -(-(read.start + self._listing.limit) // self._whole.limit)

    def _in_order(self) -> Iterator[_Read]:
        """Pages in their order, some of them asked ahead when a hand is free: the more, the longer the list is."""
        limit = self._listing.limit
        ahead: deque[Future[Found]] = deque()
        page, found = self._first_page()
        try:
            for read in count(1):
                most = min(read // 4, MOST_AHEAD)
                while self._hands and found.more and len(ahead) <= most and (not ahead or self._hands.offer()):
                    ahead.append(self._start(self._hands, page + len(ahead) + 1))
                yield _Read((page - 1) * limit, found, ids_in_order(found.rows))
                if not found.more:
                    return
                page += 1
                future = ahead.popleft() if ahead else None
                if future is None or future.cancel() or not (found := future.result()).rows:
                    found = self._ask(page)
        finally:
            for future in ahead:
                future.cancel()

    def _first_page(self) -> tuple[int, Found]:
        """The page that still holds the last row delivered, with the rows behind that."""
        page = max(1, -(-self._end // self._listing.limit))
        found = self._ask(page)
        while page > 1 and all(own > self._last for own in ids_in_order(found.rows)):
            page -= 1
            found = self._ask(page)
        later = [row for row, own in zip(found.rows, ids_in_order(found.rows), strict=True) if own > self._last]
        return page, replace(found, rows=later)

    def _start(self, hands: Hands, page: int) -> Future[Found]:
        """The page is asked for without knowing whether there is one, so that its emptiness is no surprise."""
        listing = self._listing.believing(0)
        return hands.start(lambda: listing.ask({}, page))

    def _ask(self, page: int) -> Found:
        return self._listing.ask({}, page)

    def _shown(self, now: int) -> list[_Read]:
        """Of the stretch, the pages that were read so long ago that whatever moved about that time shows."""
        return list(takewhile(lambda read: read.found.server_time + SHOWN_WITHIN <= now, self._stretch))

    def _repaired(self, part: list[_Read]) -> Iterator[Page]:
        """The rows that moved, unseen, from one page to another while this part of the stretch was read."""
        founds = [read.found for read in part]
        since, until = min(found.sent_at for found in founds), max(found.server_time for found in founds)
        moved = self._moved(since, until) if len(part) > 1 else []
        gaps = _gaps(part, moved)
        for _ in range(MOST_PASSES if gaps else 0):
            for one, other in reversed(gaps):
                rows, now = self._between(one, other)
                until = max(until, now)
                yield Page(self.new(rows))
            if moved is None:
                break
            # what came back meanwhile moved others towards pages that were read again already
            later = self._moved(since, until)
            if later is None or sum(move.back for move in later) == sum(move.back for move in moved):
                break
            moved = later
        if part[-1].ids:
            self._safe = (self._number(part[-1]), part[-1].ids[-1])
        self._stretch = self._stretch[len(part) - 1 :]

    def _moved(self, since: int, until: int) -> list[Move] | None:
        """What moved between two seconds, once that shows; None where nobody can tell."""
        self._moves.wait_until(until + SHOWN_WITHIN)
        return self._moves.between(since - CLOCK_SLACK, until + CLOCK_SLACK)

    def _between(self, one: _Read, other: _Read) -> tuple[list[Row], int]:
        """The rows behind the last of `one` and before the first of `other`, wherever they stand; and when that was."""
        low, high = one.ids[-1], other.ids[0] if other.ids else FOREVER
        page = other.start // self._listing.limit + bool(other.ids)
        found = self._ask(page)
        rows = found.rows
        for later in count(page + 1):
            if not found.more or ids_in_order(found.rows)[-1] >= high:
                break
            found = self._ask(later)
            rows = rows + found.rows
        while page > 1 and all(row["id"] > low for row in rows):
            page -= 1
            found = self._ask(page)
            rows = found.rows + rows
        return [row for row in rows if low < row["id"] < high], found.server_time


def _gaps(stretch: list[_Read], moves: list[Move] | None) -> list[tuple[_Read, _Read]]:
    """The pages between which a row may have been lost by one of these moves; adjoining gaps are one."""
    if moves is None:
        return [(stretch[0], stretch[-1])] if len(stretch) > 1 else []
    gaps: list[tuple[_Read, _Read]] = []
    for one, other in pairwise(stretch):
        low = min(one.found.sent_at, other.found.sent_at) - CLOCK_SLACK
        high = max(one.found.server_time, other.found.server_time) + CLOCK_SLACK
        if any(low <= move.second <= high for move in moves):
            first = gaps.pop()[0] if gaps and gaps[-1][1] is one else one
            gaps.append((first, other))
    return gaps
