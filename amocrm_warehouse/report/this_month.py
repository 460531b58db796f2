"""The present month of an account, as the page's first screen, the digest and the picture tell it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import answer
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.like_with_like import days_before, needed_a_day

TABLES = ("figures", "forecast")
"""The answers of which the month is made."""


@dataclass(frozen=True)
class ThisMonth:
    choice: Choice
    """The whole month of the account."""
    figures: dict[str, Any]
    then: dict[str, Any]
    """The figures of the same days of the month before."""
    first: date
    until: date
    """The same days of the month before, both included."""
    forecast: list[dict[str, Any]]
    """The forecasts of all pipelines together, of past months and those ahead; none of a choice of users."""

    @property
    def plan(self) -> Decimal | None:
        plan: Decimal | None = self.figures["plan"] or None
        return plan

    @property
    def of_plan(self) -> Decimal:
        """The sales of those who have a plan."""
        return self.figures["plan_won_budget"] or Decimal(0)

    @property
    def needed(self) -> Decimal | None:
        today = next(iter(self.choice.days.values())).today
        return None if self.plan is None else needed_a_day(self.plan, self.of_plan, today)

    @property
    def present(self) -> dict[str, Any]:
        """The forecast of the present month, empty if there is none."""
        return next((row for row in self.forecast if not row["months_back"] and not row["months_ahead"]), {})


def this_month(run: Run, choice: Choice, project: str) -> ThisMonth:
    month = choice.month_of(project)
    days = month.days[project]
    first, until = days_before(days.since, days.until, days.today)
    same_days = replace(month, days={project: replace(days, since=first, until=until)})
    [now], [then] = (answer(run, "figures", one).dicts() for one in (month, same_days))
    ahead = [row for row in answer(run, "forecast", month).dicts() if row["pipeline_id"] is None]
    return ThisMonth(month, now, then, first, until, ahead)
