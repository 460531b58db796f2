"""Which window of a list reaches farthest, by all windows that there are."""

from __future__ import annotations

import pytest

from source_amocrm.walk.page_size import PageWindow, following, reaching

POSITIONS = range(500)


def farthest(position: int, most: int) -> PageWindow:
    windows = [PageWindow(position // limit * limit, limit) for limit in range(1, most + 1)]
    return max(windows, key=lambda window: (window.end, window.limit))


@pytest.mark.parametrize("most", [*range(1, 30), 49, 50, 125, 249, 250])
def test_no_window_reaches_farther_and_none_that_reaches_as_far_has_more_rows(most: int) -> None:
    assert [reaching(position, most) for position in POSITIONS] == [farthest(position, most) for position in POSITIONS]


def test_a_window_follows_if_it_begins_before_the_end_and_reaches_behind_it() -> None:
    for most in (1, 2, 3, 7, 50):
        for end in POSITIONS[1:]:
            window = farthest(end - 1, most)
            assert following(end, most) == (window if window.end > end else None)
