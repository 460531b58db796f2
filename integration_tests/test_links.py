"""Tables of links: no request of their own, and only what a card still has is current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from source_amocrm.streams import STREAMS
from source_amocrm.streams.links import LinkStream

from . import comparison, expected
from .connector import messages
from .destination import Destination
from .sandbox import Account, ManualClock, Sandbox, Switches, writes

LINKS = [name for name, table in STREAMS.items() if issubclass(table, LinkStream)]
PARENTS = ["deals", "contacts", "companies", "customers"]


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
    """Where amoCRM does not count it as a change of the card, the card keeps its date, and the link with it."""
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
    assert ((lead, gone) in comparison.current("deal_contacts", destination.rows)) is not bump
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    for name in LINKS:
        more = comparison.current(name, destination.rows).keys() - wanted[name].keys()
        assert wanted[name].keys() <= comparison.current(name, destination.rows).keys(), name
        assert not (more and bump), name
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
