"""Asks for the pages of a directed list: from a second on or by a window, as large as the server gives them."""

from __future__ import annotations

from source_amocrm.errors import TooFat
from source_amocrm.walk.directed import Directed
from source_amocrm.walk.listing import Found
from source_amocrm.walk.prefetch import Prefetcher
from source_amocrm.walk.reached import Reached
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.windows import Window

CROWD = 1 / 4
"""The share of a page that rows of one second must fill to be gone on with from the last of them."""


class Pager:
    def __init__(self, view: Directed, reached: Reached, ahead: Prefetcher) -> None:
        self._view = view
        self._reached = reached
        self._ahead = ahead
        self.appetite = Appetite(view.listing.limit)
        self._widest = view.listing.limit
        """The most rows that the server gives in a page, as far as it has shown."""

    def next(self, back: int) -> tuple[Found, Window]:
        """The next page. In a crowded second it begins at the last row of it that was read, or so many rows `back`;
        else with the first row of the second."""
        while True:
            crowded = self._reached.crowded(round(self._ahead.limit * CROWD))
            window = self._ahead.behind(back) if crowded else None
            try:
                found, window = (self.page(window), window) if window else self._from_here()
            except TooFat:
                self.shrink()
                continue
            self.digest()
            return found, window

    def page(self, window: Window) -> Found:
        found = self._view.listing.ask(self._view.params(window.edge), window.number, window.limit)
        return self._view.believed(found, window.edge)

    def first(self, window: Window, rows: int) -> None:
        """A first page promises a next one: it is as large as pages get."""
        if rows < min(window.limit, self._ahead.limit):
            self._widest = max(1, rows)
            self._resize()

    def shrink(self) -> None:
        """A page was too fat. Raises the TooFat that is being handled when there are no smaller ones."""
        self.appetite.shrink()
        self._resize()

    def digest(self) -> None:
        """A page came."""
        self.appetite.digest()
        self._resize()

    def _resize(self) -> None:
        size = min(self._widest, self.appetite.now)
        if size != self._ahead.limit:
            self._ahead.resize(size)

    def _from_here(self) -> tuple[Found, Window]:
        """A first page, so that rows of that very second are certainly included."""
        here, traits = self._reached.here, self._view.traits
        if here == 0 and self._view.ascending:
            return self._first(-1)
        if traits.inclusive is None and not self._reached.delivered:
            found, window = self._first(here - 1)
            if found.more and all((self._view.place(row) or 0) < here for row in found.rows):
                found, window = self._first(here)
            return found, window
        if traits.inclusive is False:
            return self._first(here - 1)
        found, window = self._first(here)
        if not traits.inclusive:
            # The row seen at `here` did not come: the edge is exclusive, or the row has moved since.
            found, window = self._first(here - 1)
            if any(self._view.place(row) == here for row in found.rows):
                traits.inclusive = False
        return found, window

    def _first(self, edge: int) -> tuple[Found, Window]:
        window = self._ahead.first(edge, self._reached.here, self.appetite.now)
        return self.page(window), window
