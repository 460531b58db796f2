"""The tables equal the account: after one read of a quiet account, and after random days of work and kills."""

from __future__ import annotations

import os

import pytest
from airbyte_cdk.models import SyncMode, Type

from . import expected
from .connector import messages
from .sandbox import Account, Sandbox
from .schedules import Schedule

SCHEDULES = int(os.environ.get("SCHEDULES", "40"))


@pytest.mark.parametrize("mode", [SyncMode.full_refresh, SyncMode.incremental])
def test_a_read_of_5000_deals_is_the_account_row_for_row(mode: SyncMode) -> None:
    account = Account.generate(seed=5, leads=5_000)
    tombstones = expected.tombstones(account)
    delivered: dict[str, list[tuple[object, ...]]] = {}
    rows: dict[str, dict[tuple[object, ...], dict[str, object]]] = {}
    for message in messages(Sandbox(account), mode=mode):
        if message.type == Type.RECORD and message.record:
            name = message.record.stream
            own = tuple(message.record.data[column] for column in expected.KEYS[name])
            delivered.setdefault(name, []).append(own)
            rows.setdefault(name, {})[own] = dict(message.record.data)
    for name, live in expected.tables(account).items():
        wanted = {
            tuple(row[column] for column in expected.KEYS[name]): row for row in (*live, *tombstones.get(name, ()))
        }
        assert len(delivered[name]) == len(set(delivered[name])), f"{name}: a row came twice"
        assert rows[name] == wanted, name


def test_deleted_rows_are_left_out_when_that_is_wanted() -> None:
    account = Account.generate(seed=5, leads=400)
    deleted = [
        message.record.data
        for message in messages(Sandbox(account), ["deals", "contacts", "companies"], deleted_rows="ignore")
        if message.type == Type.RECORD and message.record and message.record.data["is_deleted"]
    ]
    assert deleted == []


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no-filters"])
@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_after_a_quiet_sync_the_destination_is_the_account(seed: int, filters: bool) -> None:
    """Writes between any two requests, any answer to the open questions, syncs killed at any message."""
    day = Schedule(seed, filters=filters)
    day.run()
    assert day.problems() == []
