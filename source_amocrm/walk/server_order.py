"""The order in which a server lists rows: the parameters that request it, and the proof that each page obeys it.

amoCRM documents neither whether a filter's bounds are inclusive, nor how it orders rows of one second, nor whether it
obeys the requested order of every list. A walk learns these from the responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.listing import Key, Listing, OrderIgnored, Row, bounds, check_filter, compare, key, seconds
from source_amocrm.walk.page_size import PageSizer

PAIRS_TO_KNOW = 20
"""How many pairs of neighbours must be in the order of their IDs before it is relied on: chance is 1 to 2**20."""
ROWS_TO_PROVE = 25  # How many rows in the requested order, and in no other, prove that the server obeys the request


class SortedRow(NamedTuple):
    """A row with its sort key (see OrderedList) and its key."""

    sort_key: int
    key: Key
    row: Row


@dataclass(slots=True)
class ListTraits:
    """The traits of a list that walks in one direction have learned.

    `inclusive`: whether the filter's bound on the side where the walk begins is inclusive; None while unknown.
    `ordered`: the server obeys the requested order. `behind`: people changed rows faster than the walk read them, so
    the newest changes are left to the next walk. `tied_pairs`: how many neighbours of one second came in the order of
    their IDs, positive for ascending IDs and negative for descending. `ties_broken`: two came in another order.
    """

    inclusive: bool | None = None
    ordered: bool = False
    behind: bool = False
    tied_pairs: int = 0
    ties_broken: bool = False

    @property
    def ties_known(self) -> bool:
        """Whether enough pairs were seen, all of them in one order."""
        return not self.ties_broken and abs(self.tied_pairs) >= PAIRS_TO_KNOW

    def learn_ties(self, sorted_rows: Sequence[SortedRow]) -> None:
        """Learns from rows that were not seen before."""
        for step in _steps(sorted_rows):
            self.ties_broken = self.ties_broken or step == 0 or step * self.tied_pairs < 0
            self.tied_pairs += step

    def ties_hold_for(self, sorted_rows: Sequence[SortedRow]) -> bool:
        """Whether the order of ties is known and these rows are in it."""
        return self.ties_known and all(step * self.tied_pairs > 0 for step in _steps(sorted_rows))

    def is_no_later(self, one: SortedRow, last: SortedRow) -> bool:
        """Whether `one` comes no later than `last`, a row of the same second, so that no row is between the two."""
        return self.ties_known and (one.key == last.key or compare(one.key, last.key) * self.tied_pairs > 0)


def _steps(sorted_rows: Sequence[SortedRow]) -> list[int]:
    """How each row compares to the next one, where both are of one second."""
    return [compare(one.key, other.key) for one, other in pairwise(sorted_rows) if one.sort_key == other.sort_key]


@dataclass
class OrderedList:
    """A list in ascending or descending order of its cursor field, over an interval of seconds.

    A sort key is a second counted in the direction of the walk: the second itself in an ascending walk, the negated
    second in a descending one. Sort keys never fall, and a walk goes from `first_sort_key` to `last_sort_key`. A bound
    is the sort key that the filter starts from.
    """

    listing: Listing
    traits: ListTraits
    ascending: bool
    interval: Interval

    def __post_init__(self) -> None:
        self.first_sort_key, self.last_sort_key = sorted(map(self.second, self.interval))

    def second(self, sort_key: int) -> int:
        """The second of a sort key, and the sort key of a second."""
        return sort_key if self.ascending else -sort_key

    def seconds_between(self, first: int, last: int) -> Interval | None:
        """The seconds from the sort key `first` to the sort key `last`; None if there are none."""
        low, high = sorted(map(self.second, (first, last)))
        return (low, high) if first <= last else None

    def sort_key(self, row: Row) -> int | None:
        second = seconds(row.get(self.listing.cursor))
        return second if second is None or self.ascending else -second

    def params(self, bound: int, reverse: bool = False) -> dict[str, int | str]:
        """The parameters that request the rows from a sort key on, in order; with `reverse` in the opposite order."""
        order = {f"order[{self.listing.cursor}]": "asc" if self.ascending is not reverse else "desc"}
        return {**bounds(self.listing, *self.seconds_from(bound)), **order}

    def seconds_from(self, bound: int) -> tuple[int, int]:
        """The seconds from `bound` to one second past the interval, for the filter's bound may be exclusive."""
        low, high = sorted(map(self.second, (bound, self.last_sort_key + 1)))
        return low, high

    def check(self, rows: list[Row], bound: int) -> None:
        """Checks the filter of a page. Raises FilterIgnored."""
        if self.second(bound) in check_filter(self.listing, rows, *self.seconds_from(bound)):
            self.traits.inclusive = True

    def bound_of(self, sort_key: int) -> int:
        """The bound that shows all rows of a sort key: the key if bounds are known to be inclusive, else one less."""
        return sort_key if self.traits.inclusive else sort_key - 1

    def learn_bound(self, sort_key: int) -> None:
        """Requests one row at a sort key that has rows, to learn whether the filter's bound is inclusive."""
        rows = self.listing.ask(self.params(sort_key), limit=1).rows
        self.check(rows, sort_key)
        if rows and not self.traits.inclusive:
            self.traits.inclusive = False


def prove_order(ordered: OrderedList, first_sort_key: int, sorted_rows: list[SortedRow], sizer: PageSizer) -> None:
    """Checks that a page is in order because that order was requested. Raises OrderIgnored if not, and FilterIgnored.

    A short page may be in order by chance, and rows in the order of another column may be in this order whatever was
    requested. Then the opposite order is requested as well, and must begin behind the page's last row. If it does not,
    or if the list has no order to request, the page must have all rows up to its last second. A page of one second
    proves nothing, and needs no order. `first_sort_key`: the page has every row from that sort key on.
    """
    listing, traits, last_sort_key = ordered.listing, ordered.traits, sorted_rows[-1].sort_key
    if traits.ordered or sorted_rows[0].sort_key == last_sort_key:
        return
    rows = [one.row for one in sorted_rows]
    if len(rows) < ROWS_TO_PROVE or any(monotone(rows, column) for column in listing.other_orders):
        if not listing.own_order:
            raw = listing.ask(ordered.params(first_sort_key - 1, reverse=True), limit=min(listing.limit, ROWS_TO_PROVE))
            sort_keys = list(map(ordered.second, listing.seconds_of(raw.rows)))
            if not sort_keys:
                return
        if listing.own_order or sort_keys[0] < last_sort_key:
            if first_sort_key > last_sort_key:
                return
            _prove_whole(ordered, first_sort_key, sorted_rows, sizer)
    traits.ordered = True


def _prove_whole(ordered: OrderedList, first_sort_key: int, sorted_rows: list[SortedRow], sizer: PageSizer) -> None:
    """Checks that a page has every row from `first_sort_key` to before its last sort key.

    Raises OrderIgnored if not, and FilterIgnored.

    An exclusive bound hides the rows of the sort key before the last one. If none of them comes, they are requested by
    bounds that lie outside; rows of the last sort key then show that the bound is inclusive, and has hidden none.
    """
    last_sort_key, keys = sorted_rows[-1].sort_key, {one.key for one in sorted_rows}
    for first, last in ((first_sort_key - 1, last_sort_key - 1), (last_sort_key - 2, last_sort_key)):
        low, high = sorted(map(ordered.second, (first, last)))
        raw = sizer.ask(ordered.listing, bounds(ordered.listing, low, high))
        check_filter(ordered.listing, raw.rows, low, high)
        sort_keys = {key(row): ordered.sort_key(row) for row in raw.rows}
        if last_sort_key in sort_keys.values():
            return
        hidden = (
            sort_key is None or first_sort_key <= sort_key < last_sort_key
            for one, sort_key in sort_keys.items()
            if one not in keys
        )
        if raw.may_go_on or any(hidden):
            raise OrderIgnored
        if last_sort_key - 1 in sort_keys.values() or first_sort_key >= last_sort_key:
            return


def monotone(rows: Sequence[Row], column: str) -> bool:
    """Whether the rows are in the order of a column, up or down."""
    values: list[Any] = [row.get(column) for row in rows]
    if not any(all(isinstance(value, kind) for value in values) for kind in (int, str)):
        return False
    ascending = sorted(values)
    return values in (ascending, ascending[::-1])
