"""Answers take no more memory together than there is, and give all of it back."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.http import memory
from source_amocrm.http.body import cost, measured
from source_amocrm.http.memory import MEASURED, UNCOUNTED, Memory, Reservation

MB = 1 << 20
SIZE = 100 * MB
HUGE = 1 << 62


@pytest.fixture(autouse=True)
def resident(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Says how many bytes the process takes; until then, so many that nothing is allowed because of it."""

    def say(size: int) -> None:
        monkeypatch.setattr(memory, "resident", lambda: size)

    say(HUGE)
    return say


@given(st.lists(st.tuples(st.integers(0, SIZE * 2), st.sampled_from([1, 2, 3]), st.booleans())))
def test_never_more_than_there_is(asked: list[tuple[int, int, bool]]) -> None:
    """Each is refused or gets what it asks for, at most its share of what was free; what is dropped is free again."""
    shared = Memory(SIZE)
    held: list[Reservation] = []
    for size, share, dropped in asked:
        free = SIZE - sum(one.size for one in held)
        assert shared.free() == free
        one = Reservation(shared, HUGE, share)
        try:
            one.reach(size)
        except MemoryError:
            assert size > UNCOUNTED
            assert size * share > free
        else:
            assert one.size == (size if size > UNCOUNTED else 0)
            assert one.size * share <= free
            held.append(one)
        if dropped and held:
            del held[0]
        del one
    held.clear()
    assert shared.free() == SIZE


def test_it_grows_and_is_settled() -> None:
    shared = Memory(SIZE)
    one = Reservation(shared, 50 * MB)
    for size in (10 * MB, 30 * MB, 20 * MB):
        one.reach(size)
    assert (one.size, shared.free()) == (30 * MB, 70 * MB)
    with pytest.raises(MemoryError):
        one.reach(50 * MB + 1)
    one.settle(12 * MB)
    assert (one.size, shared.free()) == (12 * MB, 88 * MB)
    one.settle(40 * MB)
    assert one.size == 12 * MB
    del one
    assert shared.free() == SIZE


def test_what_is_needed_only_to_make_it_is_given_back() -> None:
    shared = Memory(SIZE)
    one, empty = Reservation(shared, SIZE), Reservation(shared, SIZE)
    one.reach(40 * MB)
    one.reach(30 * MB, 10 * MB)
    empty.reach(20 * MB)
    assert shared.free() == 40 * MB
    one.made()
    empty.made()
    assert (one.size, empty.size, shared.free()) == (10 * MB, 0, 90 * MB)


def test_what_is_there_counts_though_it_is_more_than_was_free() -> None:
    shared = Memory(SIZE)
    held = [Reservation.for_what_is_there(shared, size) for size in (70 * MB, 60 * MB)]
    assert shared.free() == SIZE - 130 * MB
    with pytest.raises(MemoryError):
        Reservation(shared, SIZE).reach(2 * MB)
    del held[0]
    Reservation(shared, SIZE).reach(40 * MB)
    held.clear()
    assert shared.free() == SIZE


def test_it_waits_for_others_as_long_as_it_may() -> None:
    shared = Memory(SIZE)
    others = [Reservation(shared, SIZE)]
    others[0].reach(60 * MB)
    with pytest.raises(MemoryError):
        Reservation(shared, SIZE, patience=0.1).reach(50 * MB)
    threading.Timer(0.1, others.clear).start()
    late = Reservation(shared, SIZE, patience=60)
    late.reach(50 * MB)
    assert (late.size, shared.free()) == (50 * MB, 50 * MB)


def test_what_hangs_in_a_circle_is_found_before_it_waits() -> None:
    shared = Memory(SIZE)
    circle: list[object] = [Reservation(shared, SIZE)]
    circle.append(circle)
    assert isinstance(circle[0], Reservation)
    circle[0].reach(60 * MB)
    del circle
    Reservation(shared, SIZE, patience=60).reach(60 * MB)


def test_a_small_process_may_take_more_than_was_estimated(resident: Callable[[int], None]) -> None:
    shared = Memory(SIZE, small=150 * MB)
    resident(50 * MB)
    held = [Reservation(shared, SIZE) for _ in range(3)]
    for one in held[:2]:
        one.reach(50 * MB, 50 * MB)
    assert shared.is_scarce, "they are not made yet, so that the system cannot tell of them"
    with pytest.raises(MemoryError):
        held[2].reach(2 * MB)
    resident(90 * MB)
    for one in held[:2]:
        one.made()
    assert (shared.free(), shared.is_short, shared.is_scarce) == (60 * MB, False, False)
    held[2].reach(60 * MB, 60 * MB)
    held[2].made()
    resident(120 * MB)
    assert (shared.free(), shared.is_short, shared.is_scarce) == (30 * MB, True, False)
    del one, held
    assert shared.free() == SIZE


@pytest.mark.parametrize(
    ("size", "others", "worth"),
    [
        (MEASURED[0], 80 * MB, False),
        (MEASURED[0] + MB, 80 * MB, True),
        (MEASURED[0] + MB, 60 * MB, False),
        (MEASURED[1] + MB, 40 * MB, False),
    ],
)
def test_it_is_measured_only_where_memory_is_scarce_and_that_may_help(size: int, others: int, worth: bool) -> None:
    shared = Memory(SIZE)
    first, one = Reservation(shared, SIZE), Reservation(shared, SIZE)
    first.reach(others)
    one.reach(size)
    assert one.is_worth_measuring is worth


def test_the_size_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert MB < memory.resident() < HUGE or not memory._STATM.exists()
    monkeypatch.setattr(memory, "_STATM", memory._STATM / "missing")
    assert memory.resident() == HUGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


@given(st.lists(JSON, min_size=1).map(orjson.dumps))
def test_neither_the_estimate_nor_the_measure_is_too_low(data: bytes) -> None:
    """A hundred copies, so that what is not the value's own does not count."""
    many = b"[" + b",".join([data] * 100) + b"]"
    orjson.loads(many)
    tracemalloc.start()
    try:
        value = orjson.loads(many)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken <= measured(value) + 1024
    assert taken <= cost(many) + 1024
