"""Asks for the next page of a keyset walk, as large as the server gives pages."""

from __future__ import annotations

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.directed_list import DirectedList
from source_amocrm.walk.keyset_position import KeysetPosition
from source_amocrm.walk.keyset_prefetch import KeysetPrefetcher
from source_amocrm.walk.keyset_windows import KeysetWindow
from source_amocrm.walk.listing import RawPage
from source_amocrm.walk.page_size import PageSizer

CROWD = 1 / 4
"""If rows of one second fill this share of a page, the next page begins with the last of them, not the first."""


class KeysetPager:
    def __init__(self, view: DirectedList, position: KeysetPosition, prefetcher: KeysetPrefetcher) -> None:
        self._view = view
        self._position = position
        self._prefetcher = prefetcher
        self.sizer = PageSizer(view.listing.limit)
        self._widest = view.listing.limit
        """The most rows that the server gives in a page, as its pages have shown."""

    def next(self, back: int) -> tuple[RawPage, KeysetWindow]:
        """The next page and its window. It begins with the first row of the second that the walk is in; in a crowded
        second, with the last row that was read, or `back` rows before that."""
        while True:
            tied = self._view.traits.ties.known or self._view.listing.own_order
            window = self._prefetcher.behind(back) if tied and self._position.crowded(self.crowd) else None
            try:
                raw, window = (self.page(window), window) if window else self._from_here()
            except PageTooLarge:
                self.shrink()
                continue
            self.page_came()
            return raw, window

    @property
    def crowd(self) -> int:
        return round(self._prefetcher.limit * CROWD)

    def page(self, window: KeysetWindow) -> RawPage:
        raw = self._view.listing.ask(self._view.params(window.edge), window.number, window.limit)
        return self._view.checked(raw, window.edge)

    def first(self, window: KeysetWindow, rows: int) -> None:
        """Learns the largest page size from a first page that promises a next one."""
        if rows < min(window.limit, self._prefetcher.limit):
            self._widest = max(1, rows)
            self._resize()

    def shrink(self) -> None:
        """Asks for smaller pages from now on. Raises the PageTooLarge that is being handled if there are none."""
        self.sizer.shrink()
        self._resize()

    def page_came(self) -> None:
        """Counts a page that came, after enough of which full pages are tried again."""
        self.sizer.page_came()
        self._resize()

    def _resize(self) -> None:
        size = min(self._widest, self.sizer.now)
        if size != self._prefetcher.limit:
            self._prefetcher.resize(size)

    def _from_here(self) -> tuple[RawPage, KeysetWindow]:
        """The first page from the second that the walk is in, which has the rows of that very second."""
        here, traits = self._position.here, self._view.traits
        if here == 0 and self._view.ascending:
            return self._first(-1)
        if traits.inclusive is None and not self._position.delivered:
            raw, window = self._first(here - 1)
            if raw.more and all((self._view.place(row) or 0) < here for row in raw.rows):
                raw, window = self._first(here)
            return raw, window
        if traits.inclusive is False:
            return self._first(here - 1)
        raw, window = self._first(here)
        if not traits.inclusive:
            # The row seen at `here` did not come: the edge is exclusive, or the row has moved since.
            raw, window = self._first(here - 1)
            if any(self._view.place(row) == here for row in raw.rows):
                traits.inclusive = False
        return raw, window

    def _first(self, edge: int) -> tuple[RawPage, KeysetWindow]:
        window = self._prefetcher.first(edge, self._position.here, self.sizer.now)
        return self.page(window), window
