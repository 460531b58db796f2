"""Reads a list of the API without losing a row while people work. Names no table.

Every walk is a generator of `Page`s over a `Listing`. A page says which part of the list is complete once its rows are
delivered, so that the sync after a killed one reads only the rest again. The stages of a response:
`Reply` (as the session received it), `Answer` (its body and times), `RawPage` (its rows), `Page` (rows to deliver).
"""

from source_amocrm.walk.listing import (
    Deletion,
    FilterIgnored,
    Listing,
    OrderIgnored,
    Page,
    PageCheckpoint,
    RawPage,
    Row,
)

__all__ = ["Deletion", "FilterIgnored", "Listing", "OrderIgnored", "Page", "PageCheckpoint", "RawPage", "Row"]
