"""The page size of the list of events, which the first page of a sync tells."""

from __future__ import annotations

from dataclasses import replace

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk import Listing, RawPage
from source_amocrm.walk.page_size import PageSizer

DOCUMENTED = 100  # The largest page of events that amoCRM documents (rows)
HOPED = 250  # The largest page of events that Kommo documents (rows); some accounts of amoCRM give as many


class EventsPageSize:
    """Learns the largest page that the server gives from the length of a walk's first page, of `now` rows.

    Asked for more than its maximum, the server falls back to 50 rows; the first page's length therefore shows the
    maximum.
    """

    def __init__(self, hoped: int = HOPED, documented: int = DOCUMENTED) -> None:
        self._documented = documented
        self.now = hoped

    def ask(self, listing: Listing, params: Params) -> tuple[RawPage, Listing]:
        """A first page, and the listing with the largest page size that the server gives."""
        limit = self.now
        try:
            raw = listing.ask(params, limit=limit)
            if raw.more and len(raw.rows) < limit:
                self.now = max(self._documented, min(self.now, len(raw.rows)))
        except PageTooLarge:
            self.now = min(self.now, self._documented)
            raw = PageSizer(self.now).ask(listing, params)
        return raw, replace(listing, limit=self.now)
