"""The walks over a list whose rows move between requests: whatever stays what it was comes once, and they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_amocrm.walk.by_page_number import in_id_order, newest_first
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import AN_HOUR
from source_amocrm.walk.listing import OrderIgnored, PageCheckpoint
from source_amocrm.walk.server_order import ListTraits
from source_amocrm.walk.worker_pool import WorkerPool
from testing.fake_list import NOW, Delivered, FakeList, by_date, either_way, restless

SEEDS = st.integers(0, 2**32)
LIMITS = st.integers(2, 9)
walks = settings(max_examples=150, deadline=None)


def a_list(seed: int, limit: int, *verbs: str, **how: Any) -> FakeList:
    """Some dozens of rows, of a few seconds or of many, and one second of a robot's mass edit."""
    random = Random(seed)
    latest = random.choice((10, 60, 2_000))
    seconds = [random.randint(1, latest) for _ in range(random.randint(0, 60))]
    seconds += [random.randint(1, latest)] * random.choice((0, 0, limit, 3 * limit + 1))
    random.shuffle(seconds)
    change = restless(*verbs, share=random.choice((0.0, 0.1, 0.5)))
    things = FakeList(dict(enumerate(seconds, 1)), random, limit, change, **how)
    things.never_next = things.most in (None, limit) and not (things.always_next or things.hidden) and seed % 4 == 0
    return things


@contextmanager
def walkers(most: int) -> Iterator[WorkerPool | None]:
    """Hands for so many pages ahead; None for a walk that asks for one page at a time."""
    pool = WorkerPool(most, lambda: most)
    try:
        yield pool if most else None
    finally:
        pool.shut_down()


@walks
@given(SEEDS, LIMITS, st.integers(0, 50), st.booleans(), st.booleans(), st.integers(0, 4))
def test_keyset_delivers_every_unchanged_row_once(
    seed: int, limit: int, low: int, ascending: bool, endless: bool, ahead: int
) -> None:
    things = a_list(seed, limit, "edit", "delete", "add")
    delivered = Delivered(things)
    high = FOREVER if endless and ascending else 60
    with walkers(ahead) as pool:
        for page in by_date(things, (low, high), ListTraits(), ascending, pool):
            delivered.take(page)
    assert delivered.missing(low, high) == []
    assert delivered.twice() == []
    assert all(low <= second <= high for _, second in delivered.versions)


@walks
@given(SEEDS, st.integers(6, 12), st.integers(2, 4))
def test_keyset_through_mass_edits(seed: int, limit: int, ahead: int) -> None:
    """Every page ends among rows of one second, which come in any order, and another one the next time."""
    random = Random(seed)
    seconds = [place // random.randint(3, limit) * 10 for place in range(10, 150)]
    things = FakeList(dict(enumerate(seconds, 1)), random, limit, restless("edit", "delete", share=0.1))
    delivered = Delivered(things)
    with walkers(ahead) as pool:
        for page in by_date(things, (0, FOREVER), ListTraits(), True, pool):
            delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []


@settings(max_examples=50, deadline=None)
@given(SEEDS, LIMITS, st.integers(0, 4), st.integers(1, 3))
def test_keyset_does_not_chase_a_robot(seed: int, limit: int, ahead: int, pages: int) -> None:
    """Before every request a robot changes more rows than a page holds; others lie in the past and in the future."""
    random = Random(seed)
    robots = range(1, 10 * limit)
    seconds = {own: random.randint(1, 2_000) for own in range(1, 20 * limit)}
    seconds |= {own: NOW + random.randint(10, 20) * AN_HOUR for own in range(20 * limit, 23 * limit)}

    def robot(things: FakeList) -> None:
        things.now += 1
        for own in random.sample(robots, pages * limit):
            things.rows[own] = things.now
            things.touched.add(own)

    things, traits = FakeList(seconds, random, limit, robot), ListTraits()
    delivered = Delivered(things)
    with walkers(ahead) as pool:
        for page in by_date(things, (0, FOREVER), traits, True, pool):
            delivered.take(page)
    assert traits.behind or traits.ties_broken
    assert delivered.missing() == []
    assert delivered.twice() == []


def test_rows_without_a_date_that_fill_a_page_are_left_to_a_walk_without_dates() -> None:
    things = FakeList({own: own for own in range(1, 30)}, Random(1), limit=4)
    whole = things.fetch

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Any:
        answer = whole(path, params, shrinkable=shrinkable)
        assert answer.body
        for row in answer.body["_embedded"]["things"]:
            row["updated_at"] = None if row["id"] <= 6 else row["updated_at"]
        return answer

    things.fetch = fetch  # type: ignore[method-assign]
    with pytest.raises(OrderIgnored):
        list(by_date(things, (0, FOREVER), ListTraits(), True, None))


@walks
@given(SEEDS, LIMITS, st.booleans(), st.integers(1, 50), st.integers(0, 4))
def test_events_come_once_in_whichever_order_the_server_lists_them(
    seed: int, limit: int, ascending: bool, low: int, ahead: int
) -> None:
    """Rows that do not change, in an order that is not told."""
    things = a_list(seed, limit, cursor="created_at", own_order=ascending)
    delivered = Delivered(things)
    with walkers(ahead) as pool:
        for page in either_way(things, (low, 1_000), pool):
            delivered.take(page)
    assert sorted(own for own, _ in delivered.versions) == [
        own for own, second in things.rows.items() if low <= second <= 1_000
    ]


@walks
@given(SEEDS, LIMITS, st.integers(1, 2_000), st.booleans())
def test_newest_first_delivers_every_unchanged_row_once(seed: int, limit: int, since: int, always_next: bool) -> None:
    things = a_list(seed, limit, "edit", "delete", "restore", always_next=always_next)
    delivered = Delivered(things)
    try:
        for page in newest_first(things.listing(), since):
            delivered.take(page)
    except OrderIgnored:
        assert limit <= 6  # so small pages cannot overlap everywhere, and another walk takes over
        return
    assert delivered.missing(since) == []
    assert delivered.twice() == []


def test_newest_first_misses_no_row_if_others_leave_the_pages_before() -> None:
    """Then the next page begins behind the rows read."""
    things = FakeList({own: 1_000 - own for own in range(1, 61)}, Random(1), 10)

    def leave(list_: FakeList) -> None:
        if list_.requests == 3:
            for own in range(1, 9):
                list_.touched.add(own)
                del list_.rows[own]

    things.change = leave
    delivered = Delivered(things)
    for page in newest_first(things.listing(), 900):
        delivered.take(page)
    assert len(things.touched) == 8
    assert delivered.missing() == []
    assert delivered.twice() == []


def test_newest_first_meets_every_row_of_a_crowded_second_in_no_order_and_soon() -> None:
    """The second goes over nine pages and begins in the middle of one. Its rows change places between requests."""
    requests = []
    for seed in range(20):
        rows = {own: 1_000 - own for own in range(1, 31)} | dict.fromkeys(range(31, 101), 900)
        things = FakeList(rows | {own: 900 - own for own in range(101, 141)}, Random(seed), 8)
        things.ties, things.next_on_full_last_page = "shuffled", False
        delivered = Delivered(things)
        for page in newest_first(things.listing(), 800):
            delivered.take(page)
        assert delivered.missing(800) == []
        assert delivered.twice() == []
        requests.append(things.requests)
    assert sum(requests) < 2_300


@walks
@given(SEEDS, st.integers(8, 25), st.integers(0, 3), st.booleans(), st.integers(0, 4))
def test_in_id_order_delivers_every_unchanged_row_once(
    seed: int, limit: int, cut: int, always_next: bool, ahead: int
) -> None:
    """The server gives `cut` rows less than a page was asked to have."""
    things = a_list(seed, limit, "edit", "delete", "restore", "add", most=limit - cut, always_next=always_next)
    assert_in_id_order_delivers_all(things, ahead)


@walks
@given(SEEDS, st.integers(8, 25), st.integers(1, 25), st.integers(0, 4))
def test_in_id_order_reads_pages_of_the_server_s_own_size(seed: int, limit: int, most: int, ahead: int) -> None:
    things = a_list(seed, limit, "edit", "delete", most=max(6, min(most, limit - 1)), always=True)
    assert_in_id_order_delivers_all(things, ahead)


@walks
@given(SEEDS, st.integers(8, 25), st.integers(1, 24), st.integers(0, 4))
def test_in_id_order_reads_a_list_whose_first_page_hides_rows(seed: int, limit: int, hidden: int, ahead: int) -> None:
    """All but one or more; the places of a second are always the same, for hidden rows cannot be counted."""
    things = a_list(seed, limit, "edit", hidden=min(hidden, limit - 1))
    things.ties = "asc"
    things.touched.update(range(1, things.hidden + 1))
    assert_in_id_order_delivers_all(things, ahead)


def assert_in_id_order_delivers_all(things: FakeList, ahead: int) -> None:
    delivered = Delivered(things)
    with walkers(ahead) as pool:
        for page in in_id_order(things.listing(pool)):
            delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []


def test_in_id_order_reads_a_list_once_with_a_checkpoint_after_every_page() -> None:
    things = FakeList(dict.fromkeys(range(1, 501), 7), Random(1), limit=50)
    things.next_on_full_last_page = False
    pages = list(in_id_order(things.listing()))
    assert [row["id"] for page in pages for row in page.rows] == list(range(1, 501))
    assert [page.checkpoint and page.checkpoint.after_id for page in pages] == [page.rows[-1]["id"] for page in pages]
    assert things.requests == len(pages) == 12
    rest = list(in_id_order(things.listing(), pages[5].checkpoint))
    assert [row["id"] for page in rest for row in page.rows] == [row["id"] for page in pages[6:] for row in page.rows]
    assert things.requests == 12 + len(rest) == 12 + 6


def test_in_id_order_delivers_ids_of_zero_and_below() -> None:
    things = FakeList(dict.fromkeys((-7, 0, *range(1, 10)), 7), Random(1), hidden=-9)
    assert [row["id"] for page in in_id_order(things.listing()) for row in page.rows] == [-7, 0, *range(1, 10)]


@walks
@given(SEEDS, st.integers(8, 25), st.integers(1, 12), st.booleans(), st.integers(0, 4))
def test_in_id_order_resumes_from_a_checkpoint(
    seed: int, limit: int, pages: int, always_next: bool, ahead: int
) -> None:
    """Killed after some pages, and gone on with from the last mark, with people at work in between."""
    things = a_list(seed, limit, "edit", "delete", "restore", "add", always_next=always_next)
    delivered = Delivered(things)
    checkpoint: PageCheckpoint | None = None
    with walkers(ahead) as pool:
        for page, _ in zip(in_id_order(things.listing(pool)), range(pages), strict=False):
            delivered.take(page)
            checkpoint = page.checkpoint or checkpoint
        for _ in range(things.random.choice((0, 1, 3, 40))):
            getattr(things, things.random.choice(("delete", "delete", "restore", "edit")))()
        for page in in_id_order(things.listing(pool), checkpoint):
            delivered.take(page)
    assert delivered.missing() == []
