"""What the page knows of a day: the days to compare it with, and the periods to choose from."""

from __future__ import annotations

from datetime import date
from typing import Any

from amocrm_warehouse.report.like_with_like import as_today, days_left, last_of_month, months_later, part_passed
from amocrm_warehouse.report.working_days import ONE_DAY, WorkingDays

EPOCH = date(1970, 1, 1).toordinal()
"""The day that has the number 0 in the page."""
MOST_MONTHS = 36
"""The most months that the page goes back."""
WEEKS = 26
"""The most weeks offered."""
LATEST = date(9998, 12, 31)
"""The last day of the period of everything: deals may be dated as closed in the future."""
Period = dict[str, Any]


def day_number(day: date) -> int:
    return day.toordinal() - EPOCH


def day_facts(today: date, since: date, working: WorkingDays) -> dict[str, Any]:
    """Returns what depends on the days of work, and the periods of the data since a month's first day.

    `like_today`: the day of each month before that is as today is now. `passed`: the part of the month that has passed
    with each of its days. `left`: its days of work that are left. `recent`: the last day of work and the last week.
    """
    first, last = today.replace(day=1), last_of_month(today)
    return {
        "like_today": [day_number(as_today(today, -back, working)) for back in range(MOST_MONTHS + 1)],
        "passed": [part_passed(first + at * ONE_DAY, working) for at in range(last.day)],
        "left": days_left(today, working),
        "recent": {kind: [day_number(day) for day in days] for kind, days in working.recent(today).items()},
        "periods": periods(today, since),
    }


def periods(today: date, since: date) -> list[Period]:
    """Returns the periods of the data since a month's first day, in the order of the page.

    First come those that move with the day, in an address, too; then everything, the last months, and each week, month,
    quarter and year with data, the newest first.
    """
    now, monday = today.replace(day=1), today - today.weekday() * ONE_DAY
    quarter = months_later(now, -((now.month - 1) % 3))
    months = [now]
    while months[-1] > since:
        months.append(months_later(months[-1], -1))
    quarters = dict.fromkeys(months_later(month, -((month.month - 1) % 3)) for month in months)
    return [
        of_months("this_month", "this_month", now, 1, "now"),
        of_days("this_week", "this_week", monday, 7, "now"),
        of_days("yesterday", "yesterday", today - ONE_DAY, 1, "now"),
        of_days("last_week", "last_week", monday - 7 * ONE_DAY, 7, "now"),
        of_months("last_month", "last_month", months_later(now, -1), 1, "now"),
        of_months("last_quarter", "last_quarter", months_later(quarter, -3), 3, "now"),
        period("all", "all", since, LATEST, "long", whole=True),
        *(of_months(f"last{count}", f"last{count}", months_later(now, 1 - count), count, "long") for count in (12, 3)),
        *(of_days(f"{day}", "week", day, 7) for day in (monday - 7 * back * ONE_DAY for back in range(WEEKS))),
        *(of_months(f"{month:%Y-%m}", "month", month, 1) for month in months),
        *(of_months(f"{first:%Y}-Q{first.month // 3 + 1}", "quarter", first, 3) for first in quarters),
        *(of_months(f"{year}", "year", date(year, 1, 1), 12) for year in dict.fromkeys(one.year for one in months)),
    ]


def period(identity: str, kind: str, first: date, last: date, group: str, *, whole: bool) -> Period:
    """Returns a period. `whole`: it consists of months, which plans and costs have."""
    days = {"first": day_number(first), "last": day_number(last)}
    return {"id": identity, "kind": kind, "group": group, **days, "whole": whole}


def of_days(identity: str, kind: str, first: date, count: int, group: str = "") -> Period:
    return period(identity, kind, first, first + (count - 1) * ONE_DAY, group or kind, whole=False)


def of_months(identity: str, kind: str, first: date, count: int, group: str = "") -> Period:
    return period(identity, kind, first, months_later(first, count) - ONE_DAY, group or kind, whole=True)
