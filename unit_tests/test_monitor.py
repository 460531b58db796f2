"""How far a sync has read: what is said every few seconds."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from source_amocrm.airbyte.monitor import Monitor, ReadingProgress, log_progress, reached
from source_amocrm.engine.read_plan import Progress
from source_amocrm.http import Params
from source_amocrm.http.client import Stats
from source_amocrm.streams import STREAMS
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import Page, PageCheckpoint
from testing.offline import stream

MAY, JUNE, JULY, AUGUST = 1746057600, 1748736000, 1751328000, 1754006400
LEADS, EVENTS, FILES = "/api/v4/leads", "/api/v4/events", "/v1.0/files"
BY_DATE: Params = {"order[updated_at]": "asc", "filter[updated_at][from]": 1, "limit": 250}
BY_ID: Params = {"order[id]": "asc", "limit": 250}
ALL: Params = {"limit": 250}


class Account:
    """A sync without an account: how far the tables are is set by the test."""

    def __init__(self, *names: str, start: int | None = MAY) -> None:
        self.start = start
        self.stats = Stats()
        self.progresses = {name: self._progress(name) for name in names if STREAMS[name].cursor_field}
        self.monitor = Monitor(
            SimpleNamespace(stats=self.stats, budget=SimpleNamespace(waited=1234.56)),  # type: ignore[arg-type]
            {stream(name): self.progresses.get(name) for name in names},
            lambda _: None,
        )

    def _progress(self, name: str) -> Progress:
        progress = Progress(name, str(STREAMS[name].cursor_field), self.start, 300)
        progress.begin((resource.name for resource in STREAMS[name].inputs()), JULY)
        return progress

    def covered(self, name: str, since: int, until: int) -> None:
        for progress in self.progresses.values():
            if name in progress.pending:
                progress.cover(name, Page([], (since, until - 1)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("source_amocrm.airbyte.monitor.time.monotonic", lambda: clock.now)
    return clock


def test_how_far_the_list_is_that_has_the_longest_stretch_of_dates_left() -> None:
    account = Account("deals", "custom_fields_deals", "contacts", "users", start=None)
    account.monitor.count("deals", 1)
    account.stats.requests = 40
    assert account.monitor.progress() == ReadingProgress(1, 40, "")
    account.covered("leads", 0, JUNE)
    account.covered("contacts", 1, MAY)
    assert account.monitor.progress() == ReadingProgress(1, 40, "leads up to 2025-06-01"), "contacts have two stretches"
    account.covered("contacts", 0, 1)
    assert account.monitor.progress() == ReadingProgress(1, 40, "contacts up to 2025-05-01")
    for name in ("deals", "custom_fields_deals"):
        account.progresses[name].finish("leads")
    account.progresses["contacts"].finish("contacts")
    assert account.monitor.progress() == ReadingProgress(1, 40, ""), "both lists are read"


def test_a_list_that_is_read_in_the_order_of_ids_has_come_to_no_date() -> None:
    account = Account("deals", start=None)
    account.progresses["deals"].cover("leads", Page([], checkpoint=PageCheckpoint(5_000, 7)), MAY)
    assert account.monitor.progress() == ReadingProgress(0, 0, "")


def test_the_end_of_a_sync(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airbyte")
    account = Account("users")
    with account.monitor:
        account.monitor.count("users", 1)
        account.monitor.count("users", 1)
        account.stats.requests, account.stats.throttled = 3_630, 16
        clock.now = 520.0
    assert caplog.messages[-1] == (
        "Read 2 rows with 3,630 requests in 520.0 s (7.0 requests a second); "
        "16 were refused as too many (429); threads waited 1,234.6 s for their turn to ask."
    )
    log_progress(ReadingProgress(1_234, 56, "leads up to 2025-06-01"))
    log_progress(ReadingProgress(1_234, 56))
    assert caplog.messages[-2:] == [
        "Reading: 1,234 rows, 56 requests; leads up to 2025-06-01",
        "Reading: 1,234 rows, 56 requests",
    ]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ([], ""),
        ([(0, AUGUST)], ""),
        ([(0, MAY)], "back to 2025-05-01"),
        ([(MAY, AUGUST)], "up to 2025-05-01"),
        ([(MAY, FOREVER)], "up to 2025-05-01"),
        ([(MAY, JULY)], "back to 2025-07-01"),
        ([(0, MAY), (JUNE, JULY)], ""),
    ],
)
def test_where_a_reading_is(left: list[tuple[int, int]], words: str) -> None:
    assert reached(left, AUGUST) == words
