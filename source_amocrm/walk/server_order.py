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


class Ranked(NamedTuple):
    """A row with its rank (see OrderedList) and its key."""

    rank: int
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

    def learn_ties(self, ranked: Sequence[Ranked]) -> None:
        """Learns from rows that were not seen before."""
        for step in _steps(ranked):
            self.ties_broken = self.ties_broken or step == 0 or step * self.tied_pairs < 0
            self.tied_pairs += step

    def ties_hold_for(self, ranked: Sequence[Ranked]) -> bool:
        """Whether the order of ties is known and these rows are in it."""
        return self.ties_known and all(step * self.tied_pairs > 0 for step in _steps(ranked))

    def is_no_later(self, one: Ranked, last: Ranked) -> bool:
        """Whether `one` comes no later than `last`, a row of the same second, so that no row is between the two."""
        return self.ties_known and (one.key == last.key or compare(one.key, last.key) * self.tied_pairs > 0)


def _steps(ranked: Sequence[Ranked]) -> list[int]:
    """How each row compares to the next one, where both are of one second."""
    return [compare(one.key, other.key) for one, other in pairwise(ranked) if one.rank == other.rank]


@dataclass
class OrderedList:
    """A list in ascending or descending order of its cursor field, over an interval of seconds.

    A rank is a second counted in the direction of the walk: the second itself in an ascending walk, the negated second
    in a descending one. Ranks never fall, and a walk goes from `first_rank` to `last_rank`. A bound is the rank that
    the filter starts from.
    """

    listing: Listing
    traits: ListTraits
    ascending: bool
    interval: Interval

    def __post_init__(self) -> None:
        self.first_rank, self.last_rank = sorted(map(self.second, self.interval))

    def second(self, rank: int) -> int:
        """The second of a rank, and the rank of a second."""
        return rank if self.ascending else -rank

    def seconds_between(self, first: int, last: int) -> Interval | None:
        """The seconds from the rank `first` to the rank `last`; None if there are none."""
        low, high = sorted(map(self.second, (first, last)))
        return (low, high) if first <= last else None

    def rank(self, row: Row) -> int | None:
        second = seconds(row.get(self.listing.cursor))
        return second if second is None or self.ascending else -second

    def params(self, bound: int, reverse: bool = False) -> dict[str, int | str]:
        """The parameters that request the rows from a rank on, in order; with `reverse` in the opposite order."""
        order = {f"order[{self.listing.cursor}]": "asc" if self.ascending is not reverse else "desc"}
        return {**bounds(self.listing, *self.seconds_from(bound)), **order}

    def seconds_from(self, bound: int) -> tuple[int, int]:
        """The seconds from `bound` to one second past the interval, for the filter's bound may be exclusive."""
        low, high = sorted(map(self.second, (bound, self.last_rank + 1)))
        return low, high

    def check(self, rows: list[Row], bound: int) -> None:
        """Checks the filter of a page. Raises FilterIgnored."""
        if self.second(bound) in check_filter(self.listing, rows, *self.seconds_from(bound)):
            self.traits.inclusive = True

    def bound_of(self, rank: int) -> int:
        """The bound that shows all rows of a rank: the rank itself if bounds are known to be inclusive, else the rank
        before it."""
        return rank if self.traits.inclusive else rank - 1

    def learn_bound(self, rank: int) -> None:
        """Requests one row at a rank that has rows, to learn whether the filter's bound is inclusive."""
        rows = self.listing.ask(self.params(rank), limit=1).rows
        self.check(rows, rank)
        if rows and not self.traits.inclusive:
            self.traits.inclusive = False


def prove_order(ordered: OrderedList, first_rank: int, ranked: list[Ranked], sizer: PageSizer) -> None:
    """Checks that a page is in order because that order was requested. Raises OrderIgnored if not, and FilterIgnored.

    A short page may be in order by chance, and rows in the order of another column may be in this order whatever was
    requested. Then the opposite order is requested as well, and must begin behind the page's last row. If it does not,
    or if the list has no order to request, the page must have all rows up to its last second. A page of one second
    proves nothing, and needs no order. `first_rank`: the page has every row from that rank on.
    """
    listing, traits, last_rank = ordered.listing, ordered.traits, ranked[-1].rank
    if traits.ordered or ranked[0].rank == last_rank:
        return
    rows = [one.row for one in ranked]
    if len(rows) < ROWS_TO_PROVE or any(monotone(rows, column) for column in listing.other_orders):
        if not listing.own_order:
            raw = listing.ask(ordered.params(first_rank - 1, reverse=True), limit=min(listing.limit, ROWS_TO_PROVE))
            ranks = list(map(ordered.second, listing.seconds_of(raw.rows)))
            if not ranks:
                return
        if listing.own_order or ranks[0] < last_rank:
            if first_rank > last_rank:
                return
            _prove_whole(ordered, first_rank, ranked, sizer)
    traits.ordered = True


def _prove_whole(ordered: OrderedList, first_rank: int, ranked: list[Ranked], sizer: PageSizer) -> None:
    """Checks that a page has every row from `first_rank` to before its last rank. Raises OrderIgnored if not, and
    FilterIgnored.

    An exclusive bound hides the rows of the rank before the last one. If none of them comes, they are requested by
    bounds that lie outside; rows of the last rank then show that the bound is inclusive, and has hidden none.
    """
    last_rank, keys = ranked[-1].rank, {one.key for one in ranked}
    for first, last in ((first_rank - 1, last_rank - 1), (last_rank - 2, last_rank)):
        low, high = sorted(map(ordered.second, (first, last)))
        raw = sizer.ask(ordered.listing, bounds(ordered.listing, low, high))
        check_filter(ordered.listing, raw.rows, low, high)
        ranks = {key(row): ordered.rank(row) for row in raw.rows}
        if last_rank in ranks.values():
            return
        hidden = (rank is None or first_rank <= rank < last_rank for one, rank in ranks.items() if one not in keys)
        if raw.may_go_on or any(hidden):
            raise OrderIgnored
        if last_rank - 1 in ranks.values() or first_rank >= last_rank:
            return


def monotone(rows: Sequence[Row], column: str) -> bool:
    """Whether the rows are in the order of a column, up or down."""
    values: list[Any] = [row.get(column) for row in rows]
    if not any(all(isinstance(value, kind) for value in values) for kind in (int, str)):
        return False
    ascending = sorted(values)
    return values in (ascending, ascending[::-1])
