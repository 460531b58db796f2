"""Pages that overlap: how a list is read by page number so that no row slips between two pages.

The API knows pages by number only, but of any size: page 3 of 240 rows begins after the first 480 rows. A page is one
snapshot. If the list's order tells any two rows apart, and a page begins with a row that the page before holds, no row
lies between the two, whatever people edit, delete or restore meanwhile. If a page begins behind these rows, rows have
left the list, and the walk requests an earlier page.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.listing import Listing, OrderIgnored, RawPage
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.worker_pool import MOST_AHEAD, WorkerPool


@dataclass(frozen=True, slots=True)
class PageWindow:
    """`limit` rows after the first `start` rows; `start` is a multiple of `limit`."""

    start: int
    limit: int

    @property
    def end(self) -> int:
        return self.start + self.limit

    def ask(self, listing: Listing) -> RawPage:
        return listing.ask({}, self.start // self.limit + 1, self.limit)


def reaching(position: int, most: int) -> PageWindow:
    """The window of at most `most` rows that contains the row at `position` and reaches farthest."""
    limit = max(range(most, 0, -1), key=lambda limit: position // limit * limit + limit)
    return PageWindow(position // limit * limit, limit)


def following(end: int, most: int) -> PageWindow | None:
    """The window that begins before the position `end` and reaches behind it; None if there is none."""
    window = reaching(end - 1, most)
    return window if window.end > end else None


class WindowPlan:
    """Plans the next `window` of the list. `end`: the position behind the last row that was read."""

    def __init__(self, listing: Listing, end: int = 0) -> None:
        self._listing = listing
        self._sizer = PageSizer(listing.limit)
        self._widest = listing.limit
        """The largest page of this server (rows), as its pages have shown."""
        self.end = end
        self.window = reaching(max(end - 1, 0), self.most)
        self._refused = 0
        """How many windows in a row began behind what was read."""
        self._last: PageWindow | None = None
        """A window behind which the list was seen to be empty."""
        self._restarts = 0
        """How many times steps back led to the beginning of the list and brought nothing new."""

    @property
    def most(self) -> int:
        return min(self._widest, self._sizer.now)

    def shrink(self, error: PageTooLarge) -> None:
        """Makes the next windows smaller. Raises `error` when the page size is already the smallest."""
        self._sizer.shrink(error)
        self.window = reaching(self.window.start, self.most)

    def step_back(self) -> None:
        """Plans an earlier window, because this one begins behind what was read; each time twice as far back."""
        step = max(1, self.most // 2) << self._refused
        self._refused += 1
        self.window = reaching(max(0, self.window.start - step), self.most)

    def advance(self, raw: RawPage, fresh: bool, before: int | None = None) -> bool:
        """Plans the next window after a page that joins what was read. False at the end of the list.

        `fresh`: the page brings a new row. `before`: a position in the window at which the next window should begin, if
        that is far enough in it. Some servers promise a next page on every page, so the walk requests the page after a
        short one; some promise none, so it requests the page after a full one. Raises OrderIgnored if windows cannot
        join: windows of half a dozen rows sometimes cannot, and none can if the server gives pages of its own size or
        hides most rows of the first page.
        """
        self._sizer.count_page()
        window, rows = self.window, len(raw.rows)
        self._restarts += bool(self._refused and window.start == 0 and not fresh)
        self._refused = 0
        if self._restarts > 2 or (not rows and self.end):
            raise OrderIgnored
        if not raw.may_go_on or (rows < window.limit and window == self._last):
            return False
        end = window.end
        if rows < window.limit and (window.start == 0 or not fresh):
            if self._is_empty(PageWindow(window.end, window.limit)):
                self._last = window
                return True  # the walk requests the window once more: rows may have left just now
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


class PagePrefetcher:
    """Requests windows before the walk comes to them.

    A prefetched page may lie behind the end of the list, so an empty response is not retried.
    """

    def __init__(self, listing: Listing, pool: WorkerPool | None) -> None:
        self._listing = listing.retrying_empty(0)
        self._pool = pool
        self._requests: deque[tuple[PageWindow, Future[RawPage]]] = deque()

    def take(self) -> RawPage | None:
        """The page that was requested first; None if no worker has begun with it, or if it is empty."""
        if not self._requests:
            return None
        _, request = self._requests.popleft()
        if request.cancel():
            return None
        raw = request.result()
        return raw if raw.rows else None

    def fill(self, window: PageWindow, size: int, most: int) -> None:
        """Requests `window` and the windows of `size` rows behind it while workers are free; `most` at a time."""
        if self._requests and self._requests[0][0] != window:
            self.drop()
        next_one: PageWindow | None = window
        if self._requests:
            next_one = following(self._requests[-1][0].end, size)
        while (
            self._pool
            and next_one
            and len(self._requests) <= min(most, MOST_AHEAD)
            and (not self._requests or self._pool.vacancies())
        ):
            self._requests.append((next_one, self._pool.submit(partial(next_one.ask, self._listing))))
            next_one = following(next_one.end, size)

    def drop(self) -> None:
        """Cancels the requests, because the walk goes on elsewhere."""
        while self._requests:
            self._requests.pop()[1].cancel()
