"""Which page a walk by page number requests: windows that overlap.

The API knows pages by number only, but of any size: page 3 of 240 rows begins after the first 480 rows. A page is one
snapshot. If the list is in a total order, and a page begins with a row that the page before holds, no row lies between
the two, whatever people edit, delete or restore meanwhile. If a page begins behind these rows, rows have left the list,
and the walk requests an earlier page.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.listing import Listing, OrderIgnored, RawPage
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.progress_rule import PageProgress
from source_amocrm.walk.worker_pool import WorkerPool

W = TypeVar("W")


class PageWindow(NamedTuple):
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
    """The window of at most `most` rows that contains the row at `position` and reaches farthest.

    Of all windows that are page n, the largest reaches farthest, so one window of each page number is compared.
    """
    best, limit = most, position // (position // most + 1)
    while limit > (reach := best - position % best):  # a window of at most `reach` rows reaches less far
        if limit - position % limit > reach:
            best = limit
        limit = position // (position // limit + 1)
    return PageWindow(position - position % best, best)


def following(end: int, most: int) -> PageWindow | None:
    """The window that begins before the position `end` and reaches behind it; None if there is none."""
    window = reaching(end - 1, most)
    return window if window.end > end else None


class PagePlan(Generic[W]):
    """The page size of one walk, and the windows that were requested before the walk comes to them."""

    def __init__(self, listing: Listing) -> None:
        self.pool = listing.pool
        self.sizer = PageSizer(listing.limit)
        self.widest = listing.limit  # The largest page of this server (rows), as its pages have shown
        self.requests: deque[tuple[W, Future[RawPage]]] = deque()

    @property
    def limit(self) -> int:
        """The largest page to request now (rows)."""
        return min(self.widest, self.sizer.now)

    @property
    def end_in_sight(self) -> bool:
        """Whether a page that was requested ahead has come as the last one, or empty: none is requested behind it.

        A false end costs time alone, because the walk doubts it when it comes there.
        """
        came = (page for _, page in self.requests if page.done() and not page.cancelled() and not page.exception())
        return not all(page.result().may_go_on for page in came)

    def shrink(self, error: PageTooLarge) -> None:
        self.drop()
        self.sizer.shrink(error)

    def take(self) -> RawPage | None:
        """The next page that was requested; None if no worker has begun with it, or if it is empty."""
        if not self.requests or (request := self.requests.popleft()[1]).cancel():
            return None
        raw = request.result()
        return raw if raw.rows else None

    def drop(self) -> None:
        """Cancels the requests, because the walk goes on elsewhere."""
        while self.requests:
            self.requests.pop()[1].cancel()


class WindowPlan(PagePlan[PageWindow]):
    """Plans the next `window` of a walk by page number while there is `more` to read, and requests ahead one window for
    every `share` windows read.

    `end`: the position behind the last row that was read.
    """

    def __init__(self, listing: Listing, end: int = 0, share: int = 1) -> None:
        super().__init__(listing)
        self._listing = listing
        self._share = share
        self._progress = PageProgress(listing.path)
        self.more = True
        self.end = end
        self.window = reaching(max(end - 1, 0), self.limit)
        self._read = 0
        self._steps_back = 0
        """How many windows in a row began behind the rows read, each of which led to an earlier one."""
        self._empty_behind: PageWindow | None = None  # A window behind which the list was seen to be empty
        self._restarts = 0  # How often steps back led to the beginning of the list and brought nothing new

    def ask(self) -> RawPage:
        """Requests the page of the window, and of smaller windows while the page is too large."""
        while True:
            try:
                return self.take() or self.window.ask(self._listing)
            except PageTooLarge as error:
                self.shrink(error)
                self.window = reaching(self.window.start, self.limit)

    def step_back(self, raw: RawPage) -> None:
        """Plans an earlier window, because this one begins behind the rows read. Each step is twice as far as the last.

        Raises Endless, and OrderIgnored if the page is longer than requested: pages of the server's own size cannot be
        joined.
        """
        self._progress.meet(raw)
        self.drop()
        if len(raw.rows) > self.window.limit:
            raise OrderIgnored
        step = max(1, self.limit // 2) << self._steps_back
        self._steps_back += 1
        self.window = reaching(max(0, self.window.start - step), self.limit)

    def advance(self, raw: RawPage, fresh: bool, before: int | None = None) -> None:
        """Plans the next window after a page that joins the rows read, or ends the walk.

        `fresh`: the page brings a new row. `before`: a position in the window at which the next window should begin, if
        enough of it is new then. Some servers promise a next page on every page, so the walk requests the page after a
        short one; some promise none, so it requests the page after a full one. Raises Endless, and OrderIgnored if
        windows cannot join: windows of half a dozen rows sometimes cannot, and none can if the server gives pages of
        its own size or hides most rows of the first page.
        """
        window, rows = self.window, len(raw.rows)
        self.sizer.count_page()
        self.more = self._progress.meet(raw)
        self._restarts += bool(self._steps_back and window.start == 0 and not fresh)
        self._read, self._steps_back = self._read + 1, 0
        if self._restarts > 2 or (not rows and self.end):
            raise OrderIgnored
        short = rows < window.limit and (window.start == 0 or not fresh)
        if not raw.may_go_on or (rows < window.limit and window == self._empty_behind):
            self.more = False
        elif short and not raw.full and self._is_empty(PageWindow(window.end, window.limit)):
            self._empty_behind = window  # the walk requests the window once more: rows may have left just now
        else:
            if short:
                self.widest = min(self.widest, rows)
                self.end = self.end if window.start else rows
            else:
                self.end = window.end
            behind = None if before is None else reaching(before, self.limit)
            if behind is None or behind.end <= self.end + self.limit // 4:
                behind = following(self.end, self.limit)
            if behind is None:
                raise OrderIgnored
            self.window = behind
        if self.more:
            self._prefetch()

    def _is_empty(self, window: PageWindow) -> bool:
        try:
            return not window.ask(self._listing).rows
        except PageTooLarge:
            raise OrderIgnored from None

    def _room(self, pool: WorkerPool, share: int) -> bool:
        """Whether to request one more window; the window of the walk itself needs no free worker."""
        ahead = len(self.requests)
        return not ahead or (ahead <= share and pool.may_go_ahead(ahead - 1) and not self.end_in_sight)

    def _prefetch(self) -> None:
        """Requests the window and those behind it while workers are free."""
        if self.requests and self.requests[0][0] != self.window:
            self.drop()
        window = following(self.requests[-1][0].end, self.limit) if self.requests else self.window
        # a window may lie behind the end of the list, so an empty response is not retried
        listing, share = self._listing.retrying_empty(0), self._read // self._share
        while self.pool and window and self._room(self.pool, share):
            self.requests.append((window, self.pool.submit(partial(window.ask, listing))))
            window = following(window.end, self.limit)
