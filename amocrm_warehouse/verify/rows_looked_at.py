"""Which rows are looked at: short lists whole, every ID of cards, and pages, windows and cards drawn at random.

A page of tasks or notes in the order of IDs holds every row from its first ID to its last. How many pages there are the
account tells, never the table. Rows that differed are looked at again.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from heapq import merge
from itertools import groupby, islice, pairwise
from math import ceil
from operator import itemgetter
from random import Random
from typing import Any

from amocrm_warehouse.live_line import Step
from amocrm_warehouse.verify.held_tables import Row, Span
from amocrm_warehouse.verify.row_differences import LIVE, TWICE, Difference, Place, RowDifferences, by_date
from source_amocrm.account import Resource, by_ids
from source_amocrm.account.availability import in_parts
from source_amocrm.account.events_page_size import DOCUMENTED
from source_amocrm.account.resources import CARDS, EVENTS, NOTES, TASKS
from source_amocrm.errors import AmocrmError
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.chats import in_order
from source_amocrm.walk import RawPage
from source_amocrm.walk.full import in_passes, one_pass
from source_amocrm.walk.listing import Listing, seconds

IDS_A_REQUEST, CARDS_AT_ONCE = 50, 500
"""Cards that one request by ID brings, and cards that are compared together."""
FREE_SHARE = 1.2
"""Requests for a page of IDs that are not of the budget: pages overlap, and some are requested past the end."""
MOST_PAGES = 5
"""Pages of a window of events that are read. Of a longer window, only rows that the table lacks are looked for."""
WINDOW_ROWS = 60
"""Rows of the table in a window."""
MOST_DRAWN = 5_000
"""Cards of a list of which every column may be compared."""
NO_ORDER = "amoCRM did not list these rows in the order of IDs, without which nothing shows which rows the table lacks."
LISTS = (*CARDS, TASKS, *NOTES, EVENTS)


class Look:
    """One look at the account and its tables. `requested`: the path of each request of the account so far. `budget`:
    requests besides those for the IDs of cards. `step`: the list that is looked at, and how many there are.

    Raises ValueError if the tables hold another account.
    """

    def __init__(self, rows: RowDifferences, requested: list[str], budget: int, draw: Random) -> None:
        self.rows, self.found = rows, rows.found
        self._account, self._held = rows.account, rows.held
        self._requested, self._budget, self._draw = requested, budget, draw
        self.step = Step("looking at the account", 0, unit="lists")
        self._drawn, self._pages = dict[Resource, list[int]](), 0
        own, kinds = self._account.facts().id, {"account_id": "integer"}
        rows_held = self._held.rows("account", kinds) if "account" in self._held.columns else []
        held = [row["account_id"] for row in rows_held]
        if held and own is not None and own not in held:
            raise ValueError(
                f"The tables {self._held.prefix}… hold the account {held[0]}, and the config is of the account {own}. "
                "Give that account's --config, or the --project of this one."
            )

    def at_all(self) -> list[Difference]:
        """Looks at every table. Counts what was looked at in `found`, and returns what differs."""
        made_of, main = self.rows.made_of, self.rows.main
        found = [one for name in self.rows.streams for one in self.rows.without_columns(name)]
        short = [name for name, one in self.rows.streams.items() if isinstance(one, FullRefreshStream) and name != LIVE]
        cards, lists = ([one for one in some if made_of(one)] for some in (CARDS, LISTS))
        trashes = [one for one in cards if main(one) and one.has_trash and self._account.config.mark_deleted]
        self.step = replace(self.step, total=len(short) + len(cards) + len(lists) + len(trashes))
        for name in short:
            found += self._guarded([name], name, partial(self.rows.of_short_list, name))
        before = len(self._requested)
        for one in cards:
            found += self._guarded(made_of(one), one.name, partial(self._at_ids, one))
        of_ids = min(len(self._requested) - before, int(FREE_SHARE * self._pages))
        allowed = self._budget + of_ids - len(trashes)
        for left, one in zip(range(len(lists), 0, -1), lists, strict=True):
            look = self._at_cards if one in CARDS else self._at_windows if one is EVENTS else self._at_pages
            share = max(1, (allowed - len(self._requested)) // left)
            found += self._guarded(made_of(one), one.path, partial(look, one, share))
        for one in trashes:
            found += self._guarded(made_of(one)[:1], f"{one.name}, trash", partial(self._at_trash, one))
        for name, finding in self.found.items():
            finding.database = self._held.count(name)
            if finding.whole and finding.account is None and not finding.failure:
                finding.account = finding.looked_at
        return [*{(one.stream, one.key, one.kind): one for one in found}.values()]  # a drawn card is met by its ID, too

    def again(self, differing: Iterable[Difference]) -> list[Difference]:
        """Looks once more at the rows that differed. Returns those that differ now."""
        places, wanted, found = defaultdict[tuple[str, str], set[int]](set), set[tuple[Any, ...]](), list[Difference]()
        for one in differing:
            places[one.place.kind, one.place.name].add(one.place.number)
            wanted.add((one.stream, one.key))
        self.step = replace(self.step, name="looking again", total=len(places))
        for (kind, name), numbers in places.items():
            resource = next((one for one in LISTS if one.path == name), EVENTS)
            names = [name] if kind == "list" else self.rows.made_of(resource)
            looks: dict[str, Callable[[], Iterable[Difference]]] = {
                "list": partial(self._at_list, name),
                "record": partial(self._by_ids, resource, sorted(numbers)),
                "trash": partial(self._at_trash, resource),
                "second": partial(self._at_seconds, numbers),
            }
            found += self._guarded(names, name, looks[kind])
        return [one for one in found if (one.stream, one.key) in wanted]

    def trash(self, resource: Resource) -> set[int]:
        """Returns the IDs of cards in the trash. A list without a trash ends with its first page."""
        gone, since = set[int](), self._account.config.start or 0
        for page in one_pass(self._account.listing(resource, {"with": "only_deleted"})):
            skeletons = [row for row in page.rows if row.get("is_deleted") is True and type(row.get("id")) is int]
            gone |= {row["id"] for row in skeletons if (seconds(row.get("updated_at")) or 0) >= since}
            if not skeletons:
                break
        return gone

    def _guarded(
        self, names: Collection[str], doing: str, look: Callable[[], Iterable[Difference]]
    ) -> Iterator[Difference]:
        """Looks at a list. If that fails, says why at each of its tables."""
        self.step = replace(self.step, at=doing)
        try:
            yield from look()
        except AmocrmError as error:
            for name in names if not self._account.lacks(error) else ():
                self.found[name].failure = self.found[name].failure or str(error)
        self.step = replace(self.step, done=(self.step.done or 0) + 1)

    def _in_part(self, names: Iterable[str]) -> None:
        for name in names:
            self.found[name].whole = False

    def _at_list(self, name: str) -> Iterator[Difference]:
        yield from self.rows.without_columns(name)
        if isinstance(self.rows.streams[name], FullRefreshStream) and name != LIVE:
            yield from self.rows.of_short_list(name)

    def _at_ids(self, resource: Resource) -> Iterator[Difference]:
        """Compares the IDs and the dates of all cards of a list. Draws IDs that both sides have."""
        self._account.require(resource.path)
        ids, dates, common, main = array("q"), array("q"), array("q"), self.rows.main(resource)
        listing = self._account.listing(resource)
        for record in in_parts(listing):
            if type(record.get("id")) is int:
                ids.append(record["id"])
                dates.append(seconds(record.get("updated_at")) or 0)
        self._pages += ceil(len(ids) / listing.limit)
        order, start = sorted(range(len(ids)), key=ids.__getitem__), self._account.config.start or 0
        for name in filter(None, (main, LIVE if LIVE in self.rows.streams else None)):
            finding, of_list = self.found[name], f"entity_type = '{resource.name}'" if name == LIVE else "true"
            finding.account, finding.looked_at = (finding.account or 0) + len(ids), finding.looked_at + len(ids)
            self.rows.counted.add(name)
            listed = ((ids[at], 0, dates[at]) for at in order)
            held = ((number, 1, at) for number, at in self._held.live(name, self.rows.id_column(name), of_list))
            for number, sides in groupby(merge(listed, held), key=itemgetter(0)):
                dated = [(side, at) for _, side, at in sides]
                ours, theirs = ([at for side, at in dated if side == one] for one in (0, 1))
                found = by_date(name, resource, number, next(iter(ours), None), theirs)
                if name == main and ours and theirs and all(one.kind == TWICE for one in found):
                    common.append(number)
                if name == LIVE or (ours[0] >= start if ours else self._account.config.mark_deleted):
                    yield from found
        drawn = ids if main is None else common
        self._drawn[resource] = self._draw.sample(drawn, min(len(drawn), MOST_DRAWN))
        if len(drawn) > MOST_DRAWN:
            self._in_part(name for name in self.rows.made_of(resource) if name != main)

    def _at_cards(self, resource: Resource, share: int) -> Iterator[Difference]:
        """Compares every column of cards drawn at random, and of their parts."""
        drawn = self._drawn.get(resource, [])
        by_list = self._pages_for(resource, drawn)
        ids = drawn if by_list and by_list <= share else drawn[: share * self._ids_a_request(resource)]
        if len(ids) < len(drawn):
            self._in_part(name for name in self.rows.made_of(resource) if name != self.rows.main(resource))
        yield from self._by_ids(resource, ids)

    def _ids_a_request(self, resource: Resource) -> int:
        return IDS_A_REQUEST if self._account.filter_works(resource) else 1

    def _pages_for(self, resource: Resource, ids: Collection[int]) -> int | None:
        """Returns the requests for the whole list, if they are fewer than those by ID; else None."""
        names, listing = self.rows.made_of(resource), self._account.listing(resource, self.rows.params(resource))
        pages = 1 + 2 * ceil(self._held.count(names[0]) / listing.limit)  # a list without an order is read twice
        return pages if pages * self._ids_a_request(resource) < len(ids) else None

    def _by_list(self, resource: Resource, ids: Collection[int]) -> Iterator[Difference]:
        """Compares entities as the whole list shows them."""
        listing, left = self._account.listing(resource, self.rows.params(resource)), {*ids}
        records = (record for record in in_parts(listing) if record.get("id") in left)
        while some := [*islice(records, CARDS_AT_ONCE)]:
            shown = {record["id"] for record in some}
            left -= shown
            yield from self.rows.of_records(resource, some, shown)
        yield from self.rows.of_records(resource, [], left)

    def _by_ids(self, resource: Resource, ids: list[int]) -> Iterator[Difference]:
        """Compares entities that are read by ID, as many at a time as the account's pace has room for.

        Reads the whole list if that takes fewer requests, as where amoCRM does not filter by ID.
        """
        if self._pages_for(resource, ids):
            yield from self._by_list(resource, ids)
            return
        params = self.rows.params(resource)

        def read(some: list[int]) -> list[Row]:
            return list(by_ids(self._account, resource, some, params))

        for start in range(0, len(ids), CARDS_AT_ONCE):
            some = ids[start : start + CARDS_AT_ONCE]
            parts = (partial(read, some[at : at + IDS_A_REQUEST]) for at in range(0, len(some), IDS_A_REQUEST))
            records = [record for part in in_order(self._account.pool, parts) for record in part]
            yield from self.rows.of_records(resource, records, some)

    def _at_trash(self, resource: Resource) -> list[Difference]:
        """Looks for the tombstones of cards in the trash."""
        name, gone = self.rows.made_of(resource)[0], self.trash(resource)
        column = self.rows.id_column(name)
        held = {row[column] for row in self._held.rows_with(name, {column: "integer"}, column, gone)}
        return [Difference(name, (one,), "missing", Place("trash", resource.path, one)) for one in gone - held]

    def _at_pages(self, resource: Resource, share: int) -> Iterator[Difference]:
        """Compares pages of the list in the order of IDs, each drawn at random."""
        names = self.rows.made_of(resource)
        listing = self._account.listing(resource, {**self.rows.params(resource), "order[id]": "asc"})
        last, count = last_page(listing)
        if main := self.rows.main(resource):
            self.found[main].account = (self.found[main].account or 0) + count
        drawn, before = sorted(self._draw.sample(range(1, last + 1), min(last, share))), (0, 0)
        if len(drawn) < last:
            self._in_part(names)
        for number in drawn:
            page = listing.ask({}, number)
            ids = [row["id"] for row in page.rows if type(row.get("id")) is int]
            if len(ids) < len(page.rows) or any(one >= other for one, other in pairwise(ids)):
                raise AmocrmError(NO_ORDER)
            if ids or number == 1:
                first = before[1] + 1 if number == before[0] + 1 else ids[0]
                before = number, ids[-1] if ids else 0
                yield from self.rows.of_records(resource, page.rows, Span(first, ids[-1] if page.may_go_on else None))

    def _at_windows(self, resource: Resource, share: int) -> Iterator[Difference]:
        """Compares windows of time up to now, of WINDOW_ROWS rows of the table each: all, or the last and some that are
        drawn, half of them by a moment, because a window without its rows is long."""
        names, begins, now = self.rows.made_of(resource), self._account.config.start or 0, self._account.clocks.now()
        base = "events" if "events" in names else names[0]
        every = self._held.every(WINDOW_ROWS, base, self.rows.incremental[base].cursor_field)
        ends = [*(second for second in every if begins <= second < now), now]
        starts = [begins, *(second + 1 for second in ends[:-1])]
        drawn = {*range(len(starts))}
        if len(starts) > share:
            self._in_part(names)
            half, since = (share - 1) // 2, max(begins, seconds(self._account.facts().body.get("created_at")) or 0)
            moments = (self._draw.randint(min(since, now), now) for _ in range(half))
            drawn = {*self._draw.sample(range(len(starts)), half), *(bisect(starts, one) - 1 for one in moments)}
            drawn |= {len(starts) - 1}
        for number in sorted(drawn):
            yield from self._at_window(starts[number], ends[number])

    def _at_seconds(self, numbers: Iterable[int]) -> Iterator[Difference]:
        for second in sorted(numbers):
            yield from self._at_window(second, second)

    def _at_window(self, begins: int, ends: int) -> Iterable[Difference]:
        # whether the bounds are of the window is not documented
        params = {"filter[created_at][from]": begins - 1, "filter[created_at][to]": ends + 1}
        listing = replace(self._account.listing(EVENTS, params), limit=DOCUMENTED, own_order=True)
        records, whole = dict[Any, Row](), True
        for number, page in enumerate(in_passes(listing, lasting=True)):
            within = (row for row in page.rows if begins <= (seconds(row.get("created_at")) or 0) <= ends)
            records |= {row.get("id"): row for row in within}
            if number + 1 == MOST_PAGES and page.rows and begins < ends:
                whole = False
                self._in_part(self.rows.made_of(EVENTS))
                break
        return self.rows.of_events(records.values(), begins, ends, whole=whole)


def last_page(listing: Listing) -> tuple[int, int]:
    """Returns the number of the last page that has rows, at least 1, and how many rows the list has."""
    low, high, pages = 1, 2, dict[int, RawPage]()

    def has_rows(number: int) -> bool:
        pages[number] = listing.ask({}, number)
        return bool(pages[number].rows)

    while has_rows(low) and pages[low].may_go_on and has_rows(high):
        low, high = high, 2 * high
    while pages[low].may_go_on and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if has_rows(middle) else (low, middle)
    return low, (low - 1) * len(pages[1].rows) + len(pages[low].rows)
