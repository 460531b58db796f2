"""A short list read whole: a dictionary of the account.

Why it cannot skip: one page is one snapshot; several are read again until nothing new comes.
"""

from __future__ import annotations

from source_amocrm.walk.listing import Listing, Row
from source_amocrm.walk.ties import one_pass, repeated


def full(listing: Listing) -> list[Row]:
    """Every row of the list, each once."""
    first = listing.whole(1)
    if not first.more:
        return first.rows
    return repeated(lambda: one_pass(listing, {}))
