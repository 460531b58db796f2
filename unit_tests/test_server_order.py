"""Whether a page is in the requested order because that was requested, or by chance."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import OrderIgnored
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.server_order import ROWS_TO_PROVE, ListTraits, OrderedList, SortedRow, prove_order
from testing.fake_list import FakeList

LIMIT = 10


class Stubborn(FakeList):
    """Lists its rows by id, whatever order is requested."""

    def _selected(self, params: Any) -> list[tuple[int, int]]:
        return sorted(super()._selected(params), key=lambda row: row[1])


def proven(
    things: FakeList,
    limit: int = LIMIT,
    size: int = LIMIT,
    own_order: bool = False,
    inclusive: bool = True,
    column: str = "nothing",
) -> tuple[bool, int]:
    """Whether the first page of seconds 1 and later proves the order, and the requests that this takes.

    `column`: one more in whose order the rows are.
    """
    things.from_inclusive = things.to_inclusive = inclusive
    listing = replace(things.listing(), limit=limit, own_order=own_order)
    ordered = OrderedList(listing, ListTraits(), True, (1, FOREVER))
    rows = [{**row, column: -place} for place, row in enumerate(listing.ask(ordered.params(0)).rows)]
    things.requests = 0
    prove_order(ordered, 1, [SortedRow(row["updated_at"], row["id"], row) for row in rows], PageSizer(size))
    return ordered.traits.ordered, things.requests


def by_date(count: int, shuffled: bool) -> FakeList:
    ids = list(range(1, count + 1))
    if shuffled:
        Random(5).shuffle(ids)
    return FakeList({own: second for second, own in enumerate(ids, 1)}, Random(1))


@pytest.mark.parametrize(
    ("rows", "shuffled", "column", "requests"),
    [
        (ROWS_TO_PROVE, True, "another", 0),
        (ROWS_TO_PROVE, True, "created_at", 1),
        (ROWS_TO_PROVE, False, "another", 1),
        (ROWS_TO_PROVE - 1, True, "another", 1),
    ],
)
def test_few_rows_or_rows_in_another_order_too_are_compared_with_the_opposite_order(
    rows: int, shuffled: bool, column: str, requests: int
) -> None:
    assert proven(by_date(100, shuffled), limit=rows, column=column) == (True, requests)


def test_a_page_of_one_second_proves_nothing_and_needs_no_order() -> None:
    assert proven(FakeList(dict.fromkeys(range(1, 30), 7), Random(1))) == (False, 0)


@pytest.mark.parametrize("own_order", [False, True])
@pytest.mark.parametrize(
    ("inclusive", "second", "requests"),
    [(True, 1, 1), (True, 5, 1), (True, 9, 1), (False, 1, 1), (False, 5, 1), (False, 8, 1), (False, 9, 2)],
)
def test_an_order_by_chance_that_hides_a_row_is_none(
    own_order: bool, inclusive: bool, second: int, requests: int
) -> None:
    things = Stubborn({own: own for own in range(1, 31)}, Random(1))
    things.rows[20] = second
    with pytest.raises(OrderIgnored):
        proven(things, own_order=own_order, inclusive=inclusive)
    assert things.requests == requests + (0 if own_order else 1)


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize(("own_order", "requests"), [(False, 2), (True, 1)])
def test_an_order_by_chance_that_hides_no_row_serves_as_well(own_order: bool, requests: int, inclusive: bool) -> None:
    things = Stubborn({own: own for own in range(1, 31)}, Random(1))
    things.rows[20] = 10  # of the page's last second, whose rows the walk reads next
    further = 0 if inclusive else 1  # for the second before the last one, which an exclusive bound hides
    assert proven(things, own_order=own_order, inclusive=inclusive) == (True, requests + further)


@pytest.mark.parametrize(("inclusive", "before"), [(True, 4), (False, 6)])
def test_a_crowded_second_at_the_end_of_the_page_hides_nothing_before_it(inclusive: bool, before: int) -> None:
    seconds = [1, 2, 3, before, *[7] * 3 * LIMIT, 8, 9]
    things = FakeList(dict(enumerate(seconds, 1)), Random(1), own_order=True)
    assert proven(things, own_order=True, inclusive=inclusive) == (True, 2)


def test_what_a_smaller_page_cannot_show_counts_as_hidden() -> None:
    with pytest.raises(OrderIgnored):
        proven(Stubborn({own: own for own in range(1, 31)}, Random(1)), size=5)
