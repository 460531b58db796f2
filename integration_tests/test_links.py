"""Tables of links: no request of their own, and only what a card still has is current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches, writes
from source_amocrm.streams import STREAMS
from source_amocrm.streams.links import LinkStream
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination

LINKS = [name for name, table in STREAMS.items() if issubclass(table, LinkStream)]
PARENTS = ["deals", "contacts", "companies", "customers"]
PARENTS_PATHS = ("leads", "contacts", "companies", "customers")


def asked(account: Account, streams: Sequence[str]) -> Counter[str]:
    sandbox = Sandbox(account)
    assert Destination().take(messages(sandbox, streams))
    return Counter(seen.path for seen in sandbox.log)


def test_they_cost_no_request() -> None:
    account = Account.generate(seed=2, leads=40)
    assert asked(account, [*PARENTS, *LINKS]) == asked(account, PARENTS)


def test_every_kind_of_link_is_there() -> None:
    tables = expected.tables(Account.generate(seed=2, leads=300))
    assert [name for name in LINKS if not tables[name]] == []


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no filters"])
@pytest.mark.parametrize("bump", [True, False], ids=["dated", "undated"])
def test_a_link_that_was_removed_is_not_current(bump: bool, filters: bool) -> None:
    """Also where amoCRM does not count it as a change of the card, which keeps its date."""
    clock = ManualClock()
    switches = Switches(links_bump=bump, tags_bump=bump, filter_enabled=filters)
    account = Account.generate(seed=2, leads=60, clock=clock, switches=switches)
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, [*PARENTS, *LINKS]))
    lead, contact, tagged, customer = (
        next(row["id"] for row in account.tables[kind] if found(row["id"]))
        for kind, found in (
            ("leads", lambda own: len(account.linked("leads", own, "contacts")) > 1),
            ("contacts", lambda own: account.linked("contacts", own, "companies")),
            ("companies", lambda own: account.tags_of("companies", own)),
            ("customers", lambda own: account.linked("customers", own, "contacts")),
        )
    )
    clock.advance(600)
    gone = account.linked("leads", lead, "contacts")[0]
    writes.unlink(account, "leads", lead, "contacts", gone)
    writes.unlink(account, "contacts", contact, "companies", account.linked("contacts", contact, "companies")[0])
    writes.unlink(account, "customers", customer, "contacts", account.linked("customers", customer, "contacts")[0])
    writes.untag(account, "companies", tagged, account.tags_of("companies", tagged)[0]["name"])
    clock.advance(600)
    destination.take(messages(sandbox, [*PARENTS, *LINKS], destination.state()))
    assert (lead, gone) in destination.rows["deal_contacts"]
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    for name in LINKS:
        assert comparison.current(name, destination.rows).keys() == wanted[name].keys(), name
    for name in PARENTS:
        assert {own: row["updated_at"] for own, row in destination.rows[name].items() if own in wanted[name]} == {
            own: row["updated_at"] for own, row in wanted[name].items()
        }

    clock.advance(600)
    writes.link(account, "leads", lead, "contacts", gone)
    clock.advance(600)
    destination.take(messages(sandbox, [*PARENTS, *LINKS], destination.state()))
    assert (lead, gone) in comparison.current("deal_contacts", destination.rows)
    assert destination.complaints == []


@pytest.fixture(params=[True, False], ids=["filter", "no filter"])
def linked_account(request: pytest.FixtureRequest) -> Account:
    """Where cards stop showing a card in the trash, and neither their dates nor an event tells of it."""
    switches = Switches(trash_links="hidden", filter_enabled=request.param, links_bump=False, merge_link_events=False)
    return Account.generate(seed=2, leads=120, clock=ManualClock(), switches=switches)


def linked_cards(account: Account) -> list[tuple[str, int]]:
    """Companies and contacts with deals, one of them the main contact; a deal; a contact of a customer."""
    companies = [row["id"] for row in account.tables["companies"] if account.linked("companies", row["id"], "leads")]
    contacts = [row["id"] for row in account.tables["contacts"] if account.linked("contacts", row["id"], "leads")]
    customers = [row["id"] for row in account.tables["contacts"] if account.linked("contacts", row["id"], "customers")]
    leads = [row["id"] for row in account.tables["leads"] if account.linked("leads", row["id"], "contacts")]
    kinds = {
        "companies": companies[:3],
        "contacts": [*dict.fromkeys([*contacts[:4], customers[-1]])],
        "leads": leads[-1:],
    }
    return [(kind, card) for kind, cards in kinds.items() for card in cards]


def sync(sandbox: Sandbox, destination: Destination) -> None:
    sandbox.account.clock.advance(600)  # type: ignore[attr-defined]
    assert destination.take(messages(sandbox, [*PARENTS, *LINKS], destination.state()))
    sandbox.account.clock.advance(600)  # type: ignore[attr-defined]


def wrong(account: Account, destination: Destination) -> list[str]:
    return comparison.problems(account, destination.rows, streams=[*PARENTS, *LINKS])


def test_a_card_that_was_in_the_trash_at_the_first_sync_is_linked_when_it_is_back(linked_account: Account) -> None:
    sandbox, destination = Sandbox(linked_account), Destination()
    cards = linked_cards(linked_account)
    for card in cards:
        writes.trash(linked_account, *card)
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []
    for card in cards:
        writes.restore(linked_account, *card)
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []
    asked = len(sandbox.log)
    sync(sandbox, destination)
    assert [seen.path for seen in sandbox.log[asked:] if seen.path.endswith("/links")] == []


def test_a_card_that_is_back_is_linked_though_the_links_of_another_in_the_trash_are_refused(
    linked_account: Account,
) -> None:
    """The card itself names its links; of a card in the trash only the refused list tells."""
    linked_account.switches.forbidden = frozenset(f"{kind}/links" for kind in PARENTS_PATHS)
    sandbox, destination = Sandbox(linked_account), Destination()
    cards = linked_cards(linked_account)
    for card in cards:
        writes.trash(linked_account, *card)
    sync(sandbox, destination)
    for card in cards:
        writes.restore(linked_account, *card)
    for kind in ("companies", "contacts", "leads"):
        alone = next(
            row["id"]
            for row in linked_account.tables[kind]
            if not any(linked_account.linked(kind, row["id"], other) for other in PARENTS_PATHS if other != kind)
        )
        writes.trash(linked_account, kind, alone)
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []
    assert any(seen.path.endswith("/links") for seen in sandbox.log)


def test_a_card_that_goes_to_the_trash_leaves_the_cards_that_showed_it(linked_account: Account) -> None:
    """As far as amoCRM tells what it was linked to; the row of the link keeps its card's date, which is as it was."""
    linked_account.switches.trash_in_links = True
    sandbox, destination = Sandbox(linked_account), Destination()
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []
    for card in linked_cards(linked_account):
        writes.trash(linked_account, *card)
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []


@pytest.mark.parametrize("carries", ["survivor", "victim"])
def test_the_cards_of_a_merged_one_show_the_one_that_is_left(
    linked_account: Account, carries: Literal["survivor", "victim"]
) -> None:
    """A contact has one company: that of the victim is left without either, and nothing tells of it."""
    linked_account.switches.merged_carries = carries
    sandbox, destination = Sandbox(linked_account), Destination()
    sync(sandbox, destination)
    for kind in ("companies", "contacts"):
        survivor, victim, *_ = (
            row["id"]
            for row in linked_account.tables[kind]
            if linked_account.linked(kind, row["id"], "leads")
            and not linked_account.linked(kind, row["id"], "companies")
        )
        writes.merge(linked_account, kind, survivor, victim)
    sync(sandbox, destination)
    assert wrong(linked_account, destination) == []
