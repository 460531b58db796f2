"""Rows of the tables of custom fields: those of other cards are made as those of deals are."""

from __future__ import annotations

from datetime import timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.custom_fields import local_date
from source_amocrm.streams.values import UnreadableError
from testing.row_functions import rows
from testing.sample_files import sample

MOSCOW = ZoneInfo("Europe/Moscow")
OWNERS = {"contact": "custom_fields_contacts", "company": "custom_fields_companies"}


def test_values_of_a_recorded_contact() -> None:
    contact = sample("recorded_contact_amocrm")
    [field] = [one for one in contact["custom_fields_values"] if one["field_code"] == "PHONE"]
    found = rows("custom_fields_contacts", contact, zone=MOSCOW, system_fields={field["field_id"]: True})
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
        "read_at": None,
    } in found


@pytest.mark.parametrize("owner", OWNERS)
def test_they_differ_from_those_of_deals_in_whose_they_are(owner: str) -> None:
    card: dict[str, Any] = {**sample("recorded_contact_amocrm"), "id": 7, "updated_at": 1}
    table = OWNERS[owner]
    of_deals = rows("custom_fields_deals", card, zone=MOSCOW)
    found = rows(table, card, zone=MOSCOW)
    assert found == [{name.replace("lead_", f"{owner}_"): value for name, value in row.items()} for row in of_deals]
    assert found
    assert {tuple(row) for row in found} == {tuple(schema.load(table)["properties"])}
    assert STREAMS[table].primary_key == [f"{owner}_id", "custom_field_id", "value_index"]


def test_a_sync_of_such_a_table_alone_asks_for_the_time_zone_of_the_account() -> None:
    tables = [name for name in STREAMS if name.startswith("custom_fields_")]
    assert len(tables) == 5
    assert all("datetime_settings" in STREAMS[name].account_extras for name in tables)


def test_local_date_is_the_day_of_the_account_not_of_greenwich() -> None:
    assert local_date(1589058000, MOSCOW) == "2020-05-10"
    assert local_date(1589058000, timezone.utc) == "2020-05-09"
    assert local_date(1047265200, ZoneInfo("America/Sao_Paulo")) == "2003-03-10"
    assert local_date(-10800, MOSCOW) == "1970-01-01"
    for beyond in (253_402_300_799, 10**30, -(10**30)):
        with pytest.raises(UnreadableError):
            local_date(beyond, MOSCOW)
