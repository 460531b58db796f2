"""The lines of a sync's log, word by word."""

from __future__ import annotations

import logging
import re
from types import SimpleNamespace
from typing import Any

import pytest

from source_amocrm.airbyte.report import Report, line, summary
from source_amocrm.http.stats import Stats
from source_amocrm.streams import TABLES
from source_amocrm.sync.progress import Progress
from source_amocrm.sync.sync import Selection
from source_amocrm.walk.spans import FOREVER

MAY, JUNE, JULY, AUGUST = 1746057600, 1748736000, 1751328000, 1754006400


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ([], ""),
        ([(0, FOREVER)], ", left: all of it"),
        ([(0, MAY)], ", left: until 2025-05-01"),
        ([(MAY, FOREVER)], ", left: since 2025-05-01"),
        ([(0, MAY), (JUNE, JULY)], ", left: since 2025-06-01 until 2025-07-01, until 2025-05-01"),
        (
            [(0, MAY), (JUNE, JULY), (AUGUST, FOREVER)],
            ", left: since 2025-08-01, since 2025-06-01 until 2025-07-01 and 1 more",
        ),
    ],
)
def test_what_is_left(left: list[tuple[int, int]], words: str) -> None:
    assert line("deals", 12_500, 50, 10.0, left) == f"deals: 12,500 rows, 50 requests, 1,250 rows a second{words}"


def test_a_stream_without_a_list_of_its_own() -> None:
    assert line("users", 7, None, 0.2, []) == "users: 7 rows, 7 rows a second"


def test_summary() -> None:
    assert summary(763_134, 3_630, 16, 1234.56, 520.0) == (
        "Read 763,134 rows with 3,630 requests in 520.0 s (7.0 requests a second); "
        "16 were refused as too many (429); threads waited 1,234.6 s for their turn to ask."
    )


def test_a_line_per_stream_that_is_being_read(caplog: pytest.LogCaptureFixture) -> None:
    stats = Stats()
    for path in ("/api/v4/leads", "/api/v4/leads", "/api/v4/account"):
        stats.sent(path)
    api: Any = SimpleNamespace(stats=stats, budget=SimpleNamespace(waited=0.0))
    progress = Progress("deals", "updated_at", MAY, 300)
    progress.begin(["leads"], JULY)
    selections = [Selection(TABLES["deals"], progress), Selection(TABLES["users"])]
    logger = logging.getLogger("airbyte.test_report")
    report = Report(api, logger, selections)
    rows = report.counted("deals", iter([{"lead_id": 1}, None, {"lead_id": 2}]))
    with caplog.at_level(logging.INFO, logger.name), report:
        assert [next(rows), next(rows)] == [{"lead_id": 1}, None]
        report.tell()
        assert list(rows) == [{"lead_id": 2}]
        report.tell()
    told, last = caplog.messages
    assert told == "deals: 1 rows, 2 requests, 1 rows a second, left: since 2025-05-01 until 2025-07-01"
    assert re.match(r"Read 2 rows with 3 requests in \d\.\d s ", last)
