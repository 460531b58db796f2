"""Page windows of a list that are asked for before the walk has come to them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from functools import partial

from source_amocrm.walk.listing import Listing, RawPage
from source_amocrm.walk.page_windows import PageWindow, following
from source_amocrm.walk.worker_pool import WorkerPool

MOST_AHEAD = 8
"""Pages that may wait in memory, or be asked for beyond the end of the list."""


class PagePrefetcher:
    """Its pages may lie behind the end of the list, so an empty answer is believed at once."""

    def __init__(self, listing: Listing, pool: WorkerPool | None) -> None:
        self._listing = listing.retrying_empty(0)
        self._pool = pool
        self._asked: deque[tuple[PageWindow, Future[RawPage]]] = deque()

    def take(self) -> RawPage | None:
        """The page that was asked for first; None if no worker has begun to ask for it, or if it is empty."""
        if not self._asked:
            return None
        _, asked = self._asked.popleft()
        if asked.cancel():
            return None
        raw = asked.result()
        return raw if raw.rows else None

    def fill(self, window: PageWindow, size: int, most: int) -> None:
        """Asks for `window` and the windows of `size` rows behind it, as there are free workers; `most` at a time."""
        if self._asked and self._asked[0][0] != window:
            self.drop()
        next_one: PageWindow | None = window
        if self._asked:
            next_one = following(self._asked[-1][0].end, size)
        while (
            self._pool
            and next_one
            and len(self._asked) <= min(most, MOST_AHEAD)
            and (not self._asked or self._pool.vacancies())
        ):
            self._asked.append((next_one, self._pool.submit(partial(next_one.ask, self._listing))))
            next_one = following(next_one.end, size)

    def drop(self) -> None:
        """Forgets the pages that were asked for: the walk goes on elsewhere."""
        while self._asked:
            self._asked.pop()[1].cancel()
