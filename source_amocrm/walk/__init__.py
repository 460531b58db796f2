"""Reads a list of the API without losing a row while people work. Names no table.

Every walk is a generator of `Page`s over a `Listing`. A page says which part of the list is complete once its rows are
delivered, so that the sync after a killed one reads only the rest again.
"""

from source_amocrm.walk.listing import FilterIgnored, Listing, OrderIgnored, Page, PageCheckpoint, RawPage, Row

__all__ = ["FilterIgnored", "Listing", "OrderIgnored", "Page", "PageCheckpoint", "RawPage", "Row"]
