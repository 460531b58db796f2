"""The walks over lists in which many rows bear one date, as after an import or a robot's edits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.full import full
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.server_order import ListTraits
from source_amocrm.walk.worker_pool import WorkerPool
from testing.fake_list import Delivered, FakeList, by_date, either_way, restless

T = TypeVar("T")
VERBS = ("edit", "delete", "restore", "add", "add_old")
SEEDS = st.integers(0, 2**32)
LIMITS = st.sampled_from((5, 8, 13, 24, 40))
walks = settings(max_examples=200, deadline=None)


class Muddle(WorkerPool):
    """Does what it is given in any order."""

    def __init__(self, most: int, random: Random) -> None:
        super().__init__(most, lambda: most)
        self._most = most
        self._random = random
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._more = threading.Condition()
        self._over = False
        threading.Thread(target=self._serve, daemon=True).start()

    def vacancies(self) -> int:
        return self._most - len(self._waiting)

    def submit(self, task: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._more:
            self._waiting.append((future, task))
            self._more.notify()
        return future

    def submit_if_free(self, task: Callable[[], T]) -> Future[T] | None:
        return self.submit(task)

    def shut_down(self) -> None:
        with self._more:
            self._over = True
            self._more.notify()

    def _serve(self) -> None:
        while True:
            with self._more:
                while not self._waiting and not self._over:
                    self._more.wait()
                if not self._waiting:
                    return
            time.sleep(0.0002)
            with self._more:
                future, task = self._waiting.pop(self._random.randrange(len(self._waiting)))
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:
                    future.set_exception(error)


@contextmanager
def muddled(most: int, seed: int) -> Iterator[WorkerPool | None]:
    """Helpers that ask in any order; None for a walk that asks for one page at a time."""
    pool = Muddle(most, Random(seed))
    try:
        yield pool if most else None
    finally:
        pool.shut_down()


def crowded(seed: int, limit: int, *verbs: str, **how: Any) -> FakeList:
    """Some pages of rows, of which one, some, a page or many share each second."""
    random = Random(seed)
    seconds: list[int] = []
    second = random.randint(1, 50)
    while len(seconds) < random.choice((limit, 4 * limit, 10 * limit)):
        size = random.choice((1, 1, limit // 2, limit - 1, limit, limit + 1, 3 * limit + 1, 10 * limit))
        seconds += [second] * random.choice((size, random.randint(1, size)))
        second += random.choice((1, 1, 2, 40))
    ids = list(range(1, len(seconds) + 1))
    if random.random() < 0.7:
        random.shuffle(ids)
    change = restless(*verbs, share=random.choice((0.0, 0.1, 0.5, 1.0)))
    things = FakeList(dict(zip(ids, seconds, strict=True)), random, limit, change, **how)
    things.ties = random.choice(("asc", "asc", "desc", "any", "shuffled"))
    things.never_next = not {"most", "always_next"} & {name for name, set_ in how.items() if set_} and seed % 4 == 0
    return things


@walks
@given(SEEDS, LIMITS, st.integers(0, 60), st.booleans(), st.integers(0, 4), st.booleans(), st.booleans())
def test_keyset_delivers_crowded_seconds_once(
    seed: int, limit: int, low: int, ascending: bool, ahead: int, always_next: bool, false_ends: bool
) -> None:
    things = crowded(seed, limit, *VERBS, always_next=always_next, false_ends=0.2 * false_ends)
    delivered, high = Delivered(things), FOREVER if ascending else 80
    with muddled(ahead, seed) as pool:
        for page in by_date(things, (low, high), ListTraits(), ascending, pool):
            delivered.take(page)
    assert delivered.missing(low, high) == []
    assert delivered.twice() == []


@walks
@given(SEEDS, st.sampled_from((13, 24, 40)), st.integers(8, 30), st.integers(0, 4))
@example(247_416, 40, 11, 0)  # windows of 8 to 11 rows led in a circle, for each page had 11
def test_keyset_where_the_server_gives_smaller_pages(seed: int, limit: int, most: int, ahead: int) -> None:
    """To who asks for more than so many rows, or always."""
    always = seed % 2 == 0
    verbs = ("edit", "delete") if always else VERBS
    things = crowded(seed, limit, *verbs, most=min(most, limit - 1), always=always)
    delivered = Delivered(things)
    with muddled(ahead, seed) as pool:
        for page in by_date(things, (0, FOREVER), ListTraits(), True, pool):
            delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []


@walks
@given(SEEDS, LIMITS, st.booleans(), st.integers(1, 60), st.integers(0, 4))
def test_events_of_crowded_seconds_come_once_in_whichever_order_the_server_lists_them(
    seed: int, limit: int, ascending: bool, low: int, ahead: int
) -> None:
    """Rows that do not change, in an order that is not told."""
    things = crowded(seed, limit, cursor="created_at", own_order=ascending)
    delivered = Delivered(things)
    with muddled(ahead, seed) as pool:
        for page in either_way(things, (low, 1_000), pool):
            delivered.take(page)
    assert sorted(own for own, _ in delivered.versions) == sorted(
        own for own, second in things.rows.items() if low <= second <= 1_000
    )


@walks
@example(3_672_092_076, 8, False, 0)
@example(1_338, 13, False, 0)  # the passes alone miss a row here, for others leave and come back
@given(SEEDS, LIMITS, st.booleans(), st.integers(0, 4))
def test_full_delivers_every_unchanged_row_once(seed: int, limit: int, in_order: bool, ahead: int) -> None:
    """A list in the order of ids, or in one that edits change."""
    things = crowded(seed, limit, "edit", "delete", "restore", "add")
    things.own_order = True
    things.ties = "asc"
    if in_order:
        things.rows = dict.fromkeys(things.rows, 7)
        things.change = restless("delete", "restore", "add", share=0.5)
    delivered = Delivered(things)
    with muddled(ahead, seed) as pool:
        rows = full(things.listing(pool))
    delivered.versions = [(row["id"], row["updated_at"]) for row in rows]
    assert delivered.missing() == []
    assert len(rows) == len({row["id"] for row in rows})


@walks
@example(39, 39, 12, 0)
@given(SEEDS, st.integers(24, 40), st.integers(2, 12), st.integers(0, 4))
def test_a_second_that_was_joined_by_an_order_of_ties_which_breaks_is_read_again(
    seed: int, limit: int, requests: int, ahead: int
) -> None:
    """What was joined by it is read again: all comes, some of it twice."""
    random = Random(seed)
    seconds = [place // random.randint(2 * limit, 4 * limit) for place in range(10 * limit)]
    things = FakeList({own: 10 + second for own, second in enumerate(seconds, 1)}, random, limit)
    things.ties = "asc"
    left = random.randint(1, limit)

    def change(list_: FakeList) -> None:
        if list_.requests == requests:
            list_.ties = "shuffled"
            for own in range(1, left + 1):
                list_.rows.pop(own, None)
                list_.touched.add(own)

    things.change = change
    delivered = Delivered(things)
    with muddled(ahead, seed) as pool:
        for page in by_date(things, (0, FOREVER), ListTraits(), True, pool):
            delivered.versions += [(row["id"], row["updated_at"]) for row in page.rows]
    assert delivered.missing() == []


@walks
@given(SEEDS, st.integers(26, 60), st.integers(0, 4), st.booleans())
def test_where_pages_are_too_large_for_the_server_smaller_ones_are_read(
    seed: int, limit: int, ahead: int, always_next: bool
) -> None:
    """Now and then: then smaller ones come, down to 25 rows."""
    things = crowded(seed, limit, *VERBS, always_next=always_next)
    things.ties = "asc"
    chance, whole = Random(seed), things.fetch

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Any:
        if shrinkable and chance.random() < 0.2:
            raise PageTooLarge("504")
        return whole(path, params, shrinkable=shrinkable)

    things.fetch = fetch  # type: ignore[method-assign]
    delivered = Delivered(things)
    with muddled(ahead, seed) as pool:
        for page in by_date(things, (0, FOREVER), ListTraits(), True, pool):
            delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []


@pytest.mark.parametrize("ascending", [True, False])
def test_seconds_of_events_that_each_fill_pages_take_few_more_requests_than_pages(ascending: bool) -> None:
    """Each first page is of one second; the page on which that second ends shows in which order the list is."""
    things = FakeList(
        {own: own // 33 for own in range(33, 1_320)},
        Random(1),
        10,
        cursor="created_at",
        own_order=ascending,
        types="mixed",
    )
    things.ties = "asc"
    delivered = Delivered(things)
    for page in either_way(things, (0, 1_000), None):
        delivered.take(page)
    assert delivered.missing() == []
    assert delivered.twice() == []
    assert things.requests < 2 * 129


@pytest.mark.parametrize("ascending", [True, False])
def test_a_list_in_the_order_of_types_is_not_taken_for_one_in_the_order_of_time(ascending: bool) -> None:
    """The first and the last second are of one type, the others of three."""
    rows = {own: own // 99 for own in range(99, 990) if 198 <= own < 891 or own % 3 == 0}
    things = FakeList(rows, Random(1), 10, cursor="created_at", own_order=ascending, types="sorted")
    things.ties = "asc"
    delivered = Delivered(things)
    for page in either_way(things, (0, 1_000), None):
        delivered.take(page)
    assert delivered.missing() == []
