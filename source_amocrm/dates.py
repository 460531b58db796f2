"""How Unix seconds are written as dates, always in UTC."""

from __future__ import annotations

from datetime import datetime, timezone

LAST_SECOND = 253_402_300_799
"""The last second of the year 9999: no text, state or destination can hold a later date."""


def iso(second: int) -> str:
    """A second as 2026-11-25T10:00:00Z; the number itself if it is no date."""
    try:
        return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(second)


def day(second: int) -> str:
    """The day of a second, as 2026-11-25."""
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%d")
