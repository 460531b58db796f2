"""The queue of messages is bounded by the bytes in it, and by their number where they are small."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.airbyte.output import LEAST_COUNTED, MOST_QUEUED, Closed, Lines, MessageQueue


def row(size: int) -> Lines:
    """A row whose text has so many bytes."""
    return Lines("deals", [b"x" * size])


def put_until_full(queue: MessageQueue, message: Any) -> int:
    """How many are put before a thread waits; the rest comes as soon as one is taken."""
    done: list[int] = []

    def put() -> None:
        try:
            for number in range(1_000):
                queue.put(message)
                done.append(number)
        except Closed:
            pass

    thread = threading.Thread(target=put)
    thread.start()
    while thread.is_alive() and not queue.not_full._waiters:  # type: ignore[attr-defined]
        thread.join(0.001)
    number = len(done)
    queue.close()
    thread.join()
    return number


@pytest.mark.parametrize(
    ("size", "number"),
    [(8, 256), (LEAST_COUNTED, 256), (LEAST_COUNTED * 2, 128), (MOST_QUEUED // 2, 2), (MOST_QUEUED * 3, 1)],
)
def test_so_many_rows_wait_at_the_most(size: int, number: int) -> None:
    assert put_until_full(MessageQueue(), row(size)) == number


def test_what_is_no_packed_row_counts_as_little() -> None:
    record = AirbyteRecordMessage(stream="deals", data={"deal_id": 1, "text": "x" * MOST_QUEUED}, emitted_at=1)
    for message in (object(), ValueError(), AirbyteMessage(type=Type.RECORD, record=record)):
        assert put_until_full(MessageQueue(), message) == MOST_QUEUED // LEAST_COUNTED


def test_what_must_not_wait_is_put_into_a_full_queue() -> None:
    queue = MessageQueue()
    queue.put(row(MOST_QUEUED))
    queue.put_at_once("a status")
    assert [queue.get().stream, queue.get()] == ["deals", "a status"]


@given(st.lists(st.one_of(st.integers(8, LEAST_COUNTED * 3), st.none()), max_size=80))
def test_what_goes_in_comes_out_in_its_order(steps: list[int | None]) -> None:
    queue = MessageQueue()
    waiting: list[AirbyteMessage] = []
    for size in steps:
        if size is not None:
            waiting.append(row(size))
            queue.put(waiting[-1])
        elif waiting:
            assert queue.get() is waiting.pop(0)
    assert [queue.get() for _ in waiting] == waiting


def test_who_waits_for_room_hears_that_nobody_takes_any_more() -> None:
    queue = MessageQueue()
    put_until_full(queue, row(8))
    with pytest.raises(Closed):
        queue.put(row(8))
    with pytest.raises(Closed):
        queue.put_at_once(row(8))
