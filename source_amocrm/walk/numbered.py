"""The walk by page number over a list ordered by id, for lists that cannot be filtered by time.

Why it cannot skip: ids never change and new rows come last. Pages overlap (see `slices`), and one is believed only if
it begins with a row that comes no later than the last one read: then it holds every row behind that up to its own
last, whatever was edited, deleted or restored in between, and whenever it was asked. A walk that was cut off goes on
in the same way from the last row delivered.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import count

from source_amocrm.errors import TooFat
from source_amocrm.walk.full import in_passes
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import (
    Found,
    Listing,
    OrderIgnored,
    Page,
    PageMark,
    PageProgress,
    ids_in_order,
    key,
)
from source_amocrm.walk.slice_prefetch import SlicePrefetcher
from source_amocrm.walk.slices import Course

LARGEST_ID = 2**63


def numbered(listing: Listing, hands: Hands | None, mark: PageMark | None = None) -> Iterator[Page]:
    """Every row of `listing`, once, in the order of ids; goes on after `mark`. `hands` ask for pages ahead."""
    walk = _Numbered(listing, hands, mark)
    try:
        yield from walk.pages()
    except OrderIgnored:
        delivered: set[int | str] = set(walk.delivered)
        for rows in in_passes(walk.listing, hands):
            fresh = {own: row for row in rows if (own := key(row)) not in delivered}
            delivered.update(fresh)
            yield Page(list(fresh.values()))


class _Numbered:
    def __init__(self, listing: Listing, hands: Hands | None, mark: PageMark | None) -> None:
        self.listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._course = Course(self.listing, mark.place if mark else 0)
        self._progress = PageProgress(listing.path)
        self._last = mark.after if mark else 0
        self.delivered = array("q")
        """Ids, of which there may be millions."""
        self._ahead = SlicePrefetcher(self.listing, hands)

    def pages(self) -> Iterator[Page]:
        try:
            for read in count(1):
                found, ids = self._joined()
                rows = [row for row in found.rows if row["id"] > self._last]
                self._last = max([self._last, *ids[-1:]])
                more = self._course.on(found, fresh=bool(rows))
                if more:
                    self._ahead.fill(self._course.part, self._course.most, read // 4)
                self.delivered.extend(own for row in rows if abs(own := row["id"]) < LARGEST_ID)
                yield Page(rows, mark=PageMark(self._course.end, self._last))
                if not more:
                    return
        finally:
            self._ahead.drop()

    def _joined(self) -> tuple[Found, list[int]]:
        """The next slice, once it begins among the rows already read, with its ids."""
        while True:
            try:
                found = self._ahead.take() or self._course.part.ask(self.listing)
            except TooFat:
                self._ahead.drop()
                self._course.shrink()
                continue
            ids = ids_in_order(found.rows)
            self._progress.meet(found, fresh=bool(ids) and ids[-1] > self._last)
            if self._course.part.start == 0 or (ids and ids[0] <= self._last):
                return found, ids
            self._ahead.drop()
            self._course.back()
