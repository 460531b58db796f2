"""Cards that come back from the trash bring the notes and tasks that amoCRM hid meanwhile, with their old dates."""

from __future__ import annotations

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from testing import comparison
from testing.connector import messages
from testing.destination import Destination

ACTIVITY = ["notes", "calls", "messages", "tasks"]
KINDS = ("leads", "contacts", "companies")


def hidden_account(**switches: object) -> tuple[Account, ManualClock]:
    """Returns an account with all cards that have notes or tasks in the trash, and these hidden."""
    clock = ManualClock()
    account = Account.generate(
        seed=2,
        leads=60,
        clock=clock,
        switches=Switches(trash_activity="hidden", **switches),  # type: ignore[arg-type]
    )
    for kind in KINDS:
        owners = {row["entity_id"] for row in account.tables[f"{kind}/notes"]}
        owners |= {row["entity_id"] for row in account.tables["tasks"] if row["entity_type"] == kind}
        for card in sorted(owners & account.tables[kind].rows.keys()):
            writes.trash(account, kind, card)
    clock.advance(86_400)
    return account, clock


def restore_all(account: Account) -> int:
    cards = [(kind, card) for kind in KINDS for card in list(account.trash[kind])]
    for kind, card in cards:
        writes.restore(account, kind, card)
    return len(cards)


@pytest.mark.parametrize("deleted_rows", ["mark", "ignore"])
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no filters"])
def test_they_come_with_their_card(filters: bool, deleted_rows: str) -> None:
    account, clock = hidden_account(filter_enabled=filters)
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, ACTIVITY, deleted_rows=deleted_rows))
    before = {name: len(destination.rows.get(name, {})) for name in ACTIVITY}
    clock.advance(86_400)
    assert restore_all(account) > 50
    clock.advance(600)
    destination.take(messages(sandbox, ACTIVITY, destination.state(), deleted_rows=deleted_rows))
    assert all(len(destination.rows[name]) > before[name] for name in ACTIVITY), before
    assert comparison.problems(account, destination.rows, streams=ACTIVITY) == []
    assert destination.complaints == []


def test_what_fifty_cards_bring_costs_a_request_of_each_list() -> None:
    account, clock = hidden_account()
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, ["notes", "tasks"]))
    clock.advance(86_400)
    cards = list(account.trash["leads"])[:50]
    for card in cards:
        writes.restore(account, "leads", card)
    clock.advance(600)
    sandbox.log.clear()
    destination.take(messages(sandbox, ["notes", "tasks"], destination.state()))
    asked = [seen for seen in sandbox.log if "entity_id" in str(seen.query)]
    assert sorted(seen.path for seen in asked) == ["/api/v4/leads/notes", "/api/v4/tasks"]
    assert comparison.problems(account, destination.rows, streams=["notes", "tasks"]) == []
