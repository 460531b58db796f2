"""Which window of a list reaches farthest, by all windows that there are, and how large a page is requested."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Answer, Params
from source_amocrm.walk.listing import Listing, RawPage
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.page_windows import PageWindow, following, reaching
from source_amocrm.walk.progress_rule import Endless, PageProgress

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


def first_rows(count: int, more: bool) -> RawPage:
    return RawPage([{"id": own} for own in range(count)], more, Answer(None, 0), full=True)


def test_a_server_that_ignores_page_numbers_has_sent_its_list_whatever_the_size_of_its_pages() -> None:
    progress = PageProgress("/api/v4/things")
    assert [progress.meet(first_rows(count, more=False)) for count in (5, 3, 4, 5)] == [True, True, True, False]


def test_a_page_that_is_repeated_and_names_a_next_one_is_the_end_of_a_walk() -> None:
    progress = PageProgress("/api/v4/things")
    assert all(progress.meet(first_rows(count, more=True)) for count in (5, 4, 5, 5, 5))
    with pytest.raises(Endless):
        progress.meet(first_rows(5, more=True))


def test_a_size_that_stays_too_large_is_tried_ever_more_seldom() -> None:
    tried: list[int] = []
    most = 50

    def ask(_: Params, limit: int) -> None:
        tried.append(limit)
        if limit > most:
            raise PageTooLarge("504")

    sizer, listing = PageSizer(250), cast(Listing, SimpleNamespace(ask=ask))

    def tries(pages: int) -> int:
        """How many of the requests for these pages are of the full size."""
        tried.clear()
        for _ in range(pages):
            sizer.ask(listing, {})
        return tried.count(250)

    assert tries(10 + 20 + 40 + 80) == 4
    most = 250
    assert tries(3) == 3, "it has been answered"
    most = 50
    assert tries(10 + 20) == 2
