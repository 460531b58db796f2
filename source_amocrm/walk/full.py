"""A short list read whole: a dictionary of the account.

Why it cannot skip: one page is one snapshot; several are read again until nothing new comes.
"""

from __future__ import annotations

from itertools import count

from source_amocrm.walk.listing import Listing, Patience, Row, key
from source_amocrm.walk.ties import repeated


def full(listing: Listing) -> list[Row]:
    """Every row of the list, each once."""
    first = listing.ask({})
    if not first.more:
        return first.rows
    return repeated(lambda: _pass(listing), ordered=False)


def _pass(listing: Listing) -> list[Row]:
    rows: dict[int | str, Row] = {}
    patience = Patience()
    for page in count(1):
        found = listing.ask({}, page)
        patience.meet(found)
        rows.update((key(row), row) for row in found.rows)
        if not found.more:
            break
    return list(rows.values())
