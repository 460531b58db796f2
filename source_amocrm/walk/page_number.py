"""The walk by page number over a list ordered by id, for lists that cannot be ordered by time.

Why it cannot skip: ids never change and new rows come last. Pages overlap (see `page_windows`), and a page counts only
if its first id is not greater than the last id read: then it holds every row between that and its own last id,
whatever was edited, deleted or restored meanwhile. A walk that was cut off goes on in the same way from the last row
delivered.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import count

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.full import in_passes
from source_amocrm.walk.listing import (
    Listing,
    OrderIgnored,
    Page,
    PageCheckpoint,
    PageProgress,
    RawPage,
    ids_in_order,
)
from source_amocrm.walk.page_prefetch import PagePrefetcher
from source_amocrm.walk.page_windows import WindowPlan
from source_amocrm.walk.passes import first_versions
from source_amocrm.walk.worker_pool import WorkerPool

LARGEST_ID = 2**63


def by_page_number(
    listing: Listing, pool: WorkerPool | None, checkpoint: PageCheckpoint | None = None
) -> Iterator[Page]:
    """Every row of `listing`, once, in the order of ids; goes on after `checkpoint`. `pool` asks for pages ahead."""
    walk = _ByPageNumber(listing, pool, checkpoint)
    try:
        yield from walk.pages()
    except OrderIgnored:
        yield from first_versions(in_passes(walk.listing, pool), walk.delivered)


class _ByPageNumber:
    def __init__(self, listing: Listing, pool: WorkerPool | None, checkpoint: PageCheckpoint | None) -> None:
        self.listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._plan = WindowPlan(self.listing, checkpoint.position if checkpoint else 0)
        self._progress = PageProgress(listing.path)
        self._goes_on = True
        """Whether a page follows on the one that was read."""
        self._last = checkpoint.after_id if checkpoint else 0
        self.delivered = array("q")
        """The ids of the delivered rows, of which there may be millions."""
        self._prefetcher = PagePrefetcher(self.listing, pool)

    def pages(self) -> Iterator[Page]:
        try:
            for read in count(1):
                raw, ids = self._joined()
                rows = [row for row in raw.rows if row["id"] > self._last]
                self._last = max([self._last, *ids[-1:]])
                more = self._plan.advance(raw, fresh=bool(rows)) and self._goes_on
                if more:
                    self._prefetcher.fill(self._plan.window, self._plan.most, read // 4)
                self.delivered.extend(row_id for row in rows if abs(row_id := row["id"]) < LARGEST_ID)
                checkpoint = PageCheckpoint(self._plan.end, self._last)
                yield Page(rows, checkpoint=checkpoint, answered=(raw.answered,))
                if not more:
                    return
        finally:
            self._prefetcher.drop()

    def _joined(self) -> tuple[RawPage, list[int]]:
        """The next page that begins among the rows already read, and its ids."""
        while True:
            try:
                raw = self._prefetcher.take() or self._plan.window.ask(self.listing)
            except PageTooLarge:
                self._prefetcher.drop()
                self._plan.shrink()
                continue
            ids = ids_in_order(raw.rows)
            self._goes_on = self._progress.meet(raw, fresh=bool(ids) and ids[-1] > self._last)
            if self._plan.window.start == 0 or (ids and ids[0] <= self._last):
                return raw, ids
            self._prefetcher.drop()
            self._plan.step_back()
