"""Rows of links and tags."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.base import AmocrmStream
from source_amocrm.streams.links import LinkStream
from source_amocrm.streams.record import RowError
from testing.offline import stream
from testing.sample_files import sample

CHANGED = "2020-05-28T16:28:57Z"
LEAD = sample("lead_detail_with_all")

LINKS = [stream for stream in STREAMS.values() if issubclass(stream, LinkStream)]


def rows(name: str, record: Any) -> list[dict[str, Any]]:
    return list(stream(name).rows(record, Context("leads")))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("deal_contacts", {"contact_id": 10971465, "is_main": True}),
        ("deal_companies", {"company_id": 10971463}),
        ("deal_tags", {"tag_id": 100667, "name": "тест", "color": None}),
        (
            "deal_catalog_elements",
            {"catalog_element_id": 525439, "catalog_id": 4521, "quantity": 1, "price_id": None},
        ),
    ],
)
def test_a_documented_deal(name: str, wanted: dict[str, Any]) -> None:
    assert rows(name, LEAD) == [{"lead_id": 3912171, **wanted, "lead_updated_at": CHANGED, "read_at": None}]


METADATA = {"quantity": 1.5, "catalog_id": 4521, "price_id": 271211}


@pytest.mark.parametrize("shown", [{"metadata": METADATA}, METADATA, {"metadata": METADATA, **METADATA}])
def test_the_quantity_of_a_linked_element_stands_in_its_metadata_or_beside_it(shown: dict[str, Any]) -> None:
    [row] = rows("deal_catalog_elements", {"id": 5, "_embedded": {"catalog_elements": [{"id": 525439, **shown}]}})
    assert {name: row[name] for name in METADATA} == METADATA


def test_the_element_of_a_lead_of_today() -> None:
    [row] = rows("deal_catalog_elements", sample("lead_with_minor_units"))
    assert row == {
        "lead_id": 42005127,
        "catalog_element_id": 525439,
        **{name: METADATA[name] for name in ("catalog_id", "quantity", "price_id")},
        "lead_updated_at": "2026-05-28T06:02:11Z",
        "read_at": None,
    }


@pytest.mark.parametrize("table", LINKS, ids=lambda table: table.name)
def test_links_of_every_kind(table: type[AmocrmStream]) -> None:
    """Two, one of them twice, as PHP writes an array that has lost an element; then none, in each of its forms."""
    shown = {"1": {"id": 8}, "2": {"id": 9}, "3": {"id": 9}}
    embedded = dict.fromkeys(("contacts", "companies", "tags", "catalog_elements"), shown)
    found = rows(table.name, {"id": 5, "updated_at": 1590683337, "_embedded": embedded})
    assert [tuple(row[column] for column in table.primary_key) for row in found] == [(5, 8), (5, 9)]
    assert {row[str(table.cursor_field)] for row in found} == {CHANGED}
    assert all(list(row) == list(schema.load(table.name)["properties"]) for row in found)
    nones: tuple[Any, ...] = (None, [], {}, "", dict.fromkeys(embedded), {name: [] for name in embedded})
    for none in nones:
        assert rows(table.name, {"id": 5, "_embedded": none}) == []


@pytest.mark.parametrize("link", [{"id": None}, {"name": "VIP"}, "VIP", None, {"id": "x"}])
def test_a_link_to_nothing_is_told(link: Any) -> None:
    with pytest.raises(RowError, match="deal_tags"):
        rows("deal_tags", {"id": 5, "_embedded": {"tags": [link]}})
