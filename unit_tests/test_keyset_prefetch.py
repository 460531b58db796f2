"""Pages requested before the walk has come to them: which, how many requests that takes, what a wrong guess costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.engine.event_reading import keyset_either_way
from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Answer
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import _Position, _Walk
from source_amocrm.walk.keyset_prefetch import Anchor, KeysetPrefetcher, KeysetWindow, best_window
from source_amocrm.walk.listing import RawPage
from source_amocrm.walk.server_order import PAIRS_TO_KNOW, ListTraits, OrderedList, SortedRow, monotone
from source_amocrm.walk.worker_pool import WorkerPool
from testing.combinations import one_in
from testing.fake_list import Delivered, FakeList, Ties, by_date, restless

T = TypeVar("T")
LIMIT = 10


class Prompt(WorkerPool):
    """Does what it is given at once, so that requests come in an order that is known."""

    def __init__(self, most: int) -> None:
        super().__init__(most, lambda: most)
        self.most = most
        self.given = 0

    def vacancies(self) -> int:
        return self.most

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        self.given += 1
        future: Future[T] = Future()
        try:
            future.set_result(task())
        except Exception as error:
            future.set_exception(error)
        return future


class Backwards(Prompt):
    """Waits until it was given so many tasks, then so many, and does the last of them first."""

    def __init__(self, *groups: int) -> None:
        super().__init__(max(groups))
        self._groups = list(groups)
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def vacancies(self) -> int:
        return sum(self._groups[:1]) - len(self._waiting)

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        future: Future[T] = Future()
        self._waiting.append((future, task))
        if len(self._waiting) == self._groups[0]:
            self._groups.pop(0)
            while self._waiting:
                waiting, do = self._waiting.pop()
                waiting.set_result(do())
        return future


class Asked(FakeList):
    """Remembers what it was asked: the edge of the filter (None without one), and the number of the page."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.from_inclusive = self.to_inclusive = True
        self.next_on_full_last_page = False
        self.asked: list[tuple[int | None, int]] = []
        self.shown: set[int] = set()
        self.ended = False

    def fetch(self, path: str, params: Any = None, *, shrinkable: bool = False) -> Any:
        if "asc" in params.values():
            self.asked.append((params.get("filter[updated_at][from]"), params["page"]))
        answer = super().fetch(path, params, shrinkable=shrinkable)
        if answer.body and "asc" in params.values():
            self.shown |= {row["id"] for row in answer.body["_embedded"]["things"]}
            self.ended |= not answer.body["_links"]
        return answer


def a_row_every(seconds: int, count: int, **how: Any) -> Asked:
    """Ids in another order than the rows, so that no page is in order by chance."""
    ids = list(range(1, count + 1))
    Random(5).shuffle(ids)
    rows = {own: place * seconds for place, own in enumerate(ids, 1)}
    return Asked(rows, Random(1), LIMIT, now=(count + 1) * seconds, **how)


def work_on(things: FakeList, own: int) -> None:
    things.rows[own] = things.now
    things.touched.add(own)


def read(things: FakeList, pool: WorkerPool | None) -> Delivered:
    delivered = Delivered(things)
    for page in by_date(things, (0, FOREVER), ListTraits(), True, pool):
        delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []
    return delivered


def test_windows_are_counted_from_rows_that_were_read() -> None:
    """Rows 100 s apart, so that number 9 is at 900: it begins the second page, two rows before the first one's end;
    the third begins two rows before that one's, which is ten rows behind number 7; and so on. No page is requested
    behind the last one, which has come and says that it is the last."""
    things = a_row_every(100, 40)
    read(things, Prompt(2))
    assert things.asked == [(None, 1), (899, 1), (699, 2), (499, 3), (299, 4)]


@pytest.mark.parametrize("most", [1, 3, 8])
def test_a_long_list_takes_no_more_requests_than_one_page_at_a_time(most: int) -> None:
    alone, helped = a_row_every(100, 400), a_row_every(100, 400)
    read(alone, None)
    pool = Prompt(most)
    read(helped, pool)
    assert pool.given >= 40
    assert len(helped.asked) <= len(alone.asked) * 1.15 + most


@pytest.mark.parametrize(("largest", "most"), [(250, 8), (125, 4), (50, 2), (25, 1)])
def test_the_larger_the_rows_the_fewer_pages_wait_ahead(largest: int, most: int) -> None:
    """`largest`: rows of the largest page that the server, or the memory, can take."""
    things = FakeList({own: own * 100 for own in range(1, 6_001)}, Random(1), 250, now=700_000)
    ahead = list[int]()

    def ask(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        if params["limit"] > largest:
            raise PageTooLarge("too large")
        return things.fetch(path, params, shrinkable=shrinkable)

    class Noting(Prompt):
        def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
            if prefetcher.limit == largest:  # now and then the full size is tried again
                ahead.append(len(prefetcher.requests) + 1)
            return super().submit_if_free(task)

    listing = replace(things.listing(Noting(20)), fetch=ask)
    walk = _Walk(OrderedList(listing, ListTraits(), True, (0, FOREVER)))
    prefetcher = walk._prefetcher
    assert sum(len(page.rows) for page in walk.pages(None)) == 6_000
    assert max(ahead) == most


@pytest.mark.parametrize(("low", "ahead"), [(0, 0), (100, 8), (700, 2)])
def test_as_many_pages_are_requested_ahead_as_the_list_may_have_left(low: int, ahead: int) -> None:
    """Events come newest first, one a second. Without a lower bound the first page does not tell where they end."""
    things = events_of_robots("asc", (), calm=800)
    walk = _Walk(OrderedList(things.listing(Prompt(9)), ListTraits(), False, (low, things.now)))
    pages = walk.pages(None)
    next(pages)
    assert len(walk._prefetcher.requests) == ahead


def test_rows_that_leave_in_between_cost_a_request_and_no_row() -> None:
    things = a_row_every(100, 200)

    def a_robot_takes_many(list_: FakeList) -> None:
        if list_.requests == 6:
            for own in [own for own, second in list_.rows.items() if 3_000 <= second <= 6_000][::2]:
                work_on(list_, own)

    things.change = a_robot_takes_many
    came = read(things, Prompt(4)).versions
    assert {own for own, _ in came} == set(things.rows)


def test_rows_that_leave_a_crowded_second_cost_no_request_for_each_page_behind_them() -> None:
    """Every page of the second is counted from its first row. Behind the rows that left, the pages must still join."""
    crowd = dict.fromkeys(range(41, 1541), 200)
    things = Asked(
        {own: 100 + own for own in range(1, 41)} | crowd | {own: own for own in range(1_541, 1_800)}, Random(1), 50
    )
    things.ties = "asc"

    def a_robot_takes_many(list_: FakeList) -> None:
        if list_.requests in (8, 12, 16):
            for own in sorted(own for own, second in list_.rows.items() if second == 200)[:20]:
                work_on(list_, own)

    things.change = a_robot_takes_many
    read(things, None)
    assert len(things.asked) < 1.5 * len(things.rows) / things.limit


def test_rows_that_change_while_the_last_pages_are_on_their_way_are_read_behind_the_end() -> None:
    """People are at work; the end of the list is read first, and then a row is edited whose page was not read yet."""
    things = a_row_every(100, 60)
    things.now = max(things.rows.values())

    def somebody_works(list_: FakeList) -> None:
        list_.now += 1
        unread = [own for own in list_.rows if own not in things.shown]
        if list_.requests == 3:
            work_on(things, min(things.shown))
        elif things.ended and unread and len(list_.touched) == 1:
            work_on(things, unread[0])

    things.change = somebody_works
    came = read(things, Backwards(4, 3)).versions
    assert len(things.touched) == 2
    assert {own for own, _ in came} == set(things.rows)


def sorted_rows(sort_keys: list[int], ids: Iterable[int]) -> list[SortedRow]:
    return [SortedRow(sort_key, own, {"id": own}) for sort_key, own in zip(sort_keys, ids, strict=True)]


def tied(ids: list[int]) -> list[SortedRow]:
    return sorted_rows([7] * len(ids), ids)


@pytest.mark.parametrize("step", [1, -1])
def test_the_order_of_ties_is_known_after_many_pairs(step: int) -> None:
    ties, ids = ListTraits(), list(range(100, 100 + step * (PAIRS_TO_KNOW + 1), step))
    before, one, after = (tied(ids)[place] for place in (3, 5, 6))
    ties.learn_ties(tied(ids[:-1]))
    assert not ties.is_no_later(before, one)
    ties.learn_ties(tied(ids[-2:]))
    assert ties.is_no_later(before, one)
    assert ties.is_no_later(one, one)
    assert not ties.is_no_later(after, one)


def test_one_pair_out_of_order_ends_what_is_known_of_ties() -> None:
    ties = ListTraits()
    ties.learn_ties(tied([*range(1, 60), 30]))
    ties.learn_ties(tied(list(range(100, 200))))
    assert not ties.is_no_later(*tied([3, 5]))


@pytest.mark.parametrize(
    ("ids", "joins"), [([40, 50, 60], True), ([50, 60], True), ([51, 60], False), ([50, 40, 60], False)]
)
def test_a_page_joins_by_the_order_of_ties_if_it_begins_no_later_and_all_its_ties_are_in_that_order(
    ids: list[int], joins: bool
) -> None:
    position = _Position(ListTraits(tied_pairs=PAIRS_TO_KNOW), 7, tied([50])[0], 3, {30, 40, 50})
    assert position.joins(tied(ids)) is joins


@pytest.mark.parametrize(("ids", "rows", "none"), [([3, 4], 2, True), ([3, 3], 2, False), ([2, 3], 2, False)])
def test_rows_are_new_if_none_is_delivered_and_none_comes_twice(ids: list[int], rows: int, none: bool) -> None:
    assert _Position(ListTraits(), 7, tied([2])[0], rows, {1, 2}).holds_none_of(tied(ids)) is none
    assert not _Position(ListTraits(), 7, tied([2])[0], rows + 1, {1, 2}).holds_none_of(tied(ids)), "keys are missing"


def test_rows_of_different_seconds_tell_nothing_of_ties() -> None:
    ties = ListTraits()
    ties.learn_ties(sorted_rows([*range(100)], range(100)))
    assert not ties.is_no_later(*tied([3, 5]))


def test_a_list_that_keeps_ties_in_the_order_of_ids_is_read_ahead_through_them() -> None:
    rows = {own: own // 25 * 1_000 for own in range(25, 525)}
    costs = []
    orders: tuple[Ties, ...] = ("asc", "shuffled")
    for ties in orders:
        things = Asked(rows.copy(), Random(2), 100, now=21_000)
        things.ties = ties
        read(things, Prompt(2))
        costs.append(len(things.asked))
    assert costs[0] < costs[1]


def events_of_robots(ties: Ties, crowds: tuple[int, ...], calm: int = 400) -> FakeList:
    """Events, the newest first: `calm` seconds with one of them, then one second with a crowd of them, and so on."""
    seconds: list[int] = []
    for crowd in (*crowds, 0):
        begun = len(seconds) + 100
        seconds += [*range(begun, begun + calm), *[begun + calm] * crowd]
    things = FakeList(
        dict(enumerate(seconds, 1)), Random(3), 100, cursor="created_at", own_order=False, now=len(seconds) + 1_000
    )
    things.ties, things.next_on_full_last_page = ties, False
    return things


def read_events(things: FakeList, pool: WorkerPool | None) -> int:
    """The requests that it took to read all events, each once."""
    pages = keyset_either_way(things.listing(pool), (1, things.now))
    came = [row["id"] for page in pages for row in page.rows]
    assert sorted(came) == sorted(things.rows)
    return things.requests


@pytest.mark.parametrize("most", [0, 1, 3, 8])
@pytest.mark.parametrize("ties", ["asc", "desc", "any"])
def test_a_second_with_many_events_costs_no_more_than_its_pages(ties: Ties, most: int) -> None:
    things = events_of_robots(ties, (40, 600, 130, 99, 250, 420))
    requests = read_events(things, Prompt(most) if most else None)
    assert requests <= 1.1 * len(things.rows) / things.limit + 2


@pytest.mark.parametrize("most", one_in(2, (1, 8)))
def test_one_second_with_many_events_does_not_make_the_pages_behind_it_smaller(most: int) -> None:
    """Its rows come in another order at each request, so that it must be read on its own."""
    things = events_of_robots("shuffled", (90, 1), calm=8_000)
    requests = read_events(things, Prompt(most))
    assert requests <= 1.1 * len(things.rows) / things.limit + 2


@pytest.mark.parametrize("most", [0, 4])
@pytest.mark.parametrize("seed", range(20))
def test_events_whose_order_changes_within_a_second_are_read_until_all_were_seen(seed: int, most: int) -> None:
    things = events_of_robots("shuffled", (40, 300, 130), calm=150)
    things.random = Random(seed)
    read_events(things, Prompt(most) if most else None)


@pytest.mark.parametrize("most", [0, 4])
def test_an_event_that_changed_places_with_a_delivered_one_comes_all_the_same(most: int) -> None:
    """The third page begins with the last event read, at its own position; one behind it was on the first page."""
    seconds = {**{own: own for own in range(1, 5)}, **dict.fromkeys(range(11, 41), 5)}
    things = FakeList(
        seconds | {own: own for own in range(41, 61)}, Random(1), 10, cursor="created_at", own_order=True, now=100
    )
    things.from_inclusive = things.to_inclusive = True
    swapped = {11: 26, 26: 11}
    things._tie = lambda own: swapped.get(own, own) if things.requests > 3 else own  # type: ignore[method-assign]
    read_events(things, Prompt(most) if most else None)


@pytest.mark.parametrize("most", [0, 4])
@pytest.mark.parametrize("seed", range(20))
def test_an_event_that_is_indexed_late_moves_those_behind_it_and_hides_none(seed: int, most: int) -> None:
    things = events_of_robots("any", (40, 300, 130), calm=150)
    things.random = Random(seed)
    things.change = restless("add_old", share=0.3)
    listing = things.listing(Prompt(most) if most else None)
    delivered = Delivered(things)
    for page in keyset_either_way(listing, (1, things.now)):
        delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []


@pytest.mark.parametrize(("inclusive", "counted"), [(True, 0), (False, 2)])
def test_rows_are_counted_only_from_where_a_page_is_sure_to_begin(inclusive: bool, counted: int) -> None:
    """If the bound shows the event of the second before, the page begins one position earlier; the rows moved there."""
    things = FakeList(
        {own: min(own, 6) for own in range(1, 41)}, Random(1), 10, cursor="created_at", own_order=True, now=100
    )
    things.from_inclusive = inclusive
    ordered = OrderedList(things.listing(), ListTraits(), True, (0, FOREVER))
    prefetcher = KeysetPrefetcher(ordered)
    raw = RawPage([], True, Answer(None, 0))
    first, other = sorted_rows([1, 2, 3, 4, 5, *[6] * 5], range(1, 11)), sorted_rows([6] * 10, range(6, 16))
    prefetcher.take_note(raw, KeysetWindow(-1, 1, 10, Anchor(0, 0)), first, False)
    prefetcher.take_note(raw, KeysetWindow(5, 1, 10, Anchor(5, 6)), other, False)
    joined = sorted_rows([6] * 10, [14, 15, *range(31, 39)])
    assert prefetcher.count_repeated(KeysetWindow(4, 2, 10, Anchor(3, 4, repeated=1)), joined) == 2, "begins at its row"
    assert things.requests == 0
    window = KeysetWindow(3, 2, 10, Anchor(3, 4, repeated=1))
    assert prefetcher.count_repeated(window, joined) == counted
    assert things.requests == 1
    for place in ([15, 14], [14, 15]):
        assert prefetcher.count_repeated(window, sorted_rows([6] * 10, [*place, *range(31, 39)])) == 0, "in two orders"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2, 2, 3], True), ([3, 2, 1], True), ([1, 3, 2], False), (["b", "a"], True), ([None, None], False)],
)
def test_monotone(values: list[Any], expected: bool) -> None:
    assert monotone([{"n": value} for value in values], "n") is expected


@pytest.mark.parametrize(
    ("wanted", "limit", "expected"),
    [
        (0, 250, (1, 250)),
        (249, 250, (2, 249)),
        (250, 250, (2, 250)),
        (497, 250, (3, 248)),
        (500, 250, (3, 250)),
        (100, 250, (2, 100)),
    ],
)
def test_the_window_from_one_anchor_begins_by_the_wanted_position(
    wanted: int, limit: int, expected: tuple[int, int]
) -> None:
    """A smaller limit moves the borders: page 2 of 249 rows begins with the row behind the first 249."""
    found = best_window([(Anchor(0, 7), 7)], wanted, wanted, limit)
    assert found
    if wanted == 100:
        assert (found.number, found.limit) == (1, 250)
    else:
        assert (found.number, found.limit) == expected


def test_the_anchor_that_reaches_farthest_is_taken() -> None:
    early, late = Anchor(0, 7), Anchor(300, 8)
    found = best_window([(late, 8), (early, 6)], 550, 551, 250)
    assert found
    assert (found.bound, found.number, found.limit, found.start, found.anchor) == (8, 2, 250, 550, late)


def test_a_window_with_hardly_a_new_row_is_none() -> None:
    assert best_window([(Anchor(0, 7), 7)], 0, 240, 250) is None
    assert best_window([(Anchor(10, 7), 7)], 5, 5, 250) is None


@given(st.integers(0, 200_000), st.integers(1, 40), st.sampled_from((50, 100, 250)))
def test_a_window_begins_no_later_than_wanted_and_brings_most_of_a_page(wanted: int, overlap: int, limit: int) -> None:
    found = best_window([(Anchor(0, 7), 7)], wanted, wanted + overlap, limit)
    if found is None:
        assert overlap > 0.5 * limit or limit == 50
        return
    assert found.limit <= limit
    assert (found.number - 1) * found.limit == found.start <= wanted
    assert found.start + found.limit > wanted + overlap
