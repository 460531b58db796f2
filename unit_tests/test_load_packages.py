"""Rows on their way into a load package: one row of each key, in order, typed, with what its columns could not hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amocrm_warehouse.sync import load_packages as packages_module
from amocrm_warehouse.sync import row_buffer as rows_module
from amocrm_warehouse.sync.arrow_table import BATCH_BYTES, CHANGES, Table
from amocrm_warehouse.sync.connector import Batch
from amocrm_warehouse.sync.duckdb_destination import memory_for
from amocrm_warehouse.sync.load_packages import Packages
from amocrm_warehouse.sync.row_buffer import LoadError, Rows, TakenRows, slices
from source_amocrm.airbyte.output import LEAST_COUNTED, MessageQueue

SCHEMA = {
    "properties": {
        "id": {"type": ["null", "integer"]},
        "name": {"type": ["null", "string"]},
        "sum": {"type": ["null", "number"]},
        "tags": {"type": ["null", "array"]},
        "updated_at": {"type": ["null", "string"], "format": "date-time"},
    }
}
READ_AT = 1_700_000_000_000


def table(*, whole: bool = False) -> Table:
    return Table("things", SCHEMA, ["id"], whole=whole)


def row(number: int, name: str = "", at: str = "2026-01-01T00:00:00Z", **columns: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "sum": 1, "tags": [], "updated_at": at, **columns}


def names(waiting: TakenRows) -> list[tuple[int, str]]:
    return [(one["id"], one["name"]) for part in waiting for one in part.to_pylist()]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("batch", [2, 1000])
def test_the_version_that_came_last_is_loaded(
    whole: bool, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is dated before the other one: amoCRM takes back a date in the future. Also from a file."""
    monkeypatch.setattr(rows_module, "IN_MEMORY", 0)
    waiting = Rows(table(whole=whole), tmp_path)
    rows = [row(1, "old", "2099-01-01T00:00:00Z"), row(2, "two"), row(1, "new"), row(3, "three")]
    for start in range(0, len(rows), batch):
        waiting.add(waiting.table.batch(rows[start : start + batch], READ_AT))
    assert waiting.count == 4
    assert names(waiting.take()) == [(2, "two"), (1, "new"), (3, "three")]
    assert waiting.count == 0


def test_values_are_those_of_the_columns_types(tmp_path: Path) -> None:
    things = table()
    waiting = Rows(things, tmp_path)
    changes = [{"field": "name", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]
    waiting.add(things.batch([row(1, sum=0.1, tags=[{"id": 2**70}])], READ_AT))
    waiting.add(things.batch([{**row(2, sum=1e30), CHANGES: changes}], READ_AT + 1))
    [found] = [part.to_pylist() for part in waiting.take()]
    assert [str(one["sum"]) for one in found] == ["0.100000000", "None"]
    assert things.left_out()[0].startswith("1 numbers of things.sum have more than 29 digits")
    assert json.loads(found[0]["tags"]) == [{"id": 2**70}]
    assert found[0][CHANGES] is None
    assert json.loads(found[1][CHANGES]) == [
        *changes, {"field": "sum", "change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"},
    ]  # fmt: skip
    assert f"{found[1]['_airbyte_extracted_at']:%Y-%m-%d %H:%M:%S.%f}" == "2023-11-14 22:13:20.001000"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([100] * 250, [250]), ([BATCH_BYTES // 2] * 5, [1, 1, 1, 1, 1]), ([BATCH_BYTES // 4] * 7, [3, 3, 1]), ([], [])],
)
def test_rows_wait_as_batches_that_count_by_their_bytes(sizes: list[int], expected: list[int]) -> None:
    """`sizes`: letters of each row of a list. `expected`: rows of each batch."""
    rows, queue = [row(number, "x" * size) for number, size in enumerate(sizes)], MessageQueue()
    batches = list(table().batches(rows, READ_AT))
    assert [batch.num_rows for batch in batches] == expected
    assert [number for batch in batches for number in batch.column(0).to_pylist()] == [*range(len(sizes))]
    for batch in batches:
        queue.put_at_once(Batch("things", batch))
    assert queue.qsize() == sum(max(LEAST_COUNTED, batch.nbytes) for batch in batches)


def test_a_disk_without_room_for_a_table_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "IN_MEMORY", 0)
    (tmp_path / "things.arrow").symlink_to("/dev/full")
    waiting = Rows(table(whole=True), tmp_path)
    with pytest.raises(LoadError, match=rf"^Rows under way cannot be kept in {tmp_path}: No space left on device\."):
        waiting.add(waiting.table.batch([row(1, "x" * 10_000_000)], READ_AT))


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_table_that_is_read_whole_is_loaded_once_it_is_complete(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    loaded: list[Any] = []

    def load(waiting: list[TakenRows], states: dict[str, str]) -> None:
        loaded.append(([names(one) for one in waiting], states))

    packages = Packages([table(whole=True)], tmp_path, thread, load)
    packages.add("things", table().batch([row(1, "one")], READ_AT))
    packages.cover("things", "{}")
    packages.finish()
    assert loaded == [], "a list that broke off replaces nothing, and its state covers nothing"
    packages.complete("things")
    packages.finish(load)
    assert loaded == [([[(1, "one")]], {"things": "{}"})]
    packages.finish(load)
    assert loaded[1:] == [([], {})], "the last package is loaded though it holds no rows"


def test_a_package_of_large_rows_is_due_by_its_bytes(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    loaded: list[list[int]] = []

    def load(waiting: list[TakenRows], _: dict[str, str]) -> None:
        loaded.append([number for one in waiting for number, _ in names(one)])

    packages = Packages([table()], tmp_path, thread, load)
    large = "x" * (13 << 20)
    for number in range(5):
        packages.add("things", table().batch([row(number, large)], READ_AT))
    packages.finish()
    assert loaded == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([], [0]),
        ([(250, 1_000_000)] * 10, [4, 4, 2]),
        ([(250, 100)] * 41, [40, 1]),
        ([(1, 31_000_000), (1, 31_000_000), (250, 100)], [1, 1, 1]),
    ],
)
def test_arrow_tables_end_by_rows_and_by_bytes(batches: list[tuple[int, int]], expected: list[int]) -> None:
    """`expected`: the batches of each table."""
    assert list(slices(batches)) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], 0), ([100] * 4, 300), ([100, 100, 9_000, 100, 100], 9_200), ([9_000, *[100] * 9, 7_000], 9_200)],
)
def test_the_bytes_at_once_are_of_rows_that_stand_together(
    sizes: list[int], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One large row among small ones counts once. `sizes`: letters of each row; three rows are worked on at once."""
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 3)
    waiting, empty = Rows(table(), tmp_path), Rows(table(), tmp_path)
    for number, size in enumerate(sizes):
        waiting.add(waiting.table.batch([row(number, "x" * size)], READ_AT))
    empty.add(empty.table.batch([row(0)], READ_AT))
    of_a_row = empty.take().at_once
    rows = min(3, len(sizes))
    assert waiting.take().at_once - rows * of_a_row == expected


@pytest.mark.parametrize(
    ("sizes", "expected"), [([], 64_000_000), ([100, 50], 64_001_200), ([300_000_000], 1_000_000_000)]
)
def test_the_memory_of_duckdb_grows_with_the_rows_of_a_package(sizes: list[int], expected: int) -> None:
    """`sizes`: bytes of the rows at once, by table."""
    package = [SimpleNamespace(at_once=size) for size in sizes]
    assert memory_for(cast("list[TakenRows]", package)) == expected


def test_a_state_is_loaded_though_no_rows_follow(
    thread: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[dict[str, str]] = []
    packages = Packages([table()], tmp_path, thread, lambda _, states: loaded.append(states))
    packages.cover("things", "1")
    monkeypatch.setattr(packages_module, "SECONDS", -1.0)
    packages.send_if_due()
    thread.submit(bool).result()
    assert loaded == [{"things": "1"}]


def test_after_a_package_that_failed_none_is_loaded(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    loaded: list[dict[str, str]] = []

    def load(_: list[TakenRows], states: dict[str, str]) -> None:
        loaded.append(states)
        raise ValueError("no room")

    packages = Packages([table()], tmp_path, thread, load)
    packages.add("things", table().batch([row(1)], READ_AT))
    packages.cover("things", "1")
    with pytest.raises(ValueError, match="no room"):
        packages.finish()
    packages.cover("things", "2")
    packages.finish(load)
    assert loaded == [{"things": "1"}], "its state would cover the rows that were lost"
