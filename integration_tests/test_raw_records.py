"""Whole records as a column, where the account's owner wants them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode, Type
from airbyte_cdk.test.standard_tests._read_assertions import StrictIntegerDraft7Validator

from sandbox import Account, ManualClock, Sandbox, writes
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS
from testing.connector import config, discovered, without_sockets
from testing.destination import Row
from testing.sandbox_client import Client

LOGGER = logging.getLogger("airbyte")
OTHERWISE = {
    *("statuses", "note_types", "element_types", "calls", "messages", "deal_statuses", "deleted_entities"),
    "live_entities",
    *("deal_contacts", "deal_companies", "deal_tags", "deal_catalog_elements", "contact_companies", "contact_tags"),
    *("company_tags", "customer_contacts", "customer_tags"),
    *(name for name in STREAMS if name.startswith("custom_fields_") or name.endswith("_changes")),
}
"""Streams whose rows are parts of a record, or of one that another stream has whole, or of no record at all."""


@pytest.fixture(scope="module")
def account() -> Account:
    clock = ManualClock()
    account = Account.generate(seed=4, leads=60, clock=clock)
    writes.trash(account, "leads", next(iter(account.tables["leads"].rows)))
    clock.advance(60)
    return account


def read(sandbox: Sandbox, streams: dict[str, Any], **settings: Any) -> dict[str, list[Row]]:
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream, sync_mode=SyncMode.full_refresh, destination_sync_mode=DestinationSyncMode.append
            )
            for stream in streams.values()
        ]
    )
    found: dict[str, list[Row]] = {name: [] for name in streams}
    with without_sockets(sandbox):
        for message in SourceAmocrm().read(LOGGER, config(sandbox, **settings), catalog, []):
            if message.type == Type.RECORD and message.record:
                found[message.record.stream].append(dict(message.record.data))
    return found


def bare(value: Any) -> Any:
    """Without `_links`."""
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items() if name != "_links"}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def by_key(rows: list[Row], name: str) -> list[Row]:
    return sorted(rows, key=lambda row: [str(row[column]) for column in STREAMS[name].primary_key])


def test_it_is_a_column_of_every_table_whose_rows_are_records_and_of_no_other(account: Account) -> None:
    off, on = discovered(Sandbox(account)), discovered(Sandbox(account), raw_records=True)
    with_raw = {name for name, stream in on.items() if "raw" in stream.json_schema["properties"]}
    assert not any("raw" in stream.json_schema["properties"] for stream in off.values())
    assert with_raw == STREAMS.keys() - OTHERWISE
    for stream in on.values():
        stream.json_schema["properties"].pop("raw", None)
    assert on == off


def test_each_row_has_its_record_and_is_else_as_without(account: Account) -> None:
    sandbox = Sandbox(account)
    wide = discovered(sandbox, raw_records=True)
    found = read(sandbox, wide, raw_records=True)
    for name, rows in found.items():
        validator = StrictIntegerDraft7Validator({**wide[name].json_schema, "additionalProperties": False})
        assert [error.message for row in rows for error in validator.iter_errors(row)] == []
        if name not in OTHERWISE:
            assert all(bool(row["raw"]) is not row.get("is_deleted", False) for row in rows), name
    raw = {row["lead_id"]: row["raw"] for row in found["deals"] if not row["is_deleted"]}
    shown = Client(Sandbox(account)).rows(
        "leads",
        "leads",
        {"limit": 250, "with": "catalog_elements,contacts,is_price_modified_by_robot,loss_reason,source,source_id"},
    )
    assert raw == {row["id"]: bare(row) for row in shown}
    plain = read(Sandbox(account), discovered(Sandbox(account)))
    for name, rows in found.items():
        narrow, other = (
            [{column: value for column, value in row.items() if column not in ("raw", "read_at")} for row in read_rows]
            for read_rows in (rows, plain[name])
        )
        assert by_key(narrow, name) == by_key(other, name)


def test_a_connection_that_was_not_given_the_column_does_not_get_it(account: Account) -> None:
    narrow = {name: stream for name, stream in discovered(Sandbox(account)).items() if name in ("deals", "tags")}
    found = read(Sandbox(account), narrow, raw_records=True)
    assert found["deals"]
    assert not any("raw" in row for rows in found.values() for row in rows)
