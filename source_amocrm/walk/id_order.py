"""The walk by page number in the order of IDs: over a list that cannot be ordered by time, or over one crowded second.

Why it cannot skip: IDs never change and new rows come last. Pages overlap (see `page_windows`), and a page counts only
if its first ID is not greater than the last ID read: then it holds every row between that ID and its own last ID,
whatever people edit, delete or restore meanwhile. A walk that was cut off resumes in the same way from the last row
delivered. If the server does not list rows in the order of IDs, the walk reads the list in passes (see `full`).

Rows of one second (a robot's mass edit) are told apart by no cursor. If the list can be ordered by ID, `one_second`
reads them in that order, else in passes: within one second rows can only leave, which shifts the rest to the front.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import count

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk.full import PageProgress, first_versions, in_passes
from source_amocrm.walk.listing import (
    Key,
    Listing,
    OrderIgnored,
    Page,
    PageCheckpoint,
    RawPage,
    check_filter,
    ids_in_order,
    key,
)
from source_amocrm.walk.page_windows import PagePrefetcher, WindowPlan
from source_amocrm.walk.worker_pool import WorkerPool

LARGEST_ID = 2**63
"""IDs from here on do not fit into the array of delivered IDs, and are not remembered."""


def in_id_order(listing: Listing, pool: WorkerPool | None, checkpoint: PageCheckpoint | None = None) -> Iterator[Page]:
    """Yields every row of `listing` once, in the order of IDs, from `checkpoint` on. `pool` prefetches pages."""
    walk = _InIdOrder(listing, pool, checkpoint)
    try:
        yield from walk.pages()
    except OrderIgnored:
        yield from first_versions(in_passes(walk.listing, pool), walk.delivered)


def one_second(
    listing: Listing, second: int, pool: WorkerPool | None = None, delivered: Container[Key] = ()
) -> Iterator[Page]:
    """Yields every row of `second` once, without the rows whose keys are `delivered`. Raises FilterIgnored."""
    tied = listing.narrowed(_filter_of(listing, second))
    if listing.ordered and not listing.own_order:
        pages = in_id_order(tied, pool)
    else:
        pages = first_versions(in_passes(tied, pool, lasting=listing.own_order))
    for page in pages:
        check_filter(listing, page.rows, second - 1, second + 1)
        rows = [row for row in page.rows if listing.second_of(row) == second and key(row) not in delivered]
        yield Page(rows, answered=page.answered)


def rest_of_second(
    listing: Listing, second: int, pool: WorkerPool | None, checkpoint: PageCheckpoint
) -> Iterator[Page]:
    """Yields the rows of `second` behind `checkpoint`, in the order of IDs. Raises FilterIgnored."""
    for page in in_id_order(listing.narrowed(_filter_of(listing, second)), pool, checkpoint):
        check_filter(listing, page.rows, second - 1, second + 1)
        yield replace(page, rows=[row for row in page.rows if listing.second_of(row) == second], second=second)
    yield Page([], (second, second))


def _filter_of(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whether the server takes the filter's bounds as inclusive or not."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        params: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(params, limit=1).rows):
            return params
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}


class _InIdOrder:
    def __init__(self, listing: Listing, pool: WorkerPool | None, checkpoint: PageCheckpoint | None) -> None:
        self.listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
        self._plan = WindowPlan(self.listing, checkpoint.position if checkpoint else 0)
        self._progress = PageProgress(listing.path)
        self._prefetcher = PagePrefetcher(self.listing, pool)
        self._last_id = checkpoint.after_id if checkpoint else 0
        self.delivered = array("q")
        """The IDs of the delivered rows, of which there may be millions."""

    def pages(self) -> Iterator[Page]:
        try:
            for read in count(1):
                raw, last_id, goes_on = self._next_joined()
                rows = [row for row in raw.rows if row["id"] > self._last_id]
                self._last_id = max(self._last_id, last_id)
                more = self._plan.advance(raw, fresh=bool(rows)) and goes_on
                if more:
                    self._prefetcher.fill(self._plan.window, self._plan.most, read // 4)
                self.delivered.extend(row_id for row in rows if abs(row_id := row["id"]) < LARGEST_ID)
                checkpoint = PageCheckpoint(self._plan.end, self._last_id)
                yield Page(rows, checkpoint=checkpoint, answered=(raw.answered,))
                if not more:
                    return
        finally:
            self._prefetcher.drop()

    def _next_joined(self) -> tuple[RawPage, int, bool]:
        """The next page that begins among the rows already read, its last ID, and whether a page follows on it."""
        while True:
            try:
                raw = self._prefetcher.take() or self._plan.window.ask(self.listing)
            except PageTooLarge as error:
                self._prefetcher.drop()
                self._plan.shrink(error)
                continue
            ids = ids_in_order(raw.rows)
            joins = self._plan.window.start == 0 or (bool(ids) and ids[0] <= self._last_id)
            goes_on = self._progress.meet(raw, fresh=joins and bool(ids) and ids[-1] > self._last_id)
            if joins:
                return raw, max(ids, default=0), goes_on
            self._prefetcher.drop()
            self._plan.step_back(raw)
