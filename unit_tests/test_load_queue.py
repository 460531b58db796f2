"""Rows on their way into the database: one row of each key, in order, typed, with what its columns could not hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest

from amocrm_warehouse.live_line import Step
from amocrm_warehouse.sync import load_queue as module
from amocrm_warehouse.sync.arrow_table import BATCH_BYTES, CHANGES, Table
from amocrm_warehouse.sync.connector import Batch
from amocrm_warehouse.sync.load_queue import LoadQueue, Waiting
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


def names(waiting: Waiting) -> list[tuple[int, str]]:
    return [(one["id"], one["name"]) for one in waiting.rows().to_pylist()]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("batch", [2, 1000])
def test_the_version_that_came_last_is_loaded(whole: bool, batch: int) -> None:
    """Also where it is dated before the other one: amoCRM takes back a date in the future."""
    things = table(whole=whole)
    rows = [row(1, "old", "2099-01-01T00:00:00Z"), row(2, "two"), row(1, "new"), row(3, "three")]
    batches = [things.batch(rows[start : start + batch], READ_AT) for start in range(0, len(rows), batch)]
    waiting = Waiting(things, batches, complete=True)
    assert waiting.count == 4
    assert names(waiting) == [(2, "two"), (1, "new"), (3, "three")]


def test_values_are_those_of_the_columns_types() -> None:
    things = table()
    changes = [{"field": "name", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]
    batches = [
        things.batch([row(1, sum=0.1, tags=[{"id": 2**70}])], READ_AT),
        things.batch([{**row(2, sum=1e30), CHANGES: changes}], READ_AT + 1),
    ]
    found = Waiting(things, batches, complete=False).rows().to_pylist()
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


class Loads(list[tuple[dict[str, tuple[list[tuple[int, str]], bool]], dict[str, str]]]):
    """Keeps what was loaded: the rows of each table and whether it is complete, and the states."""

    def __call__(self, taken: list[Waiting], states: Mapping[str, str]) -> None:
        self.append(({one.table.stream: (names(one), one.complete) for one in taken}, dict(states)))


@pytest.fixture
def loaded() -> Loads:
    return Loads()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_table_that_is_read_whole_is_loaded_once_it_is_complete(thread: ThreadPoolExecutor, loaded: Loads) -> None:
    queue = LoadQueue([table(whole=True)], thread, loaded)
    queue.add("things", table().batch([row(1, "one")], READ_AT))
    queue.cover("things", "{}")
    queue.finish()
    assert loaded == [], "a list that broke off replaces nothing, and its state covers nothing"
    queue.complete("things")
    queue.finish()
    assert loaded == [({"things": ([(1, "one")], True)}, {"things": "{}"})]
    queue.finish()
    assert len(loaded) == 1


def test_much_that_waits_is_loaded_though_its_list_has_not_ended(
    thread: ThreadPoolExecutor, loaded: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader collects it beside the table."""
    monkeypatch.setattr(module, "ROWS", 2)
    queue = LoadQueue([table(whole=True)], thread, loaded)
    for number in range(3):
        queue.add("things", table().batch([row(number)], READ_AT))
    queue.cover("things", "{}")
    queue.complete("things")
    queue.finish()
    assert loaded == [
        ({"things": ([(0, ""), (1, "")], False)}, {}), ({"things": ([(2, "")], True)}, {"things": "{}"}),
    ]  # fmt: skip


def test_a_page_of_cards_is_loaded_with_all_their_parts(
    thread: ThreadPoolExecutor, loaded: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 1)
    tables = [Table(name, SCHEMA, ["id"], whole=False) for name in ("cards", "parts", "things")]
    queue = LoadQueue(tables, thread, loaded, {"cards": "list", "parts": "list"})
    for number in (1, 2):
        queue.add("cards", table().batch([row(number)], READ_AT))
        queue.cover("cards", str(number))
        queue.add("things", table().batch([row(10 * number)], READ_AT))
        queue.add("parts", table().batch([row(100 * number)], READ_AT))
        queue.cover("parts", str(number))
        if number == 1:
            queue.end_page("list")
    queue.finish()
    assert loaded == [
        ({"things": ([(10, "")], False)}, {}),
        ({"cards": ([(1, "")], False), "parts": ([(100, "")], False)}, {"cards": "1", "parts": "1"}),
        ({"things": ([(20, "")], False)}, {}),
    ], "of a page that broke off nothing is loaded"
    queue.complete("cards")
    queue.end_page("list")
    queue.finish()
    assert loaded[3:] == [({"cards": ([(2, "")], True), "parts": ([(200, "")], False)}, {"cards": "2", "parts": "2"})]


def test_the_step_counts_loaded_rows_while_the_reading_waits(monkeypatch: pytest.MonkeyPatch, loaded: Loads) -> None:
    monkeypatch.setattr(module, "ROWS", 2)
    steps: list[tuple[bool, Step]] = []

    class Load(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            steps.append((queue.waits, queue.step()))
            super().result(timeout)

    class AtOnce(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            load = Load()
            load.set_result(fn(*args, **kwargs))
            return load

    queue = LoadQueue([table()], AtOnce(), loaded)
    for numbers in ((1, 2, 3), (4,)):
        queue.add("things", table().batch([row(number) for number in numbers], READ_AT))
    queue.finish()
    assert steps == [(True, Step("loading", done, 4, "rows")) for done in (0, 3)]
    assert (queue.waits, queue.step()) == (False, Step("loading", 4, 4, "rows"))


def test_an_empty_list_is_complete_too(thread: ThreadPoolExecutor, loaded: Loads) -> None:
    queue = LoadQueue([table()], thread, loaded)
    queue.complete("things")
    queue.finish()
    assert loaded == [({"things": ([], True)}, {})]


def test_large_rows_are_loaded_by_their_bytes(thread: ThreadPoolExecutor, loaded: Loads) -> None:
    queue = LoadQueue([table()], thread, loaded)
    large = "x" * (module.BYTES // 2)
    for number in range(5):
        queue.add("things", table().batch([row(number, large)], READ_AT))
    queue.finish()
    assert [[number for number, _ in rows["things"][0]] for rows, _ in loaded] == [[0, 1], [2, 3], [4]]


def test_a_state_is_loaded_though_no_rows_follow(
    thread: ThreadPoolExecutor, loaded: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = LoadQueue([table()], thread, loaded)
    queue.cover("things", "1")
    monkeypatch.setattr(module, "SECONDS", -1.0)
    queue.load_if_due()
    thread.submit(bool).result()
    assert loaded == [({}, {"things": "1"})]


def test_after_rows_that_were_not_loaded_none_are(thread: ThreadPoolExecutor) -> None:
    loaded: list[Mapping[str, str]] = []

    def load(_: list[Waiting], states: Mapping[str, str]) -> None:
        loaded.append(states)
        raise ValueError("no room")

    queue = LoadQueue([table()], thread, load)
    queue.add("things", table().batch([row(1)], READ_AT))
    queue.cover("things", "1")
    with pytest.raises(ValueError, match="no room"):
        queue.finish()
    queue.cover("things", "2")
    queue.finish()
    assert loaded == [{"things": "1"}], "its state would cover the rows that were lost"


def test_ctrl_c_at_any_line_leaves_no_state_ahead_of_its_rows() -> None:
    """Each run is interrupted one line later than the run before, then loads the rest as a sync does."""
    lines = 0
    while True:
        loaded = Loads()
        with ThreadPoolExecutor(1) as thread:
            queue = LoadQueue([table()], thread, loaded)
            lines, ended = lines + 1, _interrupted_at(lines, queue)
            queue.finish()
        rows = {number for taken, _ in loaded for number, _ in taken.get("things", ([], False))[0]}
        states = [int(states["things"]) for _, states in loaded if states]
        assert rows >= {*range(max(states, default=0))}
        if ended:
            break
    assert lines > 100


def _interrupted_at(line: int, queue: LoadQueue) -> bool:
    """Adds rows, each with its state and a load in between. Returns whether it came to its end before that line."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != module.__file__:
            return None
        left -= event == "line"
        if left == 0:
            raise KeyboardInterrupt
        return trace

    batches = [table().batch([row(number)], READ_AT) for number in range(4)]
    sys.settrace(trace)
    try:
        for number, batch in enumerate(batches):
            queue.add("things", batch)
            queue.cover("things", str(number + 1))
            if number % 2:
                queue._begin(queue._ready())
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(None)
    return True
