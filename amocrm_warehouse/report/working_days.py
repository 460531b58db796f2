"""The days of work: pace, plan and what a day has to bring are counted by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from amocrm_warehouse.database import Run

ONE_DAY = timedelta(days=1)
DAYS = "select day from amocrm_staging.int_working_days where is_working_day"


@dataclass(frozen=True)
class WorkingDays:
    days: Collection[date]

    def between(self, first: date, last: date) -> int:
        """Counts the days of work from one day to another, both included."""
        return sum(first + at * ONE_DAY in self.days for at in range((last - first).days + 1))

    def before(self, day: date) -> date:
        """Returns the last day of work before a day; the day before if people never work."""
        return next((one for back in range(1, 31) if (one := day - back * ONE_DAY) in self.days), day - ONE_DAY)

    def recent(self, today: date) -> dict[str, tuple[date, date]]:
        """Returns the first and the last day of the last day of work, and of the last week."""
        day, monday = self.before(today), today - (today.weekday() + 7) * ONE_DAY
        return {"day": (day, day), "week": (monday, monday + 6 * ONE_DAY)}

    def begins_week(self, day: date) -> bool:
        """Whether a day is the first day of work of its week."""
        monday = day - (day.isoweekday() - 1) * ONE_DAY
        return day in self.days and not self.between(monday, day - ONE_DAY)

    def since_last_work(self, day: date) -> date:
        """Returns the first day of which a digest of a day tells: after a weekend, the last day of work before it."""
        return self.before(day) if day in self.days else day - ONE_DAY


def working_days(run: Run, unbuilt: Collection[str] = ()) -> WorkingDays:
    """Returns the days of work; none if their model is `unbuilt`."""
    return WorkingDays(frozenset(() if "int_working_days" in unbuilt else (day for (day,) in run(DAYS)[1])))
