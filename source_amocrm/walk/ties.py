"""One second with more rows than a page holds (a robot's mass edit): read by page number, on its own.

Why it cannot skip: within one second rows can only leave, which shifts the rest towards the front, so the pages are
read again until as many rows are known as there are places. A row that leaves while a pass is under way makes the
pass shorter than the one before it or the one after it, and so does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from source_amocrm.walk.listing import Endless, Listing, Params, Patience, Row, key

MOST_QUIET_PASSES = 8
"""Enough where a pass never has as many rows as places: rows leave all the time, or the list repeats some."""
MOST_PASSES = 60


def one_second(listing: Listing, second: int) -> list[Row]:
    """Every row of `second`, each once, in the newest version that was seen."""
    asked = _edges(listing, second)
    return repeated(lambda: _pass(listing, asked, second))


def repeated(read: Callable[[], list[Row]]) -> list[Row]:
    """Read the same rows again and again until none can be missing.

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
    raise Endless


def one_pass(listing: Listing, params: Params) -> list[Row]:
    """Once through the pages, a row as often as it is met."""
    rows: list[Row] = []
    patience = Patience()
    for page in count(1):
        found = listing.narrowed(params).whole(page)
        patience.meet(found)
        rows += found.rows
        if not found.more:
            break
    return rows


def _pass(listing: Listing, asked: Params, second: int) -> list[Row]:
    order = {"order[id]": "asc"} if listing.ordered else {}
    return [row for row in one_pass(listing, {**asked, **order}) if listing.second_of(row) == second]


def _edges(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whatever the server makes of its edges."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        asked: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(asked).rows):
            return asked
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}
