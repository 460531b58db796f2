"""Writes Unix seconds as dates, always in UTC, and durations in words."""

from __future__ import annotations

from datetime import datetime, timezone

LAST_SECOND = 253_402_300_799  # The last second of the year 9999: no text, state or destination can hold a later date


def iso(second: int) -> str:
    """Returns a second as 2026-11-25T10:00:00Z; the number itself if no date can hold it."""
    try:
        return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(second)


def day(second: int) -> str:
    """Returns the day of a second as 2026-11-25."""
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%d")


def duration(seconds: float) -> str:
    """Returns a duration in words, as rough as the estimate: tens of seconds, minutes, or hours and minutes."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{minutes} min" if seconds < 5_400 else f"{minutes // 60} h {minutes % 60} min"
