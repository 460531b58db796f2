"""Rows that no cursor tells apart, read by page number: those of one second (a robot's mass edit), or without a date.

Why it cannot skip: if the list can be ordered by id, the rows are read in that order (see `page_number`). Else they
are read in passes (see `passes`): within one second rows can only leave, which shifts the rest towards the front.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from source_amocrm.http.answer import Params
from source_amocrm.walk.cursor_filter import check_filter
from source_amocrm.walk.full import in_passes
from source_amocrm.walk.listing import Listing, Page, PageCheckpoint, RawPage, Row, key
from source_amocrm.walk.page_number import by_page_number
from source_amocrm.walk.page_size import with_smaller_pages
from source_amocrm.walk.passes import first_versions, latest_versions, one_pass, passes_until_complete
from source_amocrm.walk.worker_pool import WorkerPool


def rest_of_second(
    listing: Listing, second: int, pool: WorkerPool | None, checkpoint: PageCheckpoint
) -> Iterator[Page]:
    """The rows of `second` behind those up to `checkpoint`, in the order of ids. Raises FilterIgnored."""
    for page in by_page_number(listing.narrowed(_edges(listing, second)), pool, checkpoint):
        check_filter(listing, page.rows, second - 1, second + 1)
        yield replace(page, rows=[row for row in page.rows if listing.second_of(row) == second], second=second)
    yield Page([], (second, second))


def one_second(
    listing: Listing, second: int, pool: WorkerPool | None = None, delivered: Container[int | str] = ()
) -> Iterator[Page]:
    """Every row of `second` but those `delivered` before, each once. Raises FilterIgnored."""
    asked = listing.narrowed(_edges(listing, second))
    if listing.ordered and not listing.own_order:
        pages = by_page_number(asked, pool)
    else:
        pages = first_versions(in_passes(asked, pool, lasting=listing.own_order))
    for page in pages:
        check_filter(listing, page.rows, second - 1, second + 1)
        rows = [row for row in page.rows if listing.second_of(row) == second and key(row) not in delivered]
        yield Page(rows, answered=page.answered)


def undated(listing: Listing) -> list[Row]:
    """Every row without a date, each once. In ascending order these rows come first."""
    ascending = listing.narrowed({f"order[{listing.cursor}]": "asc"})
    return with_smaller_pages(
        ascending, lambda some: latest_versions(passes_until_complete(some.path, lambda: _undated_pass(some)))
    )


def _undated_pass(listing: Listing) -> Iterator[RawPage]:
    for raw in one_pass(listing):
        without = [row for row in raw.rows if listing.second_of(row) is None]
        yield replace(raw, rows=without)
        if len(without) < len(raw.rows):
            break


def _edges(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whether the server takes the filter's edges as inclusive or not."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        asked: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(asked, limit=1).rows):
            return asked
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}
