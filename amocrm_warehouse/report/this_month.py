"""The present month of an account, as the page's first screen, the digest and the picture tell it.

In the first days of a month, they tell the month that has ended first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answer_parts import CASES
from amocrm_warehouse.report.answers import answer
from amocrm_warehouse.report.choice import Choice, Days
from amocrm_warehouse.report.like_with_like import (
    as_today,
    days_before,
    is_comparable,
    last_of_month,
    months_later,
    needed_a_day,
    part_passed,
)
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_queries import first_months
from amocrm_warehouse.report.working_days import WorkingDays, working_days

TABLES = ("figures", "forecast", "days")
"""The answers of which the month is made."""
FIRST_DAYS = 5
"""The first days of a month in which the month that has ended comes first."""
USUAL_MONTHS = 6
"""The months whose same days say what is usual."""
UNUSUAL = 0.2
"""The least difference from the median of these months that is unusual, as a share of the median."""
OF_MONTH = ("won_budget", "created", "first_touch", "won", "lost")
"""The metrics that are called unusual, in the order of the page."""


@dataclass(frozen=True)
class Unusual:
    """A metric that lies outside its values in the same days of each of the months before."""

    metric: str
    value: Any
    usual: Any
    """The median of these months."""

    @property
    def is_more(self) -> bool:
        return bool(self.value > self.usual)


@dataclass(frozen=True)
class ThisMonth:
    """A month of an account: the present one, or one that is over, of which there is no forecast."""

    choice: Choice
    """The whole month of the account."""
    today: date
    working: WorkingDays
    figures: dict[str, Any]
    then: dict[str, Any]
    """The figures of the same days of the month before."""
    first: date
    until: date
    """The same days of the month before, both included."""
    forecast: list[dict[str, Any]]
    """The forecasts of all pipelines together, of past months and those ahead; none of a choice of users."""
    sold_by_day: list[Decimal]
    """What was sold from the first of the month until each day, today the last."""
    unusual: list[Unusual]

    @property
    def plan(self) -> Decimal | None:
        plan: Decimal | None = self.figures["plan"] or None
        return plan

    @property
    def of_plan(self) -> Decimal:
        """The sales of those who have a plan."""
        return self.figures["plan_won_budget"] or Decimal(0)

    @property
    def plan_share(self) -> float | None:
        return None if self.plan is None else float(self.of_plan) / float(self.plan)

    @property
    def top(self) -> float:
        """The larger of the plan and of what is sold."""
        return max(float(max(self.sold_by_day)), float(self.plan or 0))

    @property
    def is_plan_of_some(self) -> bool:
        """Whether people without a plan sold something, which counts in no share of the plan."""
        return self.of_plan < (self.figures["won_budget"] or 0)

    @property
    def is_over(self) -> bool:
        return self.choice.until < self.today

    @property
    def needed(self) -> Decimal | None:
        if self.plan is None or self.is_over:
            return None
        return needed_a_day(self.plan, self.of_plan, self.today, self.working)

    @property
    def passed(self) -> float:
        """Which part of the month's days of work has passed, today included."""
        return 1.0 if self.is_over else part_passed(self.today, self.working)

    @property
    def plan_by_day(self) -> list[float]:
        """The plan until each day of the month, as if every day of work had the same part of it; empty without one."""
        first, plan = self.choice.since, float(self.plan or 0)
        days = range(1, last_of_month(first).day + 1) if plan else ()
        return [plan * part_passed(first.replace(day=day), self.working) for day in days]

    @property
    def present(self) -> dict[str, Any]:
        """The forecast of the present month, empty if there is none."""
        return next((row for row in self.forecast if not row["months_back"] and not row["months_ahead"]), {})


def this_month(run: Run, choice: Choice, project: str, months: int = 0) -> ThisMonth:
    """Returns an account's present month, or the one so many `months` later (−1 is the month that has ended)."""
    month = choice.month_of(project, months)
    days = month.days[project]
    working = working_days(run)
    first, until = days_before(days.since, days.until, days.today, working)
    last = min(days.until, days.today)
    same_days = replace(month, days={project: replace(days, since=first, until=until)})
    so_far = replace(month, days={project: replace(days, until=last)})
    now, then, now_so_far = (figures(run, one, project) for one in (month, same_days, so_far))
    sold = {row["day"]: row["won_budget"] or Decimal(0) for row in answer(run, "days", so_far).dicts()}
    by_day = [
        sum((amount for day, amount in sold.items() if day.day <= until_day), Decimal(0))
        for until_day in range(1, last.day + 1)
    ]
    found = ThisMonth(month, days.today, working, now, then, first, until, [], by_day, [])
    if months:
        return found
    ahead = [row for row in answer(run, "forecast", month).dicts() if row["pipeline_id"] is None]
    odd = unusual(now_so_far, usual(run, month, project, working))
    return replace(found, forecast=ahead, unusual=odd)


def begins(today: date) -> bool:
    """Whether the month has just begun, so that the one before comes first."""
    return today.day <= FIRST_DAYS


def recent(run: Run, choice: Choice, project: str) -> list[tuple[str, date, date, dict[str, Any]]]:
    """Returns the last day of work and the last week: its kind, its first and last day, and its figures."""
    today = choice.days[project].today
    return [
        (kind, first, last, figures(run, replace(choice, days={project: Days(first, last, today)}), project))
        for kind, (first, last) in working_days(run).recent(today).items()
    ]


def figures(run: Run, choice: Choice, project: str) -> dict[str, Any]:
    """Returns the figures of one account; of days that end before its first month with data each is None."""
    [found] = answer(run, "figures", choice).dicts()
    is_known = choice.until >= first_months(run).get(project, date.min)
    return found if is_known else dict.fromkeys(found)


def usual(run: Run, month: Choice, project: str, working: WorkingDays) -> list[dict[str, Any]]:
    """Returns the figures of the same days of each of the months before; none if the deals do not reach so far back."""
    days = month.days[project]
    past = [
        (months_later(days.since, -back), as_today(days.today, -back, working)) for back in range(1, USUAL_MONTHS + 1)
    ]
    if past[-1][0] < first_months(run).get(project, days.today):
        return []
    choices = (replace(month, days={project: replace(days, since=since, until=until)}) for since, until in past)
    return [row for one in choices for row in answer(run, "figures", one).dicts()]


def unusual(now: dict[str, Any], usual: list[dict[str, Any]]) -> list[Unusual]:
    """Returns the metrics outside of all usual values, if enough deals are behind both."""
    found = []
    for name in OF_MONTH:
        known = [row[name] for row in usual if row[name] is not None]
        if now[name] is None or len(known) < USUAL_MONTHS or not (middle := median(known)):
            continue
        is_outside = not min(known) <= now[name] <= max(known)
        before = median(row[CASES[name]] for row in usual)
        if not is_comparable(now[CASES[name]], before, is_average=METRICS[name].is_average):
            continue
        if is_outside and abs(float(now[name]) / float(middle) - 1) >= UNUSUAL:
            found.append(Unusual(name, now[name], middle))
    return found
