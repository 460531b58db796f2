"""The keyset walk over a list that documents no order of its own (events): the first page tells the direction.

Why it cannot skip: the keyset walk checks the order on every page. Where a first page is of one second and so tells
nothing, that second is read on its own, and then what lies on either side. `newest_second` finds the newest row of a
list in no order that rows never leave, for a window must end there: it leaves seconds out only where the list was seen
to have no row in them, or none later than the newest row met.

Progress rule: that of the keyset walk; a second read on its own is in no part that is left. `newest_second` requests
the later half of what is left: either it is empty, or nothing before it is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from source_amocrm.walk.id_order import one_second
from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import Listing, OrderIgnored, Page, RawPage, bounds, check_filter
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.worker_pool import WorkerPool


def keyset_either_way(
    listing: Listing, interval: Interval, traits: ListTraits, raw: RawPage | None = None, pool: WorkerPool | None = None
) -> Iterator[Page]:
    """Yields the rows of the seconds `interval` of a list that has a filter by its cursor field.

    `raw`: the first page of the interval, a second wider on either side, if it has come already. `pool` prefetches
    pages. Raises FilterIgnored or OrderIgnored if the server ignores the filter or the order.
    """
    sizer = PageSizer(listing.limit)
    parts = [interval]
    while parts:
        part = low, high = parts.pop()
        raw = first_page(listing, part, sizer, raw)
        ascending = direction(listing, raw)
        if ascending is None:
            second = next(second for row in raw.rows if (second := listing.second_of(row)) is not None)
            if low <= second <= high:
                yield from one_second(listing, second, pool)
                yield Page([], (second, second))
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
    dated = [second for row in raw.rows if (second := listing.second_of(row)) is not None]
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
        dated = (listing.second_of(row) for row in raw.rows)
        found = [second for second in dated if second is not None and start <= second <= high]
        if found:
            newest = max(found)
            low = newest + 1
            if not raw.may_go_on:
                break
        else:
            high = start - 1
        halved = bool(found) and not halved
    return newest
