"""Rows that no cursor tells apart, read by page number: those of one second (a robot's mass edit), or without a date.

Why it cannot skip: within one second rows can only leave, which shifts the rest towards the front, so the pages are
read again until as many rows are known as there are places. A row that leaves while a pass is under way makes the
pass shorter than the one before it or the one after it, and so does not count.

Progress rule: `PageProgress` within a pass, and a bounded number of passes.
"""

from __future__ import annotations

from collections.abc import Callable

from source_amocrm.walk.bounds import believe
from source_amocrm.walk.listing import Endless, Listing, Params, Row, each_page, key
from source_amocrm.walk.sizes import shrinking

MOST_QUIET_PASSES = 8
"""Enough where a pass never has as many rows as places: rows leave all the time, or the list repeats some."""
MOST_PASSES = 60


def one_second(listing: Listing, second: int) -> list[Row]:
    """Every row of `second`, each once, in the newest version that was seen. Raises FilterIgnored."""
    order: Params = {"order[id]": "asc"} if listing.ordered else {}
    return shrinking(listing.narrowed(order), lambda smaller: _one_second(smaller, second))


def undated(listing: Listing) -> list[Row]:
    """Every row without a date, each once: they come first where the whole list is in ascending order."""
    ascending = listing.narrowed({f"order[{listing.cursor}]": "asc"})
    return shrinking(ascending, lambda smaller: repeated(smaller, lambda: _undated_pass(smaller)))


def repeated(listing: Listing, read: Callable[[], list[Row]]) -> list[Row]:
    """Read the same rows of a list again and again until none can be missing. Raises Endless.

    `read` gives one pass, a row as often as it was met: where there are more places than rows, the order changes
    between requests and some row was behind another's back.
    """
    seen: dict[int | str, Row] = {}
    present: set[int | str] = set()
    places, quiet = -1, 0
    for _ in range(MOST_PASSES):
        rows = read()
        met = {key(row): row for row in rows}
        quiet = 0 if met.keys() - seen.keys() else quiet + 1
        seen.update(met)
        if len(rows) == places:
            present |= met.keys()
            if len(present) >= places:
                return list(seen.values())
        else:
            places, present = len(rows), set()
        if quiet >= MOST_QUIET_PASSES:
            return list(seen.values())
    raise Endless(listing.path)


def one_pass(listing: Listing, params: Params) -> list[Row]:
    """Once through the pages, a row as often as it is met."""
    return [row for found in each_page(listing.narrowed(params)) for row in found.rows]


def _one_second(listing: Listing, second: int) -> list[Row]:
    asked = listing.narrowed(_edges(listing, second))
    return repeated(asked, lambda: _pass(asked, second))


def _pass(listing: Listing, second: int) -> list[Row]:
    rows: list[Row] = []
    for found in each_page(listing):
        believe(listing, found, second - 1, second + 1)
        rows += [row for row in found.rows if listing.second_of(row) == second]
    return rows


def _undated_pass(listing: Listing) -> list[Row]:
    rows: list[Row] = []
    for found in each_page(listing):
        without = [row for row in found.rows if listing.second_of(row) is None]
        rows += without
        if len(without) < len(found.rows):
            break
    return rows


def _edges(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whatever the server makes of its edges."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        asked: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(asked, limit=1).rows):
            return asked
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}
