"""A first read through ten kinds of failure and false ends of lists is the account, row for row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sandbox import Account, Fault, Faults, RealClock, Request, Sandbox, Switches, writes
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination

STORMS = {
    "filters": Switches(),
    "no filters": Switches(filter_enabled=False),
}
LIES = {
    **STORMS,
    "no order": Switches(events_order="unordered", ties="shuffled", default_order="unordered"),
    "empty pages": Switches(end="empty", next_on_full_last_page=True, page_max=50, events_page_max=20),
}


def lived_in(leads: int, switches: Switches) -> Account:
    """An account in which nobody has worked for half an hour.

    Its clock moves by itself: with one that sleeping moves, each request would wait for what all the others wait.
    """
    account = Account.generate(seed=5, leads=leads, switches=switches)
    writes.random_edits(account, leads // 15)
    account.clock = RealClock(shift=1800)
    return account


def check_exact(account: Account, faults: Faults, destination: Destination | None = None) -> None:
    """After a sync, the first one of a new destination."""
    destination = destination or Destination()
    assert destination.take(messages(Sandbox(account, faults=faults), state=destination.state()))
    assert destination.complaints == []
    dead = expected.tombstones(account)
    for name, live in expected.tables(account).items():
        assert destination.rows[name] == comparison.by_key(name, [*live, *dead.get(name, ())]), name


@pytest.mark.parametrize("kind", STORMS)
def test_a_storm_over_many_pages(kind: str) -> None:
    """As many as an account of five thousand deals has in pages of 250."""
    faults = Faults.storm(seed=1)
    check_exact(lived_in(500, replace(STORMS[kind], page_max=25, page_default=25, events_page_max=25)), faults)
    struck = Counter(fault for _, fault, _ in faults.fired)
    assert len(struck) >= 10, "every kind of failure, or nearly so, has happened"


@pytest.mark.parametrize("kind", STORMS)
def test_a_server_that_manages_small_pages_only(kind: str) -> None:
    """Of no list whatever: entities, trash, events, dictionaries."""
    faults = Faults(Fault("504", r"/api/v4/", limit_over=60))
    account = lived_in(400, STORMS[kind])
    destination = Destination()
    check_exact(account, faults, destination)
    assert len({path for _, _, path in faults.fired}) > 10
    for later, lead in enumerate(account.tables["leads"].rows):
        account.clock = RealClock(shift=3_600 + later)
        writes.edit(account, "leads", lead, price=later)
    account.clock = RealClock(shift=7_200)
    check_exact(account, faults, destination)


class FirstAnswerLies(Faults):
    """Whatever is asked for, the first time there is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, str]] = Counter()

    def pick(self, request: Request, serial: int) -> str | None:  # noqa: ARG002
        if not request.path.startswith("/api/"):
            return None
        self.asked[request.path, request.query] += 1
        return "204" if self.asked[request.path, request.query] == 1 else None


@pytest.mark.parametrize("kind", LIES)
def test_no_false_end_is_believed(kind: str) -> None:
    """In all lists and dictionaries, first pages and single entities included."""
    faults = FirstAnswerLies()
    check_exact(lived_in(400, LIES[kind]), faults)
    assert len(faults.asked) > 30
