"""One reading for several readers: what one of them does with a failure is not the others' affair."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from source_amocrm.errors import Unavailable
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
    with pytest.raises(Unavailable):
        list(hasty)
    assert list(waiting) == ["the end"]
