"""The marts' rows as the page holds them: columns of numbers, whose names and texts are told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from amocrm_warehouse.report.queries import BY, CLOCK, FIRST_DAYS, QUERIES, needs

MONTHS = 36
"""The most months that the report goes back."""
SOURCES_SHOWN = 25
"""The most sources of an account with names of their own, beside those that have costs."""
Run = Callable[..., tuple[list[str], list[tuple[Any, ...]]]]
"""Runs a statement, with values by the names that it has for them: the columns' names, and the rows."""
Columns = dict[str, list[Any]]
"""The values of each column."""


@dataclass(frozen=True)
class Asked:
    """What a page is to show beside the marts, or less than they hold."""

    only: Collection[tuple[str, int]] | None = None
    """Projects and IDs of the users whose rows the page shows, without figures of the whole team. None: everything."""
    costs: list[list[str]] | None = None
    """Month, source, cost."""


EVERYTHING = Asked()


def read(
    run: Run,
    most_months: int = MONTHS,
    unbuilt: Mapping[str, str] | None = None,
    asked: Asked = EVERYTHING,
) -> dict[str, Any]:
    """Everything that the page shows, of its last `most_months` months.

    `unbuilt`: the models that are not there, and why; what is made of them is left out of the tables.
    """
    unbuilt = unbuilt or {}
    _, [(built_at, today, synced_at)] = run(CLOCK)
    this_month = today.replace(day=1)
    days = [run(sql)[1][0][0] for sql in FIRST_DAYS if not needs(sql) & unbuilt.keys()]
    first = min([this_month, *(day.replace(day=1) for day in days if day)])
    since = max(first, shifted(this_month, 1 - most_months))
    places = {"since": since.isoformat(), "built_at": built_at.isoformat(sep=" "), "tenth": "8640.0"}
    by = [] if needs(BY) & unbuilt.keys() else [name for (name,) in run(BY)[1]]
    places["source"] = "deals.by_value" if by else "coalesce(deals.source_name, deals.utm_source)"
    tables: dict[str, Columns] = {}
    for name, sql in QUERIES.items():
        if not needs(sql) & unbuilt.keys():
            columns, rows = run(sql.format_map(places))
            values = list(zip(*rows, strict=True)) or [()] * len(columns)
            tables[name] = {column: list(found) for column, found in zip(columns, values, strict=True)}
    if asked.costs is not None:
        months, sources, costs = zip(*asked.costs, strict=True) if asked.costs else ((), (), ())
        tables["costs"] = {
            "project_id": [None] * len(months), "month": list(map(date.fromisoformat, months)),
            "source": [source[:80] or None for source in sources], "cost": list(map(Decimal, costs)),
        }  # fmt: skip
    if asked.only is not None:
        tables = of_people(tables, frozenset(asked.only))
    if "deals" in tables:
        renumber(tables)
    return {
        "built_at": plain(built_at),
        "synced_at": plain(synced_at),
        "today": plain(today),
        "since": plain(since),
        "by": ", ".join(by),
        "is_whole": since == first,
        "only": asked.only is not None,
        "unbuilt": {name: unbuilt[name] for name in sorted(unbuilt)},
        "tables": {
            name: {column: packed(column, of) for column, of in table.items()} for name, table in tables.items()
        },
    }


OF_EVERYBODY = ("costs", "forecast", "forecast_stages", "freshness")
"""Tables that tell of no user."""


def of_people(tables: dict[str, Columns], only: frozenset[tuple[str, int]]) -> dict[str, Columns]:
    """The rows of these users. A deal of theirs that another one closed, or has now, does not say who that is."""
    found: dict[str, Columns] = {}
    deals = set()
    for name, table in tables.items():
        whose = [column for column in ("responsible_user_id", "closer_id", "user_id") if column in table]
        rows = list(range(len(table["project_id"])))
        for column in whose:
            pairs = zip(table["project_id"], table[column], strict=True)
            table[column] = [user if (project, user) in only else None for project, user in pairs]
        if whose:
            rows = [at for at in rows if any(table[column][at] is not None for column in whose)]
        elif "deal_id" in table:
            rows = [at for at in rows if (table["project_id"][at], table["deal_id"][at]) in deals]
        if name not in OF_EVERYBODY:
            found[name] = {column: [of[at] for at in rows] for column, of in table.items()}
        if name == "deals":
            deals = set(zip(found[name]["project_id"], found[name]["deal_id"], strict=True))
    return found


def renumber(tables: dict[str, Columns]) -> None:
    """Deals are told by their places in the table instead of by ids, sources and reasons by their places in lists."""
    deals = tables["deals"]
    place = {own: at for at, own in enumerate(zip(deals["project_id"], deals["deal_id"], strict=True))}
    for name in ("ways", "stays"):
        if table := tables.get(name):
            table["deal"] = [place[own] for own in zip(table.pop("project_id"), table.pop("deal_id"), strict=True)]
    del deals["deal_id"]
    ranks: dict[str, Counter[str]] = {}
    for project, source in zip(deals["project_id"], deals["source"], strict=True):
        if source is not None:
            ranks.setdefault(project, Counter())[source[:80]] += 1
    paid = set(tables.get("costs", {}).get("source", ()))
    kept = {
        project: paid | {name for name, _ in sorted(found.items(), key=lambda own: (-own[1], own[0]))[:SOURCES_SHOWN]}
        for project, found in ranks.items()
    }
    deals["source"] = [
        source and (source[:80] if source[:80] in kept[project] else True)
        for project, source in zip(deals["project_id"], deals["source"], strict=True)
    ]


def packed(column: str, values: list[Any]) -> Any:
    """A column as JSON holds it: days by the difference from the one before, few values by their places in a list."""
    found = [plain(value) for value in values]
    if any(isinstance(value, date) and not isinstance(value, datetime) for value in values):
        days = [None if value is None else (value - EPOCH).days for value in values]
        return {"days": differences(days)}
    if column in ("deal", "user_id", "task_id"):
        return {"numbers": differences(found)}
    if len(found) > 24 and len(several := list(dict.fromkeys(found))) <= len(found) / 4:
        at = {(type(value), value): place for place, value in enumerate(several)}
        return {"of": several, "at": [at[type(value), value] for value in found]}
    return found


EPOCH = date(1970, 1, 1)


def differences(numbers: list[int | None]) -> list[int | None]:
    """Each number without the last one before it."""
    last, told = 0, []
    for number in numbers:
        told.append(None if number is None else number - last)
        last = last if number is None else number
    return told


def shifted(month: date, by: int) -> date:
    """The first day of the month that comes `by` months later."""
    year, index = divmod(12 * month.year + month.month - 1 + by, 12)
    return date(year, index + 1, 1)


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else round(float(value), 3)
    return value
