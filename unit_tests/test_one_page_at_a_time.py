"""No page is in memory while the next one is read: where memory is short, that one would wait for it for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from source_amocrm.http.answer import Answer
from source_amocrm.http.memory import UNCOUNTED, Memory, Reservation
from source_amocrm.sync.batch import Batch, with_postdated
from source_amocrm.sync.lookup import observed
from source_amocrm.sync.read_keys import ReadKeys
from source_amocrm.sync.settle_buffer import settled
from source_amocrm.walk.either_direction import keyset_either_way
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import Answered, Listing, Page, RawPage, Row, each_page
from source_amocrm.walk.newest_first import newest_first
from source_amocrm.walk.page_number import by_page_number
from source_amocrm.walk.passes import first_versions, one_pass, passes_until_complete

from .fake_list import FakeList
from .test_delivery import NOW
from .test_stages import WHOLE

SIZE = 100 * UNCOUNTED


def page_memory(memory: Memory) -> Reservation:
    return Reservation.for_what_is_there(memory, 2 * UNCOUNTED)


def batches(memory: Memory) -> Iterator[Batch]:
    for number in range(5):
        assert memory.free() == SIZE
        row = {"id": number, "created_at": NOW - 60 - number, "updated_at": NOW - 60, "type": "born"}
        yield Batch("leads", Page([row], answered=(Answered(NOW - 1, NOW, memory=page_memory(memory)),)))


def never(*_: Any) -> Any:
    return pytest.fail("nothing is held back")


STAGES: dict[str, Callable[[Iterable[Batch]], Iterable[Batch | Row | None]]] = {
    "settled": lambda given: settled(given, "leads", lambda: 10, never, never),
    "remembered": lambda given: ReadKeys([WHOLE]).remembered(given),
    "observed": lambda given: observed(given, [], lambda: True),
    "with_postdated": with_postdated,
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage(name: str) -> None:
    memory = Memory(SIZE, small=0)
    came = 0
    for one in STAGES[name](batches(memory)):
        came += one is not None
        del one
    assert came == 5


WALKS: dict[str, Callable[[Listing], Iterator[Page | RawPage]]] = {
    # what the server does with order and filter is known: to learn that, a page is held while another is asked for
    "by date": lambda listing: keyset(listing, (0, NOW), ListTraits(ordered=True)),
    "in either direction": lambda listing: keyset_either_way(
        listing, (0, NOW), ListTraits(inclusive=True, ordered=True)
    ),
    "by page number": lambda listing: by_page_number(listing, None),
    "from the newest": lambda listing: newest_first(listing, 0),
    "in a pass": lambda listing: first_versions(one_pass(listing)),
    "in passes": lambda listing: passes_until_complete(listing.path, lambda: one_pass(listing), lasting=True),
    "each page": each_page,
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk(name: str) -> None:
    memory, things = Memory(SIZE, small=0), FakeList({own: own for own in range(1, 41)}, Random(0), limit=10)
    things.from_inclusive = True
    held: list[int] = []

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        held.append(SIZE - memory.free())
        return replace(things.fetch(path, params, shrinkable=shrinkable), memory=page_memory(memory))

    came = 0
    for page in WALKS[name](replace(things.listing(), fetch=fetch)):
        came += len(page.rows)
        del page
    assert came == 40
    assert held == [0] * len(held)
