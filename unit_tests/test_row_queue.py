"""The queue of rows is bounded by the bytes in it, and by the rows where they are small."""

from __future__ import annotations

from queue import Empty, Full
from typing import Any

import pytest
from airbyte_cdk.sources.types import Record
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.airbyte.packed_row import packed
from source_amocrm.airbyte.row_queue import LEAST, MOST, RowQueue


def row(size: int) -> Record:
    """A row whose text has so many bytes."""
    return Record(packed({"a": "x" * (size - len('{"a":""}'))}), "deals")


@pytest.mark.parametrize(("size", "number"), [(8, 256), (LEAST, 256), (LEAST * 2, 128), (MOST // 2, 2), (MOST * 3, 1)])
def test_so_many_rows_wait_at_the_most(size: int, number: int) -> None:
    queue = RowQueue()
    for _ in range(number):
        queue.put_nowait(row(size))
    with pytest.raises(Full):
        queue.put_nowait(row(8))


def test_what_is_no_packed_row_counts_as_little() -> None:
    queue = RowQueue()
    for item in [object(), ValueError(), Record({"deal_id": 1, "packed": "x" * MOST}, "deals")] * 86:
        if queue.full():
            break
        queue.put_nowait(item)
    assert queue.qsize() == 256 * LEAST


@given(st.lists(st.one_of(st.integers(8, MOST), st.none())))
def test_what_goes_in_comes_out_in_its_order(steps: list[int | None]) -> None:
    queue = RowQueue()
    waiting: list[Record] = []
    for size in steps:
        if size is None:
            assert _taken(queue) == (waiting.pop(0) if waiting else None)
        elif not queue.full():
            waiting.append(row(size))
            queue.put_nowait(waiting[-1])
        assert queue.empty() is not bool(waiting)
    assert [_taken(queue) for _ in waiting] == waiting
    assert queue.qsize() == 0


def _taken(queue: RowQueue) -> Any:
    try:
        return queue.get_nowait()
    except Empty:
        return None
