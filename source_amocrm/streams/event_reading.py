"""How the events are read in one sync: frozen windows, in whatever order the server lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from source_amocrm.streams.account import Account
from source_amocrm.streams.batch import Batch
from source_amocrm.streams.changes import events_listing, in_no_order
from source_amocrm.streams.progress import Need, together
from source_amocrm.walk.bounds import bounds
from source_amocrm.walk.crew import crew
from source_amocrm.walk.keyset import Edges
from source_amocrm.walk.listing import FilterIgnored, Found, Listing, OrderIgnored, Page, key
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.undirected import direction, undirected
from source_amocrm.walk.window import Window

REMEMBERED_KEYS = 5_000
"""A list in no order shows itself soon: so many rows back it is known what was delivered before."""
PAGES_AHEAD = 40
"""How many pages of events one walker is ahead of the next where the newest must come first."""


@dataclass
class EventReading:
    """One reading of the events. `kinds`: only these, or all; `newest_first`: no window before a newer one is near."""

    account: Account
    needs: list[Need]
    kinds: tuple[str, ...] = ()
    newest_first: bool = False

    def __post_init__(self) -> None:
        self.need = together(self.needs)

    def batches(self) -> Iterator[Batch]:
        listing = events_listing(self.account, self.kinds)
        until = self.account.facts().started
        parts = [(low, min(high, until)) for low, high in reversed(self.need.spans.parts)]
        for low, high in parts:
            if low <= high:
                yield from (Batch("events", page) for page in self._part(listing, low, high))

    def _part(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        delivered: set[int | str] = set()
        try:
            for page in self._walk(listing, low, high):
                if len(delivered) < REMEMBERED_KEYS:
                    delivered.update(key(row) for row in page.rows)
                yield page
        except (FilterIgnored, OrderIgnored):
            rows = in_no_order(listing, low, high)
            yield Page([row for row in rows if key(row) not in delivered], (low, high))

    def _walk(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        anchored = self.need.asked_from if low == self.need.since else low
        found = Appetite(listing.limit).ask(listing, bounds(listing, anchored - 1, high + 1))
        if self.newest_first and found.more and direction(listing, found) is not False:
            yield from self._slices(listing, low, high, found)
        else:
            yield from self._windows(listing, Window(anchored, high), found)

    def _windows(self, listing: Listing, window: Window, found: Found | None = None) -> Iterator[Page]:
        edges, until = Edges(), window.high  # the walk moves the window's own end
        first = {id(window): found}
        ahead = PAGES_AHEAD if self.newest_first else None
        yield from crew(
            [window],
            lambda part: undirected(listing, part, edges, first.pop(id(part), None)),
            self.account.hands,
            lambda part, among: part.split(until, listing.limit, among, ahead),
        )

    def _slices(self, listing: Listing, low: int, high: int, found: Found) -> Iterator[Page]:
        """For a server that lists the oldest first: stretches of time, the newest one first, of about PAGES_AHEAD."""
        oldest = next(second for row in found.rows if (second := listing.second_of(row)) is not None)
        length = max(1, (high - oldest) // 64)
        while high >= low:
            start = max(low, high - length) if high - length > oldest else low
            rows = 0
            for page in self._windows(listing, Window(start, high)):
                rows += len(page.rows)
                yield page
            high = start - 1
            length = max(1, min(length * 4, length * PAGES_AHEAD * listing.limit // max(1, rows)))
