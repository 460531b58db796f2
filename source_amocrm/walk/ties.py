"""Rows that no cursor tells apart, read by page number: those of one second (a robot's mass edit), or without a date.

Why it cannot skip: where the list can be ordered by id, the rows are read in that order (see `numbered`). Else they are
read in passes (see `passes`): within one second rows can only leave, which shifts the rest towards the front.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from source_amocrm.walk.bounds import believe
from source_amocrm.walk.full import in_passes
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Listing, Page, PageMark, Params, Row
from source_amocrm.walk.numbered import numbered
from source_amocrm.walk.passes import newest, one_pass, repeated, unseen
from source_amocrm.walk.sizes import shrinking


def rest_of_second(listing: Listing, second: int, hands: Hands | None, mark: PageMark) -> Iterator[Page]:
    """The rows of `second` behind those up to `mark`, in the order of ids. Raises FilterIgnored."""
    for page in numbered(listing.narrowed(_edges(listing, second)), hands, mark):
        believe(listing, page.rows, second - 1, second + 1)
        yield replace(page, rows=[row for row in page.rows if listing.second_of(row) == second], second=second)
    yield Page([], (second, second))


def one_second(listing: Listing, second: int, hands: Hands | None = None) -> Iterator[list[Row]]:
    """Every row of `second`, each once, in parts. Raises FilterIgnored."""
    asked = listing.narrowed(_edges(listing, second))
    by_id = listing.ordered and not listing.own_order
    for rows in (
        (page.rows for page in numbered(asked, hands))
        if by_id
        else unseen(in_passes(asked, hands, lasting=listing.own_order))
    ):
        believe(listing, rows, second - 1, second + 1)
        yield [row for row in rows if listing.second_of(row) == second]


def undated(listing: Listing) -> list[Row]:
    """Every row without a date, each once: they come first where the whole list is in ascending order."""
    ascending = listing.narrowed({f"order[{listing.cursor}]": "asc"})
    return shrinking(ascending, lambda some: newest(repeated(some.path, lambda: _undated_pass(some))))


def _undated_pass(listing: Listing) -> Iterator[list[Row]]:
    for found in one_pass(listing):
        without = [row for row in found.rows if listing.second_of(row) is None]
        yield without
        if len(without) < len(found.rows):
            break


def _edges(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whatever the server makes of its edges."""
    name = f"filter[{listing.cursor}]"
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        asked: Params = {f"{name}[from]": low, f"{name}[to]": high}
        if any(listing.second_of(row) == second for row in listing.ask(asked, limit=1).rows):
            return asked
    return {f"{name}[from]": second - 1, f"{name}[to]": second + 1}
