"""Writes leave the rows, the events and the updated_at that the reference describes."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sandbox import Account, ManualClock, Switches, writes
from sandbox.store import Event, Table
from testing import expected
from testing.sandbox_client import NOW, client


@pytest.fixture
def account() -> Account:
    account = Account.generate(2, 60, clock=ManualClock(NOW))
    account.clock.advance(10)  # type: ignore[attr-defined]
    return account


def last(account: Account, count: int = 1) -> list[Event]:
    return [account.events.rows[i] for _, i in account.events.index("id")[-count:]]


def some(account: Account, kind: str) -> int:
    row_id: int = next(iter(account.tables[kind].rows))
    return row_id


def test_the_same_arguments_give_the_same_account() -> None:
    first, second = (Account.generate(5, 80, clock=ManualClock(NOW)) for _ in range(2))
    assert expected.tables(first) == expected.tables(second)
    assert expected.tables(first) != expected.tables(Account.generate(6, 80, clock=ManualClock(NOW)))


def test_a_generated_account_was_quiet_for_an_hour(account: Account) -> None:
    newest = max(row["updated_at"] for table in account.tables.values() for row in table)
    assert newest < NOW - 3_600
    assert max(event.created_at for event in account.events) < NOW - 3_600


def test_lost_deals_were_moved_into_143_last() -> None:
    account = Account.generate(3, 2_000, clock=ManualClock(NOW))
    moves: dict[int, Event] = {}
    for _, event_id in account.events.by("type")["lead_status_changed"]:
        moves[account.events.rows[event_id].entity_id] = account.events.rows[event_id]
    lost = [row for row in account.tables["leads"] if row["status_id"] == 143]
    assert len(lost) > 500
    assert {moves[row["id"]].value_after[0]["lead_status"]["id"] for row in lost} == {143}
    reopened = [
        row["id"]
        for row in account.tables["leads"]
        if row["status_id"] not in (142, 143) and row["id"] in moves
        and moves[row["id"]].value_before[0]["lead_status"]["id"] == 143
    ]  # fmt: skip
    assert reopened
    seconds: dict[int, int] = {}
    for row in account.tables["leads"]:
        seconds[row["updated_at"]] = seconds.get(row["updated_at"], 0) + 1
    assert 10 < max(seconds.values()) <= 70


def test_event_ids_sort_by_time(account: Account) -> None:
    writes.random_edits(account, 50, Random(1))
    rows = [account.events.rows[i] for _, i in account.events.index("id")]
    assert all(len(row.id) == 26 for row in rows)
    assert all(a.created_at <= b.created_at for a, b in pairwise(rows))


def test_losing_and_reopening(account: Account) -> None:
    lead = writes.create_lead(account)
    pipeline = account.row("leads", lead)["pipeline_id"]
    first_stage = account.row("leads", lead)["status_id"]
    reason = account.loss_reasons[0]["id"]
    writes.lose(account, lead, reason)
    row = account.row("leads", lead)
    assert (row["status_id"], row["loss_reason_id"], row["closed_at"]) == (143, reason, NOW + 10)
    (event,) = last(account)
    assert event.type == "lead_status_changed"
    assert event.value_after == [{"lead_status": {"id": 143, "pipeline_id": pipeline}}]
    assert event.value_before == [{"lead_status": {"id": first_stage, "pipeline_id": pipeline}}]
    writes.reopen(account, lead)
    row = account.row("leads", lead)
    assert (row["status_id"], row["loss_reason_id"], row["closed_at"]) == (first_stage, None, None)


def test_deleted_restored_purged(account: Account) -> None:
    lead = some(account, "leads")
    before = account.row("leads", lead)
    writes.trash(account, "leads", lead, by=7)
    assert lead not in account.tables["leads"]
    assert (last(account)[0].type, last(account)[0].value_after) == ("lead_deleted", [])
    (stone,) = [row for row in expected.tombstones(account)["deals"] if row["lead_id"] == lead]
    assert {name: value for name, value in stone.items() if value not in (None, []) and name != "read_at"} == {
        "lead_id": lead, "account_id": account.id, "updated_by": 7, "date": "2025-10-09T08:53:30Z",
        "updated_at": "2025-10-09T08:53:30Z", "is_deleted": True,
    }  # fmt: skip
    writes.restore(account, "leads", lead)
    assert account.row("leads", lead) == before
    assert last(account)[0].type == "lead_restored"
    writes.trash(account, "leads", lead)
    writes.purge(account, "leads", lead)
    assert lead not in account.trash["leads"]
    assert lead in [row["lead_id"] for row in expected.tombstones(account)["deals"]]


@pytest.mark.parametrize("carries", ["survivor", "victim"])
def test_a_merge_moves_everything(account: Account, carries: str) -> None:
    account.switches.merged_carries = carries  # type: ignore[assignment]
    lead = writes.create_lead(account)
    survivor, victim = writes.create_contact(account), writes.create_contact(account)
    writes.link(account, "leads", lead, "contacts", victim)
    task = writes.add_task(account, "contacts", victim)
    writes.merge(account, "contacts", survivor, victim)
    assert account.linked("leads", lead, "contacts") == [survivor]
    assert account.main_contact("leads", lead) == survivor
    assert account.row("tasks", task)["entity_id"] == survivor
    (event,) = [e for e in account.events if e.type == "entity_merged"]
    assert event.entity_id == (survivor if carries == "survivor" else victim)
    assert expected.merged(account)["contacts"] == [victim]


@pytest.mark.parametrize("bumps", [True, False])
def test_links_and_tags_touch_the_cards_or_not(account: Account, bumps: bool) -> None:
    account.switches.links_bump = account.switches.tags_bump = bumps
    lead, contact = list(account.tables["leads"].rows)[3], writes.create_contact(account)
    old = account.row("leads", lead)["updated_at"]
    account.clock.advance(5)  # type: ignore[attr-defined]
    writes.link(account, "leads", lead, "contacts", contact)
    writes.tag(account, "leads", lead, "Новый тег")
    assert account.row("leads", lead)["updated_at"] == (NOW + 15 if bumps else old)
    types = [event.type for event in last(account, 3)]
    assert types == ["entity_linked", "entity_linked", "entity_tag_added"]
    writes.unlink(account, "leads", lead, "contacts", contact)
    removed = last(account, 2)[0]
    assert removed.type == "entity_unlinked"
    assert removed.value_before == [{"link": {"entity": {"type": "contact", "id": contact}}}]


def test_fields_are_filled_cleared_and_shrunk(account: Account) -> None:
    lead = some(account, "leads")
    field = next(f for f in account.fields["leads"] if f["type"] == "multiselect")
    values = [{"value": e["value"], "enum_id": e["id"], "enum_code": None} for e in field["enums"][:2]]
    writes.set_field(account, "leads", lead, field["id"], values)
    filled = {f["field_id"]: f["values"] for f in account.row("leads", lead)["custom_fields_values"]}
    assert filled[field["id"]] == values
    assert last(account)[0].type == f"custom_field_{field['id']}_value_changed"
    writes.shrink_field(account, "leads", lead, field["id"])
    writes.clear_field(account, "leads", lead, field["id"])
    left = [f["field_id"] for f in account.row("leads", lead)["custom_fields_values"] or []]
    assert field["id"] not in left


def test_tasks_move_the_closest_task(account: Account) -> None:
    lead = writes.create_lead(account)
    task = writes.add_task(account, "leads", lead, complete_till=NOW + 500)
    assert account.row("leads", lead)["closest_task_at"] == NOW + 500
    writes.complete_task(account, task, "готово")
    assert account.row("leads", lead)["closest_task_at"] is None
    assert account.row("tasks", task)["result"] == {"text": "готово"}
    writes.delete_task(account, task)
    assert [event.type for event in last(account, 3)] == ["task_completed", "task_result_added", "task_deleted"]
    assert [row["task_id"] for row in expected.tombstones(account)["tasks"]] == [task]


def test_only_common_notes_leave_a_trace(account: Account) -> None:
    lead = some(account, "leads")
    common = writes.add_note(account, "leads", lead, "раз")
    service = writes.add_note(account, "leads", lead, note_type="service_message", params={"service": "x", "text": "y"})
    writes.delete_note(account, "leads", common)
    writes.delete_note(account, "leads", service)
    (event,) = last(account)
    assert (event.type, event.entity_id, event.value_after) == (
        "common_note_deleted", lead, [{"note": {"id": common}}],
    )  # fmt: skip
    assert [row["note_id"] for row in expected.tombstones(account)["notes"]] == [common]


def test_integrations_may_write_any_time(account: Account) -> None:
    lead = some(account, "leads")
    writes.edit(account, "leads", lead, updated_at=NOW + 10**6, created_at=NOW + 10**7)
    row = account.row("leads", lead)
    assert (row["updated_at"], row["created_at"]) == (NOW + 10**6, NOW + 10**7)


def test_events_may_be_indexed_late() -> None:
    api = client(switches=Switches(events_late=30))
    lead = writes.create_lead(api.account)
    asked = {"filter[entity]": "lead", "filter[entity_id][]": lead}
    assert api.rows("events", "events", asked) == []
    api.account.clock.advance(30)  # type: ignore[attr-defined]
    (row,) = api.rows("events", "events", asked)
    assert (row["type"], row["created_at"]) == ("lead_added", NOW)


def test_unsorted_is_accepted() -> None:
    api = client(switches=Switches(unsorted_visible=False))
    uid, waiting = next(iter(api.account.unsorted.items()))
    assert api.get(f"leads/unsorted/{uid}").json()["_embedded"]["leads"][0]["id"] == waiting["lead"]
    assert api.rows("leads", "leads", {"filter[id]": waiting["lead"]}) == []
    lead = writes.accept_unsorted(api.account, uid)
    assert lead == waiting["lead"]
    assert api.rows("leads", "leads", {"filter[id]": lead})
    assert api.rows("contacts", "contacts", {"filter[id]": waiting["contact"]})[0]["is_unsorted"] is False


@pytest.mark.parametrize("seed", range(4))
def test_indexes_survive_any_writes(seed: int) -> None:
    account = Account.generate(seed, 30, clock=ManualClock(NOW))
    rng = Random(seed)
    tables: list[Table[Any]] = [*account.tables.values(), account.events]
    for table in tables:
        table.index("id")
        table.index("created_at")
    for _ in range(300):
        writes.random_edits(account, 1, rng, (*writes.ORDINARY, *writes.RARE))
        account.clock.advance(rng.choice((0, 0, 1, 40)))  # type: ignore[attr-defined]
    for table in tables:
        for field in ("id", "created_at"):
            fresh = sorted((table.order_value(row, field), key) for key, row in table.rows.items())
            assert table.index(field) == fresh


def test_expected_keys_are_unique_after_any_writes() -> None:
    account = Account.generate(8, 100, clock=ManualClock(NOW))
    writes.random_edits(account, 500, Random(8), (*writes.ORDINARY, *writes.RARE))
    for name, rows in expected.tables(account).items():
        keys = [tuple(row[column] for column in expected.KEYS[name]) for row in rows]
        assert len(keys) == len(set(keys)), name


def test_an_account_is_kept_and_gone_on_with(account: Account, tmp_path: Path) -> None:
    account.save(tmp_path / "account")
    again = Account.load(tmp_path / "account")
    assert expected.tables(again) == expected.tables(account)
    writes.random_edits(again, 20, Random(1))
    assert pickle.dumps(again.clock)


@pytest.mark.parametrize(("told", "wanted"), [("given", True), ("empty", False)])
def test_events_of_a_mass_change_may_lack_the_values_before(told: Any, wanted: bool) -> None:
    account = Account.generate(1, 5, clock=ManualClock(), switches=Switches(mass_value_before=told))
    known, users = {event.id for event in account.events}, list(account.users)
    deals = list(account.tables["leads"].rows)[:2]
    writes.mass_edit(account, "leads", deals, name="All", price=7, responsible_user_id=users[-1], status_id=143)
    events = [event for event in account.events if event.id not in known]
    assert {event.type for event in events} == {
        "name_field_changed", "sale_field_changed", "entity_responsible_changed", "lead_status_changed",
    }  # fmt: skip
    assert all(event.value_after and bool(event.value_before) is wanted for event in events)
