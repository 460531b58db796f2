"""One reading for several readers: what one of them does with a failure is not the others' affair."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from source_amocrm.errors import Unavailable, let_go
from source_amocrm.walk.broadcast import Broadcast, Subscription


def broken() -> Iterator[int]:
    yield 1
    raise Unavailable("Later.")


def patient(subscription: Subscription[int]) -> Iterator[int | str]:
    """Says what comes, and goes on after a failure."""
    try:
        yield from subscription
    except Unavailable as error:
        yield str(error)
    yield "the end"


def test_a_failure_that_one_reader_lets_go_of_ends_no_other() -> None:
    broadcast = Broadcast("things", broken)
    waiting, hasty = patient(broadcast.subscribe()), broadcast.subscribe()
    broadcast.start()
    assert [next(waiting), next(waiting)] == [1, "Later."]
    with pytest.raises(Unavailable) as caught:
        list(hasty)
    let_go(caught.value)
    assert list(waiting) == ["the end"]
    assert caught.value.__traceback__ is None


def test_while_memory_is_short_an_item_waits_for_its_readers() -> None:
    asked = threading.Event()
    begun: list[int] = []

    def is_short() -> bool:
        asked.set()
        return True

    def items() -> Iterator[int]:
        for number in range(3):
            begun.append(number)
            yield number

    broadcast = Broadcast("things", items, is_short)
    subscription = broadcast.subscribe()
    broadcast.start()
    assert asked.wait(60)
    assert begun == [0]
    assert list(subscription) == [0, 1, 2]
