"""No answers of the server make a read endless: it ends with the right rows, or with one error that says why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest
from airbyte_cdk.models import AirbyteMessage, TraceType

from sandbox import Account, Fault, ManualClock, Request, Response, Sandbox, Switches, writes
from sandbox.http import ok
from source_amocrm.errors import SyncFailed
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.combinations import one_in
from testing.command import run
from testing.connector import messages
from testing.destination import Destination

MOST_REQUESTS = 250
"""The account has 60 deals, in pages of 20: no list takes a hundred."""
SMALL = {"page_max": 20, "page_default": 20, "events_page_max": 20}
PATHS = {
    "deals": "/leads$",
    "custom_fields_deals": "/leads$",
    "contacts": "/contacts$",
    "tasks": "/tasks$",
    "notes": "/notes$",
    "events": "/events$",
    "deal_statuses": "/events$",
    "users": "/users$",
    "custom_fields": "/custom_fields$",
}
LISTS = [(name, True) for name in PATHS] + [(name, False) for name in ("deals", "custom_fields_deals", "contacts")]
"""Each with the paid filter, and without where that matters."""
KINDS = ("always_next", "repeated_page", "ignored_filter", "ignored_order", "outside_window")
ENDLESS = (
    "amoCRM's list {} promises a next page again and again without a new row in it, so it cannot be read to its end. "
    "Run the sync again later; if it repeats, report it to amoCRM support with the address of the list."
)
ONE_PAGE_FOR_EVER = {("deals", False), ("custom_fields_deals", False), ("contacts", False), ("tasks", True)}
"""Read by page number (stream, filter): where each page is the first, the rest cannot be had."""


def test_a_mistake_of_ours_in_one_table_holds_no_other_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are made of one list, and a reader that has gone must not be waited for."""

    def mistake(*_: object) -> NoReturn:
        raise KeyError("unforeseen")

    monkeypatch.setattr(STREAMS["calls"], "rows", mistake)
    account = Account.generate(seed=1, leads=60, switches=Switches(**SMALL))  # type: ignore[arg-type]
    told = run(Sandbox(account), "read", tmp_path, ["calls", "notes"])
    assert (told.code, list(told.errors())) == (1, ["calls"])
    assert told.rows()["notes"] == comparison.by_key("notes", expected.table(account, "notes"))


class Read:
    """Syncs of one stream, with an end to the patience of the server."""

    def __init__(self, name: str, faults: list[Fault], **switches: object) -> None:
        self.name = name
        self.clock = ManualClock()
        answers = Switches(**{**SMALL, **switches})  # type: ignore[arg-type]
        self.account = Account.generate(seed=1, leads=60, clock=self.clock, switches=answers)
        self.sandbox = Sandbox(self.account)
        self.sandbox.before_request.append(self._count)
        self.destination = Destination()
        self.errors: list[str] = []
        self._faults = faults
        self._asked = 0

    def twice(self, broken_at_first: bool = True) -> None:
        if broken_at_first:
            self.sandbox.faults.add(*self._faults)
        self._sync()
        self.clock.advance(10_000)
        if not broken_at_first:
            self.sandbox.faults.add(*self._faults)
        self._sync()

    def problems(self) -> list[str]:
        """Where the rows differ from the account's; the row that nobody asked for is one of the account too."""
        wanted = comparison.by_key(self.name, expected.table(self.account, self.name))
        got = self.destination.rows.get(self.name, {})
        known = wanted.keys() | {own for own, row in got.items() if row.get("is_deleted") or {1, "1"} & set(own)}
        lines = [f"{own}: {row}" for own, row in got.items() if own not in known]
        for own, row in wanted.items():
            lines += comparison.difference(self.name, own, row, got.get(own))
        return lines + self.destination.complaints

    def _sync(self) -> None:
        self._asked = 0
        self.destination.take(self._messages())

    def _messages(self) -> Iterator[AirbyteMessage]:
        try:
            for message in messages(self.sandbox, [self.name], self.destination.state()):
                if message.trace and message.trace.type == TraceType.ERROR and message.trace.error:
                    self.errors.append(message.trace.error.message)
                yield message
        except SyncFailed:
            pass

    def _count(self, _: Sandbox, __: Request) -> None:
        self._asked += 1
        assert self._asked < MOST_REQUESTS


@pytest.mark.parametrize(("name", "filters", "kind"), one_in(4, ((*of, kind) for of, kind in product(LISTS, KINDS))))
def test_a_list_that_lies(name: str, filters: bool, kind: str) -> None:
    """From the first sync on, and from the second. The flag of the account says what it should."""
    for broken_at_first in (True, False):
        read = Read(name, [Fault(kind, PATHS[name])], filter_enabled=filters, default_order="unordered")
        read.twice(broken_at_first)
        if kind == "repeated_page" and (name, filters) in ONE_PAGE_FOR_EVER and broken_at_first:
            path = next(seen.path for seen in read.sandbox.log if re.search(PATHS[name], seen.path))
            assert set(read.errors) == {ENDLESS.format(path)}
        else:
            assert read.errors == []
            assert read.problems() == []


@pytest.mark.parametrize(("name", "filters"), LISTS)
def test_ends_that_are_none_and_next_pages_that_are_empty(name: str, filters: bool) -> None:
    false_ends = [Fault("204", PATHS[name], min_page=2, nth=(1, 3))]
    read = Read(name, false_ends, filter_enabled=filters, next_on_full_last_page=True, end="empty")
    read.twice()
    assert read.errors == []
    assert read.problems() == []


def test_a_list_of_one_page_that_always_has_a_next() -> None:
    read = Read("statuses", [Fault("always_next", "/pipelines$")])
    read.twice()
    assert read.errors == [ENDLESS.format("/api/v4/leads/pipelines")] * 2
    assert read.destination.rows == {}


BUSY = ("deals", "custom_fields_deals", "contacts", "deal_statuses")


@pytest.mark.parametrize("filters", [True, False], ids=["filter", "no filter"])
def test_a_robot_that_changes_more_than_a_page_between_any_two_requests(filters: bool) -> None:
    """The sync ends while it goes on, calls no living deal deleted, and the next quiet one brings the rest."""
    clock = ManualClock()
    account = Account.generate(
        seed=3,
        leads=120,
        clock=clock,
        switches=Switches(**SMALL, filter_enabled=filters),  # type: ignore[arg-type]
    )
    deals = [lead["id"] for lead in account.tables["leads"]]
    returned = deals[:20]
    for deal in returned:
        writes.trash(account, "leads", deal)
    clock.advance(3_600)
    for deal in returned:
        writes.restore(account, "leads", deal)
    clock.advance(3_600)
    sandbox, random, destination = Sandbox(account), Random(3), Destination()

    def robot(_: Sandbox, __: Request) -> None:
        clock.advance(1)
        assert len(sandbox.log) < 600
        writes.mass_edit(account, "leads", {*returned, *random.sample(deals, 20)})

    sandbox.before_request.append(robot)
    assert destination.take(messages(sandbox, BUSY))
    assert [own for own, row in destination.rows["deals"].items() if row["is_deleted"] and own[0] in deals] == []
    with account.lock:  # a page that nobody waits for may still be asked for
        sandbox.before_request.remove(robot)
    clock.advance(600)
    destination.take(messages(Sandbox(account), BUSY, destination.state()))
    destination.take(messages(Sandbox(account), STREAMS, destination.state()))
    assert comparison.problems(account, destination.rows) == []


class NewOnes(Sandbox):
    """Each page of a list that is read whole brings other ids, and promises a next page."""

    def answer(self, request: Request, refused: Response | None) -> Response:
        if request.path not in ("/api/v4/catalogs", "/api/v4/leads/custom_fields"):
            return super().answer(request, refused)
        first = 1_000 * len(self.log)
        rows = [{"id": own, "name": str(own), "type": "text"} for own in range(first, first + 3)]
        collection = request.path.rpartition("/")[2]
        return ok({"_links": {"next": {"href": request.path}}, "_embedded": {collection: rows}})


def test_a_check_asks_for_one_page_of_a_list(tmp_path: Path) -> None:
    sandbox = NewOnes(Account.generate(seed=1, leads=5))
    assert run(sandbox, "check", tmp_path, readable_columns=True).code == 0
    asked = Counter(seen.path for seen in sandbox.log)
    assert {path: times for path, times in asked.items() if times > 1} == {}
