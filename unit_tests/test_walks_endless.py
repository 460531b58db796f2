"""Lists without an end: their rows are delivered in parts, and what is kept of them does not grow with them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from source_amocrm.http.answer import Answer
from source_amocrm.walk.interval_set import FOREVER
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import Listing, Page
from source_amocrm.walk.page_number import by_page_number

NOW = 1_000_000
PAGES = 600
MOST_BYTES = 12_000_000


def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
    """Ever new rows, all of one second, in the order of their ids."""
    first = (params["page"] - 1) * params["limit"]
    rows = [{"id": first + place + 1, "updated_at": 7, "name": "x" * 500} for place in range(params["limit"])]
    if any(value == "desc" for value in params.values()):
        rows = [{"id": 10**9 - row["id"], "updated_at": NOW} for row in rows]
    return Answer({"_links": {"next": {"href": "more"}}, "_embedded": {"things": rows}}, NOW, NOW)


def walks() -> Iterator[tuple[str, Iterator[Page]]]:
    listing = Listing(fetch, "/api/v4/things", "things")
    yield "keyset", keyset(listing, (0, FOREVER), ListTraits())
    yield "numbered", by_page_number(listing, None)


@pytest.mark.parametrize("name", ["keyset", "numbered"])
def test_a_second_without_end_comes_in_parts(name: str) -> None:
    walk = dict(walks())[name]
    tracemalloc.start()
    expected, pages = 1, 0
    try:
        for page in islice(walk, PAGES):
            ids = [row["id"] for row in page.rows]
            assert ids == list(range(expected, expected + len(ids)))
            expected += len(ids)
            pages += bool(ids)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert pages == PAGES
    assert expected > 0.85 * PAGES * 250
