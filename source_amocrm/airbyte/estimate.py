"""How far a reading has come and how much longer it will take, as numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from source_amocrm.dates import day
from source_amocrm.walk.intervals import Interval

STRETCHES = 2
"""How many stretches of time are named."""
A_MINUTE, AN_HOUR = 60, 3600


class Observation(NamedTuple):
    """At the monotonic second `at`, `left` seconds of the account's history were still to be read."""

    at: float
    left: int


def seconds_left(seen: Sequence[Observation]) -> float | None:
    """How many seconds the rest takes at the observed pace; None if there is no pace yet."""
    if not seen:
        return None
    first, last = seen[0], seen[-1]
    passed = first.left - last.left
    return last.left * (last.at - first.at) / passed if passed > 0 and last.at > first.at else None


def duration(seconds: float) -> str:
    """A duration in words, as rough as the estimate: tens of seconds, minutes, or hours and minutes."""
    minutes = max(1, round(seconds / A_MINUTE))
    if seconds < 1.5 * A_MINUTE:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{minutes} min" if seconds < 1.5 * AN_HOUR else f"{minutes // 60} h {minutes % 60} min"


def reached(left: Sequence[Interval], until: int) -> str:
    """How far a reading up to the second `until` has come, if the intervals `left` are still to be read."""
    if not left:
        return "read to the end"
    if len(left) > 1:
        return f"left: {_stretches(left, until)}"
    [(start, end)] = left
    if end < until:
        return f"back to {day(end)}"
    return f"up to {day(start)}" if start > 0 else ""


def tables_in_words(names: Sequence[str]) -> str:
    """The first table by name, and how many more there are."""
    more = len(names) - 1
    return f"{names[0]} and {more} more" if more else names[0]


def summary(rows: int, requests: int, refused: int, waited: float, elapsed: float) -> str:
    """`refused`: answers 429; `waited`: seconds that all threads together waited for their turn to ask."""
    return (
        f"Read {rows:,} rows with {requests:,} requests in {elapsed:,.1f} s "
        f"({requests / max(elapsed, 1):.1f} requests a second); {refused:,} were refused as too many (429); "
        f"threads waited {waited:,.1f} s for their turn to ask."
    )


def _stretches(spans: Sequence[Interval], until: int) -> str:
    """The newest ones in words, and how many more there are."""
    newest = list(reversed(spans))
    told = ", ".join(_stretch(start, end, until) for start, end in newest[:STRETCHES])
    more = len(newest) - STRETCHES
    return f"{told} and {more} more" if more > 0 else told


def _stretch(start: int, end: int, until: int) -> str:
    since = "" if start <= 0 else f"since {day(start)}"
    upto = "" if end >= until else f"until {day(end)}"
    return " ".join(part for part in (since, upto) if part) or "all of it"
