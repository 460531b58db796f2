"""An account that has not paid for the filter: random working days, and what is taken from another list."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from copy import deepcopy
from itertools import product
from typing import Any
from unittest import mock

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from source_amocrm.engine import delivery
from testing import comparison, expected
from testing.combinations import one_in
from testing.connector import messages
from testing.destination import Destination
from testing.schedules import ODD, SCHEDULES, Schedule, assert_exact, tables

HOUR = 3_600


@pytest.mark.parametrize("seed", one_in(4, range(SCHEDULES)))
def test_ordinary_days(seed: int) -> None:
    assert_exact(Schedule(seed, leads=25, filters=False, streams=tables(seed)))


@pytest.mark.parametrize("seed", one_in(4, range(SCHEDULES)))
def test_odd_days(seed: int) -> None:
    """With purges, merges, and rows dated in the past and in the future."""
    assert_exact(Schedule(seed, leads=25, filters=False, menu=ODD, streams=tables(seed)))


@pytest.mark.parametrize("streams", [("contacts",), ("deal_statuses",), ("contacts", "deal_statuses", "events")])
@pytest.mark.parametrize("seed", range(3))
def test_days_without_the_list_that_values_are_taken_from(seed: int, streams: Sequence[str]) -> None:
    assert_exact(Schedule(seed, leads=25, filters=False, streams=streams))


@pytest.fixture
def account() -> Account:
    account = Account.generate(seed=4, leads=120, clock=ManualClock())
    account.switches = Switches(filter_enabled=False, page_max=20, page_default=20)
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    return account


def with_a_company(account: Account) -> list[int]:
    return [
        own for contact in account.tables["contacts"] if account.linked("contacts", own := contact["id"], "companies")
    ]


def assert_taken(account: Account, destination: Destination, streams: Sequence[str]) -> None:
    """The columns that are taken from another list are those of the account, to the last one."""
    for name in streams:
        column = {"contacts": "company_name", "deal_statuses": "loss_reason_id"}[name]
        wanted = comparison.by_key(name, expected.table(account, name))
        assert {own: destination.rows[name][own][column] for own in wanted} == {
            own: row[column] for own, row in wanted.items()
        }


@pytest.mark.parametrize("flag", ["honest", True, "absent"])
def test_a_filter_that_is_refused_is_not_needed(account: Account, flag: Any) -> None:
    """402 is of the filter then, and not of the list: the list comes without it."""
    account.switches.filter_off, account.switches.filter_flag = "402", flag
    streams, destination = ["deals", "contacts", "companies", "customers"], Destination()
    for _ in range(2):
        destination.take(messages(Sandbox(account), streams, destination.state()))
        account.clock.advance(HOUR)  # type: ignore[attr-defined]
        for kind in ("leads", "contacts", "companies", "customers"):
            writes.edit(account, kind, next(iter(account.tables[kind]))["id"], name="Новое имя")
        account.clock.advance(HOUR)  # type: ignore[attr-defined]
    destination.take(messages(Sandbox(account), streams, destination.state()))
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    assert [
        difference
        for name in streams
        for own, row in wanted[name].items()
        for difference in comparison.difference(name, own, row, destination.rows[name].get(own))
    ] == []


@pytest.mark.parametrize("flag", ["honest", True])
@pytest.mark.parametrize("streams", [["contacts"], ["contacts", "companies"]], ids=["alone", "with companies"])
@pytest.mark.parametrize("edited", [1, 3, None], ids=["one", "some", "all"])
def test_a_contact_that_is_edited_keeps_the_name_of_its_company(
    account: Account, streams: list[str], edited: int | None, flag: Any
) -> None:
    account.switches.filter_flag = flag
    destination = Destination()
    destination.take(messages(Sandbox(account), streams))
    assert_taken(account, destination, streams[:1])
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    for own in with_a_company(account)[:edited]:
        writes.edit(account, "contacts", own, name=f"Имя {own}")
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    destination.take(messages(Sandbox(account), streams, destination.state()))
    assert_taken(account, destination, streams[:1])


@pytest.mark.parametrize("streams", [["deal_statuses"], ["deal_statuses", "deals"]], ids=["alone", "with deals"])
def test_a_move_that_is_read_again_keeps_its_reason_of_loss(account: Account, streams: list[str]) -> None:
    """Within the look-back."""
    reason = account.loss_reasons[0]["id"]
    for lead in list(account.tables["leads"])[:30]:
        writes.lose(account, lead["id"], reason)
    destination = Destination()
    for _ in range(2):
        account.clock.advance(60)  # type: ignore[attr-defined]
        destination.take(messages(Sandbox(account), streams, destination.state()))
        assert_taken(account, destination, streams[:1])
    assert destination.delivered["deal_statuses"] > len(destination.rows["deal_statuses"]), "read again"


@pytest.mark.parametrize("killed_after", one_in(3, range(20, 260, 30)))
def test_a_sync_that_is_resumed_loses_no_name(account: Account, killed_after: int) -> None:
    streams = ["companies", "contacts", "deals", "deal_statuses"]
    destination = Destination()
    with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", 10):
        destination.take(messages(Sandbox(account), streams), stop_after=killed_after)
        before = deepcopy(destination.rows)
        account.clock.advance(60)  # type: ignore[attr-defined]
        destination.take(messages(Sandbox(account), streams, destination.state()))
    assert sum(map(len, before.values())) < sum(map(len, destination.rows.values()))
    assert_taken(account, destination, ["contacts", "deal_statuses"])


def of_companies(sandbox: Sandbox) -> int:
    return sum(re.fullmatch(r"/api/v4/companies(/\d+)?", seen.path) is not None for seen in sandbox.log)


@pytest.mark.parametrize(("edited", "rows"), one_in(3, product((1, 2, 5, 20, None), (5, 20, 50, 250))))
def test_what_it_asks_is_at_most_twice_the_cheaper_way(account: Account, edited: int | None, rows: int) -> None:
    """The names of so many companies, one by one or with the pages of their list."""
    account.switches.page_max = account.switches.page_default = rows
    destination = Destination()
    destination.take(messages(Sandbox(account), ["contacts"]))
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    edits = with_a_company(account)[:edited]
    for own in edits:
        writes.edit(account, "contacts", own, name=f"Имя {own}")
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    sandbox = Sandbox(account)
    destination.take(messages(sandbox, ["contacts"], destination.state()))
    assert_taken(account, destination, ["contacts"])
    asked = of_companies(sandbox)
    wanted = len({account.linked("contacts", own, "companies")[0] for own in edits})
    whole = Sandbox(account)
    list(messages(whole, ["company_tags"]))
    cheaper = min(wanted, of_companies(whole))
    assert 0 < asked <= 2 * cheaper + math.ceil(math.log2(cheaper + 1)) + 2


def test_a_page_that_the_server_cannot_give_is_no_end(account: Account) -> None:
    """The second page of the companies takes it too long: they are asked for one by one."""
    destination = Destination()
    destination.take(messages(Sandbox(account), ["contacts"]))
    account.switches.deepest_page = 1
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    edits = with_a_company(account)[:9]
    for own in edits:
        writes.edit(account, "contacts", own, name=f"Имя {own}")
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    destination.take(messages(Sandbox(account), ["contacts"], destination.state()))
    assert_taken(account, destination, ["contacts"])
