"""The walk from the newest row down to a known second, for a list whose filter is off.

Why it cannot skip: a page is one snapshot, so it holds every row of the seconds between its first row and its last.
Pages overlap (see `page_size`), and a page counts only if it begins with a row newer than the last row of the page
before: then no row lies between the two, whatever people edit, delete or restore meanwhile. The last second of a page
may have so many rows that the next page begins in it. The walk then reads that second again until nothing new comes,
for the server may list its rows in any order. A reading during which the second has moved in the list does not count.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from source_amocrm.http import Answer
from source_amocrm.walk.full import PageProgress, latest_versions, one_pass, passes_until_complete
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import Key, Listing, OrderIgnored, Page, RawPage, Row, key
from source_amocrm.walk.page_size import WindowPlan, with_smaller_pages

MOST_READINGS = 20
"""How many times the walk reads a second that moves in the list meanwhile, before it raises OrderIgnored."""


def newest_first(listing: Listing, since: int) -> Iterator[Page]:
    """Yields the rows of the second `since` or later, newest first. Raises OrderIgnored if the server does not."""
    listing = listing.narrowed({f"order[{listing.cursor}]": "desc"})
    plan, progress, more = WindowPlan(listing), PageProgress(listing.path), True
    reached = FOREVER  # every row of a later second is delivered
    delivered: dict[Key, int | None] = {}  # the seconds of the delivered rows

    def is_new(row: Row) -> bool:
        second, before = listing.second_of(row), delivered.get(key(row), -1)
        if before == second or (second is not None and second < since):
            return False
        delivered[key(row)] = second
        return True

    while more:
        raw = plan.ask()
        goes_on = progress.meet(raw)
        seconds = _seconds(listing, raw)
        before, start = reached, plan.window.start
        if start and not (seconds and seconds[0] >= before):
            plan.step_back(raw)
            continue
        rows = list(filter(is_new, raw.rows))
        answered: tuple[Answer, ...] = (raw.answered,)
        reached = min([before, *seconds[-1:]])
        # the next page should begin with the last row that is newer
        newer = [place for place, row in enumerate(raw.rows, start) if (listing.second_of(row) or 0) > reached]
        fresh = bool(rows) or reached < before
        more = reached >= since and plan.advance(raw, fresh, max(newer, default=None)) and goes_on
        if start and seconds[0] == before and (reached < before or not more):
            tied = with_smaller_pages(replace(listing, limit=plan.limit), partial(_around, second=before, start=start))
            rows, answered = rows + list(filter(is_new, tied.rows)), answered + tied.answered
        yield Page(
            sorted(rows, key=lambda row: listing.second_of(row) or 0, reverse=True),
            (reached + 1 if more else since, FOREVER),
            answered=answered,
        )


def _around(listing: Listing, second: int, start: int) -> Page:
    """Every row of a second that lies around the position `start`."""
    number = start // listing.limit + 1
    answered: list[Answer] = []

    def read() -> list[RawPage]:
        nonlocal number
        for _ in range(MOST_READINGS):
            while (found := _from(listing, second, number)) is None:
                number -= 1
            newer, pages = found
            answered.extend(page.answered for page in pages)
            if _newer(_seconds(listing, listing.ask({}, number)), second) == newer:
                return pages
        raise OrderIgnored

    rows = latest_versions(passes_until_complete(listing.path, read))
    return Page(rows, answered=tuple(answered))


def _seconds(listing: Listing, raw: RawPage) -> list[int]:
    """The seconds of the page's rows that have one. Raises OrderIgnored if they are not in descending order."""
    dated = listing.seconds_of(raw.rows)
    if any(one < other for one, other in pairwise(dated)) or (raw.may_go_on and not dated):
        raise OrderIgnored
    return dated


def _newer(seconds: list[int], second: int) -> int:
    return sum(one > second for one in seconds)


def _from(listing: Listing, second: int, first: int) -> tuple[int, list[RawPage]] | None:
    """How many newer rows precede the rows of a second on page `first`, and the pages from there on with only the rows
    of that second; None if the second may begin on an earlier page."""
    newer, pages = 0, list[RawPage]()
    for number, raw in enumerate(one_pass(listing, first=first), first):
        seconds = _seconds(listing, raw)
        if number == first:
            newer = _newer(seconds, second)
            if first > 1 and not newer:
                return None
        pages.append(replace(raw, rows=[row for row in raw.rows if listing.second_of(row) == second]))
        if seconds and seconds[-1] < second:
            break
    return newer, pages
