"""Reads the marts in the form that the page holds: tables as columns, packed for JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from amocrm_warehouse.database import DATABASE_ERRORS, Run, models_there
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.report.like_with_like import FEW
from amocrm_warehouse.report.page_days import MOST_MONTHS, day_facts, day_number
from amocrm_warehouse.report.page_queries import BY, CLOCK, OPTIONS, QUERIES, cautions, first_months, needs
from amocrm_warehouse.report.read_notes import read_notes
from amocrm_warehouse.report.working_days import working_days

SOURCES_SHOWN = 25
"""The most sources of an account that the page names, besides the sources with costs; it unites all others."""
GOODS_SHOWN = 100
"""The most goods of an account that the page names; it unites all others."""
Columns = dict[str, list[Any]]
"""The values of each column."""


@dataclass(frozen=True)
class Contents:
    """The choice of a page: the rows of the marts that it shows (`only`), and the `costs` that it adds."""

    only: Collection[tuple[str, int]] | None = None
    """(project, user id) of the only users whose rows the page shows, without figures of everybody. None: all rows."""
    people: str = ""
    """The names of these users' teams and managers."""
    costs: list[list[str]] | None = None
    """Rows of month, source and cost."""
    marts: str | None = None
    """The schema of the marts if the page did not have them built, which it says then."""
    language: str | None = None
    """The language of the page where no script runs; English if it is not known."""
    plain: str = ""
    """HTML that is shown there."""


EVERYTHING = Contents()


def read(
    run: Run,
    most_months: int = MOST_MONTHS,
    unbuilt: Mapping[str, str] | None = None,
    contents: Contents = EVERYTHING,
) -> dict[str, Any]:
    """Reads everything that the page shows of its last `most_months` months.

    `unbuilt`: models that are missing, and why; tables made of them are left out. So is a table whose query fails.
    """
    unbuilt = unbuilt or {}
    _, [(built_at, today, synced_at)] = run(CLOCK)
    this_month = today.replace(day=1)
    begins = first_months(run, unbuilt)
    first = min([this_month, *begins.values()])
    since = max(first, shifted(this_month, 1 - most_months))
    values = {"since": since.isoformat(), "built_at": built_at.isoformat(sep=" "), "tenth": "8640.0"}
    working = working_days(run, unbuilt)
    by = [] if needs(BY) & unbuilt.keys() else [name for (name,) in run(BY)[1]]
    values["by"] = "deals.by_value" if by else "cast(null as varchar)"
    without = {name for name, is_there in {"by": by, "at_once": has_histories(run, unbuilt)}.items() if not is_there}
    tables: dict[str, Columns] = {}
    for name, sql in QUERIES.items():
        if name not in without and not needs(sql) & unbuilt.keys():
            try:
                columns, rows = run(sql.format_map(values))
            except DATABASE_ERRORS as error:
                unbuilt = {**unbuilt, name: why(error)}
                continue
            found = list(zip(*rows, strict=True)) or [()] * len(columns)
            tables[name] = dict(zip(columns, map(list, found), strict=True))
    if contents.costs is not None:
        of, months, sources, costs = zip(*contents.costs, strict=True) if contents.costs else ((), (), (), ())
        tables["costs"] = {
            "project_id": [project or None for project in of], "month": list(map(date.fromisoformat, months)),
            "source": [source[:80] or None for source in sources], "cost": list(map(Decimal, costs)),
        }  # fmt: skip
    if contents.only is not None:
        tables = of_people(tables, frozenset(contents.only))
    scopes, owners, notes = scopes_of(tables), owners_of(tables), read_notes(tables)
    for name in ("verified", "unlisted"):
        tables.pop(name, None)
    filters: list[dict[str, Any]] = []
    if "deals" in tables:
        number = renumber(tables)
        for name, sql in OPTIONS.items():
            if not needs(sql) & unbuilt.keys():
                filters += filters_of(name, run(sql)[1], number)
    return {
        "built_at": json_value(built_at),
        "synced_at": json_value(synced_at),
        "since": json_value(since),
        "few": FEW,
        "days": {day_number(day): day_facts(day, since, working) for day in set(tables["accounts"]["today"])},
        "cautions": cautions(run),
        "begins": {project: json_value(max(month, since)) for project, month in begins.items()},
        "by": ", ".join(by),
        "without": sorted(without),
        "is_whole": since == first,
        "only": contents.only is not None,
        "marts": contents.marts,
        "scopes": scopes,
        "owners": owners,
        "filters": filters,
        "notes": notes,
        "unbuilt": {name: unbuilt[name] for name in sorted(unbuilt)},
        "tables": {
            name: {column: packed(column, cells) for column, cells in table.items()} for name, table in tables.items()
        },
    }


def has_histories(run: Run, unbuilt: Collection[str]) -> bool:
    """Returns whether the build was to make the mart of mass changes, which is one of histories."""
    return "mass_changes" in {*models_there(run), *unbuilt}


OF_EVERYBODY = ("capped_deals", "costs", "forecast", "forecast_stages", "freshness", "outlook")
"""Tables whose figures are of all users together; a page of chosen users leaves them out."""


def of_people(tables: dict[str, Columns], only: frozenset[tuple[str, int]]) -> dict[str, Columns]:
    """Keeps the rows of these users. The id of any other user in such a row becomes None."""
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
            found[name] = {column: [cells[at] for at in rows] for column, cells in table.items()}
        if name == "deals":
            deals = set(zip(found[name]["project_id"], found[name]["deal_id"], strict=True))
    return found


OWNERS = {
    "deals": ("responsible_user_id", "closer_id"),
    "tasks": ("responsible_user_id",),
    "plans": ("responsible_user_id",),
    "work": ("responsible_user_id",),
}
"""By table, the columns whose users can be chosen in the page."""


def pipelines_of(tables: dict[str, Columns]) -> list[tuple[str, int]]:
    """Returns each account's pipelines that deals are or were in (project, pipeline), the one with the most first."""
    pairs = [
        zip(tables[name]["project_id"], tables[name]["pipeline_id"], strict=True)
        for name in ("deals", "ways")
        if name in tables
    ]
    counts = Counter(pair for of in pairs for pair in of if pair[1] is not None)
    return sorted(counts, key=lambda pair: (-counts[pair], -pair[1]))


def scopes_of(tables: dict[str, Columns]) -> list[dict[str, Any]]:
    """Returns what can be chosen: everything, each account if there are several, and their pipelines.

    Accounts with different currencies have no common sums: then there is no everything. An unknown currency differs
    from all others.
    """
    accounts = dict(zip(tables["accounts"]["project_id"], tables["accounts"]["currency"], strict=True))
    stages = tables.get("stages", {"project_id": [], "pipeline_id": [], "pipeline_name": []})
    keys = zip(stages["project_id"], stages["pipeline_id"], strict=True)
    names = dict(zip(keys, stages["pipeline_name"], strict=True))
    whole: dict[str, Any] = {"pipeline": None}
    everything: list[dict[str, Any]] = [{"id": "", "project": None, **whole}]
    found = [] if len({accounts[one] or one for one in accounts}) > 1 else everything
    for project in accounts:
        if len(accounts) > 1:
            found.append({"id": project, "project": project, **whole})
        found += [
            {"id": f"{project}/{pipeline}", "project": project, "pipeline": pipeline, "name": names.get(one)}
            for one in pipelines_of(tables)
            for of, pipeline in [one]
            if of == project
        ]
    return found


def owners_of(tables: dict[str, Columns]) -> list[tuple[str, int]]:
    """Returns the users with deals, tasks, plans or work (project, user); 0, the robot, is none of them."""
    found = {
        pair
        for name, columns in OWNERS.items()
        if name in tables
        for column in columns
        for pair in zip(tables[name]["project_id"], tables[name][column], strict=True)
    }
    return sorted(pair for pair in found if pair[1])


OPTIONS_SHOWN = 200
"""The most options of a filter, the most frequent ones."""


def filters_of(kind: str, rows: list[Any], number: Mapping[Any, int]) -> list[dict[str, Any]]:
    """Returns the filters of a kind: their options, the sets of options that deals have, each deal's set.

    `number`: the row of each deal. Tags and sources of all accounts are one filter, a field is of its account.
    """
    found: dict[Any, dict[int, list[str]]] = {}
    names: dict[Any, str | None] = {}
    for project, deal, field, name, value in rows:
        if (project, deal) in number:
            key = None if field is None else (project, field)
            names[key] = name
            found.setdefault(key, {}).setdefault(number[project, deal], []).append(value[:80])
    filters = []
    for key, of_deals in found.items():
        counts = Counter(value for values in of_deals.values() for value in set(values))
        options = sorted(sorted(counts, key=lambda one: (-counts[one], one))[:OPTIONS_SHOWN])
        places = {option: place for place, option in enumerate(options)}
        sets: dict[tuple[int, ...], int] = {}
        at: list[int | None] = [None] * len(number)
        for deal, values in of_deals.items():
            own = tuple(sorted({places[value] for value in values if value in places}))
            at[deal] = sets.setdefault(own, len(sets))
        project, field = key or (None, None)
        identity = kind if key is None else f"{project}/{field}"
        filters.append(
            {"id": identity, "project": project, "name": names[key], "options": options, "sets": list(sets), "at": at}
        )
    return filters


def renumber(tables: dict[str, Columns]) -> dict[Any, int]:
    """Replaces ids of deals by rows of the table of deals, and names that the page does not give by True.

    Returns the row of each deal.
    """
    deals = tables["deals"]
    number = {key: at for at, key in enumerate(zip(deals["project_id"], deals["deal_id"], strict=True))}
    for name in ("ways", "stays", "cards"):
        if table := tables.get(name):
            table["deal"] = [number[key] for key in zip(table.pop("project_id"), table.pop("deal_id"), strict=True)]
    with_costs = set(tables.get("costs", {}).get("source", ()))
    unite_seldom(deals, "source", SOURCES_SHOWN, with_costs)
    unite_seldom(deals, "by_value", SOURCES_SHOWN)
    if goods := tables.get("goods"):
        unite_seldom(goods, "good", GOODS_SHOWN)
    return number


def unite_seldom(table: Columns, column: str, most: int, kept: Collection[str] = ()) -> None:
    """Replaces the names of an account that are not among its `most` frequent ones, nor `kept`, by True."""
    names = [name and name[:80] for name in table[column]]
    ranks: dict[str, Counter[str]] = defaultdict(Counter)
    for project, name in zip(table["project_id"], names, strict=True):
        ranks[project][name] += name is not None
    named = {
        project: {*kept, *(name for name, _ in sorted(of.items(), key=lambda one: (-one[1], one[0] or ""))[:most])}
        for project, of in ranks.items()
    }
    table[column] = [
        name and (name if name in named[project] else True)
        for project, name in zip(table["project_id"], names, strict=True)
    ]


def packed(column: str, values: list[Any]) -> Any:
    """Packs a column for JSON: days and ids as differences, few distinct values as a list and positions in it."""
    kinds = set(map(type, values))
    if date in kinds:
        return {"days": differences([value and day_number(value) for value in values])}
    if not kinds <= AS_THEY_ARE:
        made = {value: json_value(value) for value in set(values)}
        values = [made[value] for value in values]
    if column in ("deal", "deal_id", "user_id", "entity_id"):
        return {"numbers": differences(values)}
    # True equals 1, so a column of both would have one for the other
    if len(values) > 24 and not kinds >= {bool, int} and len(distinct := dict.fromkeys(values)) <= len(values) / 4:
        positions = {value: at for at, value in enumerate(distinct)}
        return {"of": list(distinct), "at": [positions[value] for value in values]}
    return values


AS_THEY_ARE = {bool, int, str, type(None)}
"""Types that JSON holds."""


def differences(numbers: list[int | None]) -> list[int | None]:
    """Returns each number less the number before it, which may be several nulls before."""
    last, found = 0, []
    for number in numbers:
        found.append(None if number is None else number - last)
        last = last if number is None else number
    return found


def shifted(month: date, by: int) -> date:
    """Returns the first day of the month that comes `by` months later."""
    year, index = divmod(12 * month.year + month.month - 1 + by, 12)
    return date(year, index + 1, 1)


def json_value(value: Any) -> Any:
    """Returns a value in the form that JSON holds; moments are UTC."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else round(float(value), 3)
    return value
