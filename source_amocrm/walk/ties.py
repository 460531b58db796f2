"""One second with more rows than a page holds (a robot's mass edit): read by page number, on its own.

Why it cannot skip: within one second rows can only leave, which shifts the rest towards the front, so the pages are
read again until a pass brings nothing new. Where the list has an order by id one quiet pass is proof; where it has
none and the order changes between requests, as many quiet passes as make a miss improbable.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from source_amocrm.walk.listing import Endless, Listing, Params, Row, key

QUIET_PASSES_UNORDERED = 8
MOST_PASSES = 60


def one_second(listing: Listing, second: int) -> list[Row]:
    """Every row of `second`, each once, in the newest version that was seen."""
    asked = _edges(listing, second)
    return repeated(lambda: _pass(listing, asked, second), listing.ordered)


def repeated(read: Callable[[], list[Row]], ordered: bool) -> list[Row]:
    """Read the same rows again and again until nothing new comes.

    `ordered`: within a pass the rows have a total order, so that one quiet pass is enough.
    """
    seen: dict[int | str, Row] = {}
    quiet = 0
    previous: list[int | str] | None = None
    for _ in range(MOST_PASSES):
        rows = {key(row): row for row in read()}
        quiet = 0 if rows.keys() - seen.keys() else quiet + 1
        seen.update(rows)
        if quiet and (ordered or list(rows) == previous or quiet >= QUIET_PASSES_UNORDERED):
            return list(seen.values())
        previous = list(rows)
    raise Endless


def _pass(listing: Listing, asked: Params, second: int) -> list[Row]:
    rows: dict[int | str, Row] = {}
    order = {"order[id]": "asc"} if listing.ordered else {}
    for page in count(1):
        found = listing.ask({**asked, **order}, page=page)
        known = len(rows)
        rows.update((key(row), row) for row in found.rows)
        if not found.more or len(rows) == known:
            break
    return [row for row in rows.values() if listing.second_of(row) == second]


def _edges(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whatever the server makes of its edges."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        asked: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(asked).rows):
            return asked
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}
