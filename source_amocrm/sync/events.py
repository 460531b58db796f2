"""The list of events, in whichever order the server gives it.

Events never change, and no order of their list is documented, so the first page tells the direction of the keyset walk.
Why it cannot skip: the keyset walk checks the order on every page. Where a first page is of one second and so tells
nothing, that second is read on its own, and then what lies on either side. `newest_second` finds the newest event of a
list in no order, for a window must end there: it leaves seconds out only where the list was seen to have no event in
them, or none later than the newest event met.

Progress rule: that of the keyset walk; a second read on its own is in no part that is left. `newest_second` requests
the later half of what is left: either it is empty, or nothing before it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS
from source_amocrm.sync.declaration import Batch
from source_amocrm.sync.read_plan import ReadPlan
from source_amocrm.walk import FilterIgnored, Listing, OrderIgnored, Page, RawPage, Row
from source_amocrm.walk.by_page_number import one_second
from source_amocrm.walk.full import in_passes, latest_versions
from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.listing import REMEMBERED_KEYS, bounds, check_filter, key
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.server_order import ListTraits
from source_amocrm.walk.worker_pool import WorkerPool


def events_listing(account: Account, kinds: Iterable[str] = ()) -> Listing:
    kinds = sorted(kinds)
    params = {"filter[type][]": kinds} if kinds else {}
    return Listing(
        account.get,
        EVENTS.path,
        EVENTS.collection,
        account.events_pages.now,
        params,
        cursor=EVENTS.cursor,
        own_order=True,
        other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
    )


def in_no_order(
    account: Account, listing: Listing, since: int, until: int, keep: Callable[[Row], Row] = lambda row: row
) -> tuple[list[Row], int]:
    """Reads the events between two seconds from a server that lists them in no order.

    Returns each event once (oldest first, as `keep` trims it) and the second up to which the window is complete, except
    for events that are indexed late. Passes over a window that events still enter may not end. By a clock that is
    ahead, `until` has not come yet, so the window ends with the newest event.
    """
    started = account.facts().started
    try:
        newest = newest_second(listing, (max(since, started + 1), until))
    except FilterIgnored:
        newest = until
    end = newest or min(started, until)
    frozen = listing.narrowed(bounds(listing, since - 1, end + 1))
    passes = in_passes(frozen, account.pool, lasting=True) if end >= since else ()
    parts = (replace(raw, rows=[keep(row) for row in raw.rows]) for raw in passes)
    rows = sorted(
        (row for row in latest_versions(parts) if since <= (listing.second_of(row) or 0) <= end),
        key=lambda row: listing.second_of(row) or 0,
    )
    return rows, end if end <= started else end - 1


PAGES_AT_ONCE = 40
"""Pages of one stretch of time, about. Stretches are read where the newest events are wanted first and listed last."""


@dataclass(frozen=True)
class EventReading:
    """One reading of the list of events, up to the start of the sync.

    `kinds`: empty for all. `newest_first`: reads a later stretch of time before an earlier one.
    """

    account: Account
    plan: ReadPlan
    kinds: tuple[str, ...] = ()
    newest_first: bool = False

    def batches(self) -> Generator[Batch, None, None]:
        listing = events_listing(self.account, self.kinds)
        until = self.account.facts().until
        parts = [(low, min(high, until)) for low, high in reversed(self.plan.seconds.intervals)]
        for low, high in parts:
            if low <= high:
                yield from map(Batch, self._part(listing, low, high))

    def _part(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        delivered: set[int | str] = set()
        try:
            for page in self._walk(listing, low, high):
                if len(delivered) < REMEMBERED_KEYS:  # a list in no order shows itself soon
                    delivered.update(key(row) for row in page.rows)
                yield page
        except (FilterIgnored, OrderIgnored):
            rows, covered = in_no_order(self.account, listing, low, high)
            fresh = [row for row in rows if key(row) not in delivered]
            yield Page(fresh, (low, covered) if low <= covered else None)

    def _walk(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        anchored = self.plan.requested_since if low == self.plan.since else low
        raw, listing = self.account.events_pages.ask(listing, bounds(listing, anchored - 1, high + 1))
        if self.newest_first and raw.may_go_on and direction(listing, raw) is not False:
            return self._stretches(listing, low, high, raw)
        return keyset_either_way(listing, (anchored, high), raw, self.account.pool)

    def _stretches(self, listing: Listing, low: int, high: int, raw: RawPage) -> Iterator[Page]:
        """Reads stretches of time, the newest first, from a server that lists the oldest events first."""
        oldest = listing.seconds_of(raw.rows)[0]
        length = max(1, (high - oldest) // 64)
        while high >= low:
            start = max(low, high - length) if high - length > oldest else low
            rows = 0
            for page in keyset_either_way(listing, (start, high), pool=self.account.pool):
                rows += len(page.rows)
                yield page
            high = start - 1
            length = max(1, min(length * 4, length * PAGES_AT_ONCE * listing.limit // max(1, rows)))


def keyset_either_way(
    listing: Listing, interval: Interval, raw: RawPage | None = None, pool: WorkerPool | None = None
) -> Iterator[Page]:
    """Yields the rows of the seconds `interval` of a list that has a filter by its cursor field.

    `raw`: the first page of the interval, a second wider on either side, if it has come already. `pool` prefetches
    pages. Raises FilterIgnored or OrderIgnored if the server ignores the filter or the order.
    """
    sizer, traits = PageSizer(listing.limit), ListTraits()
    parts = [interval]
    while parts:
        part = low, high = parts.pop()
        raw = first_page(listing, part, sizer, raw)
        ascending = direction(listing, raw)
        if ascending is None:
            second = listing.seconds_of(raw.rows)[0]
            if low <= second <= high:
                yield from one_second(listing, second, pool)
            sides = (low, min(second - 1, high)), (max(second + 1, low), high)
            parts += [side for side in sides if side[0] <= side[1]]
        else:
            if not raw.may_go_on:
                raw = replace(raw, rows=sorted(raw.rows, key=lambda row: listing.second_of(row) or 0))
            yield from keyset(listing, part, traits, ascending, raw, pool)
        raw = None


def direction(listing: Listing, raw: RawPage) -> bool | None:
    """True for ascending, False for descending, None when the page cannot tell: all its rows are of one second.

    A page that is the whole list counts as ascending. Raises OrderIgnored when it is neither.
    """
    dated = listing.seconds_of(raw.rows)
    if not dated or not raw.may_go_on:
        return True
    if dated[0] == dated[-1]:
        if len(set(dated)) > 1:
            raise OrderIgnored
        return None
    return dated[0] < dated[-1]


def first_page(listing: Listing, interval: Interval, sizer: PageSizer, raw: RawPage | None = None) -> RawPage:
    """The first page of an interval.

    Requests a second more on either side, for the filter's bounds may be exclusive, and the exact interval where those
    seconds fill the page.
    """
    wider = low, high = interval[0] - 1, interval[1] + 1
    while True:
        raw = raw or sizer.ask(listing, bounds(listing, low, high))
        check_filter(listing, raw.rows, low, high)
        met = {listing.second_of(row) for row in raw.rows}
        if not raw.may_go_on or not met <= set(wider):
            return raw
        low, high = low + (low in met), high - (high in met)
        raw = None


def newest_second(listing: Listing, interval: Interval) -> int | None:
    """The second of the newest row of the interval, or of a row that has come since; None where there is none.

    Raises FilterIgnored.
    """
    (low, high), sizer = interval, PageSizer(listing.limit)
    newest, halved = None, False
    while low <= high:
        start = (low + high + 1) // 2 if halved else low
        raw = first_page(listing, (start, high), sizer)
        found = [second for second in listing.seconds_of(raw.rows) if start <= second <= high]
        if found:
            newest = max(found)
            low = newest + 1
            if not raw.may_go_on:
                break
        else:
            high = start - 1
        halved = bool(found) and not halved
    return newest
