"""A short list read whole: a dictionary of the account.

Why it cannot skip: one page is one snapshot; several are read again until nothing new comes.
"""

from __future__ import annotations

from itertools import count

from source_amocrm.walk.listing import Endless, Listing, Row, key
from source_amocrm.walk.ties import repeated


def full(listing: Listing) -> list[Row]:
    """Every row of the list, each once."""
    first = listing.ask({})
    if not first.more:
        return first.rows
    return repeated(lambda: _pass(listing), ordered=False)


def _pass(listing: Listing) -> list[Row]:
    rows: dict[int | str, Row] = {}
    barren = 0
    for page in count(1):
        found = listing.ask({}, page)
        known = len(rows)
        rows.update((key(row), row) for row in found.rows)
        barren = barren + 1 if len(rows) == known else 0
        if not found.more:
            break
        if barren > 1:
            raise Endless
    return list(rows.values())
