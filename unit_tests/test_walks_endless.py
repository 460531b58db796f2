"""Lists without an end: their rows are delivered in parts, and what is kept of them does not grow with them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

import pytest

from source_amocrm.http import Answer
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.full import full, in_passes
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset, one_second
from source_amocrm.walk.listing import Listing, Page
from source_amocrm.walk.progress_rule import TooLong
from source_amocrm.walk.server_order import ListTraits

NOW = 1_000_000
PAGES = 600
BOUND = 20_000
MOST_BYTES = 16_000_000


def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
    """Ever new rows, all of one second, in the order of their ids."""
    first = (params["page"] - 1) * params["limit"]
    rows = [{"id": first + place + 1, "updated_at": 7, "name": "x" * 500} for place in range(params["limit"])]
    if any(value == "desc" for value in params.values()):
        rows = [{"id": 10**9 - row["id"], "updated_at": NOW} for row in rows]
    return Answer({"_links": {"next": {"href": "more"}}, "_embedded": {"things": rows}}, NOW)


def endless_pages(order: str) -> Listing:
    """Every page has new rows and names a next one. `order`: that of their ids."""
    random = Random(1)

    def answer(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG001
        first = (params["page"] - 1) * params["limit"]
        ids = range(first + 1, first + params["limit"] + 1)
        rows = [{"id": own if order == "ids" else random.getrandbits(60), "updated_at": 7} for own in ids]
        return Answer({"_links": {"next": {"href": "more"}}, "_embedded": {"things": rows}}, NOW)

    return Listing(answer, "/api/v4/things", "things")


WHOLE: dict[str, Callable[[Listing], Iterator[Any]]] = {
    "by page number": in_id_order,
    "in passes": in_passes,
    "by date": lambda listing: keyset(listing, (0, FOREVER), ListTraits()),
    "one second": lambda listing: one_second(replace(listing, own_order=True), 7),
    "kept": lambda listing: iter([full(listing)]),
}


@pytest.mark.parametrize(
    ("name", "order"),
    [(name, order) for name in WHOLE for order in ("ids", "none") if (name, order) != ("by date", "none")],
)
def test_a_list_without_end_is_left_after_many_rows(name: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("progress_rule.LONGEST_LIST", "full.MOST_KEPT"):
        monkeypatch.setattr(f"source_amocrm.walk.{bound}", BOUND)
    with pytest.raises(TooLong, match="/api/v4/things goes on after"):
        for _ in WHOLE[name](endless_pages(order)):
            pass


def test_a_list_that_is_kept_whole_is_left_earlier_and_freed_though_its_failure_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("source_amocrm.walk.full.MOST_KEPT", BOUND)
    for order in ("ids", "none"):
        tracemalloc.start()
        try:
            with pytest.raises(TooLong, match=f"goes on after {BOUND:,} rows and is read no further") as failure:
                full(endless_pages(order))
            assert tracemalloc.get_traced_memory()[0] < 4 << 20
        finally:
            tracemalloc.stop()
        assert failure.tb


def walks() -> Iterator[tuple[str, Iterator[Page]]]:
    listing = Listing(fetch, "/api/v4/things", "things")
    yield "keyset", keyset(listing, (0, FOREVER), ListTraits())
    yield "in ID order", in_id_order(listing)


@pytest.mark.parametrize("name", ["keyset", "in ID order"])
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
