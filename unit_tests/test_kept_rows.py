"""What lists that are read whole may take of the memory together."""

from __future__ import annotations

import tracemalloc
from itertools import count
from typing import Any

import pytest

from source_amocrm.http import Answer
from source_amocrm.http.reply import cost
from source_amocrm.walk import Listing
from source_amocrm.walk.full import full
from source_amocrm.walk.kept_rows import MOST_KEPT, KeptRows
from source_amocrm.walk.progress_rule import TooLong

MB = 1 << 20
ROW = {"id": 1, "name": "x" * (MB - 500)}
"""A row of almost a megabyte by `cost`."""


def kept(rows: KeptRows, path: str, most: int = 1_000) -> int:
    """How many rows of a list fit."""
    return next((taken for taken in range(most) if not rows.fits(path, [ROW])), most)


def test_one_list_alone_gets_eight_ninths() -> None:
    assert kept(KeptRows(), "/one") == MOST_KEPT * 8 // 9 // MB == 213


def test_lists_without_end_share_what_there_is_and_leave_room_for_a_short_one() -> None:
    rows, taken = KeptRows(), dict.fromkeys(map(str, range(26)), 0)
    going = set(taken)
    while going:
        for path in sorted(going):
            if rows.fits(path, [ROW]):
                taken[path] += 1
            else:
                going.remove(path)
    assert max(taken.values()) - min(taken.values()) <= 1
    assert 200 <= sum(taken.values()) <= 240
    assert rows.fits("a short list", [{"id": 1, "name": "x"}] * 1_000)


def test_rows_of_a_list_that_nobody_keeps_count_no_more() -> None:
    rows = KeptRows()
    assert kept(rows, "/one") == 213
    rows.forget("/one")
    assert kept(rows, "/two") == 213


def test_rows_count_by_the_memory_of_their_values() -> None:
    rows = KeptRows()
    for row in ({"id": 1}, {"id": 2, "a": [[], {}, "\ud83d"]}):
        assert rows.fits("/one", [row])
    texts = (b'[{"id": 1}]', '[{"id": 2, "a": [[], {}, "\ud83d"]}]'.encode("utf-8", "surrogatepass"))
    assert rows._taken["/one"] == sum(map(cost, texts))


def listing(path: str, rows: KeptRows) -> Listing:
    numbers = count(1)

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
        page = [{"id": next(numbers), "name": "x" * 1_000} for _ in range(params["limit"])]
        body = {"_links": {"next": {"href": "more"}}, "_embedded": {"things": page}}
        return Answer(body, 1_000_000, 1_000_000)

    return Listing(fetch, path, "things", kept=rows)


def test_a_list_without_end_is_left_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_amocrm.walk.kept_rows.MOST_KEPT", 4 * MB)
    rows = KeptRows()
    for path in ("/one", "/two"):
        with pytest.raises(
            TooLong, match=f"^amoCRM's list {path} goes on after 5,000,000 rows, or after more than the memory"
        ):
            full(listing(path, rows))
        assert not rows._taken


def test_the_rows_of_a_list_that_is_left_are_freed_though_its_failure_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_amocrm.walk.kept_rows.MOST_KEPT", 4 * MB)
    tracemalloc.start()
    try:
        with pytest.raises(TooLong) as failure:
            full(listing("/one", KeptRows()))
        assert tracemalloc.get_traced_memory()[0] < MB
    finally:
        tracemalloc.stop()
    assert failure.tb
