"""A value that a column's type cannot hold is null in the row, and the record says so, as Airbyte's protocol has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox import Account, ManualClock, Sandbox
from sandbox.http import dumps
from testing.command import run
from testing.connector import messages

ODD = {"deep": ["odd"]}


def account_with(kind: str, **changed: Any) -> tuple[Account, int]:
    """An account that sends one row of a list with these values."""
    account = Account.generate(seed=5, leads=40, clock=ManualClock())
    own = next(iter(account.tables[kind].rows))
    account.raw[kind.rpartition("/")[2], own] = dumps({**account.row(kind, own), **changed})
    return account, own


def told(sandbox: Sandbox, table: str, **settings: Any) -> dict[Any, list[tuple[str, str, str]]]:
    """By the key of a row, what its record says of changes; rows of which nothing is said are left out."""
    found: dict[Any, list[tuple[str, str, str]]] = {}
    for message in messages(sandbox, [table], **settings):
        record = message.record
        if record and record.meta and record.meta.changes:
            changes = [(one.field, one.change.value, one.reason.value) for one in record.meta.changes]
            for field, change, _ in changes:
                assert (record.data[field] is None) is (change == "NULLED")
            found.setdefault(next(iter(record.data.values())), []).extend(changes)
    return found


def because(field: str, change: str = "NULLED") -> tuple[str, str, str]:
    return field, change, "SOURCE_SERIALIZATION_ERROR"


def test_nothing_is_said_of_rows_whose_columns_hold_what_was_sent() -> None:
    account, _ = account_with("leads")
    assert told(Sandbox(account), "deals") == {}


@pytest.mark.parametrize("readable", [False, True])
def test_what_is_null_for_its_type_and_what_is_shortened(readable: bool) -> None:
    account, own = account_with(
        "leads", closed_at="soon", price=ODD, score=1.5, name=None, _embedded={"contacts": [{"id": "x"}, {"id": 5}]}
    )
    wanted = [because("contacts", "TRUNCATED"), because("sale"), because("closed_at"), because("score")]
    assert told(Sandbox(account), "deals", readable_columns=readable) == {own: wanted}


def test_a_value_is_named_in_its_own_row_alone_and_what_rows_share_in_each_of_them() -> None:
    field = {"field_id": 7, "field_name": "x", "field_code": None, "field_type": "text"}
    values = [{"value": "a", "enum_id": "first"}, {"value": "b", "enum_id": 2}]
    account, own = account_with(
        "leads", custom_fields_values=[{**field, "values": values}, {**field, "field_id": 8, "values": values[1:]}]
    )
    assert told(Sandbox(account), "custom_fields_deals") == {7: [because("enum")]}
    account.raw["leads", own] = dumps(
        {**account.row("leads", own), "updated_at": 1_700_000_000, "_embedded": {"tags": [{"id": 1, "color": ODD}]}}
    )
    assert told(Sandbox(account), "deal_tags") == {}  # a text holds any JSON


def test_events_and_notes_say_it_too() -> None:
    account, own = account_with("leads/notes", created_at="never", params="none")
    assert told(Sandbox(account), "notes") == {own: [because("created_at"), because("params")]}
    account = Account.generate(seed=5, leads=40, clock=ManualClock())
    event = next(one for one in account.events if one.type == "sale_field_changed")
    sent = {**event._asdict(), "created_by": "somebody", "account_id": account.id}
    sent["value_after"] = [{"sale_field_value": {"sale": "much"}}]
    account.raw["events", event.id] = dumps(sent)
    assert told(Sandbox(account), "deal_sale_changes") == {event.id: [because("created_by"), because("sale_new")]}


def test_the_printed_line_has_it(tmp_path: Path) -> None:
    account, own = account_with("tasks", complete_till="tomorrow")
    done = run(Sandbox(account), "read", tmp_path, ["tasks"])
    [row] = [one.record for one in done.messages if one.record and one.record.data["task_id"] == own]
    [line] = [line for line in done.said.splitlines() if '"meta"' in line]
    assert orjson.loads(line)["record"]["meta"] == {
        "changes": [{"field": "complete_till_at", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]
    }
    assert row.meta
    assert row.meta.changes
