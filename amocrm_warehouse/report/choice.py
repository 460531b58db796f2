"""The choice whose rows a table counts: accounts with the days of each, pipelines, users and a source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.like_with_like import days_before
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.working_days import ONE_DAY, WorkingDays


@dataclass(frozen=True)
class Days:
    """Days by an account's clock, from `since` to `until`, both included."""

    since: date
    until: date
    today: date
    """The account's day of the build."""

    @property
    def has_plans(self) -> bool:
        """Whether the days are whole months, up to the present one: plans are by month."""
        return self.since.day == 1 and ((self.until + ONE_DAY).day == 1 or self.until >= self.today)


@dataclass(frozen=True)
class Marks:
    """The users and pipelines whose names say more than a name, as (project, id)."""

    deactivated: frozenset[tuple[str, int]]
    """Users whose access to the account is switched off."""
    users: frozenset[tuple[str, int]]
    """Users whose name another user of the account has, too."""
    pipelines: frozenset[tuple[str, int]]
    """Pipelines whose name another pipeline of the account has, too."""

    def manager(self, row: Mapping[str, Any]) -> str | None:
        """Returns the name of a row's user, with the id if another user has it."""
        return self._with_id(row, "manager", "user_id", self.users)

    def pipeline(self, row: Mapping[str, Any]) -> str | None:
        """Returns the name of a row's pipeline, with the id if another pipeline has it."""
        return self._with_id(row, "pipeline_name", "pipeline_id", self.pipelines)

    @staticmethod
    def _with_id(row: Mapping[str, Any], name: str, number: str, shared: frozenset[tuple[str, int]]) -> str | None:
        is_shared = (row["project_id"], row[number]) in shared
        return f"{row[name]} ({row[number]})" if is_shared and row[name] else row[name]


@dataclass(frozen=True)
class Choice:
    """The rows that a table counts; None is all of them."""

    days: Mapping[str, Days]
    """The chosen accounts by project. Accounts in different time zones may have different days as today."""
    pipelines: frozenset[tuple[str, int]] | None = None
    """(project, pipeline id)."""
    users: frozenset[tuple[str, int]] | None = None
    """(project, user id): one person may be a user of several accounts, and chosen in one of them."""
    source: str | None = None
    people: str = ""
    """The names of the chosen teams and managers, for titles."""

    @property
    def since(self) -> date:
        return min(days.since for days in self.days.values())

    @property
    def until(self) -> date:
        return max(days.until for days in self.days.values())

    def title(self, account: str) -> str:
        """Returns the name of what is counted: an account, or some people of it."""
        return f"{account}, {self.people}" if self.people else account

    def of(self, project: str) -> Choice:
        return replace(self, days={project: self.days[project]})

    def before(self, working: WorkingDays) -> Choice:
        """Returns the choice in the days with which these are compared."""
        days = {
            project: Days(*days_before(own.since, own.until, own.today, working), own.today)
            for project, own in self.days.items()
        }
        return replace(self, days=days)

    def month_of(self, project: str, months: int = 0) -> Choice:
        """Returns the choice of one account in its present month, or in a month so many months later."""
        today = self.days[project].today
        return replace(self, days={project: whole_months(today, shifted(today, months), shifted(today, months))})

    def chosen(self) -> tuple[str, dict[str, Any]]:
        """Returns the SQL of the common table `chosen`, one row per account, and the values of its parameters."""
        values: dict[str, Any] = {}
        for at, (project, days) in enumerate(self.days.items()):
            values |= {
                f"project_{at}": project, f"since_{at}": days.since, f"after_{at}": days.until + ONE_DAY,
                f"planned_{at}": days.has_plans,
            }  # fmt: skip
        rows = ", ".join(
            f"(cast($project_{at} as varchar), cast($since_{at} as date), cast($after_{at} as date), "
            f"cast($planned_{at} as boolean))"
            for at in range(len(self.days))
        )
        return CHOSEN.format(rows=rows), values

    def values(self) -> dict[str, Any]:
        return {"pipelines": listed(self.pipelines), "users": listed(self.users), "source": self.source}


CHOSEN = """
    with chosen as (
        select
            accounts.project_id, accounts.currency, coalesce(accounts.currency, accounts.project_id) as purse,
            days.since, days.after, days.has_plans
        from amocrm_staging.int_accounts as accounts
        inner join (values {rows}) as days (project_id, since, after, has_plans)
            on days.project_id = accounts.project_id
    )
"""
"""The chosen accounts. Sums of money are by `purse`: an account of an unknown currency has one of its own."""


def listed(pairs: Iterable[tuple[str, int | str]] | None) -> str | None:
    return None if pairs is None else f",{','.join(f'{project}/{number}' for project, number in sorted(pairs))},"


def whole_months(today: date, first: date, last: date) -> Days:
    """Returns the days from the first of one month to the last of another."""
    return Days(first.replace(day=1), shifted(last, 1) - ONE_DAY, today)


def last_months(run: Run, count: int = 12) -> Choice:
    """Returns `count` months of every account, the last of which is the account's present one."""
    _, accounts = run("select project_id, today from amocrm_staging.int_accounts order by project_id")
    return Choice({project: whole_months(today, shifted(today, 1 - count), today) for project, today in accounts})
