"""How a list is read without losing a row while people work. No table names here.

Every walk is a generator of `Page`s over a `Listing`, a list of the API. A page says which part of the list is complete
once its rows are delivered, so that a killed sync resumes from there and reads only the rest again.
"""

from source_amocrm.walk.listing import FilterIgnored, Listing, OrderIgnored, Page, PageCheckpoint, RawPage, Row

__all__ = ["FilterIgnored", "Listing", "OrderIgnored", "Page", "PageCheckpoint", "RawPage", "Row"]
