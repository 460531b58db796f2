"""What exactness costs in requests: resumed after kills, after a hundred edits among 4,000 deals, on an idle day.

Reading the lists of the account anew would break the bounds; more deals would only hide what a kill costs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest import mock

import pytest
import yaml

from sandbox import Account, ManualClock, Sandbox, writes
from source_amocrm.engine import delivery
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.connector import messages
from testing.destination import Destination, Key, Row

CATALOG = Path(__file__).resolve().parents[1] / "testing" / "table-catalog.yaml"
PROMISED = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["tables"]
WHOLE = [name for name, table in STREAMS.items() if not table.cursor_field and name not in PROMISED]
KILLS = 10
DAY = 86_400
LATENCY = 0.3
SMALLER = 5
"""How many times fewer rows a page holds, and come between two states, while syncs are killed: an account of 20,000
deals has as many pages."""
HELPERS = 3
"""As many as there is room for at 7 requests a second, that take that long."""


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def account(clock: ManualClock) -> Account:
    return Account.generate(seed=2, leads=4_000, clock=clock)


def served(account: Account, clock: ManualClock) -> Sandbox:
    """The account of a server that answers at once: as many pages as there may be are ahead of the reader."""
    sandbox = Sandbox(account)
    sandbox.before_request.append(lambda *_: clock.advance(LATENCY))
    return sandbox


def read(sandbox: Sandbox, streams: Collection[str], into: Destination, stop_after: int | None = None) -> bool:
    """Returns whether the sync came to its end, which it does unless it is killed after so many messages."""
    with closing(messages(sandbox, streams, into.state(), num_workers=HELPERS)) as synced:
        return into.take(synced, stop_after=stop_after)


def killed_and_resumed(account: Account, clock: ManualClock, streams: Collection[str], seed: int) -> tuple[int, int]:
    """Requests of an unbroken read, and of one that is killed ten times and resumed each time."""
    sandbox, whole = served(account, clock), Destination()
    assert read(sandbox, streams, whole)
    unbroken = len(sandbox.log)
    sandbox, resumed = served(account, clock), Destination()
    points = sorted(Random(seed).sample(range(whole.messages), KILLS))
    for point, previous in zip(points, (0, *points), strict=False):
        assert not read(sandbox, streams, resumed, stop_after=point - previous)
    assert read(sandbox, streams, resumed)
    for name in streams:
        assert unread(resumed.rows[name]) == unread(whole.rows[name])
    return unbroken, len(sandbox.log)


def unread(rows: dict[Key, Row]) -> dict[Key, Row]:
    """Drops the moments of the readings."""
    return {key: {column: value for column, value in row.items() if column != "read_at"} for key, row in rows.items()}


@pytest.mark.parametrize(
    ("streams", "filters", "requests", "kill"),
    [
        (["deals"], True, 120, 20),
        (["deals", "custom_fields_deals"], False, 120, 20),
        pytest.param(list(PROMISED), True, 1_800, 170, marks=pytest.mark.at_length),
    ],
    ids=["deals", "deals, no filter", "fifteen tables"],
)
def test_eighty_pages_of_deals_killed_ten_times(
    account: Account, clock: ManualClock, streams: list[str], filters: bool, requests: int, kill: int
) -> None:
    """`kill`: the requests that each may cost."""
    usual, page = account.switches, account.switches.page_max // SMALLER
    events = usual.events_page_max // SMALLER
    account.switches = replace(usual, filter_enabled=filters, page_max=page, page_default=page, events_page_max=events)
    try:
        with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", delivery.ROWS_BETWEEN_STATES // SMALLER):
            unbroken, broken = killed_and_resumed(account, clock, streams, seed=int(filters))
    finally:
        account.switches = usual
    assert unbroken < requests
    assert broken <= unbroken + KILLS * kill


def test_after_a_hundred_edits_sixty_requests_tell_what_changed(account: Account, clock: ManualClock) -> None:
    destination = Destination()
    destination.rows = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    yesterday = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now() - DAY))
    destination.take(messages(Sandbox(account), start_date=yesterday))
    random = Random(4)
    for _ in range(100):
        clock.advance(36)
        writes.random_edits(account, 1, random)
    clock.advance(600)

    assert sum(asked(account, destination).values()) <= 60
    assert comparison.problems(account, destination.rows) == []

    account.switches.filter_enabled = False
    try:
        clock.advance(3_600)
        idle = asked(account, destination)
    finally:
        account.switches.filter_enabled = True
    assert sum(idle.values()) <= 40
    assert idle.pop("/api/v4/events") <= 5
    assert max(idle.values()) <= 2


def test_a_sync_a_minute_takes_at_most_fifteen_percent_of_the_pace(account: Account, clock: ManualClock) -> None:
    """Of the fifteen tables, with a hundred edits a minute; what is asked does not depend on the number of deals."""
    minute, pace, random = 60, 7, Random(5)
    destination = Destination()
    destination.rows = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    yesterday = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now() - DAY))
    destination.take(messages(Sandbox(account), PROMISED, start_date=yesterday))
    shares = []
    for _ in range(3):
        for _ in range(100):
            clock.advance(minute / 100)
            writes.random_edits(account, 1, random)
        sandbox = Sandbox(account)
        destination.take(messages(sandbox, PROMISED, destination.state()))
        shares.append(len(sandbox.log) / (minute * pace))
    assert sum(shares) / len(shares) <= 0.15


def asked(account: Account, destination: Destination) -> Counter[str]:
    """The requests for each list in the next sync, without those for lists that are read whole whatever happened."""
    sandbox = Sandbox(account)
    destination.take(messages(sandbox, [name for name in STREAMS if name not in WHOLE], destination.state()))
    destination.take(messages(Sandbox(account), WHOLE))
    return Counter(seen.path for seen in sandbox.log)
