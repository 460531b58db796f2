"""The marts' rows as the page holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from amocrm_warehouse.report.queries import CLOCK, QUERIES

MONTHS = 36
"""The most months that the report goes back."""
Run = Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]
"""Runs a statement: the columns' names, and the rows."""


@dataclass(frozen=True)
class Period:
    """Months from the first to the last, both included. The kind says how the page names it."""

    kind: str
    first: date
    last: date

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.first:%Y-%m}"


def read(run: Run, most_months: int = MONTHS) -> dict[str, Any]:
    """Everything that the page shows, of its last `most_months` months."""
    _, [(built_at, today, first_month)] = run(CLOCK)
    this_month = today.replace(day=1)
    first = min(first_month or this_month, this_month)
    since = max(first, shifted(this_month, 1 - most_months))
    known = periods(since, this_month)
    next_month = shifted(this_month, 1)
    places = {
        "since": since.isoformat(),
        "built_at": built_at.isoformat(sep=" "),
        "next_month": next_month.isoformat(),
        "periods": ", ".join(
            f"('{one.id}', date '{month}')" for one in known for month in months(one.first, min(one.last, next_month))
        ),
    }
    tables = {}
    for name, sql in QUERIES.items():
        columns, rows = run(sql.format_map(places))
        tables[name] = {"columns": columns, "rows": [[plain(value) for value in row] for row in rows]}
    return {
        "built_at": plain(built_at),
        "today": today.isoformat(),
        "is_whole": since == first,
        "periods": [
            {"id": one.id, "kind": one.kind, "first": plain(one.first), "last": plain(one.last)} for one in known
        ],
        "tables": tables,
    }


def periods(since: date, this_month: date) -> list[Period]:
    """What can be chosen: everything, the last months, and each year, quarter and month that there is."""
    found = [Period("all", since, date(9999, 12, 1))]
    for count in (12, 3):
        if (first := shifted(this_month, 1 - count)) > since:
            found.append(Period(f"last{count}", first, this_month))
    for kind, length in (("month", 1), ("quarter", 3), ("year", 12)):
        begins = sorted(
            {month.replace(month=(month.month - 1) // length * length + 1) for month in months(since, this_month)}
        )
        found += [Period(kind, first, shifted(first, length - 1)) for first in reversed(begins)]
    return found


def months(first: date, last: date) -> list[date]:
    """From the first to the last, both included."""
    count = 12 * (last.year - first.year) + last.month - first.month + 1
    return [shifted(first, by) for by in range(count)]


def shifted(month: date, by: int) -> date:
    """The first day of the month that comes `by` months later."""
    year, index = divmod(12 * month.year + month.month - 1 + by, 12)
    return date(year, index + 1, 1)


def plain(value: Any) -> Any:
    """A value as JSON holds it; a date is one of a month."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()[:7]
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else round(float(value), 2)
    return value
