"""What stands where the rows of a list should be."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.http.answer import Answer
from source_amocrm.walk.embedded import MalformedList, embedded_rows, numeric_id
from source_amocrm.walk.listing import raw_page, seconds

ONE, OTHER = {"id": 1}, {"id": 2}


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
def test_rows(sent: Any, rows: list[Any]) -> None:
    assert embedded_rows("leads", sent) == rows


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
def test_what_is_no_row_is_not_passed_over(sent: Any, said: str) -> None:
    with pytest.raises(MalformedList, match=said):
        raw_page(Answer({"_embedded": {"leads": sent}}, 0, 0), "leads")


@pytest.mark.parametrize(
    ("sent", "own"),
    [(5, 5), ("5", 5), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("٣", None), ("", None), (True, None), (5.0, None)],
)
def test_an_id(sent: Any, own: int | None) -> None:
    assert numeric_id(sent) == own


@pytest.mark.parametrize(
    ("sent", "second"),
    [(1, 1), ("12", 12), (0, None), (-5, None), (None, None), ("x", None), ([], None), (253402300800, None)],
)
def test_a_date_that_a_state_can_hold(sent: Any, second: int | None) -> None:
    assert seconds(sent) == second
