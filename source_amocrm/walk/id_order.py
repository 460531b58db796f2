"""The walk by page number in the order of IDs: over a list that cannot be ordered by time, or over one crowded second.

Why it cannot skip: IDs never change and new rows come last. Pages overlap (see `page_size`), and a page counts only
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
from itertools import pairwise

from source_amocrm.http import Params
from source_amocrm.walk.full import PageProgress, first_versions, in_passes
from source_amocrm.walk.listing import Key, Listing, OrderIgnored, Page, PageCheckpoint, Row, check_filter, key
from source_amocrm.walk.page_size import WindowPlan
from source_amocrm.walk.worker_pool import WorkerPool

LARGEST_ID = 2**63
"""IDs from here on do not fit into the array of delivered IDs, and are not remembered."""


def in_id_order(listing: Listing, pool: WorkerPool | None, checkpoint: PageCheckpoint | None = None) -> Iterator[Page]:
    """Yields every row of `listing` once, in the order of IDs, from `checkpoint` on. `pool` prefetches pages."""
    listing = listing.narrowed({"order[id]": "asc"} if listing.ordered else {})
    plan = WindowPlan(listing, pool, checkpoint.position if checkpoint else 0)
    progress = PageProgress(listing.path)
    last_id = checkpoint.after_id if checkpoint else -LARGEST_ID
    delivered = array("q")  # IDs, of which there may be millions
    read, more = 0, True
    try:
        while more:
            raw = plan.ask()
            ids = _ids_in_order(raw.rows)
            rows = [row for row in raw.rows if row["id"] > last_id]
            joins = plan.window.start == 0 or (bool(ids) and ids[0] <= last_id)
            goes_on = progress.meet(raw, fresh=joins and bool(rows))
            if not joins:
                plan.step_back(raw)
                continue
            read += 1
            last_id = max([last_id, *ids])
            more = plan.advance(raw, fresh=bool(rows)) and goes_on
            if more:
                plan.prefetch(read // 4)
            delivered.extend(row_id for row in rows if abs(row_id := row["id"]) < LARGEST_ID)
            yield Page(rows, checkpoint=PageCheckpoint(plan.end, last_id), answered=(raw.answered,))
    except OrderIgnored:
        plan.drop()
        yield from first_versions(in_passes(listing, pool), delivered)
    finally:
        plan.drop()


def _ids_in_order(rows: list[Row]) -> list[int]:
    """The IDs of a page that was requested in ascending order of IDs. Raises OrderIgnored if it is not."""
    ids = [row_id for row in rows if isinstance(row_id := row.get("id"), int)]
    if len(ids) < len(rows) or any(one >= other for one, other in pairwise(ids)):
        raise OrderIgnored
    return ids


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
