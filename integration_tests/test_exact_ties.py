"""Seconds with more rows than a page, in whatever order the server lists them: every row, each once, and an end."""

from __future__ import annotations

import time
from itertools import product
from unittest import mock

import pytest

from sandbox import Account, ManualClock, Request, Sandbox, Switches
from sandbox.switches import Ties
from source_amocrm.engine import delivery
from testing import comparison, expected
from testing.combinations import one_in
from testing.connector import messages
from testing.destination import Destination

DAY = 86_400
MOST_REQUESTS = 150
KINDS = {"deals": "leads", "contacts": "contacts", "tasks": "tasks", "notes": "leads/notes"}
SIZES = (250, 251, 500, 900)
ORDERS: tuple[Ties, ...] = ("id_asc", "id_desc", "shuffled")


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def account(clock: ManualClock) -> Account:
    return Account.generate(seed=4, leads=950, clock=clock)


class Robot:
    """A robot's mass edit: so many rows of a stream bear one date, a day old."""

    def __init__(self, account: Account, name: str, size: int) -> None:
        self.account, self.name = account, name
        self.second = account.clock.now() - DAY
        if name == "events":
            recent = [event_id for _, event_id in account.events.index("created_at")[-size:]]
            rows = account.events.rows
            account.load_events(rows[event_id]._replace(created_at=self.second) for event_id in recent)
        else:
            table = account.tables[KINDS[name]]
            for row_id in list(table.rows)[:size]:
                table.put(row_id, {**table.rows[row_id], "updated_at": self.second})

        self.wanted = comparison.by_key(name, expected.table(account, name))

    def problems(self, at_the_edge: bool, **switches: object) -> list[str]:
        """Where a read of everything, or of all since that second, differs from the account."""
        before, self.account.switches = self.account.switches, Switches(**switches)  # type: ignore[arg-type]
        sandbox, destination = Sandbox(self.account), Destination()
        sandbox.before_request.append(_impatient)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.second)) if at_the_edge else ""
        try:
            destination.take(messages(sandbox, [self.name], deleted_rows="ignore", start_date=since or None))
        finally:
            self.account.switches = before
        cursor = "created_at" if self.name == "events" else "updated_at"
        wanted = {own: row for own, row in self.wanted.items() if row[cursor] >= since}
        lines = [] if destination.delivered[self.name] == len(wanted) else [f"{destination.delivered}: too many or few"]
        for own, row in wanted.items():
            lines += comparison.difference(self.name, own, row, destination.rows[self.name].get(own))
        return lines + destination.complaints


def _impatient(sandbox: Sandbox, _: Request) -> None:
    assert len(sandbox.log) < MOST_REQUESTS


@pytest.mark.parametrize(("size", "ties", "filters"), one_in(5, product(SIZES, ORDERS, (True, False))))
def test_many_deals_of_one_second(account: Account, size: int, ties: Ties, filters: bool) -> None:
    """In the middle of what is read, and on the edge of it, whether the server counts the edge or not."""
    robot = Robot(account, "deals", size)
    for at_the_edge in (False, True):
        assert robot.problems(at_the_edge, ties=ties, filter_enabled=filters, from_inclusive=size % 2 == 0) == []


@pytest.mark.parametrize("ties", ["id_desc", "shuffled"])
@pytest.mark.parametrize("name", ["contacts", "tasks", "notes", "events"])
def test_many_rows_of_other_lists(account: Account, name: str, ties: Ties) -> None:
    robot = Robot(account, name, 501)
    for inclusive in (True, False):
        assert robot.problems(True, ties=ties, from_inclusive=inclusive, to_inclusive=inclusive) == []


def test_killed_in_the_middle_of_a_second(account: Account) -> None:
    """It goes on behind the rows of that second that were delivered, up to those that no state told of."""
    robot = Robot(account, "deals", 900)
    before, account.switches = account.switches, Switches(page_max=50, page_default=50)
    resumed, destination = Sandbox(account), Destination()
    try:
        with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", 60):
            for _ in range(3):
                read = messages(resumed, ["deals"], destination.state(), deleted_rows="ignore", num_workers=1)
                assert not destination.take(read, stop_after=150)
            destination.take(messages(resumed, ["deals"], destination.state(), deleted_rows="ignore"))
    finally:
        account.switches = before
    assert destination.rows["deals"] == robot.wanted
    assert destination.complaints == []
    assert destination.delivered["deals"] <= len(robot.wanted) + 3 * 2 * 60
