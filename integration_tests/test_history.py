"""Tables made of notes and events share their reading with `notes`, `events` and `deal_statuses`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from airbyte_cdk.models import Type

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination

CARDS = {"leads": "deal", "contacts": "contact", "companies": "company", "customers": "customer"}
RESPONSIBLE = [f"{card}_responsible_changes" for card in CARDS.values()]
FIELDS = [f"{card}_field_changes" for card in CARDS.values()]
EVENTS = [*RESPONSIBLE, "deal_sale_changes", *FIELDS, "deleted_entities"]
NOTES = ["calls", "messages"]


def change(account: Account, kind: str) -> None:
    """Gives three cards to somebody else, and fills, changes and empties a field of each."""
    users = list(account.users)
    field = next(one for one in account.fields[kind] if one["type"] in ("text", "textarea", "numeric", "url"))
    for card in list(account.tables[kind].rows)[:3]:
        was = account.row(kind, card)["responsible_user_id"]
        writes.edit(account, kind, card, responsible_user_id=next(user for user in users if user != was))
        for value in ("17", "18"):
            writes.set_field(account, kind, card, field["id"], [{"value": value}])
        writes.clear_field(account, kind, card, field["id"])
        account.clock.advance(7)  # type: ignore[attr-defined]


def asked(streams: Sequence[str]) -> Counter[tuple[str, bool]]:
    """How often each list was asked for, and whether only for some kinds; in an account whose lists are of one page."""
    account = Account.generate(seed=2, leads=10, switches=Switches(events_page_max=250))
    lead = next(iter(account.tables["leads"].rows))
    writes.edit(account, "leads", lead, price=account.row("leads", lead)["price"] + 1)  # an empty list is asked again
    chat = [{"message": {"id": "m"}}]
    account.record("incoming_chat_message", "lead", lead, by=0, at=account.clock.now() - 60, after=chat)
    account.clock = ManualClock(account.clock.now() + 60)
    sandbox = Sandbox(account)
    assert Destination().take(messages(sandbox, streams))
    return Counter((seen.path, "type" in seen.query) for seen in sandbox.log)


def test_they_cost_no_request() -> None:
    parents = ["notes", "events", "deal_statuses"]
    assert asked([*parents, *EVENTS, *NOTES]) == asked(parents)


def test_alone_they_ask_for_what_they_need() -> None:
    events, account = "/api/v4/events", ("/api/v4/account", False)
    assert asked(["deal_sale_changes", "deleted_entities"]) == Counter([account, (events, True)])
    assert asked(["deal_field_changes", "deal_sale_changes"]) == Counter([account, (events, False)])
    notes = asked(["calls"])
    assert all(path.endswith("/notes") for path, _ in notes.keys() - {account})
    assert asked(["messages", "calls"]) == notes + Counter([(events, True)])


@pytest.mark.parametrize("kinds", ["with_id", "generic"])
@pytest.mark.parametrize("order", ["asc", "desc", "unordered"])
def test_row_for_row(order: str, kinds: str) -> None:
    """Also where the newest events must come first for another table."""
    switches = Switches(events_order=order, field_event_type=kinds, events_page_max=50)  # type: ignore[arg-type]
    account = Account.generate(seed=4, leads=150, switches=switches, clock=ManualClock())
    for kind in CARDS:
        change(account, kind)
    wanted = expected.tables(account)
    found: dict[str, list[dict[str, object]]] = {}
    for message in messages(Sandbox(account), [*EVENTS, *NOTES, "deal_statuses"]):
        if message.type == Type.RECORD and message.record:
            found.setdefault(message.record.stream, []).append(dict(message.record.data))
    for name in (*EVENTS, *NOTES):
        assert len(found[name]) == len(wanted[name]) > 0, name
        assert comparison.by_key(name, found[name]) == comparison.by_key(name, wanted[name]), name


def test_a_later_sync_brings_the_changes_since() -> None:
    account = Account.generate(seed=4, leads=150, clock=ManualClock())
    sandbox, destination = Sandbox(account), Destination()
    assert destination.take(messages(sandbox, [*RESPONSIBLE, *FIELDS]))
    before = sum(destination.delivered.values())
    account.clock.advance(900)  # type: ignore[attr-defined]
    for kind in CARDS:
        change(account, kind)
    account.clock.advance(900)  # type: ignore[attr-defined]
    assert destination.take(messages(sandbox, [*RESPONSIBLE, *FIELDS], destination.state()))
    assert sum(destination.delivered.values()) - before == len(CARDS) * 3 * 4
    for name in (*RESPONSIBLE, *FIELDS):
        assert destination.rows[name] == comparison.by_key(name, expected.table(account, name)), name
