"""The list of events, in whichever order the server gives it.

Events never change, and no order of their list is documented, so the first page tells the direction of the keyset walk.
Why it cannot skip: the keyset walk checks the order on every page. Where a first page is of one second and so tells
nothing, that second is read on its own, and then the interval on either side; the page on which the second ends may
tell the direction. A list in no order is read in passes over windows that no new event enters: they end with the start
of the sync, by the earlier of two clocks that disagree. What there is between the two is read as well, a few pages at
most, and again by the next sync.

Progress rule: that of the keyset walk and of the passes; a second read on its own is in no interval that is left; each
half of a stretch is shorter, and a second is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS
from source_amocrm.engine.read_plan import ReadPlan
from source_amocrm.errors import PageTooLarge
from source_amocrm.walk import FilterIgnored, Listing, OrderIgnored, Page, RawPage, Row
from source_amocrm.walk.full import in_passes, one_pass
from source_amocrm.walk.intervals import FOREVER, Interval, IntervalSet
from source_amocrm.walk.keyset import keyset, one_second
from source_amocrm.walk.listing import EMPTY_RETRIES, REMEMBERED_KEYS, Key, bounds, check_filter, key
from source_amocrm.walk.page_size import PageSizer, with_smaller_pages
from source_amocrm.walk.server_order import ListTraits

Keep = Callable[[Row], Row]
"""Returns the part of an event that is kept in memory."""


MOST_IN_NO_ORDER = 10_000
"""The most events of a list in no order that are kept in memory at once, unless one second has more or the filter is
ignored. An interval with more is halved."""
MOST_PAGES_BETWEEN = 40  # The most pages of a list in no order that are read between two clocks that disagree


def in_no_order(account: Account, listing: Listing, since: int, until: int, keep: Keep = dict) -> Iterator[Page]:
    """Reads the events between two seconds from a server that lists them in no order.

    Yields each event once, as `keep` trims it: a later stretch of time before an earlier one, the oldest event of each
    first. What has passed by both clocks is complete, except for events that are indexed late.
    """
    passed = min(account.facts().passed, until)
    if (later := max(since, passed + 1)) <= until:
        between = listing.narrowed(bounds(listing, later - 1, until + 1)).retrying_empty(0)
        pages = islice(with_smaller_pages(between, one_pass), MOST_PAGES_BETWEEN)
        yield Page(_collect(listing, pages, (later, until), keep)[0])
    parts = [(since, passed)] if since <= passed else []
    while parts:
        low, high = part = parts.pop()
        frozen = listing.narrowed(bounds(listing, low - 1, high + 1))
        rows, middle = _collect(listing, in_passes(frozen, lasting=True), part, keep)
        if middle is None:
            yield Page(rows, part)
        else:
            parts += [(low, middle), (middle + 1, high)]


def _collect(listing: Listing, pages: Iterable[RawPage], part: Interval, keep: Keep) -> tuple[list[Row], int | None]:
    """The events of the seconds `part`, each once, and None; of too many some, and the second at which to halve."""
    low, high = part
    events: dict[Key, tuple[int, Row]] = {}
    filtered, middle = True, None
    for raw in pages:
        dated = [(listing.second_of(row) or 0, row) for row in raw.rows]
        events.update((key(row), (second, keep(row))) for second, row in dated if low <= second <= high)
        filtered = filtered and all(low - 1 <= second <= high + 1 for second, _ in dated)
        if len(events) > MOST_IN_NO_ORDER and filtered and low < high:
            seconds = sorted(second for second, _ in events.values())
            middle = min(seconds[len(seconds) // 2], high - 1)
            break
    return [row for _, row in sorted(events.values(), key=itemgetter(0))], middle


PAGES_AT_ONCE = 40
"""About how many pages a stretch has. Such stretches are read if the newest events are wanted first and come last."""


@dataclass(frozen=True)
class EventReading:
    """One reading of the list of events, up to the start of the sync.

    `kinds`: empty for all. `newest_first`: reads a later stretch of time before an earlier one. `keep`: trims
    events of kinds of which an account may have hundreds of thousands, or mostly none.
    """

    account: Account
    plan: ReadPlan
    kinds: tuple[str, ...] = ()
    newest_first: bool = False
    keep: Keep | None = None

    def pages(self) -> Generator[Page, None, None]:
        kinds = sorted(self.kinds)
        listing = Listing(
            self.account.get,
            EVENTS.path,
            EVENTS.collection,
            self.account.events_page_size.now,
            {"filter[type][]": kinds} if kinds else {},
            EVENTS.cursor,
            empty_retries=1 if self.keep else EMPTY_RETRIES,
            own_order=True,
            other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
            pool=self.account.pool,
        )
        needed = self.plan.seconds - (self.account.facts().until + 1, FOREVER)
        for low, high in reversed(needed.intervals):
            yield from self._read_interval(listing, low, high)
        # seconds that were not read have not come yet by the clock that is right, so no event in them is missing
        yield Page([], (self.plan.since, FOREVER))

    def _read_interval(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        delivered: set[int | str] = set()
        try:
            for page in self._walk(listing, low, high):
                if len(delivered) < REMEMBERED_KEYS:  # a list in no order shows itself soon
                    delivered.update(key(row) for row in page.rows)
                yield page
        except (FilterIgnored, OrderIgnored):
            for page in in_no_order(self.account, listing, low, high, self.keep or dict):
                yield page.without(lambda row: key(row) in delivered)

    def _walk(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        anchored = self.plan.requested_since if low == self.plan.since else low
        raw, listing = self.account.events_page_size.ask(listing, bounds(listing, anchored - 1, high + 1))
        if self.newest_first and raw.may_go_on and direction(listing, raw) is not False:
            return self._stretches(listing, low, high, raw)
        return keyset_either_way(listing, (anchored, high), raw)

    def _stretches(self, listing: Listing, low: int, high: int, raw: RawPage) -> Iterator[Page]:
        """Reads stretches of time, the newest first, from a server that lists the oldest events first."""
        oldest = listing.seconds_of(raw.rows)[0]
        length = max(1, (high - oldest) // 64)
        while high >= low:
            start = max(low, high - length) if high - length > oldest else low
            rows = 0
            for page in keyset_either_way(listing, (start, high)):
                rows += len(page.rows)
                yield page
            high = start - 1
            length = max(1, min(length * 4, length * PAGES_AT_ONCE * listing.limit // max(1, rows)))


def events_between(
    account: Account, kinds: Iterable[str], low: int, high: int = FOREVER, keep: Keep | None = None
) -> Iterator[Row]:
    """Yields the events of these kinds between two seconds, both included, up to the start of the sync."""
    reading = EventReading(account, ReadPlan(IntervalSet(((low, high),))), tuple(kinds), keep=keep)
    return map(keep or dict, (row for page in reading.pages() for row in page.rows))


def keyset_either_way(listing: Listing, interval: Interval, raw: RawPage | None = None) -> Iterator[Page]:
    """Yields the rows of the seconds `interval` of a list that has a filter by its cursor field.

    `raw`: the first page of the interval, a second wider on either side, if it has come already. Raises FilterIgnored
    or OrderIgnored if the server ignores the filter or the order.
    """
    sizer, traits = PageSizer(listing.limit), ListTraits()
    behind: bool | None = None  # the direction, as the page behind a second that was read on its own tells it
    parts = [interval]
    while parts:
        part = low, high = parts.pop()
        raw, shown = first_page(listing, part, sizer, raw)
        ascending = direction(listing, raw)
        if ascending is None:
            ascending = behind
        if ascending is None:
            second, rows = listing.seconds_of(raw.rows)[0], 0
            if low <= second <= high:
                for page in one_second(listing, second):
                    rows += len(page.rows)
                    yield page
            behind = direction_behind(listing, shown, second, rows)
            parts += (IntervalSet((part,)) - (second, second)).intervals
        else:
            if not raw.may_go_on:
                raw = replace(raw, rows=sorted(raw.rows, key=lambda row: listing.second_of(row) or 0))
            yield from keyset(listing, part, traits, ascending, raw)
        raw = None


def direction(listing: Listing, raw: RawPage) -> bool | None:
    """True for ascending, False for descending, None when the page cannot tell: all its rows are of one second.

    A page that is the whole list counts as ascending. Raises OrderIgnored when a page is in neither order.
    """
    dated = listing.seconds_of(raw.rows)
    if not dated or not raw.may_go_on:
        return True
    if dated[0] == dated[-1]:
        if len(set(dated)) > 1:
            raise OrderIgnored
        return None
    return dated[0] < dated[-1]


def direction_behind(listing: Listing, interval: Interval, second: int, rows: int) -> bool | None:
    """The direction of a list that begins with the `rows` of a second, by the page on which they end.

    None when that page cannot tell: they do not end within it, it is in neither order, or it is of one type while the
    list may be in the order of types.
    """
    number, place = divmod(rows, listing.limit)
    if not place:
        return None
    try:
        page = listing.ask(bounds(listing, *interval), number + 1).rows
    except PageTooLarge:
        return None
    dated = listing.seconds_of(page)
    if dated[:place] != [second] * place or second in dated[place:] or len(dated) == place:
        return None
    if "type" in listing.other_orders and len({row.get("type") for row in page}) == 1:
        return None
    ascending = sorted(dated)
    return True if ascending == dated else False if ascending == dated[::-1] else None


def first_page(
    listing: Listing, interval: Interval, sizer: PageSizer, raw: RawPage | None = None
) -> tuple[RawPage, Interval]:
    """The first page of an interval, and the interval that was requested.

    Requests a second more on either side, for the filter's bounds may be exclusive, and the exact interval where those
    seconds fill the page.
    """
    wider = low, high = interval[0] - 1, interval[1] + 1
    while True:
        raw = raw or sizer.ask(listing, bounds(listing, low, high))
        check_filter(listing, raw.rows, low, high)
        met = {listing.second_of(row) for row in raw.rows}
        if not raw.may_go_on or not met <= set(wider):
            return raw, (low, high)
        low, high = low + (low in met), high - (high in met)
        raw = None
