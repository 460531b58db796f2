"""The walks by page number, in the order of IDs or from the newest row down.

Pages overlap (see `page_windows`). Both walks take a page only if no row can lie between it and the page before,
whatever people edit, delete or restore meanwhile; else they request an earlier page.

`in_id_order` reads a list that cannot be ordered by time, or one crowded second. Why it cannot skip: IDs never change
and new rows come last, and a page counts only if its first ID is not greater than the last ID read. Then the page holds
every row from the last ID read to its own last ID. A resumed walk joins the last row delivered in the same way. If the
server does not list rows in the order of IDs, the walk reads the list in passes (see `full`).

`newest_first` reads a list whose filter is off down to a known second. Why it cannot skip: a page is one snapshot, so
it holds every row of the seconds between its first row and its last, and a page counts only if it begins with a row
newer than the last row of the page before. The last second of a page may have so many rows that the next page begins in
that second. The walk then reads the second again until no new row comes, for the server may list its rows in any order.
A reading during which the second moved in the list does not count.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from source_amocrm.walk import Listing, OrderIgnored, Page, PageCheckpoint, RawPage, Row
from source_amocrm.walk.full import first_versions, in_passes, latest_versions, one_pass, passes_until_complete
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import LARGEST_ID, Key, key
from source_amocrm.walk.page_size import with_smaller_pages
from source_amocrm.walk.page_windows import WindowPlan

MOST_READINGS = 20
"""How many times `newest_first` reads a second that moves in the list meanwhile, before it raises OrderIgnored."""


def in_id_order(listing: Listing, checkpoint: PageCheckpoint | None = None) -> Iterator[Page]:
    """Yields every row of `listing` once, in the order of IDs, from `checkpoint` on."""
    listing = listing.narrowed({"order[id]": "asc"})
    plan = WindowPlan(listing, checkpoint.position if checkpoint else 0, share=4)
    last_id = checkpoint.after_id if checkpoint else -LARGEST_ID
    delivered = set[Key]()
    try:
        while plan.more:
            raw = plan.ask()
            ids = _ids_in_order(raw.rows)
            if plan.window.start and not (ids and ids[0] <= last_id):
                plan.step_back(raw)
                continue
            rows = [row for row in raw.rows if row["id"] > last_id]
            last_id = max([last_id, *ids])
            plan.advance(raw, fresh=bool(rows))
            delivered.update(row["id"] for row in rows)
            yield Page(rows, checkpoint=PageCheckpoint(plan.end, last_id), answered=(raw.answered,))
    except OrderIgnored:
        plan.drop()
        yield from first_versions(in_passes(listing), delivered)
    finally:
        plan.drop()


def _ids_in_order(rows: list[Row]) -> list[int]:
    """The IDs of a page that was requested in ascending order of IDs. Raises OrderIgnored if it is not."""
    ids = [row_id for row in rows if isinstance(row_id := row.get("id"), int)]
    if len(ids) < len(rows) or any(one >= other for one, other in pairwise(ids)):
        raise OrderIgnored
    return ids


def newest_first(listing: Listing, since: int) -> Iterator[Page]:
    """Yields the rows of the second `since` or later, newest first. Raises OrderIgnored if the server does not obey."""
    # pages are not prefetched, for the walk mostly ends on the first
    listing = replace(listing.narrowed({f"order[{listing.cursor}]": "desc"}), pool=None)
    plan = WindowPlan(listing)
    reached = FOREVER  # every row of a later second is delivered
    delivered: dict[Key, int | None] = {}  # by key, the second of the version that was delivered

    def is_new(row: Row) -> bool:
        second, before = listing.second_of(row), delivered.get(key(row), -1)
        if before == second or (second is not None and second < since):
            return False
        delivered[key(row)] = second
        return True

    while plan.more and reached >= since:
        raw = plan.ask()
        seconds = _seconds(listing, raw)
        before, start = reached, plan.window.start
        if start and not (seconds and seconds[0] >= before):
            plan.step_back(raw)
            continue
        pages, rows = [raw], list(filter(is_new, raw.rows))
        reached = min([before, *seconds[-1:]])
        # the next page should begin with the last row that is newer than `reached`
        newer = [position for position, row in enumerate(raw.rows, start) if (listing.second_of(row) or 0) > reached]
        fresh = bool(rows) or reached < before
        if reached >= since:
            plan.advance(raw, fresh, max(newer, default=None))
        more = plan.more and reached >= since
        if start and seconds[0] == before and (reached < before or not more):
            pages += with_smaller_pages(
                replace(listing, limit=plan.limit), partial(_around, second=before, start=start)
            )
            rows += filter(is_new, latest_versions(pages[1:]))
        yield Page(
            sorted(rows, key=lambda row: listing.second_of(row) or 0, reverse=True),
            (reached + 1 if more else since, FOREVER),
            answered=tuple(page.answered for page in pages),
        )


def _around(listing: Listing, second: int, start: int) -> Iterator[RawPage]:
    """Yields pages with every row of a second that lies around the position `start`, a row as often as it is met."""
    number = start // listing.limit + 1

    def newer(raw: RawPage) -> int:
        return sum(one > second for one in _seconds(listing, raw))

    def read() -> list[RawPage]:
        nonlocal number
        for _ in range(MOST_READINGS):
            pages = list[RawPage]()
            while not pages:
                for raw in one_pass(listing, number=number):
                    if not pages and number > 1 and not newer(raw):
                        number -= 1  # the second may begin on an earlier page
                        break
                    pages.append(raw)
                    if min(_seconds(listing, raw), default=second) < second:
                        break
            if newer(listing.ask({}, number)) == newer(pages[0]):
                return [
                    replace(raw, rows=[row for row in raw.rows if listing.second_of(row) == second]) for raw in pages
                ]
        raise OrderIgnored

    return passes_until_complete(listing.path, read)


def _seconds(listing: Listing, raw: RawPage) -> list[int]:
    """The seconds of the page's rows that have one. Raises OrderIgnored if they are not in descending order."""
    dated = listing.seconds_of(raw.rows)
    if any(one < other for one, other in pairwise(dated)) or (raw.may_go_on and not dated):
        raise OrderIgnored
    return dated
