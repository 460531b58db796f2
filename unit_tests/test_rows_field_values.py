"""Rows of the tables of custom fields: those of other cards are made as those of deals are."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.rows import field_values
from source_amocrm.streams.rows.field_values import FieldTable
from unit_tests.sample_files import sample

MOSCOW = ZoneInfo("Europe/Moscow")
OWNERS = {"contact": field_values.contact_fields, "company": field_values.company_fields}


def test_values_of_a_recorded_contact() -> None:
    contact = sample("recorded_contact_amocrm")
    [field] = [one for one in contact["custom_fields_values"] if one["field_code"] == "PHONE"]
    rows = field_values.contact_fields(contact, timezone=MOSCOW, system_fields={field["field_id"]: True})
    assert {
        "custom_field_id": field["field_id"],
        "contact_id": contact["id"],
        "name": field["field_name"],
        "enum": field["values"][0]["enum_id"],
        "value": field["values"][0]["value"],
        "is_system": True,
        "value_index": 0,
        "contact_updated_at": "2023-06-13T12:47:23Z",
        "field_code": "PHONE",
        "field_type": "multitext",
        "enum_code": field["values"][0]["enum_code"],
    } in rows


@pytest.mark.parametrize("owner", OWNERS)
def test_they_differ_from_those_of_deals_in_whose_they_are(owner: str) -> None:
    card: dict[str, Any] = {**sample("recorded_contact_amocrm"), "id": 7, "updated_at": 1}
    make: FieldTable = OWNERS[owner]
    of_deals = field_values.deal_fields(card, timezone=MOSCOW, system_fields={})
    rows = make(card, timezone=MOSCOW, system_fields={})
    assert rows == [{name.replace("lead_", f"{owner}_"): value for name, value in row.items()} for row in of_deals]
    assert rows
    assert {tuple(row) for row in rows} == {tuple(schema.load(make.name)["properties"])}
    assert STREAMS[make.name].primary_key == [f"{owner}_id", "custom_field_id", "value_index"]
