"""The days with which a period is compared, and the rounding of numbers and shares."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from amocrm_warehouse.report.like_with_like import (
    as_today,
    days_before,
    days_left,
    is_comparable,
    needed_a_day,
    part_passed,
    percents,
    rounded,
)
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.workbook import share_format
from amocrm_warehouse.report.working_days import WorkingDays

COMPARED = {
    "a quarter that is not over": ("2026-10-01", "2026-12-31", "2026-07-01", "2026-08-27"),
    "a month that is not over": ("2026-11-01", "2026-11-30", "2026-10-01", "2026-10-27"),
    "a year that is not over": ("2026-01-01", "2026-12-31", "2025-01-01", "2025-11-27"),
    "twelve months": ("2025-12-01", "2026-11-30", "2024-12-01", "2025-11-27"),
    "a whole month": ("2026-10-01", "2026-10-31", "2026-09-01", "2026-09-30"),
    "a whole month after a longer one": ("2026-02-01", "2026-02-28", "2026-01-01", "2026-01-31"),
    "a week that is not over": ("2026-11-23", "2026-11-29", "2026-11-16", "2026-11-22"),
    "a week that has just begun": ("2026-11-28", "2026-12-04", "2026-11-21", "2026-11-22"),
    "a day": ("2026-11-27", "2026-11-27", "2026-11-20", "2026-11-20"),
    "today": ("2026-11-29", "2026-11-29", "2026-11-22", "2026-11-22"),
    "days": ("2026-11-03", "2026-11-10", "2026-10-26", "2026-11-02"),
    "days from a first to today": ("2026-10-01", "2026-11-29", "2026-08-01", "2026-09-27"),
}


NEEDED = [
    ("1000", "400", "2026-11-27", 2, "300"), ("1000", "400", "2026-11-29", 1, "600"),
    ("1000", "400", "2026-11-30", 1, "600"), ("1000", "1200", "2026-11-10", 15, "0"),
    ("1000", "400", "2026-10-31", 1, "600"),
]  # fmt: skip
WORKING = WorkingDays(frozenset(
    day for at in range(700) if (day := date(2025, 1, 1) + timedelta(at)).isoweekday() < 6 and day != date(2026, 11, 4)
))  # fmt: skip
"""Mondays to Fridays, but a holiday."""


@pytest.mark.parametrize(("plan", "sold", "today", "left", "needed"), NEEDED)
def test_what_is_needed_a_day_counts_today(plan: str, sold: str, today: str, left: int, needed: str) -> None:
    day = date.fromisoformat(today)
    told = (days_left(day, WORKING), needed_a_day(Decimal(plan), Decimal(sold), day, WORKING))
    assert told == (left, Decimal(needed))


def test_the_part_of_a_month_that_has_passed_is_of_its_days_of_work() -> None:
    """November 2026 has 20 of them: 21 from Mondays to Fridays, of which one is a holiday."""
    days = [date(2026, 11, day) for day in (1, 2, 4, 5, 30)]
    assert [20 * part_passed(day, WORKING) for day in days] == [0, 1, 2, 3, 20]
    assert part_passed(date(2026, 11, 15), WorkingDays(frozenset())) == 0.5
    assert WORKING.before(date(2026, 11, 5)) == date(2026, 11, 3)
    assert WORKING.before(date(2026, 11, 30)) == date(2026, 11, 27)


@pytest.mark.parametrize("name", COMPARED)
def test_a_period_is_compared_with_the_same_days(name: str) -> None:
    first, last, *wanted = map(date.fromisoformat, COMPARED[name])
    assert list(days_before(first, last, date(2026, 11, 29), WORKING)) == wanted


def test_a_month_so_far_is_compared_with_as_many_days_of_work() -> None:
    """On a day off, the days off after the last of them belong to them; the first of a month always does."""
    todays = ["2026-11-02", "2026-11-05", "2026-11-06", "2026-11-07", "2026-11-01", "2026-03-01", "2026-07-31"]
    like = [as_today(date.fromisoformat(today), -1, WORKING) for today in todays]
    assert [f"{day:%m-%d}" for day in like] == ["10-01", "10-05", "10-06", "10-06", "10-01", "02-01", "06-30"]
    assert as_today(date(2026, 11, 8), -2, WORKING) == date(2026, 9, 6)
    assert as_today(date(2026, 10, 31), -1, WorkingDays(())) == date(2026, 9, 30)


def test_a_longer_month_is_compared_with_all_of_a_shorter_one() -> None:
    compared = days_before(date(2026, 3, 1), date(2026, 3, 31), date(2026, 3, 30), WORKING)
    assert compared == (date(2026, 2, 1), date(2026, 2, 28))


def test_a_share_below_the_whole_is_never_shown_as_the_whole() -> None:
    shares = (0.998, 0.99999, 0.995, 0.994, 1, 1.004, 0.0996, 0.105, -0.998, 0.00049, 0.125)
    assert [str(percents(share)) for share in shares] == [
        "99", "99", "99", "99", "100", "100", "10.0", "11", "-100", "0.0", "13",
    ]  # fmt: skip
    assert [Words("en").percent(share) for share in (0.998, 0.0996, 0.004, None)] == ["99%", "10%", "0.4%", "–"]
    assert Words("ru").percent(0.035) == "3,5\u00a0%"
    formats = [share_format(share) for share in (0.998, 1, 0.5, 0.05, -0.05, -0.998)]
    assert formats == ["almost", "share", "share", "small share", "small share", "share"]


def test_a_number_of_few_deals_is_not_compared_in_percent() -> None:
    """A count may fall from many deals to none; an average of few says nothing, whatever it was before."""
    numbers = [(5, 5), (0, 5), (4, 5), (5, 4), (900, 0), (5, None), (None, 5)]
    assert [is_comparable(now, before, is_average=False) for now, before in numbers] == [
        True, True, True, False, False, False, True,
    ]  # fmt: skip
    assert [is_comparable(now, before, is_average=True) for now, before in numbers] == [
        True, False, False, False, False, False, False,
    ]  # fmt: skip


def test_a_half_is_rounded_up() -> None:
    assert [str(rounded(value)) for value in (0.5, 1.5, 2.5, -2.5)] == ["1", "2", "3", "-3"]
    assert Words("en").number(2.5) == "3"
