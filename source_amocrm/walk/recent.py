"""The walk from the newest row down to a known second, for a list whose filter is switched off.

Why it cannot skip: an edit moves a row to the front, which shifts others to later pages, where they are met again.
A row that leaves the list shifts the rest towards pages already read: when `departures` shows one, the pages are read
once more. Rows of one second that lie across a page boundary are read again until nothing new comes, for the server
may list them in another order each time.

Progress rule: `Patience`, and a bounded number of passes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import count, pairwise

from source_amocrm.walk.listing import Endless, Found, Listing, OrderIgnored, Page, Patience, Row, key
from source_amocrm.walk.numbered import CLOCK_SLACK, Departures
from source_amocrm.walk.spans import FOREVER
from source_amocrm.walk.ties import repeated

MOST_PASSES = 20
STRETCH = 8
"""Pages between two looks for departures; only then a state may follow."""


def recent(listing: Listing, since: int, departures: Departures) -> Iterator[Page]:
    """The rows whose cursor is `since` or later, newest first."""
    walk = _Recent(listing, since, departures)
    for _ in range(MOST_PASSES):
        if (yield from walk.one_pass()):
            return
    raise Endless


class _Recent:
    def __init__(self, listing: Listing, since: int, departures: Departures) -> None:
        self._listing = listing.narrowed({f"order[{listing.cursor}]": "desc"})
        self._since = since
        self._departures = departures
        self._delivered: dict[int | str, int | None] = {}
        self._now = 0

    def one_pass(self) -> Generator[Page, None, bool]:
        """From the first page down; False when rows left the list meanwhile, so that some may be missing."""
        top = FOREVER
        began: int | None = None
        split: tuple[int, int] | None = None  # the second with which a page ended, and that page
        crossed = False  # whether the next one went on with it
        for number, found in self._in_order():
            began = found.sent_at if began is None else began
            newest, oldest = self._ends(found)
            yield Page(self._new(found.rows))
            crossed = crossed or bool(split and newest == split[0])
            if split and (oldest != split[0] or not found.more):
                if crossed:
                    yield Page(self._tied(*split))
                split, crossed = None, False
            over = not found.more or (oldest is not None and oldest < self._since)
            if oldest is not None and split is None:
                split = (oldest, number)
            if over or number % STRETCH == 0:
                if number > 1 and self._departures(began - CLOCK_SLACK, self._now + CLOCK_SLACK):
                    return False
                low = self._since if over or oldest is None else oldest + 1
                yield Page([], (low, top))
                top = low - 1
            if over:
                break
        return True

    def _in_order(self) -> Iterator[tuple[int, Found]]:
        patience = Patience()
        for number in count(1):
            found = self._ask(number)
            patience.meet(found)
            yield number, found

    def _ask(self, number: int) -> Found:
        found = self._listing.whole(number)
        self._now = max(self._now, found.server_time)
        return found

    def _new(self, rows: list[Row]) -> list[Row]:
        fresh = []
        for row in rows:
            second = self._listing.second_of(row)
            wanted = second is None or second >= self._since
            if wanted and self._delivered.get(key(row), -1) != second:
                self._delivered[key(row)] = second
                fresh.append(row)
        return fresh

    def _ends(self, found: Found) -> tuple[int | None, int | None]:
        dated = [second for row in found.rows if (second := self._listing.second_of(row)) is not None]
        if any(one < other for one, other in pairwise(dated)):
            raise OrderIgnored
        return (dated[0], dated[-1]) if dated else (None, None)

    def _tied(self, second: int, first: int) -> list[Row]:
        """The rows of a second that begins on page `first` and goes on behind it."""

        def read() -> list[Row]:
            rows: list[Row] = []
            for number in count(first):
                found = self._ask(number)
                rows += [row for row in found.rows if self._listing.second_of(row) == second]
                oldest = self._ends(found)[1]
                if not found.more or oldest is None or oldest < second:
                    break
            return rows

        return self._new(repeated(read))
