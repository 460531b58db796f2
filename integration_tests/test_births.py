"""A card that is created changes the cards that it is linked to, which neither their dates nor events may tell."""

from __future__ import annotations

from copy import deepcopy
from unittest import mock
from urllib.parse import unquote

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from source_amocrm.engine import delivery
from testing import comparison
from testing.connector import messages
from testing.destination import Destination

TABLES = [*comparison.CARDS, *comparison.PARTS]


def generated(leads: int = 60, **switches: object) -> Account:
    account = Account.generate(seed=2, leads=leads, clock=ManualClock(), switches=Switches(**switches))  # type: ignore[arg-type]
    account.clock.advance(86_400)  # type: ignore[attr-defined]
    return account


def sync(sandbox: Sandbox, destination: Destination) -> list[str]:
    """Returns the requests of the sync."""
    sandbox.account.clock.advance(1_200)  # type: ignore[attr-defined]
    before = len(sandbox.log)
    assert destination.take(messages(sandbox, TABLES, destination.state()))
    assert destination.complaints == []
    sandbox.account.clock.advance(1_200)  # type: ignore[attr-defined]
    return [f"{seen.path}?{unquote(seen.query)}" for seen in sandbox.log[before:]]


def wrong(account: Account, destination: Destination) -> list[str]:
    return comparison.problems(account, destination.rows, streams=TABLES)


def give_birth(account: Account) -> None:
    """One card of each kind, linked to cards that were there."""
    contacts = list(account.tables["contacts"].rows)
    company = next(iter(account.tables["companies"].rows))
    writes.create_lead(account, contacts=contacts[:3], company=company)
    writes.create_contact(account, company=company)
    writes.create_customer(account, contacts=contacts[2:5], company=company)


@pytest.mark.parametrize("filters", [True, False], ids=["filter", "no filter"])
@pytest.mark.parametrize("bump", [True, "own", False], ids=["dated", "one dated", "undated"])
@pytest.mark.parametrize("links", ["told", "silent"])
@pytest.mark.parametrize("sides", ["both", "one"])
def test_the_cards_that_a_new_card_is_linked_to_show_it(
    links: str, bump: bool | str, sides: str, filters: bool
) -> None:
    account = generated(birth_links=links, links_bump=bump, link_event_sides=sides, filter_enabled=filters)
    sandbox, destination = Sandbox(account), Destination()
    sync(sandbox, destination)
    give_birth(account)
    sync(sandbox, destination)
    assert wrong(account, destination) == []
    delivered = destination.delivered.total()
    assert len(sync(sandbox, destination)) <= 60
    assert destination.delivered.total() == delivered
    customer = max(account.tables["customers"].rows)
    writes.unlink(account, "customers", customer, "contacts", account.linked("customers", customer, "contacts")[0])
    sync(sandbox, destination)
    assert wrong(account, destination) == []


def test_what_many_new_cards_are_linked_to_costs_a_request_for_fifty() -> None:
    """The walk has read the new cards, so none of them is asked for again."""
    account = generated(leads=400, birth_links="silent")
    sandbox, destination = Sandbox(account), Destination()
    sync(sandbox, destination)
    contacts = list(account.tables["contacts"].rows)[:300]
    for contact in contacts:
        writes.create_lead(account, contacts=[contact])
    asked = sync(sandbox, destination)
    assert wrong(account, destination) == []
    assert [one for one in asked if one.startswith("/api/v4/leads?") and "filter[id]" in one] == []
    by_id = [one for one in asked if one.startswith("/api/v4/contacts?") and "filter[id]" in one]
    assert len(by_id) == -(-len(contacts) // 50)


def test_births_of_a_sync_that_was_killed_are_made_up_for() -> None:
    account = generated(birth_links="silent")
    sandbox, first = Sandbox(account), Destination()
    sync(sandbox, first)
    give_birth(account)
    account.clock.advance(1_200)  # type: ignore[attr-defined]
    with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", 1):
        for point in range(2, 90, 3):
            destination = deepcopy(first)
            killed = not destination.take(messages(sandbox, TABLES, destination.state()), stop_after=point)
            sync(sandbox, destination)
            assert wrong(account, destination) == [], point
            if not killed:
                break


def test_a_list_that_is_not_read_tells_of_its_new_cards_all_the_same() -> None:
    account = generated(birth_links="silent")
    sandbox, destination = Sandbox(account), Destination()
    for _ in range(2):
        destination.take(messages(sandbox, ["contacts"], destination.state()))
        assert comparison.problems(account, destination.rows, streams=["contacts"]) == []
        account.clock.advance(1_200)  # type: ignore[attr-defined]
        give_birth(account)
        account.clock.advance(1_200)  # type: ignore[attr-defined]
