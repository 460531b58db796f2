"""The lines of a sync's log: each list once, whatever number of tables it is read for."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, EstimateType

from source_amocrm.airbyte.monitor import Monitor
from source_amocrm.engine.read_plan import Progress, ResumePoint
from source_amocrm.http.client import Stats
from source_amocrm.streams import STREAMS
from source_amocrm.walk.listing import Page, PageCheckpoint
from unit_tests.offline import stream

APRIL, MAY, JULY = 1743465600, 1746057600, 1751328000
LEADS, CONTACTS, EVENTS = "/api/v4/leads", "/api/v4/contacts", "/api/v4/events"


class Account:
    """A sync without an account: what is asked for and how far the tables are is set by the test."""

    def __init__(self, *names: str, start: int | None = MAY) -> None:
        self.start = start
        self.stats = Stats()
        self.emitted: list[AirbyteMessage] = []
        self.progresses = {name: self._progress(name) for name in names if STREAMS[name].cursor_field}
        self.monitor = Monitor(
            SimpleNamespace(stats=self.stats, budget=SimpleNamespace(waited=1234.56)),  # type: ignore[arg-type]
            {stream(name): self.progresses.get(name) for name in names},
            self.emitted.append,
        )

    def _progress(self, name: str) -> Progress:
        progress = Progress(name, str(STREAMS[name].cursor_field), self.start, 300)
        progress.begin((resource.name for resource in STREAMS[name].inputs()), JULY)
        return progress

    def asks(self, path: str, times: int = 1) -> None:
        self.stats.requests += times
        self.stats.by_path[path] += times

    def page(self, path: str, rows: int = 50, made: int | None = None) -> None:
        self.asks(path)
        self.monitor.observe(path, Page([{"id": own, "created_at": made} for own in range(rows)]))

    def covered(self, name: str, until: int) -> None:
        for progress in self.progresses.values():
            if name in progress.pending:
                progress.cover(name, Page([], (0, until - 1)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("source_amocrm.airbyte.monitor.time.monotonic", lambda: clock.now)
    return clock


def lines(account: Account, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Of one round."""
    caplog.clear()
    account.monitor.log_progress()
    return list(caplog.messages)


def test_a_shared_list_is_told_once(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("deals", "custom_fields_deals", "deal_tags")
    account.page(LEADS)
    clock.now = 10.0
    account.covered("leads", MAY + 10 * 86_400)
    assert lines(account, caplog) == [
        "Reading leads (deals and 2 more): up to 2025-05-11, about 50 s left; 50 rows, 5 rows a second, 1 requests"
    ]
    account.covered("leads", JULY + 1)
    assert lines(account, caplog) == [
        "Reading leads (deals and 2 more): read to the end; 50 rows, 5 rows a second, 1 requests"
    ]
    account.monitor.observe(LEADS, None)
    for name in account.progresses:
        account.monitor.ended(name)
    assert lines(account, caplog) == []


def test_a_list_of_which_deletions_alone_are_left_is_not_read_before_it_begins(
    clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("deals")
    [progress] = account.progresses.values()
    progress.finish("leads", deletions_delivered=False)
    progress.needed = {}
    account.asks(LEADS)
    clock.now = 10.0
    assert lines(account, caplog) == ["Reading leads (deals); 0 rows, 0 rows a second, 1 requests"]


def test_what_takes_longest_is_told_last(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("deals", "contacts")
    account.page(LEADS)
    account.page(CONTACTS, 100)
    clock.now = 10.0
    account.covered("leads", MAY + 10 * 86_400)
    account.covered("contacts", MAY + 30 * 86_400)
    assert lines(account, caplog) == [
        "Reading contacts (contacts): up to 2025-05-31, about 10 s left; 100 rows, 10 rows a second, 1 requests",
        "Reading leads (deals): up to 2025-05-11, about 50 s left; 50 rows, 5 rows a second, 1 requests",
    ]


def test_from_the_newest_on_the_oldest_row_of_any_list_is_the_end(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("events", "deals", start=None)
    account.page(EVENTS)
    progress = account.progresses["events"]
    progress.cover("events", Page([], (MAY + 60 * 86_400, JULY)))
    clock.now = 10.0
    assert lines(account, caplog) == [
        "Reading events (events): back to 2025-06-29; 50 rows, 5 rows a second, 1 requests",
        "Reading leads (deals); 0 rows, 0 rows a second, 0 requests",
    ]
    account.page(LEADS, made=APRIL)
    account.monitor.observe(LEADS, None)
    for clock.now, since in ((20.0, MAY + 30 * 86_400), (30.0, MAY + 15 * 86_400)):
        progress.cover("events", Page([], (since, JULY)))
        told = lines(account, caplog)
    assert told == [
        "Reading events (events): back to 2025-05-15, about 30 s left; 50 rows, 2 rows a second, 1 requests"
    ]


def test_a_walk_by_page_number_has_no_date(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("deals")
    account.page(LEADS)
    clock.now = 10.0
    [progress] = account.progresses.values()
    progress.cover("leads", Page([], checkpoint=PageCheckpoint(3, 7)), MAY)
    assert isinstance(progress.pending["leads"].resume, ResumePoint)
    assert lines(account, caplog) == ["Reading leads (deals); 50 rows, 5 rows a second, 1 requests"]


def test_events_that_bring_no_row_are_told_too(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("deals")
    account.monitor.row("deals")
    account.monitor.observe(LEADS, None)
    account.asks(EVENTS, 70)
    clock.now = 10.0
    assert lines(account, caplog) == ["Reading events (what was deleted, restored or linked to others); 70 requests"]
    assert lines(account, caplog) == ["Reading the rest of deals; 1 rows, 0 rows a second"]
    assert account.monitor.ended("deals") == 1
    assert lines(account, caplog) == []


def test_a_table_without_a_list(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("users")
    with account.monitor:
        account.monitor.row("users")
        clock.now = 2.0
        assert lines(account, caplog) == ["Reading users; 1 rows, 0 rows a second"]
        account.monitor.row("users")
        account.asks(LEADS, 3_630)
        account.stats.throttled = 16
        clock.now = 520.0
    assert caplog.messages[-1] == (
        "Read 2 rows with 3,630 requests in 520.0 s (7.0 requests a second); "
        "16 were refused as too many (429); threads waited 1,234.6 s for their turn to ask."
    )


def test_how_many_rows_there_will_be_is_told_by_the_part_of_the_history_that_is_read(clock: Any) -> None:
    account = Account("deals", "custom_fields_deals", "notes", "users")
    account.page(LEADS)
    for name, rows in {"deals": 50, "custom_fields_deals": 120, "notes": 7, "users": 9}.items():
        for _ in range(rows):
            account.monitor.row(name)
    clock.now = 10.0
    account.covered("leads", MAY + (JULY - MAY) // 4)
    account.monitor.log_progress()
    account.monitor.estimate()
    estimates = [message.trace.estimate for message in account.emitted if message.trace]
    assert [(one.name, one.type, one.row_estimate) for one in estimates if one] == [
        ("deals", EstimateType.STREAM, 200),
        ("custom_fields_deals", EstimateType.STREAM, 480),
    ]
