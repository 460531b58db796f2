"""One reading of the events: up to the start of the sync, in whatever order the server lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EVENTS
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.event_log import events_listing, in_no_order
from source_amocrm.sync.progress import ReadPlan
from source_amocrm.walk.either_direction import direction, keyset_either_way
from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import (
    REMEMBERED_KEYS,
    FilterIgnored,
    Key,
    Listing,
    OrderIgnored,
    Page,
    RawPage,
    bounds,
    key,
)

PAGES_AT_ONCE = 40
"""About how many pages a stretch of time has. Events are read in stretches where the newest are wanted first and the
server lists them last."""


@dataclass(frozen=True)
class EventReading:
    """One reading of the events. `kinds`: only these, or all; `newest_first`: no stretch before a newer one."""

    account: Account
    plan: ReadPlan
    kinds: tuple[str, ...] = ()
    newest_first: bool = False

    def batches(self) -> Iterator[Batch]:
        listing = events_listing(self.account, self.kinds)
        until = self.account.facts().until
        parts = [(low, min(high, until)) for low, high in reversed(self.plan.seconds.intervals)]
        for low, high in parts:
            if low <= high:
                yield from map(partial(Batch, EVENTS.name), self._part(listing, low, high))

    def _part(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        delivered: set[Key] = set()  # a list in no order shows itself within REMEMBERED_KEYS rows
        try:
            for page in self._walk(listing, low, high):
                if len(delivered) < REMEMBERED_KEYS:
                    delivered.update(key(row) for row in page.rows)
                yield page
        except (FilterIgnored, OrderIgnored):
            rows, covered = in_no_order(self.account, listing, low, high)
            fresh = [row for row in rows if key(row) not in delivered]
            yield Page(fresh, (low, covered) if low <= covered else None)

    def _walk(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        anchored = self.plan.asked_from if low == self.plan.since else low
        raw, listing = self.account.events_pages.ask(listing, bounds(listing, anchored - 1, high + 1))
        if self.newest_first and raw.may_go_on and direction(listing, raw) is not False:
            return self._stretches(listing, low, high, raw)
        return self._interval(listing, (anchored, high), raw)

    def _interval(self, listing: Listing, interval: Interval, raw: RawPage | None = None) -> Iterator[Page]:
        return keyset_either_way(listing, interval, ListTraits(), raw, self.account.pool)

    def _stretches(self, listing: Listing, low: int, high: int, raw: RawPage) -> Iterator[Page]:
        """For a server that lists the oldest first: stretches of time, the newest one first, of about PAGES_AT_ONCE."""
        oldest = next(second for row in raw.rows if (second := listing.second_of(row)) is not None)
        length = max(1, (high - oldest) // 64)
        while high >= low:
            start = max(low, high - length) if high - length > oldest else low
            rows = 0
            for page in self._interval(listing, (start, high)):
                rows += len(page.rows)
                yield page
            high = start - 1
            length = max(1, min(length * 4, length * PAGES_AT_ONCE * listing.limit // max(1, rows)))
