"""Rules that page, workbook, digest and assistant share: the period to compare a period with, and how to round.

data.js repeats both rules for the page, which counts in the browser; page_days.py tells it the days of `as_today`.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

from amocrm_warehouse.report.working_days import ONE_DAY, WorkingDays

EXACT = Context(prec=100)
"""More digits than any sum has."""
FEW = 5
"""The fewest deals (calls, chats) of which a number is compared in percent, or called unusual or worst."""


def months_later(day: date, months: int) -> date:
    """Returns the same day of another month, or the last day of that month if it is shorter."""
    year, index = divmod(12 * day.year + day.month - 1 + months, 12)
    return date(year, index + 1, min(day.day, monthrange(year, index + 1)[1]))


def as_today(today: date, months: int, working: WorkingDays) -> date:
    """Returns the day of another month up to which people worked on as many days as they have this month.

    If nobody works today, the days off after that day belong to it, too. It is the first of the month at the earliest,
    the last at the latest; without any known day of work, the day of the same number.
    """
    if not working.days:
        return months_later(today, months)
    first = months_later(today.replace(day=1), months)
    worked, is_work = working.between(today.replace(day=1), today), working.between(today, today)
    until, last = first, last_of_month(first)
    while until < last and (
        working.between(first, until) < worked if is_work else working.between(first, until + ONE_DAY) <= worked
    ):
        until += ONE_DAY
    return until


def days_before(first: date, last: date, today: date, working: WorkingDays) -> tuple[date, date]:
    """Returns the days with which a period is compared.

    Whole months (the last of which may be the present one) are compared with as many months before, one day with the
    same weekday a week before, other periods with as many days before. If the period is not over, only its days up to
    today are compared: in months with as many days of work, else with the same days before.
    """
    until = min(last, today)
    if first.day == 1 and ((last + ONE_DAY).day == 1 or last >= today):
        months = 12 * (last.year - first.year) + last.month - first.month + 1
        # a month that is over is compared with a whole one, even if that is longer
        return months_later(first, -months), first - ONE_DAY if last < today else as_today(today, -months, working)
    length = 7 * ONE_DAY if first == last else last - first + ONE_DAY
    return first - length, until - length


def is_comparable(cases: int | None, cases_before: float | None, *, is_average: bool) -> bool:
    """Returns whether a number may be compared in percent with one before, by the deals that each is of.

    A count or a sum may fall from many deals to none. A share, a median or an average needs enough deals on both sides.
    """
    return (cases_before or 0) >= FEW and (not is_average or (cases or 0) >= FEW)


def last_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def days_left(today: date, working: WorkingDays) -> int:
    """Returns how many days of work the month still has, today among them, at least one."""
    return max(working.between(today, last_of_month(today)), 1)


def needed_a_day(plan: Decimal, sold: Decimal, today: date, working: WorkingDays) -> Decimal:
    """Returns what each of the working days left has to bring, today among them, so that the month's plan is met."""
    return max(plan - sold, Decimal(0)) / days_left(today, working)


def part_passed(today: date, working: WorkingDays) -> float:
    """Returns which part of the month's days of work has passed, today included; of a month without any, its days."""
    first, last = today.replace(day=1), last_of_month(today)
    days = working.between(first, last)
    return working.between(first, today) / days if days else today.day / last.day


def rounded(value: float | Decimal, digits: int = 0) -> Decimal:
    """Rounds half away from zero, as browsers and Excel do."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)


def percents(share: float | Decimal) -> Decimal:
    """Returns a share in percents: with one decimal below ten, else whole. Less than 100 is never rounded to 100."""
    exact = 100 * Decimal(str(share))
    shown = rounded(exact, 1 if abs(exact) < 10 else 0)
    return Decimal(99) if exact < 100 <= shown else shown
