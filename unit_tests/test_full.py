"""A list read whole: once where its pages can be shown to join, and in passes where they cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.account.events_page_size import EventsPageSize
from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Answer, Params
from source_amocrm.walk.full import full, one_pass, passes_until_complete
from source_amocrm.walk.listing import Listing, RawPage
from testing.fake_list import FakeList, Ties

LIMIT = 50


def a_list(count: int, ties: Ties = "asc", **how: Any) -> FakeList:
    """Rows of one date, in the order of their ids."""
    things = FakeList(dict.fromkeys(range(1, count + 1), 7), Random(1), LIMIT, own_order=True, **how)
    things.ties, things.next_on_full_last_page = ties, False
    return things


@pytest.mark.parametrize("ties", ["asc", "desc"])
@pytest.mark.parametrize(("count", "requests"), [(0, 3), (1, 1), (49, 1), (50, 2), (51, 2), (500, 12), (2_000, 49)])
def test_a_list_in_the_order_of_ids_is_read_once(count: int, requests: int, ties: Ties) -> None:
    things = a_list(count, ties)
    assert [row["id"] for row in full(things.listing())] == list(range(1, count + 1))[:: 1 if ties == "asc" else -1]
    assert things.requests == requests


@pytest.mark.parametrize(("count", "requests"), [(100, 3), (500, 12), (2_000, 49)])
def test_a_page_that_was_requested_to_prove_the_end_is_not_requested_again(count: int, requests: int) -> None:
    """No page links to the next one, and the first is full."""
    things = a_list(count, never_next=True)
    assert [row["id"] for row in full(things.listing())] == list(range(1, count + 1))
    assert things.requests == requests


def test_a_page_that_nobody_promised_is_requested_once() -> None:
    """The last page is full and links to no next one, which comes empty."""
    things = a_list(100, never_next=True)
    assert [len(raw.rows) for raw in one_pass(things.listing())] == [50, 50, 0]
    assert things.requests == 3


def test_another_order_is_trusted_while_every_page_begins_with_the_expected_row() -> None:
    things = a_list(0)
    ids = list(range(1, 301))
    Random(3).shuffle(ids)
    things.rows = {own: second for second, own in enumerate(ids, 1)}
    assert len(full(things.listing())) == 300
    assert things.requests == 7


def test_a_row_that_jumps_across_a_page_is_found_in_another_pass() -> None:
    """The list comes by date, the newest last: it leaves a page that was not asked for yet."""
    things = a_list(0)
    ids = list(range(1, 301))
    Random(3).shuffle(ids)
    things.rows = {own: second for second, own in enumerate(ids, 1)}

    def jump(list_: FakeList) -> None:
        if list_.requests == 3:
            list_.rows[ids[20]] = list_.now

    things.change = jump
    assert {row["id"] for row in full(things.listing())} == set(ids)
    assert things.requests > 7


def test_a_row_that_moved_and_begins_the_next_page_all_the_same_hides_none_before_it() -> None:
    """The list comes by date. Five rows leave, the last row read moves behind five others, and the rest behind it."""
    ids = list(range(1, 31))
    Random(3).shuffle(ids)
    things = a_list(0)
    things.limit, things.rows = 10, {own: second for second, own in enumerate(ids, 1)}

    def move(list_: FakeList) -> None:
        if list_.requests == 2:
            list_.rows = {own: list_.rows[own] for own in ids[5:]}
            list_.rows |= {own: list_.now + place for place, own in enumerate((ids[9], *ids[15:]))}

    things.change = move
    assert {row["id"] for row in full(things.listing())} >= set(ids[5:])


class Undated(FakeList):
    """Shows nothing of what its order is by."""

    def fetch(self, path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        answer = super().fetch(path, params, shrinkable=shrinkable)
        for row in (answer.body or {"_embedded": {"things": []}})["_embedded"]["things"]:
            del row["updated_at"]
        return answer


def test_a_row_that_moved_unseen_shows_it_by_the_last_row_that_no_longer_follows() -> None:
    """The third page is to begin with the last row but one. Four rows leave, and that row moves behind the last one."""
    ids = list(range(1, 22))
    Random(3).shuffle(ids)
    things = Undated({own: second for second, own in enumerate(ids, 1)}, Random(1), 10, own_order=True)
    things.next_on_full_last_page = False

    def move(list_: FakeList) -> None:
        if list_.requests == 3:
            list_.rows = {own: list_.rows[own] for own in ids[4:]}
            list_.rows[ids[16]] = list_.now

    things.change = move
    assert {row["id"] for row in full(things.listing())} >= set(ids[4:])


@pytest.mark.parametrize(("count", "requests"), [(49, 1), (50, 2), (51, 1), (100, 2), (250, 2)])
def test_a_list_without_page_numbers_is_requested_twice_only_if_it_may_be_a_full_page(
    count: int, requests: int
) -> None:
    ids = list(range(count))
    Random(count).shuffle(ids)
    limits: list[int] = []

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
        limits.append(params["limit"])
        return Answer({"_total_items": count, "_embedded": {"things": [{"id": own} for own in ids]}}, 0)

    assert [row["id"] for row in full(Listing(fetch, "/api/v4/things", "things"))] == ids
    assert len(limits) == requests


@pytest.mark.parametrize("odd", [2**70, json.loads("[" * 300 + "]" * 300)])
def test_a_value_that_json_libraries_cannot_write_stops_no_list(odd: Any) -> None:
    things = a_list(120)
    given = things.fetch

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        answer = given(path, params, shrinkable=shrinkable)
        for row in (answer.body or {"_embedded": {"things": []}})["_embedded"]["things"]:
            row["odd"] = odd
        return answer

    rows = full(replace(things.listing(), fetch=fetch))
    assert [(row["id"], row["odd"]) for row in rows] == [(own, odd) for own in range(1, 121)]


class Kommo(FakeList):
    """Remembers the limits; above `most` it falls back to 50 rows."""

    limits: list[int]

    def fetch(self, path: str, params: Any = None, *, shrinkable: bool = False) -> Any:
        self.limits = [*getattr(self, "limits", []), params["limit"]]
        asked: Params = {**params, "limit": params["limit"] if params["limit"] <= (self.most or 0) else 50}
        most, self.most = self.most, None
        try:
            return super().fetch(path, asked, shrinkable=shrinkable)
        finally:
            self.most = most


@pytest.mark.parametrize(
    ("most", "count", "limits", "learned"),
    [
        (250, 1_000, [250, 250], 250),
        (100, 1_000, [250, 100], 100),
        (100, 30, [250, 250], 250),
        (100, 50, [250, 250], 250),
    ],
)
def test_the_largest_page_is_learned_from_the_length_of_the_first(
    most: int, count: int, limits: list[int], learned: int
) -> None:
    """A page that is the last tells nothing of it, and nothing of the end is told by it."""
    things = Kommo(dict.fromkeys(range(1, count + 1), 7), Random(1), 100, own_order=True, most=most)
    things.next_on_full_last_page = False
    pages = EventsPageSize()
    found, listing = pages.ask(things.listing(), {})
    assert len(found.rows) == min(count, most if most == 250 else 50)
    assert (pages.now, listing.limit) == (learned, learned)
    pages.ask(listing, {})
    assert things.limits == limits


def test_a_page_that_is_too_large_for_the_server_is_requested_in_the_documented_size() -> None:
    things = Kommo(dict.fromkeys(range(1, 501), 7), Random(1), 100, own_order=True, most=250)
    whole = things.fetch

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Any:
        if params["limit"] == 250:
            raise PageTooLarge("504")
        return whole(path, params, shrinkable=shrinkable)

    things.fetch = fetch  # type: ignore[method-assign]
    pages = EventsPageSize()
    found, listing = pages.ask(things.listing(), {})
    assert (len(found.rows), listing.limit, pages.now) == (100, 100, 100)


PAGE = 5


class Restless:
    """A list without order that a row enters after each pass, or that so many leave, one after each page."""

    def __init__(self, random: Random, rows: int, leaving: int = 0) -> None:
        self.random = random
        self.ids = list(range(rows))
        self.leaving = leaving
        self.entering = not leaving

    def read(self) -> Iterator[RawPage]:
        start = 0
        while start < len(self.ids):
            order = self.random.sample(self.ids, len(self.ids))
            rows = [{"id": own} for own in order[start : start + PAGE]]
            yield RawPage(rows, start + PAGE < len(order), Answer(None, 0))
            start += PAGE
            if self.leaving:
                self.leaving -= 1
                self.ids.remove(self.random.choice(self.ids))
        if self.entering:
            self.ids.append(len(self.ids))


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_list_that_rows_only_enter_is_read_to_its_end(random: Random, rows: int) -> None:
    things = Restless(random, rows)
    met = {row["id"] for raw in passes_until_complete("/api/v4/things", things.read, lasting=True) for row in raw.rows}
    assert met >= set(range(rows))


@pytest.mark.parametrize("leaving", [1, 4, 9])
@pytest.mark.parametrize("seed", range(8))
def test_a_list_that_rows_leave_is_read_until_two_passes_agree(seed: int, leaving: int) -> None:
    """Those that stay are all met, however the pages mix them up."""
    things = Restless(Random(seed), 30, leaving)
    met = {row["id"] for raw in passes_until_complete("/api/v4/things", things.read) for row in raw.rows}
    assert len(things.ids) == 30 - leaving
    assert met >= set(things.ids)
