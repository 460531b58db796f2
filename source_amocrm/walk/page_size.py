"""Which page of a list is requested: how many rows it has, and where it begins.

A page is too large for the server if it answers 504 or not in time, and for us if its body exceeds the body cap. Then
pages have fewer rows for a while.

Pages by number overlap. The API knows pages by number only, but of any size: page 3 of 240 rows begins after the first
480 rows. A page is one snapshot. If the list's order tells any two rows apart, and a page begins with a row that the
page before holds, no row lies between the two, whatever people edit, delete or restore meanwhile. If a page begins
behind these rows, rows have left the list, and the walk requests an earlier page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk.listing import SIZES, Listing, OrderIgnored, RawPage
from source_amocrm.walk.worker_pool import MOST_AHEAD, WorkerPool

T = TypeVar("T")
W = TypeVar("W")

PAGES_OF_CAUTION = 10
"""How many smaller pages follow one that was too large before the walk tries the full size again."""


def with_smaller_pages(listing: Listing, read: Callable[[Listing], T]) -> T:
    """The result of `read`. If a page was too large, calls `read` again with smaller pages."""
    while True:
        try:
            return read(listing)
        except PageTooLarge as error:
            listing = replace(listing, limit=smaller(listing.limit, error))


def smaller(limit: int, error: PageTooLarge) -> int:
    """The next smaller page size. Raises `error` when the page size is already the smallest."""
    size = next((size for size in SIZES if size < limit), None)
    if size is None:
        raise error
    return size


class PageSizer:
    """The page size of a walk that can change the size between two pages."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._reduced = full
        self._cautious = 0

    @property
    def now(self) -> int:
        return self._reduced if self._cautious else self._full

    def ask(self, listing: Listing, params: Params) -> RawPage:
        while True:
            try:
                raw = listing.ask(params, limit=self.now)
            except PageTooLarge as error:
                self.shrink(error)
                continue
            self.count_page()
            return raw

    def shrink(self, error: PageTooLarge) -> None:
        """Makes the next pages smaller. Raises `error` when the page size is already the smallest."""
        self._reduced, self._cautious = smaller(self.now, error), PAGES_OF_CAUTION

    def count_page(self) -> None:
        self._cautious = max(0, self._cautious - 1)


class LargestPage:
    """Learns the largest page that a server gives, which may be larger than the `documented` one.

    The first page of a walk asks for `hoped` rows, and its length decides. A server that gives no more than documented
    falls back to even fewer rows when a request asks for more.
    """

    def __init__(self, hoped: int, documented: int) -> None:
        self._documented = documented
        self.now = hoped

    def ask(self, listing: Listing, params: Params) -> tuple[RawPage, Listing]:
        """A first page, and the listing with the largest page size that the server gives."""
        limit = self.now
        try:
            raw = listing.ask(params, limit=limit)
            if raw.more and len(raw.rows) < limit:
                self.now = max(self._documented, min(self.now, len(raw.rows)))
        except PageTooLarge:
            self.now = min(self.now, self._documented)
            raw = PageSizer(self.now).ask(listing, params)
        return raw, replace(listing, limit=self.now)


@dataclass(frozen=True, slots=True)
class PageWindow:
    """`limit` rows after the first `start` rows; `start` is a multiple of `limit`."""

    start: int
    limit: int

    @property
    def end(self) -> int:
        return self.start + self.limit

    @property
    def number(self) -> int:
        return self.start // self.limit + 1

    def ask(self, listing: Listing) -> RawPage:
        return listing.ask({}, self.number, self.limit)


def reaching(position: int, most: int) -> PageWindow:
    """The window of at most `most` rows that contains the row at `position` and reaches farthest."""
    best = PageWindow(position // most * most, most)
    for limit in range(most - 1, 0, -1):
        if position + limit <= best.end:  # no smaller window reaches farther
            break
        window = PageWindow(position // limit * limit, limit)
        best = max(best, window, key=lambda window: window.end)
    return best


def following(end: int, most: int) -> PageWindow | None:
    """The window that begins before the position `end` and reaches behind it; None if there is none."""
    window = reaching(end - 1, most)
    return window if window.end > end else None


class PagePlan(Generic[W]):
    """The page size of one walk, and the windows that were requested before the walk comes to them.

    `pool`: None for a walk that requests one page at a time.
    """

    def __init__(self, pool: WorkerPool | None, largest: int) -> None:
        self.pool = pool
        self.sizer = PageSizer(largest)
        self.widest = largest
        """The largest page of this server (rows), as its pages have shown."""
        self.requests: deque[tuple[W, Future[RawPage]]] = deque()

    @property
    def limit(self) -> int:
        """The largest page to request now (rows)."""
        return min(self.widest, self.sizer.now)

    def shrink(self, error: PageTooLarge) -> None:
        """Makes the next pages smaller. Raises `error` when the page size is already the smallest."""
        self.drop()
        self.sizer.shrink(error)

    def drop(self) -> None:
        """Cancels the requests, because the walk goes on elsewhere."""
        while self.requests:
            self.requests.pop()[1].cancel()


class WindowPlan(PagePlan[PageWindow]):
    """Plans the next `window` of a walk by page number, and requests it and, with a `pool`, windows behind it.

    `end`: the position behind the last row that was read.
    """

    def __init__(self, listing: Listing, pool: WorkerPool | None = None, end: int = 0) -> None:
        super().__init__(pool, listing.limit)
        self._listing = listing
        self.end = end
        self.window = reaching(max(end - 1, 0), self.limit)
        self._refused = 0
        """How many windows in a row began behind what was read."""
        self._last: PageWindow | None = None
        """A window behind which the list was seen to be empty."""
        self._restarts = 0
        """How many times steps back led to the beginning of the list and brought nothing new."""

    def ask(self) -> RawPage:
        """The page of the window, which gets smaller if the page is too large."""
        while True:
            try:
                raw = prefetched(self.requests.popleft()[1]) if self.requests else None
                return raw or self.window.ask(self._listing)
            except PageTooLarge as error:
                self.shrink(error)
                self.window = reaching(self.window.start, self.limit)

    def step_back(self, raw: RawPage) -> None:
        """Plans an earlier window, because this one begins behind what was read; each time twice as far back.

        Raises OrderIgnored if the page is longer than requested: pages of the server's own size cannot be joined.
        """
        self.drop()
        if len(raw.rows) > self.window.limit:
            raise OrderIgnored
        step = max(1, self.limit // 2) << self._refused
        self._refused += 1
        self.window = reaching(max(0, self.window.start - step), self.limit)

    def advance(self, raw: RawPage, fresh: bool, before: int | None = None) -> bool:
        """Plans the next window after a page that joins what was read. False at the end of the list.

        `fresh`: the page brings a new row. `before`: a position in the window at which the next window should begin, if
        that is far enough in it. Some servers promise a next page on every page, so the walk requests the page after a
        short one; some promise none, so it requests the page after a full one. Raises OrderIgnored if windows cannot
        join: windows of half a dozen rows sometimes cannot, and none can if the server gives pages of its own size or
        hides most rows of the first page.
        """
        self.sizer.count_page()
        window, rows = self.window, len(raw.rows)
        self._restarts += bool(self._refused and window.start == 0 and not fresh)
        self._refused = 0
        if self._restarts > 2 or (not rows and self.end):
            raise OrderIgnored
        if not raw.may_go_on or (rows < window.limit and window == self._last):
            return False
        end = window.end
        if rows < window.limit and (window.start == 0 or not fresh):
            if not raw.full and self._is_empty(PageWindow(window.end, window.limit)):
                self._last = window
                return True  # the walk requests the window once more: rows may have left just now
            self.widest = min(self.widest, rows)
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
        if before is not None and (window := reaching(before, self.limit)).end > self.end + self.limit // 4:
            return window
        if not (behind := following(self.end, self.limit)):
            raise OrderIgnored
        return behind

    def prefetch(self, most: int) -> None:
        """Requests the window and those behind it while workers are free; `most` at a time.

        They may lie behind the end of the list, so an empty response is not retried.
        """
        if self.requests and self.requests[0][0] != self.window:
            self.drop()
        window: PageWindow | None = self.window
        if self.requests:
            window = following(self.requests[-1][0].end, self.limit)
        listing = self._listing.retrying_empty(0)
        while (
            self.pool
            and window
            and len(self.requests) <= min(most, MOST_AHEAD)
            and (not self.requests or self.pool.vacancies())
        ):
            self.requests.append((window, self.pool.submit(partial(window.ask, listing))))
            window = following(window.end, self.limit)


def prefetched(request: Future[RawPage]) -> RawPage | None:
    """The page that was requested; None if no worker has begun with it, or if it is empty."""
    if request.cancel():
        return None
    raw = request.result()
    return raw if raw.rows else None
