"""How far a sync has read: what is said every few seconds, and what is asked for it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, EstimateType

from source_amocrm.airbyte.monitor import Monitor, ReadingProgress, log_progress, reached
from source_amocrm.engine.read_plan import Progress
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Params
from source_amocrm.http.client import Answer, Stats
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
    """A sync without an account: what is requested and how far the tables are is set by the test.

    `left`: by path, how many pages are left, as the questions learn; None if amoCRM refuses them.
    """

    def __init__(self, *names: str, start: int | None = MAY, left: dict[str, int | None] | None = None) -> None:
        self.start = start
        self.stats = Stats()
        self.left = left or {}
        self.asked: list[tuple[str, Params]] = []
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

    def fetch(self, path: str, params: Params = ALL, *, shrinkable: bool = False) -> Answer:
        self.asked.append((path, dict(params)))
        assert (params["limit"], shrinkable) == (1, True), "a question is for one row"
        left = self.left[path]
        if left is None:
            raise AmocrmError("no")
        rows = [{"id": 1}] if int(str(params["page"])) <= left * 250 else []
        return Answer({"_embedded": {"whatever": rows}}, 0.0)

    def reads(self, path: str, pages: int, params: Params = BY_DATE, requests: int = 1_000) -> None:
        before = next((one.requests for name, one in self.stats.pages.items() if name.path == path), 0)
        for number in range(before + 1, before + pages + 1):
            self.stats.count_page(self.fetch, path, {**params, "page": number}, {"_links": {"next": {"href": "…"}}})
        self.stats.requests = max(requests, self.stats.requests)

    def covered(self, name: str, until: int) -> None:
        for progress in self.progresses.values():
            if name in progress.pending:
                progress.cover(name, Page([], (0, until - 1)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("source_amocrm.airbyte.monitor.time.monotonic", lambda: clock.now)
    return clock


def test_how_far_how_long_and_of_what(clock: Any) -> None:
    account = Account("deals", "custom_fields_deals", left={LEADS: 300})
    account.reads(LEADS, 30, requests=40)
    clock.now = 10.0
    account.monitor.count("deals", 1)
    account.covered("leads", MAY + 10 * 86_400)
    assert account.monitor.progress() == ReadingProgress(1, 40, None, None, "leads up to 2025-05-11")
    account.reads(LEADS, 70)
    clock.now = 20.0
    said = account.monitor.progress()
    assert str(said) == "21% read, about 50 s left; 1 rows, 1,000 requests; leads up to 2025-05-11"
    assert said.share is not None
    account.covered("leads", JULY + 1)
    clock.now = 30.0
    assert account.monitor.progress() == ReadingProgress(1, 1_000, None, None, ""), "the list is read"


def test_the_questions_are_for_what_is_left_by_date() -> None:
    """Behind the rows that are read, whichever way the list is read: the filter is of what is left."""
    account = Account("deals", left={LEADS: 60})
    account.reads(LEADS, 20)
    account.covered("leads", JUNE)
    account.monitor.progress()
    left = {"filter[updated_at][from]": JUNE, "filter[updated_at][to]": JULY, "order[updated_at]": "asc", "limit": 1}
    assert account.asked == [(LEADS, {**left, "page": pages * 250 + 1}) for pages in (40, 328, 115)]


def test_the_questions_go_on_from_the_last_page_by_number() -> None:
    account = Account("deals", "files", start=None, left={LEADS: 500, FILES: None})
    [progress] = account.progresses.values()
    progress.cover("leads", Page([], checkpoint=PageCheckpoint(5_000, 7)), MAY)
    account.reads(LEADS, 20, BY_ID)
    account.reads(FILES, 31, {"limit": 50})
    account.monitor.progress()
    assert account.asked == [
        (FILES, {"limit": 1, "page": (31 + 2 * 30) * 50 + 1}),
        (LEADS, {"order[id]": "asc", "limit": 1, "page": (20 + 40) * 250 + 1}),
        (LEADS, {"order[id]": "asc", "limit": 1, "page": (20 + 328) * 250 + 1}),
    ]


def test_two_readings_of_one_list_are_told_apart() -> None:
    """The cards with their fields, the ids of all cards, and what is asked by ids, row by row, or of another kind."""
    stats, fetch = Stats(), Account("deals").fetch
    for params in (
        {**BY_DATE, "with": "contacts", "page": 1}, {**BY_DATE, "with": "contacts", "page": 2},
        {**ALL, "page": 1}, {**ALL, "page": 2},
        {**ALL, "filter[id][]": [1, 2], "page": 1}, {**BY_DATE, "limit": 1, "page": 9}, {**BY_DATE},
    ):  # fmt: skip
        stats.count_page(fetch, LEADS, params, None)
    for kinds in (["lead_deleted"], ["lead_added", "lead_deleted"]):
        stats.count_page(
            fetch, EVENTS, {"filter[type][]": kinds, "filter[created_at][from]": 1, **ALL, "page": 1}, None
        )
    assert {tuple(name): one.requests for name, one in stats.pages.items()} == {
        (LEADS, "with=contacts", False): 2,
        (LEADS, "", True): 1,
        (EVENTS, "filter%5Btype%5D%5B%5D=lead_deleted", False): 1,
        (EVENTS, "filter%5Btype%5D%5B%5D=lead_added&filter%5Btype%5D%5B%5D=lead_deleted", False): 1,
    }


def test_a_list_is_left_until_its_end_is_seen_however_slowly_it_comes() -> None:
    """A list that is read whole ends with a page without a next one, a changing list when its tables have it."""
    account = Account("deals", "events", start=None)
    kinds = {"filter[type][]": ["lead_deleted"], "filter[created_at][from]": 1, **ALL}
    account.reads(EVENTS, 9, kinds)
    account.reads(EVENTS, 1, {"filter[created_at][from]": 1, **ALL})
    account.reads(FILES, 5, ALL)
    account.reads(LEADS, 5)
    for _ in range(2):
        assert {(name.path, name.query) for name in account.monitor._unread()} == {
            (EVENTS, ""), (FILES, ""), (LEADS, "")
        }  # fmt: skip
    account.stats.count_page(account.fetch, FILES, {**ALL, "page": 6}, {"_links": {}})
    account.stats.count_page(account.fetch, FILES, {**ALL, "page": 4}, {"_links": {"next": {}}})
    account.progresses["deals"].finish("leads")
    assert [(name.path, name.query) for name in account.monitor._unread()] == [(EVENTS, "")]


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
    log_progress(ReadingProgress(1_234, 56, 0.5, 100.0, "leads"))
    log_progress(ReadingProgress(1_234, 56))
    assert caplog.messages[-2:] == [
        "Reading: 50% read, about 2 min left; 1,234 rows, 56 requests; leads",
        "Reading: 1,234 rows, 56 requests",
    ]


def test_how_many_rows_a_table_of_one_list_will_have(clock: Any) -> None:
    account = Account("deals", "custom_fields_deals", "notes", "users", left={LEADS: 300})
    for name, rows in {"deals": 50, "custom_fields_deals": 120, "notes": 7, "users": 9}.items():
        for _ in range(rows):
            account.monitor.count(name, 1)
    for clock.now in (10.0, 20.0):
        account.reads(LEADS, 50)
        account.monitor.progress()
        account.monitor.estimate()
    estimates = [message.trace.estimate for message in account.emitted if message.trace]
    assert [(one.name, one.type, one.row_estimate) for one in estimates if one] == [
        ("deals", EstimateType.STREAM, 597),
        ("custom_fields_deals", EstimateType.STREAM, 1_433),
        ("deals", EstimateType.STREAM, 188),
        ("custom_fields_deals", EstimateType.STREAM, 451),
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
