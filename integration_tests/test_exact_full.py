"""One read of a quiet account is the account: every row of every table, each once, and what was deleted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from airbyte_cdk.models import SyncMode, Type

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Key, Row

MODES = [SyncMode.full_refresh, SyncMode.incremental]
Tables = dict[str, dict[Key, Row]]


@pytest.fixture(scope="module")
def account() -> Account:
    clock = ManualClock()
    account = Account.generate(seed=5, leads=1_200, clock=clock)
    writes.random_edits(account, 300)
    clock.advance(60)
    return account


@pytest.fixture(scope="module")
def live(account: Account) -> Tables:
    return {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}


@pytest.fixture(scope="module")
def dead(account: Account) -> Tables:
    return {name: comparison.by_key(name, rows) for name, rows in expected.tombstones(account).items()}


def read(account: Account, mode: SyncMode, **settings: Any) -> Tables:
    """The tables of one read; a key that comes twice fails."""
    found: Tables = {name: {} for name in expected.KEYS}
    times: Counter[tuple[str, Key]] = Counter()
    for message in messages(Sandbox(account), mode=mode, **settings):
        if message.type == Type.RECORD and message.record:
            name, row = message.record.stream, dict(message.record.data)
            own = tuple(row[column] for column in expected.KEYS[name])
            found[name][own] = row
            times[name, own] += 1
    assert [place for place, count in times.items() if count > 1] == []
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_row_of_every_column(account: Account, live: Tables, dead: Tables, mode: SyncMode) -> None:
    found = read(account, mode)
    assert {name: len(rows) for name, rows in dead.items() if rows}.keys() == {
        "deals", "contacts", "companies", "tasks", "notes"
    }  # fmt: skip
    for name, rows in live.items():
        assert found[name] == rows | dead.get(name, {}), name
        assert all(list(row) == list(next(iter(rows.values()))) for row in found[name].values()), f"{name}: columns"


def test_deleted_rows_are_left_out_where_they_are_not_wanted(account: Account, live: Tables) -> None:
    assert read(account, SyncMode.full_refresh, deleted_rows="ignore") == live


def test_without_the_filter(account: Account, live: Tables, dead: Tables) -> None:
    account.switches.filter_enabled = False
    try:
        found = read(account, SyncMode.incremental)
        told = comparison.by_key("account", expected.table(account, "account"))
    finally:
        account.switches.filter_enabled = True
    wanted = {name: rows | dead.get(name, {}) for name, rows in live.items()}
    assert found == wanted | {"account": told}


def test_rows_from_the_start_date_on(account: Account, live: Tables) -> None:
    since = "2026-01-01T00:00:00Z"
    found = read(account, SyncMode.incremental, start_date=since, deleted_rows="ignore")
    for name, cursor in ((table.name, str(table.cursor_field)) for table in STREAMS.values() if table.cursor_field):
        wanted = {own: row for own, row in live[name].items() if row[cursor] >= since}
        assert 0 < len(wanted) < len(live[name])
        assert found[name] == wanted, name


@pytest.mark.parametrize("leads", [0, 1])
def test_an_account_with_next_to_nothing_in_it(leads: int) -> None:
    account = Account.generate(seed=1, leads=leads)
    found = read(account, SyncMode.incremental)
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    dead = {name: comparison.by_key(name, rows) for name, rows in expected.tombstones(account).items()}
    assert found == {name: rows | dead.get(name, {}) for name, rows in wanted.items()}


@pytest.mark.parametrize(
    "switches",
    [
        Switches(customers="off", currency=None),
        Switches(catalogs=False),
        Switches(events_order="asc", events_page_max=250),
        Switches(events_order="unordered", events_page_max=50),
        Switches(kommo=True, currency="USD", ties="shuffled", end="empty", next_on_full_last_page=True),
        Switches(minor_units="zero", lead_source="documented", element_links="metadata", talk_contact="top"),
        Switches(
            minor_units="absent", lead_source="top", talk_contact="nowhere", talks_shape="2021", notes_pinned=False
        ),
        Switches(lead_source="absent", element_links="flat", fields_shape="doc", user_group="rights"),
    ],
    ids=[
        "no customers",
        "no lists",
        "old events first",
        "events in no order",
        "kommo",
        "minor units 0",
        "without what is new",
        "without sources",
    ],
)
def test_another_kind_of_account(switches: Switches) -> None:
    account = Account.generate(seed=3, leads=300, switches=switches)
    found = read(account, SyncMode.incremental)
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    dead = {name: comparison.by_key(name, rows) for name, rows in expected.tombstones(account).items()}
    assert found == {name: rows | dead.get(name, {}) for name, rows in wanted.items()}
