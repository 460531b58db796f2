"""What a page tells of the next one, and what stands where its rows should be."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.http import Answer
from source_amocrm.walk.listing import FilterIgnored, Listing, MalformedList, RawPage, numeric_id, rows_of, seconds

ONE, OTHER = {"id": 1}, {"id": 2}
ROWS = [{"id": own} for own in range(1, 4)]


def a_page(limit: int, number: int = 1, **told: Any) -> RawPage:
    body = {"_embedded": {"things": ROWS}, **told}
    return Listing(lambda *_, **__: Answer(body, 0), "/api/v4/things", "things", limit).ask({}, number)


@pytest.mark.parametrize(
    ("limit", "told", "more", "full"),
    [
        (5, {}, False, False),
        (3, {}, False, True),
        (5, {"_links": {"next": {"href": "more"}}}, True, False),
        (3, {"_total_items": 3, "_page_count": 1}, False, True),
        (5, {"_total_items": 4}, True, False),
        (5, {"_page_count": 2}, True, False),
        (5, {"_total_items": 2, "_page_count": 1}, False, False),
        (5, {"_total_items": "many", "_page_count": None}, False, False),
    ],
)
def test_whether_another_page_follows(limit: int, told: dict[str, Any], more: bool, full: bool) -> None:
    raw = a_page(limit, **told)
    assert (raw.more, raw.full) == (more, full)


def test_the_counts_of_a_later_page_include_those_before_it() -> None:
    assert not a_page(5, 3, _total_items=13, _page_count=3).more
    assert a_page(5, 3, _total_items=14).more


@pytest.mark.parametrize("own", [3, None, [1], {"id": 1}])
def test_a_row_of_another_id_shows_that_the_filter_is_ignored(own: Any) -> None:
    body = {"_embedded": {"things": [ONE, {"id": own}]}}
    listing = Listing(lambda *_, **__: Answer(body, 0), "/api/v4/things", "things").of_ids([1, 2])
    with pytest.raises(FilterIgnored):
        listing.ask({})


@pytest.mark.parametrize(
    ("sent", "rows"),
    [
        ([ONE, OTHER], [ONE, OTHER]),
        ({"0": ONE, "5": OTHER}, [ONE, OTHER]),
        (ONE, [ONE]),
        ([], []),
        ({}, []),
        (None, []),
        ([{"id": "12"}, {"id": "01ky"}, {"id": None}], [{"id": 12}, {"id": "01ky"}, {"id": None}]),
    ],
)
def test_rows_come_in_every_shape_that_php_writes(sent: Any, rows: list[Any]) -> None:
    assert rows_of({"_embedded": {"leads": sent}}, "leads") == rows


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("x", "a text instead of rows in the list “leads”, so"),
        (7, "a number instead of rows in the list “leads”, so"),
        (
            [ONE, None],
            "null instead of rows in the list “leads” as number 2 of a page, after the one with the id 1,",
        ),
        ([[ONE]], "an array instead of rows in the list “leads” as number 1 of a page, so"),
    ],
)
def test_a_row_that_is_no_object_fails_the_list(sent: Any, said: str) -> None:
    with pytest.raises(MalformedList, match=said):
        rows_of({"_embedded": {"leads": sent}}, "leads")


@pytest.mark.parametrize(
    ("sent", "own"),
    [(5, 5), ("5", 5), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("٣", None), ("", None), (True, None), (5.0, None)],
)
def test_an_id_may_be_sent_as_text(sent: Any, own: int | None) -> None:
    assert numeric_id(sent) == own


@pytest.mark.parametrize(
    ("sent", "second"),
    [(1, 1), ("12", 12), (0, None), (-5, None), (None, None), ("x", None), ([], None), (253402300800, None)],
)
def test_a_timestamp_that_no_state_can_hold_is_none(sent: Any, second: int | None) -> None:
    assert seconds(sent) == second
