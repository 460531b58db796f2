"""The arguments of the assistant's tools: their types, and how they become a choice of rows.

Whatever is not understood is refused by name, with the nearest right one and the list of right ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from amocrm_warehouse.assistant.assistant_queries import QUERIES
from amocrm_warehouse.assistant.card_queries import CARD_QUERIES, ORDERS
from amocrm_warehouse.assistant.people import Person
from amocrm_warehouse.database import Run
from amocrm_warehouse.known_names import folded, named, nearest, people_named
from amocrm_warehouse.report.answers import answer, select
from amocrm_warehouse.report.choice import Choice, Days, last_months, listed, whole_months
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.working_days import ONE_DAY

MOST_ROWS = 500
"""The most rows of a table in an answer."""
MOST_KILOBYTES = 400
NEVER = date(9000, 1, 1)
"""Past it a day has no month after it in every database."""

ALL_DAYS = (date(1970, 1, 1), date(8999, 12, 31))
"""The first and the last day of the period `all`."""


class Refused(ValueError):
    """A sentence about an argument that cannot be used."""


@dataclass(frozen=True)
class Argument:
    schema: Mapping[str, Any]
    """JSON Schema, with the description that the assistant reads."""
    read: Callable[[str, Any], Any]
    """Returns the value of an argument of this name. Raises Refused."""


def text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Refused(f"{name} must be a text, and is {value!r}.")
    if not value.strip():
        raise Refused(f"{name} is empty. Give it a value, or leave it out.")
    return value.strip()


def day(name: str, value: Any) -> date:
    try:
        found = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else None
    except (TypeError, ValueError):
        found = None
    if found is None or found > NEVER:
        raise Refused(f"{name} must be a day, as 2026-01-31, and is {value!r}.")
    return found


def moment(name: str, value: Any) -> datetime:
    """Parses a moment, and keeps its zone if the text names one."""
    try:
        found = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
    except (TypeError, ValueError):
        found = None
    if found is None or not 1 < found.year < NEVER.year:
        raise Refused(f"{name} must be a moment, as 2026-01-31T18:00, and is {value!r}.")
    return found


def whole(least: int, most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Refused(f"{name} must be a whole number from {least} to {most}, and is {value!r}.")
        return value

    return read


def one_of(*names: str) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in names:
            raise Refused(f"There is no {name} {value!r}.{nearest(str(value), names)} There are: {', '.join(names)}.")
        return str(value)

    return read


def number(name: str, value: Any) -> Decimal:
    try:
        found = Decimal(str(value)) if not isinstance(value, bool) else None
    except ArithmeticError:
        found = None
    if found is None or not found.is_finite():
        raise Refused(f"{name} must be a number, and is {value!r}.")
    return found


def yes(name: str, value: Any) -> bool | None:
    if value not in (True, False):
        raise Refused(f"{name} must be true or false, and is {value!r}.")
    return value or None


def names(name: str, value: Any) -> list[str]:
    """Returns the names in a list, or in a text with commas."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise Refused(f"{name} must be a list of names, and is {value!r}.")
    return [one.strip() for one in found]


def card_id(name: str, value: Any) -> int:
    """Parses an id, or the link of a card."""
    found = re.search(r"/detail/(\d+)", value) if isinstance(value, str) else None
    return whole(1, 10**18)(name, found[1] if found else value)


def of_text(description: str) -> Argument:
    return Argument({"type": ["string", "integer"], "description": description}, text)


def of_day(description: str) -> Argument:
    return Argument({"type": "string", "format": "date", "description": description}, day)


STATES = ("won", "lost", "open", "created", "all")
KINDS = ("deal", "contact", "company")
PERIODS = (
    "today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter", "last_quarter",
    "this_year", "last_year", "last_7_days", "last_30_days", "last_3_months", "last_12_months", "all",
)  # fmt: skip
ARGUMENTS: dict[str, Argument] = {
    "project": of_text("One account, by name or project_id; without it all."),
    "pipeline": of_text("A pipeline, by name or id."),
    "manager": of_text("A user, by id or name; a surname alone is enough if one person has it."),
    "team": of_text("A group of users; with manager: that user, who must be in it."),
    "source": of_text("A source of deals: amoCRM's, or else the UTM source."),
    "period": of_text(
        f"Days by name: {', '.join(PERIODS)}; a year 2026, a quarter 2026-Q3, a month 2026-09. Without days: the last "
        "twelve months."
    ),
    "since": of_day("First day, included, as 2026-01-31; not with period."),
    "until": of_day("Last day, included."),
    "before_since": of_day("First of the days to compare with; without it the period before, like with like."),
    "before_until": of_day("Last of them."),
    "state": Argument(
        {
            "type": "string",
            "enum": list(STATES),
            "description": "Won, lost, created in the days; open now; all.",
        },
        one_of(*STATES),
    ),
    "stage": of_text("A stage, by name or id."),
    "tag": of_text("A tag of the deal."),
    "field": of_text("An own field of deals, by name."),
    "value": of_text("Its value."),
    "budget_from": Argument({"type": "number", "description": "Least budget."}, number),
    "budget_to": Argument({"type": "number", "description": "Greatest budget."}, number),
    "days_in_stage": Argument({"type": "integer", "description": "Least days in the stage."}, whole(0, 10**5)),
    "days_without_activity": Argument(
        {"type": "integer", "description": "Least days without activity, of open deals."}, whole(1, 10**5)
    ),
    "untouched": Argument(
        {"type": "boolean", "description": "Open deals that no person has called or written to."}, yes
    ),
    "order": Argument({"type": "string", "enum": list(ORDERS)}, one_of(*ORDERS)),
    "query": of_text("A name or a part of it, a phone or its digits, an e-mail, an id or a link."),
    "id": Argument({"type": ["integer", "string"], "description": "The card's id or link."}, card_id),
    "kind": Argument({"type": "string", "enum": list(KINDS)}, one_of(*KINDS)),
    "at": Argument(
        {
            "type": "string",
            "description": "A moment by the account's clock, 2026-01-31T18:00, or with its zone; a day means its first "
            "second. Then history is of that moment.",
        },
        moment,
    ),
    "day": of_day("A past day: the open money at its end."),
    "select": Argument({"type": "string", "description": "One SELECT."}, text),
    "table": of_text("A table, to see its columns."),
    "show": Argument(
        {"type": "array", "items": {"type": "string"}, "description": "Only these tables of the answer."}, names
    ),
    "limit": Argument({"type": "integer", "maximum": MOST_ROWS, "description": "Rows a table."}, whole(1, MOST_ROWS)),
    "offset": Argument({"type": "integer", "description": "Rows to skip of each table."}, whole(0, 10**9)),
    "kilobytes": Argument(
        {"type": "integer", "maximum": MOST_KILOBYTES, "description": "Size of the answer; 20."},
        whole(1, MOST_KILOBYTES),
    ),
    "explain": Argument({"type": "boolean", "description": "Add the SQL, its marts and when they were built."}, yes),
}


def read_arguments(tool: str, takes: Iterable[str], needs: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the passed arguments. Raises Refused for an argument that the tool does not take."""
    takes = list(takes)
    for name, value in given.items():
        if name not in takes:
            why = " It is as of now." if name in ("since", "until", "period") and "period" not in takes else ""
            if name == "project":
                project = str(value).replace("'", "''")
                why = f" It is of all accounts: in sql, write where project_id = '{project}' (directory has the ids)."
            there = f"It takes: {', '.join(takes)}."
            raise Refused(f"{tool} takes no argument {name}.{why}{nearest(name, takes)} {there}")
    values = {name: ARGUMENTS[name].read(name, value) for name, value in given.items() if value is not None}
    for name in needs:
        if name not in values:
            raise Refused(f"{tool} needs the argument {name}: {ARGUMENTS[name].schema['description']}")
    if {"budget_from", "budget_to"} <= values.keys() and values["budget_from"] > values["budget_to"]:
        raise Refused(f"The least budget, {values['budget_from']}, is above the greatest, {values['budget_to']}.")
    return values


def days_of(name: str, today: date) -> tuple[date, date] | None:
    """Returns the first and the last day of a named period; None if it has another name."""
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    monday, quarter = today - (today.weekday()) * ONE_DAY, shifted(month, -((month.month - 1) % 3))

    def months(first: date, count: int) -> tuple[date, date]:
        return first, shifted(first, count) - ONE_DAY

    named = {
        "today": (today, today), "yesterday": (today - ONE_DAY, today - ONE_DAY),
        "this_week": (monday, monday + 6 * ONE_DAY), "last_week": (monday - 7 * ONE_DAY, monday - ONE_DAY),
        "this_month": months(month, 1), "last_month": months(shifted(month, -1), 1),
        "this_quarter": months(quarter, 3), "last_quarter": months(shifted(quarter, -3), 3),
        "this_year": months(year, 12), "last_year": months(shifted(year, -12), 12),
        "last_7_days": (today - 6 * ONE_DAY, today), "last_30_days": (today - 29 * ONE_DAY, today),
        "last_3_months": months(shifted(month, -2), 3), "last_12_months": months(shifted(month, -11), 12),
        "all": ALL_DAYS,
    }  # fmt: skip
    if found := re.fullmatch(r"([12]\d{3})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?", name):
        number = 3 * int(found[2]) - 2 if found[2] else int(found[3] or 1)
        return months(date(int(found[1]), number, 1), 3 if found[2] else 1 if found[3] else 12)
    return named.get(name)


@dataclass
class Chosen:
    """What was asked for: the choice, and how an answer names it."""

    choice: Choice
    accounts: list[dict[str, Any]]
    filters: dict[str, Any] = field(default_factory=dict)
    only: frozenset[tuple[str, int]] | None = None
    """(project, user id) of the users whose cards alone the asking person may see; None: all."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The values of the filters of a list of deals, in amoCRM's letters."""


def chosen(run: Run, values: Mapping[str, Any], by_months: bool = False, person: Person | None = None) -> Chosen:
    """Returns the choice that the arguments name, its days widened to whole months if `by_months`.

    Here alone a person's rights limit what is chosen: every query of every tool takes the choice. Raises ValueError for
    a name that no account has, or that the person may not see.
    """
    everything = last_months(run)
    accounts = answer(run, "accounts", everything).dicts()
    if person and person.accounts:
        accounts = [
            one for name in person.accounts for one in named("account", name, accounts, ("project_id", "account"))
        ]
    if "project" in values:
        accounts = named("account", values["project"], accounts, ("project_id", "account"))
    days = {one["project_id"]: one_period(values, everything.days[one["project_id"]]) for one in accounts}
    if by_months:
        days = {project: whole_months(own.today, own.since, own.until) for project, own in days.items()}
    found = Chosen(Choice(days), accounts)
    pipelines = users = None
    if "pipeline" in values:
        rows = answer(run, "pipelines", found.choice).dicts()
        own = named("pipeline", values["pipeline"], rows, ("pipeline_id", "pipeline_name"))
        pipelines = frozenset((row["project_id"], row["pipeline_id"]) for row in own)
        found.filters["pipeline"] = sorted({f"{row['pipeline_name']} ({row['pipeline_id']})" for row in own})
    if "manager" in values or "team" in values:
        rows = select(run, QUERIES["everybody"], found.choice).dicts()
        teams, managers = ([values[name]] if name in values else [] for name in ("team", "manager"))
        users = people_named(rows, teams, managers)
        own = [row for row in rows if (row["project_id"], row["user_id"]) in users]
        if managers:
            found.filters["manager"] = sorted({f"{row['manager']} ({row['user_id']})" for row in own})
        if teams:
            found.filters["team"] = sorted({row["team"] for row in own})
    if person and not person.sees_all:
        rows = select(run, QUERIES["everybody"], Choice({one: everything.days[one] for one in days})).dicts()
        found.only = people_named(
            rows, [person.group] if person.group else [], [person.manager] if person.manager else []
        )
        users = found.only if users is None else users & found.only
        if not users:
            raise Refused("You see your own cards alone. Leave out manager and team.")
        found.filters["seen"] = person.manager or person.group
        found.choice = Choice(days, pipelines, users)
    source = None
    if "source" in values:
        rows = select(run, QUERIES["source_names"], found.choice).dicts()
        source = found.filters["source"] = named("source", values["source"], rows, ("source",))[0]["source"]
    found.choice = Choice(days, pipelines, users, source)
    name_filters(run, values, found)
    return found


SHOWN = ("state", "budget_from", "budget_to", "days_in_stage", "days_without_activity", "untouched", "query", "day")
"""Arguments that covers repeats as they were given."""


def name_filters(run: Run, values: Mapping[str, Any], of: Chosen) -> None:
    """Adds the filters of a list of deals. Raises ValueError for a tag, field, value or stage that no account has."""
    of.filters |= {name: plain_text(values[name]) for name in SHOWN if values.get(name) is not None}
    of.parameters = dict.fromkeys(("tag", "field", "value", "stages"))

    def known(name: str, query: str, **others: Any) -> str:
        rows = select(run, CARD_QUERIES[query], of.choice, **others).dicts()
        if query == "field_names":
            rows = [row for row in rows if row["kind"] == "deal"]
        return str(named(name, values[name], rows, (name,))[0][name])

    if "tag" in values:
        of.parameters["tag"] = of.filters["tag"] = known("tag", "tag_names")
    if "field" in values:
        of.parameters["field"] = of.filters["field"] = known("field", "field_names")
    if "value" in values:
        if "field" not in values:
            raise Refused("A value needs the own field that has it: give field as well.")
        of.parameters["value"] = of.filters["value"] = known("value", "field_values", field=of.parameters["field"])
    if "stage" in values:
        rows = answer(run, "pipelines", of.choice).dicts()
        own = [row for row in rows if folded(values["stage"]) in (folded(row["stage"] or ""), str(row["status_id"]))]
        own = own or named("stage", values["stage"], rows, ("status_id", "stage"))
        of.parameters["stages"] = listed((row["project_id"], f"{row['pipeline_id']}/{row['status_id']}") for row in own)
        of.filters["stage"] = sorted({f"{row['stage']} ({row['pipeline_name']})" for row in own})


def plain_text(value: Any) -> Any:
    return value if isinstance(value, str | bool | int) else str(value)


def one_period(values: Mapping[str, Any], usual: Days) -> Days:
    """Returns the days that the arguments name, by one account's clock; without them the usual ones."""
    if "period" not in values:
        since, until = values.get("since", usual.since), values.get("until", usual.until)
    elif "since" in values or "until" in values:
        raise Refused("Give either period, or since and until.")
    elif found := days_of(values["period"], usual.today):
        since, until = found
    else:
        given = values["period"]
        raise Refused(
            f"There is no period “{given}”.{nearest(given, PERIODS)} There are: {', '.join(PERIODS)}; a year 2026, a "
            "quarter 2026-Q3, a month 2026-09; or give since and until."
        )
    if since > until and "since" not in values:
        raise Refused(
            f"Without since the days begin on {since}, the first of the last twelve months, which is after until, "
            f"{until}. Give since as well."
        )
    if since > until:
        raise Refused(f"The first day, {since}, is after the last, {until}.")
    if since > usual.today:
        raise Refused(f"The first day, {since}, has not come yet: the account's today is {usual.today}.")
    return Days(since, until, usual.today)
