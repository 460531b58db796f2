"""What every stream takes from the account's own description."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account.account import Account, _timezone
from source_amocrm.account.clocks import TOLERANCE
from source_amocrm.config import Config
from source_amocrm.http import Answer
from source_amocrm.http.client import Api

SUMMER = datetime(2024, 7, 1)
NOW = 1_700_000_000


@pytest.mark.parametrize("ahead", [0, 90, -90, TOLERANCE, -TOLERANCE, TOLERANCE + 1, -TOLERANCE - 1])
def test_amocrm_s_clock_counts_and_the_earlier_or_later_one_where_the_two_disagree(ahead: int) -> None:
    """The machine's clock is `ahead` of amoCRM's. A sync has begun a second before the answer at the latest."""
    answer = Answer({"id": 1}, NOW)
    budget = SimpleNamespace(room=lambda: 1)
    api = SimpleNamespace(wall=lambda: NOW + ahead, clock=lambda: 0.0, budget=budget, get=lambda *_, **__: answer)
    facts = Account(cast(Config, SimpleNamespace(num_workers=1)), cast(Api, api)).facts()
    earlier, later = NOW - 1 + min(0, ahead), NOW - 1 + max(0, ahead)
    told = (NOW - 1, NOW - 1) if abs(ahead) <= TOLERANCE else (earlier, later)
    assert (facts.started, facts.passed, facts.until) == (earlier, *told)


@pytest.mark.parametrize(
    ("settings", "hours"),
    [
        ({"timezone": "Europe/Moscow", "timezone_offset": "+05:00"}, 3.0),
        ({"timezone": "Europe/Nowhere", "timezone_offset": "+05:30"}, 5.5),
        ({"timezone_offset": "-03:00"}, -3.0),
        ({"timezone": "../etc/passwd", "timezone_offset": "+01:00"}, 1.0),
        ({"timezone": None, "timezone_offset": "soon"}, 0.0),
        ({}, 0.0),
        (None, 0.0),
    ],
)
def test_the_time_zone_is_the_named_one_else_the_offset_else_utc(
    settings: Any, hours: float, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"_embedded": {"datetime_settings": settings}}
    zone = _timezone(body, wanted=True)
    assert zone.utcoffset(SUMMER) == timedelta(hours=hours)
    assert [record.levelname for record in caplog.records] == ([] if hours else ["WARNING"])
    assert _timezone(body, wanted=False).utcoffset(SUMMER) == timedelta(hours=hours)
    assert len(caplog.records) == (not hours), "no table needs it"
