"""Answers of the assistant's tools: checks the arguments, begins with the coverage, and bounds the size."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from amocrm_warehouse.assistant.asking import Asking, Missing, Row
from amocrm_warehouse.assistant.page_link import page_link
from amocrm_warehouse.assistant.people import Person
from amocrm_warehouse.assistant.tool_arguments import ALL_DAYS, Chosen, Refused, chosen, read_arguments
from amocrm_warehouse.assistant.tools import UNREAD, Part, Tool
from amocrm_warehouse.database import Run, models_of
from amocrm_warehouse.known_names import nearest
from amocrm_warehouse.report.answer_parts import CASES
from amocrm_warehouse.report.answers import days_of_build, marks_of
from amocrm_warehouse.report.choice import Choice, Days, last_months
from amocrm_warehouse.report.like_with_like import percents, rounded
from amocrm_warehouse.report.metrics import METRICS, metrics_in
from amocrm_warehouse.report.page_queries import FIRST_DAYS, cautions, first_months, needs
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unread_tables import unread_tables
from amocrm_warehouse.report.working_days import DAYS, ONE_DAY, WorkingDays, working_days

WHOLE = ("total", "open", "figures", "causes", "worst", "record", "beside_team")
"""Tables that `limit` does not cut: few rows that are the answer itself."""
KILOBYTES = 20
"""The size of an answer, unless `kilobytes` asks for more."""
MONEY_OF_LISTS = ("budget", "won_budget", "lost_budget", "won_of_created_budget", "amount_now", "cost", "plan")
"""Columns of money whose sum over all cards of a list an answer names."""
TABLES = "select table_schema, table_name from information_schema.tables"
BUILT = "select max(built_at) from amocrm_marts.freshness"
MEANS = {
    "missed_calls": "Incoming calls that lasted 0 seconds.",
    "missed_and_left": "Missed calls that nobody has called back until now, and whose client has not got through.",
    "is_deactivated": "Whether the user's access to the account is switched off.",
    "place": "Place in the queue of the manager: 1 is the most urgent card.",
    "working_minutes": "Working minutes for which the client has waited.",
    "untouched_and_open": "Deals created in the days that are open and that no person has called or written to yet.",
    "waiting_now": "Clients who wait for a person's answer in a chat now.",
    "not_answered": "Chats of the days that no person has answered.",
    "lost_here": "Deals lost from this stage.",
    "half_leave_within_days": "Half of the stays in the stage end within so many days; null if more than half still "
    "last.",
    "plan_by_today": "The plan's part for the working days of the month up to today.",
    "days_left": "Working days of the month that are left, today among them.",
    "needed_a_day": "What has to be sold on each of the working days left, today among them, to meet the plan.",
    "budget_cap": "Ten times the budget that nine of ten deals won within a year did not exceed.",
    "cost_months": "Months of the days that have costs for the source.",
    "cost_of_deal": "Costs divided by created.",
    "cost_of_won": "Costs divided by won_of_created.",
    "still_open": "Of these created deals, those that are neither won nor lost yet: romi lacks what they will bring.",
    "romi": "won_of_created_budget less the costs, divided by the costs.",
    "romi_sold": "won_budget (sales of the months with costs, whenever created) less the costs, divided by the costs.",
    "cases": "How many deals the figure is of.",
    **{f"{name}_of": f"How many deals {name} is of." for name in CASES if METRICS[name].is_average},
    "days": "Days for which the card has waited for this reason.",
    "usual_days": "Days within which three quarters of the stays of won deals in this stage ended.",
    "sold_month_before": "Sales of the month before that month: what “the same as last month” would have forecast.",
}
"""The meaning of columns that are no metric of metrics.yaml."""


def reply(
    name: str,
    tool: Tool,
    given: Mapping[str, Any],
    run: Run,
    free_select: Callable[[str, int], list[Row]],
    person: Person | None = None,
    report: str = "",
) -> dict[str, Any]:
    """Returns an answer: its coverage, then its tables. `person`: who asks; None sees all. Raises ValueError.

    `report`: the address of the page, of whose section that shows the same the answer has the link.
    """
    if person and tool.of_all and not person.sql:
        raise Refused(f"{name} shows every row, and your token does not open it.")
    values = read_arguments(name, tool.arguments, tool.needs, given)
    tool = of_state(name, tool, values, given)
    of = chosen(run, values, tool.by_months, person)
    limit, offset = values.get("limit", tool.rows), values.get("offset", 0)
    most = dict.fromkeys(tool.parts, limit) | dict.fromkeys(WHOLE, 1_000)
    accounts = {one["project_id"]: one for one in of.accounts}
    present = frozenset(models_of(run).tables({f"{schema}.{table}" for schema, table in run(TABLES)[1]}))
    working = working_days(run) if needs(DAYS) <= present else WorkingDays(())
    before = compared_with(of.choice, values, working) if tool.is_compared else None
    built_at = run(BUILT)[1][0][0]
    unread = frozenset((project, table) for project, table in unread_tables(run, of.choice.days) if table in tool.reads)
    ask = Asking(
        run, of.choice, before, accounts, present, unread, values, limit, built_at, marks_of(run), free_select,
        of.parameters, of.only,
    )  # fmt: skip
    tables, missing = {}, {}
    for part, query in tool.parts.items():
        try:
            tables[part] = rows_of_part(ask, query)
        except Missing as lack:
            missing[part] = f"It is not known: {lack}"
    counts: dict[str, int | str] = {
        part: len(rows) if tool.is_counted or len(rows) <= limit else "more" for part, rows in tables.items()
    }
    # the columns of a SELECT are its own
    row_of = plain_row if tool.is_counted else plain
    shown = {
        part: [row_of(row) for row in (rows if part in WHOLE else rows[offset:])[: most[part]]]
        for part, rows in tables.items()
    }
    if not missing:
        tool = replace(tool, notes=(*tool.notes, *tool.warnings(ask)))
    if before and "before_since" in values:
        tool = replace(tool, notes=(*tool.notes, *unlike(of.choice, before)))
    covers = coverage(tool, of, before, built_at, first_months(run, set().union(*map(needs, FIRST_DAYS)) - present))
    if report and tool.section:
        covers["page"] = page_link(report, tool.section, of.choice, last_months(run).days, bool(tool.dated))
    if wrong := cautions(run, of.choice.days):
        covers["cautions"] = [Words("en")(key, **values) for key, values in wrong]
    if unread:
        covers["not_read"] = [
            {"project_id": project, "table": table, "so": UNREAD[table]} for project, table in sorted(unread)
        ]
    if "at" in tool.takes:
        covers["period"] = moments_in_words(ask)
    if missing:
        covers["missing"] = missing
    if sums := {part: sums_of(rows) for part, rows in tables.items() if tool.is_counted and part not in WHOLE}:
        covers["in_all"] = {part: of for part, of in sums.items() if of}
    if empty := {part: why_empty(ask, tool, part) for part, rows in tables.items() if not rows}:
        covers["empty"] = empty
    covers |= meanings(shown, Words("en", **days_of_build(run)), tool.means)
    if values.get("explain"):
        covers["explained"] = explained(ask, built_at)
    return fitted(covers, shown, counts, 1_000 * values.get("kilobytes", KILOBYTES))


def of_state(name: str, tool: Tool, values: Mapping[str, Any], given: Mapping[str, Any]) -> Tool:
    """Returns the tool with the tables asked for, without days if the deals asked for are those of now."""
    given_or_not = {*values, None}
    show = values.get("show") or [
        part for part in tool.parts if part not in tool.extra and tool.only_with.get(part) in given_or_not
    ]
    if "day" in values and "show" not in values:
        show = ["open", "stages"]
    for part in show:
        if part not in tool.parts:
            raise Refused(f"{name} has no table {part}.{nearest(part, tool.parts)} It has: {', '.join(tool.parts)}.")
    tool = replace(tool, parts={part: tool.parts[part] for part in tool.parts if part in show})
    if isinstance(tool.dated, Mapping):
        tool = replace(tool, dated={part: by for part, by in tool.dated.items() if part in show} or "no day")
    if "state" in tool.takes and values.get("state", "all") in ("open", "all"):
        tool = replace(tool, dated=None)
        read_arguments(f"{name} with state={values.get('state', 'all')}", tool.arguments, tool.needs, given)
    return tool


def rows_of_part(ask: Asking, query: Part) -> list[Row]:
    rows = ask.rows(query) if isinstance(query, str) else query(ask)
    return [ask.with_unknown(row) for row in rows] if ask.unread else rows


def sums_of(rows: list[Row]) -> list[Row]:
    """Returns the number of all cards of a list and the sums of their money, a row for each currency."""
    each = {row.get("link") or place: row for place, row in enumerate(rows)}.values()
    money = [name for name in MONEY_OF_LISTS if any(name in row for row in each)]
    if not money:
        return []
    found: dict[Any, Row] = {}
    for row in each:
        own = found.setdefault(row.get("currency"), {"currency": row.get("currency"), "rows": 0})
        own["rows"] += 1
        for name in money:
            own[name] = own.get(name, Decimal(0)) + (row.get(name) or 0)
    return [plain_row(row) for row in found.values()]


def why_empty(ask: Asking, tool: Tool, part: str) -> str:
    """Returns why a table has no row: the tool's own reason, or whether the filters or the days leave none."""
    if part in tool.empty:
        days = once({project: days_in_words(own) for project, own in ask.choice.days.items()})
        unread = ", ".join(sorted({table for _, table in ask.unread}))
        lacks = f" That is as far as is known: not read: {unread}." if unread else ""
        return f"{tool.empty[part].format(days=days_as_text(days))}{lacks}"
    wider = {
        "without the filters by pipeline, people and source": replace(ask.choice, pipelines=None, source=None)
        if ask.only else replace(ask.choice, pipelines=None, users=None, source=None),
    }  # fmt: skip
    if tool.dated:
        days = {project: Days(*ALL_DAYS, own.today) for project, own in ask.choice.days.items()}
        wider["on all days"] = replace(ask.choice, days=days)
    for words, choice in wider.items():
        if choice != ask.choice and (rows := rows_of_part(replace(ask, choice=choice), tool.parts[part])):
            return f"Nothing in this choice; {words} there would be {len(rows)} rows."
    return "There is nothing of this in the accounts asked for."


def days_as_text(days: Mapping[str, Any]) -> str:
    return f"{days['since']} to {days['until']}" if "since" in days else "these days"


def explained(ask: Asking, built_at: datetime) -> Row:
    """Returns the statements that were run, their values, and the marts with the time of their build."""
    chosen_sql, values = ask.choice.chosen()
    values |= ask.choice.values() | ask.parameters
    marts = sorted(set[str]().union(*(needs(sql) for sql in ask.statements.values())))
    return {
        "chosen": " ".join(chosen_sql.split()), "values": plain(values), "marts": marts,
        "built_at_utc": built_at.isoformat(timespec="seconds"),
        "sql": {name: " ".join(sql.split()) for name, sql in ask.statements.items()},
    }  # fmt: skip


def compared_with(choice: Choice, values: Mapping[str, Any], working: WorkingDays) -> Choice:
    """Returns the choice of the days before, of which an unfinished period has as many as it has itself."""
    if ("before_since" in values) != ("before_until" in values):
        raise Refused("Give both before_since and before_until, or neither: then like is compared with like.")
    try:
        before = choice.before(working)
    except (ValueError, OverflowError):
        raise Refused("Nothing is before these days. Give a shorter period, as last_month.") from None
    if "before_since" not in values:
        return before
    first, last = values["before_since"], values["before_until"]
    if first > last:
        raise Refused(f"The first day to compare with, {first}, is after the last, {last}.")
    return replace(choice, days={project: Days(first, last, own.today) for project, own in choice.days.items()})


def unlike(choice: Choice, before: Choice) -> set[str]:
    """Returns a sentence if the days are more or fewer than those before. Whole months are alike."""
    found = set()
    for project, own in choice.days.items():
        then = before.days[project]
        own = replace(own, until=min(own.until, own.today))
        months = {months_of(one) for one in (own, then)}
        lengths = [(one.until - one.since).days + 1 for one in (own, then)]
        if lengths[0] != lengths[1] and (len(months) > 1 or None in months):
            found.add(
                "The days are {} and those of compared_with {}: sums and counts of so many days are not alike, and "
                "their changes say nothing. Compare shares, medians and averages.".format(*lengths)
            )
    return found


def months_of(days: Days) -> int | None:
    """Returns the number of whole months; None if the days are others."""
    end = days.until + ONE_DAY
    is_whole = days.since.day == end.day == 1
    return 12 * (end.year - days.since.year) + end.month - days.since.month if is_whole else None


def coverage(
    tool: Tool, of: Chosen, before: Choice | None, built_at: datetime, begins: Mapping[str, date]
) -> dict[str, Any]:
    """Returns the coverage of an answer: accounts, days, filters, currency, and the time of its data."""
    currencies = list(dict.fromkeys(one["currency"] or f"unknown ({one['project_id']})" for one in of.accounts))
    found: dict[str, Any] = {
        "accounts": [
            {
                "account": one["account"], "project_id": one["project_id"], "currency": one["currency"],
                "today": one["today"].isoformat(),
                "as_of": local(one["synced_at"], one["time_zone"]) if one["synced_at"]
                else f"{'no sync has ended well' if one['is_never_synced'] else 'unknown'}; the marts were built "
                f"{local(built_at, one['time_zone'])}",
            }
            for one in of.accounts
        ],
        "period": period(of.choice, begins, tool.dated) if tool.dated else "now",
        "filters": of.filters or "none",
        "currency": currencies[0] if len(currencies) == 1 else currencies,
    }  # fmt: skip
    if len(currencies) > 1:
        found["currencies"] = "Sums are by currency; lists by money are ordered within one. Never add them up."
    if before:
        found["compared_with"] = period(before, begins)
    if tool.notes:
        found["notes"] = list(tool.notes)
    return found


def period(choice: Choice, begins: Mapping[str, date], dated: str | Mapping[str, str] | None = None) -> Any:
    """Returns the days of a choice; of each account, where accounts differ. `begins`: first months with data."""
    found = once({project: days_in_words(days, begins.get(project)) for project, days in choice.days.items()})
    return found | ({"counted_by": dated} if dated else {})


def once(each: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns what all accounts have; of each account by its project, where accounts differ."""
    same = len({json.dumps(one) for one in each.values()}) == 1
    return next(iter(each.values())) if same else {"by_project": each}


def moments_in_words(ask: Asking) -> Any:
    """Returns the moment that an answer is of, by the clock of each account."""
    moments = ask.moments()
    if not moments:
        return "all times"
    return once({
        project: {"at": in_words(at, ask.accounts[project]["time_zone"])} for project, at in moments.items()
    })  # fmt: skip


def days_in_words(days: Days, begin: date | None = None) -> dict[str, Any]:
    """Returns the days as an answer names them. `begin`: the first day of the account's first month with data."""
    if (days.since, days.until) == ALL_DAYS:
        return {"days": "all days", "so_far_until": days.today.isoformat()}
    found: dict[str, Any] = {"since": days.since.isoformat(), "until": days.until.isoformat()}
    if begin and days.since < begin:
        found["no_data_before"] = begin.isoformat()
    if days.until >= days.today:
        found["is_over"] = False
        found["so_far_until"] = days.today.isoformat()
    return found


def local(moment: datetime, zone: str) -> str:
    """Returns a moment (UTC) by an account's clock, with its zone."""
    return in_words(moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)), zone)


def in_words(at: datetime, zone: str) -> str:
    return f"{at.replace(tzinfo=ZoneInfo(zone)).isoformat(timespec='seconds')} {zone}"


def meanings(shown: Mapping[str, list[Row]], words: Words, own: Mapping[str, str]) -> dict[str, Any]:
    """Returns the meaning of each column and figure that has one. `own`: meanings of the tool alone."""
    columns = {name.removesuffix("_percent"): None for rows in shown.values() for row in rows for name in row}
    columns |= {row["figure"]: None for row in shown.get("figures", ()) if "figure" in row}
    known = {**MEANS, **own}
    found = {name: known.get(name) or words(f"means.{name}") for name in columns if name in known or name in METRICS}
    return {"means": found} if found else {}


LONGEST_NUMBER = 10**18
"""Whoever reads JSON rounds greater numbers; such a number is shown as a text, as is one that is none (NaN)."""
SHARES = metrics_in("percent")


def plain_row(row: Mapping[str, Any]) -> Row:
    """Returns a row in the form that JSON holds. Shares become percents, rounded as the page shows them."""
    found: Row = {}
    for name, value in row.items():
        if name in SHARES or name.endswith("_share"):
            found[f"{name.removesuffix('_share')}_percent"] = None if value is None else plain(percents(value))
        elif name == "average":
            found[name] = None if value is None else plain(rounded(value))
        else:
            found[name] = plain(value)
    return found


def plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | float) and not -LONGEST_NUMBER < float(value) < LONGEST_NUMBER:
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, float):
        return plain(round(Decimal(str(value)), 2))
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def size(value: Any) -> int:
    return len(text_of(value).encode())


def text_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fitted(covers: Row, shown: dict[str, list[Row]], counts: Mapping[str, int | str], most: int) -> dict[str, Any]:
    """Returns the answer, in which the largest table loses its last rows until all of it fits."""
    sizes = {part: [size(row) + 1 for row in rows] for part, rows in shown.items()}
    room = most - size(covers) - sum(2 * len(part) + 40 for part in shown) - 100
    was_cut = False
    while any(sizes.values()) and sum(map(sum, sizes.values())) > room:
        max(sizes.values(), key=sum).pop()
        was_cut = True
    rows = {part: shown[part][: len(sizes[part])] for part in shown}
    covers["rows"] = {part: f"{len(rows[part])} of {counts[part]}" for part in rows}
    if was_cut:
        covers["cut"] = f"Cut to {most // 1_000} KB: ask for more kilobytes, or for less."
    return {"covers": covers} | rows
