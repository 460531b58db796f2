"""What is there now: exact while people work, at the price of its pages, and all of a kind or none of it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from sandbox import Account, ManualClock, Request, Response, Sandbox, Switches, writes
from sandbox.query import parse
from source_amocrm.errors import AmocrmError
from testing import comparison
from testing.connector import messages
from testing.destination import Destination, Row
from testing.expected.live import live_entities

NAME = "live_entities"
Key = tuple[Any, ...]


def read(sandbox: Sandbox, streams: list[str] | None = None, **settings: Any) -> Destination:
    destination = Destination()
    assert destination.take(messages(sandbox, streams or [NAME], **settings))
    assert destination.complaints == []
    return destination


def listed(sandbox: Sandbox) -> dict[Key, Row]:
    return read(sandbox).rows[NAME]


def wanted(account: Account) -> dict[Key, Row]:
    return comparison.by_key(NAME, live_entities(account))


def fewest(rows: int) -> int:
    """The fewest pages of 250 rows at most that show so many rows, where each begins among the rows of the one before.

    A page of some size begins behind a whole number of pages of that size, so it seldom begins with the very row that
    it should, and rows are asked for twice.
    """
    pages, end = 1, 250
    while end < rows:
        end = max((end - 1) // size * size + size for size in range(1, 251))
        pages += 1
    return pages


def test_no_fewer_requests_show_that_no_row_was_left_out() -> None:
    account = Account.generate(seed=1, leads=2_600)
    sandbox = Sandbox(account)
    assert read(sandbox, num_workers=1).rows[NAME] == wanted(account)
    asked = Counter(seen.path.removeprefix("/api/v4/") for seen in sandbox.log)
    kinds = ("leads", "contacts", "companies", "customers")
    assert asked == {"account": 1, **{kind: fewest(len(account.tables[kind])) for kind in kinds}}
    assert asked["leads"] == 11
    assert fewest(50_000) == 217
    assert not any("with" in parse(seen.query) for seen in sandbox.log if not seen.path.endswith("/account"))


@pytest.mark.parametrize(
    "switches",
    [
        Switches(filter_enabled=False),
        Switches(customers_order_honoured=False, default_order="unordered", ties="shuffled"),
        Switches(page_max=50),
        Switches(customers="off"),
        Switches(next_on_full_last_page=True, end="empty"),
    ],
    ids=["no filter", "customers in no order", "small pages", "no customers", "a next page on the last"],
)
def test_any_kind_of_account(switches: Switches) -> None:
    account = Account.generate(seed=5, leads=300, switches=switches)
    assert listed(Sandbox(account)) == wanted(account)


class Busy(Sandbox):
    """People delete, merge, create and edit behind each of the first pages that are given."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.stayed = set(wanted(account))
        self._lock = threading.Lock()
        self._left = 20

    def answer(self, request: Request, refused: Response | None) -> Response:
        response = super().answer(request, refused)
        with self._lock, self.account.lock:
            if self._left <= 0:
                return response
            self._left -= 1
            leads, contacts = (sorted(self.account.tables[kind].rows) for kind in ("leads", "contacts"))
            writes.trash(self.account, "leads", leads[0])
            writes.merge(self.account, "contacts", contacts[1], contacts[0])
            writes.edit(self.account, "leads", leads[len(leads) // 2], name="edited")
            writes.create_lead(self.account)
            self.stayed &= wanted(self.account).keys()
        return response


def test_nothing_that_stays_is_missing_while_people_work() -> None:
    account = Account.generate(seed=6, leads=900)
    sandbox = Busy(account)
    before = wanted(account).keys()
    found = listed(sandbox).keys()
    assert len(before - sandbox.stayed) > 20
    assert sandbox.stayed <= found


def test_a_kind_that_may_not_be_read_is_not_told_of_at_all() -> None:
    sandbox = Sandbox(Account.generate(seed=1, leads=600, switches=Switches(forbidden=frozenset({"contacts"}))))
    destination = Destination()
    with pytest.raises(AmocrmError, match="contacts"):
        destination.take(messages(sandbox, [NAME]))


def test_what_left_without_a_trace_is_absent() -> None:
    """The victim of a merge, whose event names the survivor, and a deal that went without any event."""
    clock = ManualClock()
    account = Account.generate(seed=8, leads=60, clock=clock)
    first = read(Sandbox(account), ["deals", NAME])
    ids = sorted(account.tables["leads"].rows)
    writes.merge(account, "leads", ids[0], ids[1])
    writes.vanish(account, "leads", ids[2])
    clock.advance(3_600)
    second = Destination(rows=first.rows, states=first.states)
    assert second.take(messages(Sandbox(account), ["deals", NAME], first.state()))
    deals = {own for (own,), row in second.rows["deals"].items() if not row["is_deleted"]}
    live = {own for kind, own in second.rows[NAME] if kind == "leads"}
    assert deals - live == {ids[1], ids[2]}
