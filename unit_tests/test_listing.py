"""What a page tells of the next one."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.http.answer import Answer
from source_amocrm.walk.listing import Listing, RawPage

ROWS = [{"id": own} for own in range(1, 4)]


def a_page(limit: int, number: int = 1, **told: Any) -> RawPage:
    body = {"_embedded": {"things": ROWS}, **told}
    return Listing(lambda *_, **__: Answer(body, 0, 0), "/api/v4/things", "things", limit).ask({}, number)


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
