"""Two things in one second, which amoCRM's dates cannot tell apart."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any
from unittest import mock
from urllib.parse import unquote

import pytest
from airbyte_cdk.models import Type

from sandbox import Account, ManualClock, Request, Response, Sandbox, Switches, writes
from source_amocrm.engine import delivery
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination

STREAMS = ["deals", "custom_fields_deals"]


@pytest.fixture(params=[True, False], ids=["filter", "no filter"])
def account(request: pytest.FixtureRequest) -> Account:
    switches = Switches(filter_enabled=request.param)
    return Account.generate(seed=4, leads=30, clock=ManualClock(), switches=switches)


def filled_field(account: Account) -> tuple[int, int]:
    """A deal and a field of it that has a value."""
    for lead in account.tables["leads"]:
        for field in lead["custom_fields_values"] or ():
            return lead["id"], field["field_id"]
    raise AssertionError("no deal of this account has a field")


class Hurried(Sandbox):
    """Somebody clears `field` of `deal` as soon as a page of deals has been answered.

    `by_id`: as soon as the deal itself has been, and edits it right before that.
    """

    deal = field = 0
    by_id = False

    def answer(self, request: Request, refused: Response | None) -> Response:
        deal, query, path = self.deal, unquote(request.query), request.path.removeprefix("/api/v4/leads")
        by_id = path == f"/{deal}" or (path == "" and "filter[id]" in query)
        if not (by_id if self.by_id else path == "" and not by_id and "only_deleted" not in query):
            deal = 0
        if deal:
            self.deal = 0
            if self.by_id:
                writes.edit(self.account, "leads", deal, price=1)
        response = super().answer(request, refused)
        if deal:
            writes.clear_field(self.account, "leads", deal, self.field)
        return response


@pytest.mark.parametrize("again", [False, True], ids=["first sync", "second sync"])
def test_a_deal_that_changes_again_within_the_second_of_its_reading(account: Account, again: bool) -> None:
    """Both versions have one date. The next sync reads the second, and the rows that only the first had are gone."""
    sandbox, destination = Hurried(account), Destination()
    if again:
        destination.take(messages(sandbox, STREAMS))
        account.clock.advance(3_600)  # type: ignore[attr-defined]
    deal, field = filled_field(account)
    writes.edit(account, "leads", deal, price=1)
    edited = account.clock.now()
    sandbox.deal, sandbox.field = deal, field
    destination.take(messages(sandbox, STREAMS, destination.state()))
    assert (deal, field) in {own[:2] for own in comparison.current("custom_fields_deals", destination.rows)}
    account.clock.advance(60)  # type: ignore[attr-defined]
    destination.take(messages(sandbox, STREAMS, destination.state()))
    lead = account.tables["leads"].get(deal)
    assert lead
    assert lead["updated_at"] == edited
    assert field not in {value["field_id"] for value in lead["custom_fields_values"] or ()}
    assert comparison.problems(account, destination.rows, streams=STREAMS) == []


def test_a_deal_of_which_an_event_tells_and_that_changes_twice_within_the_second_of_its_reading(
    account: Account,
) -> None:
    """Its tag gave it no new date, so it is read by id, while it is edited."""
    account.switches.tags_bump = False
    sandbox, destination = Hurried(account), Destination()
    destination.take(messages(sandbox, STREAMS))
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    deal, field = filled_field(account)
    writes.tag(account, "leads", deal, "срочно")
    account.clock.advance(60)  # type: ignore[attr-defined]
    sandbox.by_id, sandbox.deal, sandbox.field = True, deal, field
    destination.take(messages(sandbox, STREAMS, destination.state()))
    assert sandbox.deal == 0
    destination.take(messages(sandbox, STREAMS, destination.state()))
    assert comparison.problems(account, destination.rows, streams=STREAMS) == []


def test_a_deal_dated_in_the_future_and_changed_since_hides_no_other(account: Account) -> None:
    """Its version of now bears the date of the future. Killed anywhere about it, nothing is forgotten."""
    account.switches.page_max = account.switches.page_default = 7
    clock: ManualClock = account.clock  # type: ignore[assignment]
    ids = [lead["id"] for lead in account.tables["leads"]]
    odd = ids[len(ids) // 2]
    writes.edit(account, "leads", odd, updated_at=clock.now() + 86_400)
    whole = Destination()
    whole.take(messages(Sandbox(account), STREAMS))
    clock.advance(3_600)
    for own in ids:
        clock.advance(2)
        writes.edit(account, "leads", own, price=own)
    clock.advance(3_600)
    with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", 3):
        for point in range(10, 300, 10):
            destination = deepcopy(whole)
            destination.take(messages(Sandbox(account), STREAMS, destination.state()), stop_after=point)
            destination.take(messages(Sandbox(account), STREAMS, destination.state()))
            assert comparison.problems(account, destination.rows, streams=STREAMS) == [], point


@pytest.mark.parametrize("carries", ["survivor", "victim"])
def test_the_card_that_the_event_of_a_merge_names_is_read_again(account: Account, carries: str) -> None:
    """The victim, which is nowhere, is then a deleted row; where the event names the survivor it stays as it was."""
    account.switches.merged_carries = carries  # type: ignore[assignment]
    clock: ManualClock = account.clock  # type: ignore[assignment]
    survivor, victim = [lead["id"] for lead in account.tables["leads"]][:2]
    destination = Destination()
    destination.take(messages(Sandbox(account), ["deals"]))
    before = destination.rows["deals"][victim,]
    clock.advance(3_600)
    writes.merge(account, "leads", survivor, victim)
    clock.advance(3_600)
    destination.take(messages(Sandbox(account), ["deals"], destination.state()))
    wanted = comparison.by_key("deals", expected.table(account, "deals"))
    assert destination.rows["deals"][survivor,] == wanted[survivor,]
    if carries == "victim":
        assert destination.rows["deals"][victim,]["is_deleted"]
    else:
        assert destination.rows["deals"][victim,] is before


def test_a_deal_that_is_deleted_after_a_merge_is_buried_by_its_deletion(account: Account) -> None:
    """Not by the merge, which the sync is told of as well: its row bears a later date than that."""
    clock: ManualClock = account.clock  # type: ignore[assignment]
    survivor, victim = [lead["id"] for lead in account.tables["leads"]][:2]
    destination = Destination()
    destination.take(messages(Sandbox(account), STREAMS))
    clock.advance(3_600)
    writes.merge(account, "leads", survivor, victim)
    clock.advance(10)
    writes.edit(account, "leads", survivor, price=7)
    clock.advance(10)
    destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    clock.advance(10)
    writes.trash(account, "leads", survivor)
    deleted = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now()))
    writes.purge(account, "leads", survivor)
    clock.advance(60)
    destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    row = destination.rows["deals"][survivor,]
    assert (row["is_deleted"], row["updated_at"]) == (True, deleted)


def test_a_deal_that_comes_back_in_the_second_in_which_the_sync_starts(account: Account) -> None:
    """Its deletion is known, its return not yet: what the list shows is not buried by that."""
    deal = next(iter(account.tables["leads"]))["id"]
    writes.trash(account, "leads", deal)
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    writes.restore(account, "leads", deal)
    read = [one.record.data for one in messages(Sandbox(account), ["deals"]) if one.type == Type.RECORD and one.record]
    assert [row["is_deleted"] for row in read if row["lead_id"] == deal] == [False]


@pytest.mark.parametrize("in_order", [True, False], ids=["events in order", "events in disorder"])
@pytest.mark.parametrize("steps", [("trash", "restore"), ("trash", "restore", "trash")], ids=["back", "gone"])
def test_a_deal_that_goes_and_comes_back_in_one_second(
    account: Account, steps: tuple[str, ...], in_order: bool
) -> None:
    """Whichever of its events is listed last, what the account shows decides."""
    destination = Destination()
    destination.take(messages(Sandbox(account), STREAMS))
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    deal, _ = filled_field(account)
    before = {event.id for event in account.events}
    for step in steps:
        {"trash": writes.trash, "restore": writes.restore}[step](account, "leads", deal)
    if not in_order:
        told = [account.events.remove(event.id) for event in list(account.events) if event.id not in before]
        for event, other in zip(told, told[1:] + told[:1], strict=True):
            account.events.put(other.id, event._replace(id=other.id))
    account.clock.advance(60)  # type: ignore[attr-defined]
    destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    assert destination.rows["deals"][deal,]["is_deleted"] == (steps[-1] == "trash")
    assert comparison.problems(account, destination.rows, streams=STREAMS) == []


@pytest.mark.parametrize("pause", [0, 10], ids=["in one second", "in three"])
@pytest.mark.parametrize("ahead", [0, 86_400], ids=["", "dated in the future"])
def test_a_customer_that_goes_and_comes_back(account: Account, pause: int, ahead: int) -> None:
    """No event tells of its return: its row does."""
    clock: ManualClock = account.clock  # type: ignore[assignment]
    own = next(iter(account.tables["customers"]))["id"]
    writes.edit(account, "customers", own, updated_at=clock.now() + ahead)
    destination = Destination()
    destination.take(messages(Sandbox(account), ["customers"]))
    clock.advance(3_600)
    writes.trash(account, "customers", own)
    clock.advance(pause)
    writes.restore(account, "customers", own)
    clock.advance(pause)
    writes.edit(account, "customers", own, name="Снова с нами")
    for _ in range(2):
        clock.advance(60)
        destination.take(messages(Sandbox(account), ["customers"], destination.state()))
        assert destination.complaints == []
        assert comparison.problems(account, destination.rows, streams=["customers"]) == []


@pytest.mark.parametrize("bumped", [False, True], ids=["old date", "dated by its return"])
@pytest.mark.parametrize("resumed", [True, False], ids=["killed and resumed", "since a day"])
def test_a_customer_that_came_back_before_the_first_sync_is_not_buried(
    account: Account, resumed: bool, bumped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of its deletion comes in a sync that does not read its row: that was delivered, or is too old."""
    clock: ManualClock = account.clock  # type: ignore[assignment]
    account.switches.restore_bumps = bumped
    [own] = [row["id"] for row in account.tables["customers"]]
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now()))
    for _ in range(4):
        clock.advance(3_600)
        writes.create_customer(account)
    writes.trash(account, "customers", own)
    clock.advance(3_600)
    writes.restore(account, "customers", own)
    clock.advance(3_600)
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 1)
    destination, rows = Destination(), {}
    settings: dict[str, Any] = {} if resumed else {"start_date": since}
    for stop_after in range(30 if resumed else 0):
        destination = Destination()
        destination.take(messages(Sandbox(account), ["customers"]), stop_after)
        rows = destination.rows.get("customers", {})
        if (own,) in rows and len(rows) > 2:
            break
    assert not resumed or (own,) in rows
    read = messages(Sandbox(account), ["customers"], destination.state(), **settings)
    records = [one.record.data for one in read if one.type == Type.RECORD and one.record]
    assert {row["is_deleted"] for row in records if row["customer_id"] == own} == {False}


@pytest.mark.parametrize("visible", [True, False], ids=["", "deal hidden"])
def test_what_is_accepted_with_an_old_date_comes(account: Account, visible: bool) -> None:
    """A contact that waited in «Неразобранное» enters the list, and only its event tells."""
    account.switches.accept_bumps, account.switches.unsorted_visible = False, visible
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    destination = Destination()
    destination.take(messages(Sandbox(account), ["contacts"]))
    uid, waiting = next(iter(account.unsorted.items()))
    account.clock.advance(3_600)  # type: ignore[attr-defined]
    writes.accept_unsorted(account, uid)
    account.clock.advance(60)  # type: ignore[attr-defined]
    assert (waiting["contact"],) not in destination.rows["contacts"]
    destination.take(messages(Sandbox(account), ["contacts"], destination.state()))
    assert (waiting["contact"],) in destination.rows["contacts"]
    assert comparison.problems(account, destination.rows, streams=["contacts"]) == []


def test_what_was_deleted_while_deletions_were_ignored_is_told_as_soon_as_they_are_not(account: Account) -> None:
    """Emptied from the trash or not, and also where the next sync was killed."""
    clock: ManualClock = account.clock  # type: ignore[assignment]
    streams = ["deals", "contacts", "companies", "customers", "tasks", "notes"]
    destination, last = Destination(), "mark"
    for deleted_rows in ("mark", "ignore", "ignore", "mark"):
        settings: dict[str, Any] = {"deleted_rows": deleted_rows}
        if (last, deleted_rows) == ("ignore", "mark"):
            destination.take(messages(Sandbox(account), streams, destination.state(), **settings), stop_after=40)
        destination.take(messages(Sandbox(account), streams, destination.state(), **settings))
        last = deleted_rows
        if last == "ignore":
            for kind in ("leads", "contacts", "companies", "customers"):
                for row in list(account.tables[kind])[:1]:
                    writes.trash(account, kind, row["id"])
            writes.purge(account, "leads", next(iter(account.trash["leads"])))
            writes.delete_task(account, next(iter(account.tables["tasks"]))["id"])
        clock.advance(3_600)
    assert comparison.problems(account, destination.rows, streams=streams) == []
    first = destination.delivered.total()
    destination.take(messages(Sandbox(account), streams, destination.state()))
    assert destination.delivered.total() == first
