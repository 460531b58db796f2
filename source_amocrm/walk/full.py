"""A list read whole without relying on any order: a dictionary of the account, or the last resort of another walk.

Why it cannot skip: one page is one snapshot; several are read again until nothing new comes.

Progress rule: `PageProgress`, and a bounded number of passes.
"""

from __future__ import annotations

from source_amocrm.walk.listing import Listing, Row
from source_amocrm.walk.sizes import shrinking
from source_amocrm.walk.ties import one_pass, repeated


def full(listing: Listing) -> list[Row]:
    """Every row of the list, each once."""
    return shrinking(listing, _full)


def _full(listing: Listing) -> list[Row]:
    first = listing.ask({})
    if not first.more:
        return first.rows
    return repeated(listing, lambda: one_pass(listing, {}))
