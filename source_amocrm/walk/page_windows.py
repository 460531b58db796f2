"""Pages that overlap: how a list is read by page number so that no row can slip between two pages.

The API knows pages by number only, but of any size: the third page of 240 rows begins behind the first 480. A page is
one snapshot, so in a list whose order tells any two rows apart, whatever is edited, deleted or restored meanwhile, no
row lies between two pages of which the later begins among rows that the earlier holds. Where it does not, rows have
left the list, and an earlier page is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.listing import Listing, OrderIgnored, RawPage
from source_amocrm.walk.page_size import PageSizer


@dataclass(frozen=True, slots=True)
class PageWindow:
    """`limit` rows after the first `start`, which is a multiple of that. Places count rows, from 0."""

    start: int
    limit: int

    @property
    def end(self) -> int:
        return self.start + self.limit

    def ask(self, listing: Listing) -> RawPage:
        return listing.ask({}, self.start // self.limit + 1, self.limit)


def reaching(position: int, most: int) -> PageWindow:
    """The window of at most so many rows with this place in it that reaches farthest."""
    limit = max(range(most, 0, -1), key=lambda limit: position // limit * limit + limit)
    return PageWindow(position // limit * limit, limit)


class WindowPlan:
    """Which slice of the list is to be asked for: `window`. `end`: the place behind the last row read, where it was."""

    def __init__(self, listing: Listing, end: int = 0) -> None:
        self._listing = listing
        self._sizer = PageSizer(listing.limit)
        self._widest = listing.limit
        """The most rows that the server gives in a page, as far as it has shown."""
        self.end = end
        self.window = reaching(max(end - 1, 0), self.most)
        self._refused = 0
        self._last: PageWindow | None = None
        """One behind which the list was seen to be empty."""
        self._restarts = 0
        """How many times a way back led to the beginning, and nothing new came of it."""

    @property
    def most(self) -> int:
        return min(self._widest, self._sizer.now)

    def shrink(self) -> None:
        """The window was too large. Raises the PageTooLarge that is being handled when there are no smaller ones."""
        self._sizer.shrink()
        self.window = reaching(self.window.start, self.most)

    def step_back(self) -> None:
        """The window begins behind what was read: an earlier one is asked for, each time twice as far back."""
        step = max(1, self.most // 2) << self._refused
        self._refused += 1
        self.window = reaching(max(0, self.window.start - step), self.most)

    def advance(self, raw: RawPage, fresh: bool, before: int | None = None) -> bool:
        """The window joins what was read, and brings something `fresh` or not. False at the end of the list.

        `before`: a place in the window where the next one had better begin, if that is far enough in it.

        A server that promises a next page on every page is seen through by asking for that page.
        Raises OrderIgnored where windows do not join: those of half a dozen rows do not everywhere, and none do where
        the server gives pages of its own size, or hides most rows of the first.
        """
        self._sizer.page_came()
        window, rows = self.window, len(raw.rows)
        self._restarts += bool(self._refused and window.start == 0 and not fresh)
        self._refused = 0
        if self._restarts > 2 or (not rows and self.end):
            raise OrderIgnored
        if not raw.more or (rows < window.limit and window == self._last):
            return False
        end = window.end
        if rows < window.limit and (window.start == 0 or not fresh):
            if self._is_empty(PageWindow(window.end, window.limit)):
                self._last = window
                return True  # the window is asked for once more: rows may have left just now
            self._widest = min(self._widest, rows)
            end = self.end if window.start else rows
        self.end = end
        self.window = self._next(before)
        return True

    def _is_empty(self, window: PageWindow) -> bool:
        try:
            return not window.ask(self._listing).rows
        except PageTooLarge:
            raise OrderIgnored from None

    def _next(self, before: int | None) -> PageWindow:
        if before is not None and (window := reaching(before, self.most)).end > self.end + self.most // 4:
            return window
        if not (behind := following(self.end, self.most)):
            raise OrderIgnored
        return behind


def following(end: int, most: int) -> PageWindow | None:
    """The window behind this place that begins before it; None where there is none."""
    window = reaching(end - 1, most)
    return window if window.end > end else None
