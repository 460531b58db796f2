"""Which page a request asks for, so that it begins where it is wanted and reaches as far as it can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.walk.keyset_windows import Anchor, best_window


@pytest.mark.parametrize(
    ("wanted", "limit", "expected"),
    [
        (0, 250, (1, 250)),
        (249, 250, (2, 249)),
        (250, 250, (2, 250)),
        (497, 250, (3, 248)),
        (500, 250, (3, 250)),
        (100, 250, (2, 100)),
    ],
)
def test_from_one_anchor(wanted: int, limit: int, expected: tuple[int, int]) -> None:
    """A smaller limit moves the borders: page 2 of 249 rows begins with the row behind the first 249."""
    found = best_window([(Anchor(0, 7), 7)], wanted, wanted, limit)
    assert found
    if wanted == 100:
        assert (found.number, found.limit) == (1, 250)
    else:
        assert (found.number, found.limit) == expected


def test_the_anchor_that_reaches_farthest_is_taken() -> None:
    early, late = Anchor(0, 7), Anchor(300, 8)
    found = best_window([(late, 8), (early, 6)], 550, 551, 250)
    assert found
    assert (found.edge, found.number, found.limit, found.start, found.begins) == (8, 2, 250, 550, None)


def test_a_page_that_hardly_brings_anything_is_none() -> None:
    assert best_window([(Anchor(0, 7), 7)], 0, 240, 250) is None
    assert best_window([(Anchor(10, 7), 7)], 5, 5, 250) is None


@given(st.integers(0, 200_000), st.integers(1, 40), st.sampled_from((50, 100, 250)))
def test_it_begins_no_later_than_wanted_and_brings_most_of_a_page(wanted: int, overlap: int, limit: int) -> None:
    found = best_window([(Anchor(0, 7), 7)], wanted, wanted + overlap, limit)
    if found is None:
        assert overlap > 0.5 * limit or limit == 50
        return
    assert found.limit <= limit
    assert (found.number - 1) * found.limit == found.start <= wanted
    assert found.start + found.limit > wanted + overlap
