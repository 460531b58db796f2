"""Custom fields as columns of deals, contacts and companies, in an account that wants them so."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode, Type
from airbyte_cdk.test.standard_tests._read_assertions import StrictIntegerDraft7Validator

from sandbox import Account, Sandbox, Switches, writes
from source_amocrm.engine.stream_interface import READ_AT
from source_amocrm.source import SourceAmocrm
from testing import expected
from testing.connector import config, without_sockets
from testing.destination import Key, Row

COLUMN = re.compile(r"cf_(\d+)")
LOGGER = logging.getLogger("airbyte")
TABLES = {"deals": "leads", "contacts": "contacts", "companies": "companies"}
VALUES = {name: f"custom_fields_{name}" for name in TABLES}


def schemas(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    with without_sockets(sandbox):
        catalog = SourceAmocrm().discover(LOGGER, config(sandbox, **settings))
    return {stream.name: stream for stream in catalog.streams}


def read(sandbox: Sandbox, streams: dict[str, Any], mode: SyncMode, **settings: Any) -> dict[str, dict[Key, Row]]:
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(streams[name], sync_mode=mode, destination_sync_mode=DestinationSyncMode.append)
            for name in TABLES
        ]
    )
    found: dict[str, dict[Key, Row]] = {name: {} for name in TABLES}
    with without_sockets(sandbox):
        for message in SourceAmocrm().read(LOGGER, config(sandbox, **settings), catalog, []):
            if message.type == Type.RECORD and message.record:
                row = dict(message.record.data)
                found[message.record.stream][row[expected.KEYS[message.record.stream][0]],] = row
    return found


def without(tables: dict[str, dict[Key, Row]], *columns: str) -> dict[str, dict[Key, Row]]:
    return {
        name: {own: {k: v for k, v in row.items() if k not in columns} for own, row in rows.items()}
        for name, rows in tables.items()
    }


def added(row: Row) -> Row:
    return {name: value for name, value in row.items() if name.startswith("cf_")}


@pytest.fixture(scope="module")
def account() -> Account:
    account = Account.generate(seed=6, leads=300)
    writes.trash(account, "leads", next(iter(account.tables["leads"].rows)))
    return account


def test_off_it_asks_nothing_and_changes_nothing(account: Account) -> None:
    sandbox = Sandbox(account)
    streams = schemas(sandbox)
    assert sandbox.log == []
    assert not any(name.startswith("cf_") for each in streams.values() for name in each.json_schema["properties"])
    wide = schemas(Sandbox(account), readable_columns=True)
    rows = read(Sandbox(account), wide, SyncMode.incremental)
    assert without(rows, READ_AT) == without(read(sandbox, streams, SyncMode.incremental), READ_AT)


@pytest.mark.parametrize("mode", [SyncMode.full_refresh, SyncMode.incremental])
def test_each_value_is_in_its_column(account: Account, mode: SyncMode) -> None:
    """The values are those of the tables of custom fields; the rest of the row is as without."""
    sandbox = Sandbox(account)
    wide = schemas(sandbox, readable_columns=True)
    asked = [seen.path for seen in sandbox.log if "custom_fields" in seen.path]
    assert asked == [f"/api/v4/{kind}/custom_fields" for kind in TABLES.values()]
    found = read(sandbox, wide, mode, readable_columns=True)
    assert [seen.path for seen in sandbox.log if "custom_fields" in seen.path] == asked
    plain = read(Sandbox(account), schemas(Sandbox(account)), mode)
    tables = expected.tables(account)
    for name, kind in TABLES.items():
        validator = StrictIntegerDraft7Validator({**wide[name].json_schema, "additionalProperties": False})
        assert [error.message for row in found[name].values() for error in validator.iter_errors(row)] == []
        columns = [column for column in wide[name].json_schema["properties"] if column.startswith("cf_")]
        assert [int(column.split("_")[1]) for column in columns] == [field["id"] for field in account.fields[kind]]
        assert without(found, READ_AT, *columns)[name] == without(plain, READ_AT)[name]
        by_field = {int(column.split("_")[1]): column for column in columns}
        wanted: dict[Key, dict[str, list[str]]] = {}
        for value in tables[VALUES[name]]:
            if value["value"] is not None:
                own = (value[expected.KEYS[name][0]],)
                wanted.setdefault(own, {}).setdefault(by_field[value["custom_field_id"]], []).append(value["value"])
        texts = {
            own: {k: _texts(v) for k, v in added(row).items() if v is not None} for own, row in found[name].items()
        }
        assert {own: row for own, row in texts.items() if row} == wanted, name
        assert all(list(added(row)) == columns for row in found[name].values())
    deleted = [row for row in found["deals"].values() if row["is_deleted"]]
    assert deleted
    assert not any(value for row in deleted for value in added(row).values())


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def test_a_field_that_came_after_discovery_is_not_delivered(account: Account) -> None:
    sandbox = Sandbox(account)
    wide = schemas(sandbox, readable_columns=True)
    properties = wide["deals"].json_schema["properties"]
    column = next(name for name in properties if name.startswith("cf_"))
    del properties[column]
    rows = read(sandbox, wide, SyncMode.incremental, readable_columns=True)["deals"]
    assert not any(column in row for row in rows.values())


def test_a_closed_dictionary_takes_no_table_away() -> None:
    sandbox = Sandbox(Account.generate(seed=6, leads=5, switches=Switches(forbidden=frozenset({"contacts"}))))
    wide = schemas(sandbox, readable_columns=True)
    wide_ones = {name for name, each in wide.items() if any(map(COLUMN.match, each.json_schema["properties"]))}
    assert wide_ones == {"deals", "companies"}
