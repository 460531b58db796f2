"""How many requests a list takes that is read for the first time: hardly more than it has pages, however it is made."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, Literal

import pytest

from sandbox import Account, ManualClock, Sandbox, Switches
from sandbox.switches import Ties
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination

PAGE = 50
BEYOND = 10
"""Requests for the order, the edge of the filter, the size of a page, and what lies behind the end."""


@pytest.fixture(scope="module")
def account() -> Account:
    return Account.generate(seed=6, leads=1_000, clock=ManualClock())


@pytest.fixture(autouse=True)
def switches(account: Account) -> Iterator[None]:
    yield
    account.switches = Switches()


def requests(account: Account, name: str, path: str, **settings: Any) -> int:
    """That a read of the stream takes for the list; its rows must be the account's."""
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, [name], deleted_rows="ignore", **settings))
    assert destination.rows[name] == comparison.by_key(name, expected.table(account, name))
    assert destination.delivered[name] == len(destination.rows[name])
    return sum(seen.path == path for seen in sandbox.log)


@pytest.mark.parametrize("ties", ["id_asc", "id_desc", "shuffled"])
@pytest.mark.parametrize("per_second", [1, 10, 50, 60, 2_000])
def test_deals_that_were_imported(account: Account, per_second: int, ties: Ties) -> None:
    table = account.tables["leads"]
    begun = account.clock.now() - 86_400
    for place, own in enumerate(sorted(table.rows)):
        table.put(own, {**table.rows[own], "updated_at": begun + place // per_second})
    account.switches = Switches(page_max=PAGE, page_default=PAGE, ties=ties)
    pages = ceil(len(table) / PAGE)
    assert requests(account, "deals", "/api/v4/leads", num_workers=1) <= 1.25 * pages + BEYOND


@pytest.mark.parametrize(("most", "page"), [(250, 250), (100, 100), (50, 50)])
def test_events(account: Account, most: int, page: int) -> None:
    """By as many as the server gives, which falls back to 50 above that."""
    account.switches = Switches(events_page_max=most)
    pages = ceil(len(account.events) / page)
    assert requests(account, "events", "/api/v4/events") <= 1.1 * pages + BEYOND


@pytest.mark.parametrize("filters", [True, False], ids=["filter", "no filter"])
@pytest.mark.parametrize("end", ["204", "empty"])
def test_no_list_ends_with_a_full_page_that_names_no_next_one(end: Literal["204", "empty"], filters: bool) -> None:
    """Every list of the account, with counts of its rows or without."""
    switches = Switches(page_max=PAGE, events_page_max=PAGE, next_link=False, filter_enabled=filters, end=end)
    account = Account.generate(seed=6, leads=200, clock=ManualClock(), switches=switches)
    destination = Destination()
    assert destination.take(messages(Sandbox(account), deleted_rows="ignore"))
    assert comparison.problems(account, destination.rows) == []
    assert destination.complaints == []


@pytest.mark.parametrize(("rows", "requests"), [(249, 1), (250, 2), (251, 2), (285, 2)])
@pytest.mark.parametrize("next_link", [True, False])
def test_only_a_full_page_costs_a_request_more(rows: int, requests: int, next_link: bool) -> None:
    account = Account.generate(seed=6, leads=10, clock=ManualClock(), switches=Switches(next_link=next_link))
    first = account.loss_reasons[0]
    account.loss_reasons[:] = [{**first, "id": own, "sort": own} for own in range(1, rows + 1)]
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, ["loss_reasons"]))
    assert len(destination.rows["loss_reasons"]) == rows
    assert sum(seen.path.endswith("/loss_reasons") for seen in sandbox.log) == requests


@pytest.mark.parametrize("order", ["asc", "desc", "unordered"])
@pytest.mark.parametrize("name", ["tags", "customer_transactions", "catalog_elements"])
def test_lists_without_a_cursor(account: Account, name: str, order: str) -> None:
    account.switches = Switches(page_max=10, page_default=10, default_order=order)  # type: ignore[arg-type]
    assert STREAMS[name].cursor_field == []
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, [name]))
    assert destination.rows[name] == comparison.by_key(name, expected.table(account, name))
    asked = [seen for seen in sandbox.log if seen.path.endswith(name.rpartition("_")[2])]
    paths = {seen.path for seen in asked}
    rows = destination.delivered[name]
    assert len(asked) <= 1.4 * (rows / 10 + len(paths)) + BEYOND
