"""What every stream takes from the account's own description."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from source_amocrm.account.account import _timezone

SUMMER = datetime(2024, 7, 1)


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
