"""Sets of seconds as spans: the same as sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.walk.intervals import FOREVER, Interval, IntervalSet

SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40))
SPANS = st.lists(SPAN, max_size=6)


def members(intervals: list[Interval]) -> set[int]:
    return {second for low, high in intervals for second in range(low, high + 1)}


@given(SPANS)
def test_the_parts_are_sorted_and_neither_overlap_nor_touch(intervals: list[Interval]) -> None:
    made = IntervalSet.of(intervals)
    assert all(low <= high for low, high in made.intervals)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(made.intervals))
    assert members(list(made.intervals)) == members(intervals)


@given(SPANS, SPANS, SPAN, st.integers(0, 41))
def test_union_difference_and_membership(
    one: list[Interval], other: list[Interval], cut: Interval, second: int
) -> None:
    assert members(list((IntervalSet.of(one) | IntervalSet.of(other)).intervals)) == members(one) | members(other)
    if cut[0] <= cut[1]:
        assert members(list((IntervalSet.of(one) - cut).intervals)) == members(one) - members([cut])
    assert (second in IntervalSet.of(one)) == (second in members(one))
    assert bool(IntervalSet.of(one)) == bool(members(one))


@given(SPANS, SPAN)
def test_a_span_is_covered_if_one_part_holds_it_whole(intervals: list[Interval], span: Interval) -> None:
    first, last = sorted(span)
    assert IntervalSet.of(intervals).covers((first, last)) == (members([(first, last)]) <= members(intervals))


def test_a_span_without_end() -> None:
    assert (IntervalSet(((0, FOREVER),)) - (11, FOREVER)).intervals == ((0, 10),)
