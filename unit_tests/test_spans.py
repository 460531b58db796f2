"""Sets of seconds as spans: the same as sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.walk.spans import FOREVER, Span, Spans

SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40))
SPANS = st.lists(SPAN, max_size=6)


def members(spans: list[Span]) -> set[int]:
    return {second for low, high in spans for second in range(low, high + 1)}


@given(SPANS)
def test_the_parts_are_sorted_and_neither_overlap_nor_touch(spans: list[Span]) -> None:
    made = Spans.of(spans)
    assert all(low <= high for low, high in made.parts)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(made.parts))
    assert members(list(made.parts)) == members(spans)


@given(SPANS, SPANS, SPAN, st.integers(0, 41))
def test_union_difference_and_membership(one: list[Span], other: list[Span], cut: Span, second: int) -> None:
    assert members(list((Spans.of(one) | Spans.of(other)).parts)) == members(one) | members(other)
    if cut[0] <= cut[1]:
        assert members(list((Spans.of(one) - cut).parts)) == members(one) - members([cut])
    assert (second in Spans.of(one)) == (second in members(one))
    assert bool(Spans.of(one)) == bool(members(one))


def test_a_span_without_end() -> None:
    assert (Spans(((0, FOREVER),)) - (11, FOREVER)).parts == ((0, 10),)
