"""Tables of the assistant's answers that are more than a query: cards with reasons, two periods side by side, pace."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from amocrm_warehouse.assistant.assistant_queries import AGES, QUERIES
from amocrm_warehouse.assistant.tool_arguments import Refused
from amocrm_warehouse.database import Run
from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.known_names import nearest
from amocrm_warehouse.plans_and_costs import named_as_in_deals
from amocrm_warehouse.report.answers import ANSWERS, CASES, FIGURES, select, sources_of
from amocrm_warehouse.report.choice import Choice
from amocrm_warehouse.report.like_with_like import FEW, days_left, is_comparable, needed_a_day, rounded
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_queries import MOVES, REASONS, needs
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unread_tables import ALL_ROWS_FROM, unknown_columns, with_unknown
from amocrm_warehouse.report.workbook import link

Row = dict[str, Any]
ALL = ANSWERS | QUERIES


class Missing(Exception):
    """A sentence about what a table of the answer needs and the marts do not have."""


@dataclass(frozen=True)
class Asking:
    """Asks the marts for the rows of one choice."""

    run: Run
    choice: Choice
    before: Choice | None
    accounts: dict[str, Row]
    """Domain, time zone and other facts of each account, by project."""
    present: frozenset[str]
    unread: frozenset[tuple[str, str]]
    """(project, table) of the connector's tables that the tool needs and the account does not have."""
    values: dict[str, Any]
    limit: int
    built_at: datetime
    """When the marts were built (UTC)."""
    deactivated: frozenset[tuple[str, int]]
    """(project, user id) of the users whose access is switched off."""
    free_select: Callable[[str, int], list[Row]]
    """Runs one SELECT that an assistant wrote."""

    def rows(self, name: str, choice: Choice | None = None, **others: Any) -> list[Row]:
        """Returns the rows of a query, those of deactivated users with `is_deactivated`. Raises Missing."""
        self.check(needs(ALL[name]))
        return [
            row | {"is_deactivated": True} if (row.get("project_id"), row.get("user_id")) in self.deactivated else row
            for row in select(self.run, ALL[name], choice or self.choice, **others).dicts()
        ]

    def check(self, models: set[str]) -> None:
        """Raises Missing for models that the last build did not make."""
        if absent := models - self.present:
            raise Missing(
                f"the last build made no {', '.join(sorted(absent))}. Build the models: source-amocrm models."
            )

    def with_unknown(self, row: Row) -> Row:
        """Returns a row with null for what its accounts' tables do not show: those of its project, or its currency."""
        projects = [row["project_id"]] if "project_id" in row else [
            project for project, one in self.accounts.items() if one["currency"] == row.get("currency")
        ]  # fmt: skip
        if row.get("figure") in unknown_columns(self.unread, projects):
            return {name: value if name in ("currency", "figure") else None for name, value in row.items()}
        return with_unknown(row, self.unread, projects)

    def known(self, name: str, rows: list[Row]) -> list[Row]:
        """Returns the rows of an answer about accounts of which they are known. Raises Missing if there is no such."""
        lacking = self.lacking(ALL_ROWS_FROM[name])
        return [row for row in rows if not lacking[row["project_id"]]]

    def lacking(self, tables: Iterable[str]) -> dict[str, list[str]]:
        """Returns those of the tables that each account does not have. Raises Missing if each lacks some."""
        lacking = {project: [table for table in tables if (project, table) in self.unread] for project in self.accounts}
        if all(lacking.values()):
            absent = "; ".join(f"{', '.join(names)} of {project}" for project, names in lacking.items())
            raise Missing(f"these tables were not read: {absent}. Read them, and build the models anew.")
        return lacking

    def link(self, row: Row, kind: str | None = "deal", number: str = "deal_id") -> str | None:
        return link(self.accounts[row["project_id"]]["domain"], kind, row[number])

    def moments(self) -> dict[str, datetime]:
        """Returns the moment asked for by each account's clock, without its zone; empty for all times."""
        at = self.values.get("at")
        return {project: local_moment(at, one["time_zone"]) for project, one in self.accounts.items()} if at else {}


def local_moment(at: datetime, zone: str) -> datetime:
    """Returns a moment by the clock of a time zone. One without a zone already is by this clock."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if at.tzinfo else at


def cards(ask: Asking) -> list[Row]:
    """Returns each card once, with every reason for which it waits; the highest budgets first."""
    found: dict[Any, Row] = {}
    for row in ask.rows("today"):
        card = found.setdefault(
            (row["project_id"], row["entity_type"], row["entity_id"] or -row["item_id"]),
            {
                "project_id": row["project_id"], "card": row["card"],
                "link": ask.link(row, row["entity_type"], "entity_id"), "pipeline_name": row["pipeline_name"],
                "stage": row["stage"], "budget": row["budget"], "currency": row["currency"], "reasons": [],
            },
        )  # fmt: skip
        reason = {
            "why": row["why"], "manager": row["manager"], "is_deactivated": row.get("is_deactivated"),
            "days": row["days"], "since": row["since_at_local"],
            "usual_days": row["usual_days"], "channel" if row["why"] == "waiting" else "task": row["text"],
        }  # fmt: skip
        card["reasons"].append({name: value for name, value in reason.items() if value is not None})
    return list(found.values())


def queue(ask: Asking) -> list[Row]:
    """Returns whom to turn to next, the most urgent first: each card once for each manager, with its link."""
    hidden = ("user_id", "entity_type", "entity_id", "item_id", "why", "text")
    return [
        {name: value for name, value in row.items() if name not in hidden and value is not None}
        | {"reasons": row["why"].split(" "), "link": ask.link(row, row["entity_type"], "entity_id")}
        for row in ask.rows("queue")
    ]


def waiting(ask: Asking) -> list[Row]:
    """Returns how much waits in each account; a deal that waits for two people counts once in the money."""
    each = cards(ask)
    dead = {row["project_id"]: {name: row[name] for name in ("dead", "dead_budget")} for row in ask.rows("dead")}
    return [
        row | dead[row["project_id"]]
        | {"cards": len(own), "budget": sum((card["budget"] or 0 for card in own), Decimal(0)),
           "currency": next((card["currency"] for card in own), None)}
        for row in ask.rows("reasons_today")
        for own in [[card for card in each if card["project_id"] == row["project_id"]]]
    ]  # fmt: skip


def waiting_by_manager(ask: Asking) -> list[Row]:
    found: dict[Any, Row] = {}
    budgets: dict[Any, dict[Any, Any]] = {}
    for row in ask.rows("today"):
        key = row["project_id"], row["user_id"]
        person = found.setdefault(
            key,
            {
                "project_id": key[0],
                "user_id": key[1],
                "manager": row["manager"],
                **({"is_deactivated": True} if "is_deactivated" in row else {}),
                **dict.fromkeys(REASONS, 0),
                "currency": row["currency"],
            },
        )
        person[row["why"]] += 1
        budgets.setdefault(key, {})[row["entity_type"], row["entity_id"] or -row["item_id"]] = row["budget"] or 0
    for key, own in budgets.items():
        found[key] |= {"cards": len(own), "budget": sum(own.values(), Decimal(0))}
    return sorted(found.values(), key=lambda row: (str(row["currency"]), -row["budget"], -row["cards"]))


def funnel(ask: Asking) -> list[Row]:
    """Returns the stages of each pipeline, each beside the stage before; that of unsorted deals is none before."""
    stays: dict[Any, list[tuple[int, bool]]] = {}
    for row in ask.rows("stays"):
        stays.setdefault((row["project_id"], row["pipeline_id"], row["status_id"]), []).append(
            (row["lasted"], row["is_over"])
        )
    rows, before = ask.rows("funnel"), dict[Any, int]()
    for row in rows:
        pipeline, stage, kind = (row["project_id"], row["pipeline_id"]), row.pop("status_id"), row.pop("stage_kind")
        own = [] if kind == "won" else stays.get((*pipeline, stage), [])
        half, is_known = half_left(own), row["lost_here"] is not None
        row |= {
            "from_previous_share": None if kind == "unsorted" else share(row["reached"], before.get(pipeline)),
            "from_all_share": share(row["reached"], row["deals"]),
            "lost_here_share": share(row["lost_here"], row["reached"]),
            "half_leave_within_days": None if half is None else half / 10,
            "still_there": sum(not over for _, over in own) if is_known and kind != "won" else None,
        }
        if kind != "unsorted" and row["reached"] is not None:
            before[pipeline] = row["reached"]
    return rows


def half_left(stays: list[tuple[int, bool]]) -> int | None:
    """Returns the time after which half of the stays are over (Kaplan and Meier), as the page counts it."""
    left = 1.0
    ordered = sorted(stays, key=lambda stay: (stay[0], not stay[1]))
    for at, (lasted, is_over) in enumerate(ordered):
        if is_over:
            left *= (len(ordered) - at - 1) / (len(ordered) - at)
            if left <= 0.5 + 1e-9:
                return lasted
    return None


def forecast(ask: Asking) -> list[Row]:
    """Returns the forecasts of each pipeline: first the present one, then one for each past month."""
    return sorted(ask.rows("forecast"), key=lambda row: bool(row["months_back"]))


def forecast_stages(ask: Asking) -> list[Row]:
    ages = list(AGES)
    return [row | {"age": ages[row["age"]]} for row in ask.rows("forecast_stages")]


def share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole and part is not None else None


def with_links(name: str, **others: str) -> Callable[[Asking], list[Row]]:
    """Returns a function that adds the link of each deal; `others`: parameters from arguments."""

    def rows(ask: Asking) -> list[Row]:
        found = ask.rows(name, **{parameter: ask.values.get(one) for parameter, one in others.items()})
        return [row | {"link": ask.link(row)} for row in found]

    return rows


def reasons(ask: Asking) -> list[Row]:
    rows = ask.rows("reasons")
    lost: dict[str, int] = {}
    for row in rows:
        lost[row["project_id"]] = lost.get(row["project_id"], 0) + row["deals"]
    return [row | {"of_lost_share": share(row["deals"], lost[row["project_id"]])} for row in rows]


def both(ask: Asking, name: str, column: str, *shown: str) -> list[Row]:
    """Returns the rows of both periods side by side, the greatest changes of the first column first."""
    assert ask.before
    cases = "won" if "won" in shown else shown[0]
    found: dict[Any, Row] = {}
    for suffix, choice in (("", ask.choice), ("_before", ask.before)):
        for row in ask.rows(name, choice):
            key = row["project_id"], row[column], row.get("id")
            empty = {
                "project_id": key[0],
                **({"currency": row["currency"]} if "currency" in row else {}),
                column: key[1],
            }
            zeros = {f"{one}{end}": 0 for one in shown for end in ("", "_before")}
            own = found.setdefault(key, empty | zeros)
            own |= {f"{one}{suffix}": row[one] for one in shown}
    for row in found.values():
        row[f"{shown[0]}_change"] = row[shown[0]] - row[f"{shown[0]}_before"]
        is_told = is_comparable(row[cases], row[f"{cases}_before"], is_average=False)
        row[f"{shown[0]}_change_share"] = change_share(row[shown[0]], row[f"{shown[0]}_before"]) if is_told else None
    by = f"{shown[0]}_change"
    return sorted(found.values(), key=lambda row: (str(row.get("currency")), -abs(row[by]), str(row[column])))


def change_share(now: Any, before: Any) -> float | None:
    return None if not before or now is None else float(now) / float(before) - 1


def compared(name: str, column: str, *shown: str) -> Callable[[Asking], list[Row]]:
    return lambda ask: both(ask, name, column, *shown)


def figures(ask: Asking) -> list[Row]:
    """Returns each figure of both periods. Figures as of now have no period before, and are left out."""
    assert ask.before
    before = {row["currency"]: row for row in ask.rows("figures", ask.before)}
    found: list[Row] = []
    for row in ask.rows("figures"):
        then = before.get(row["currency"], {})
        for name in (name for name in FIGURES if METRICS[name].day or METRICS[name].share):
            now, was = row[name], then.get(name)
            cases, cases_before = row[CASES[name]], then.get(CASES[name])
            is_told = is_comparable(cases, cases_before, is_average=METRICS[name].is_average)
            shown: Row = {"currency": row["currency"], "figure": name, "cases": cases, "cases_before": cases_before}
            if METRICS[name].unit == "percent":
                points = None if now is None or was is None or not is_told else 100 * (now - was)
                shown |= {"now_share": now, "before_share": was, "change_points": points}
            else:
                shown |= {"now": value_of(name, now), "before": value_of(name, was)}
                shown["change_share"] = change_share(now, was) if is_told else None
            found.append(shown)
    return found


def value_of(name: str, value: Any) -> Any:
    return rounded(value) if name == "average" and value is not None else value


def causes(ask: Asking) -> list[Row]:
    """Splits the change of sales into the part of their number and the part of the average sale.

    The two parts add up to the change: the difference in number at the earlier average, and the difference in average
    at the new number.
    """
    assert ask.before
    before = {row["currency"]: row for row in ask.rows("figures", ask.before)}
    found = []
    for row in ask.rows("figures"):
        then = before.get(row["currency"])
        if then and then["won"] and row["won"]:
            change = row["won_budget"] - then["won_budget"]
            of_number = Decimal(row["won"] - then["won"]) * then["won_budget"] / then["won"]
            found.append({
                "currency": row["currency"], "won_budget_change": change,
                "of_number_of_sales": Decimal(round(of_number)), "of_average_sale": change - Decimal(round(of_number)),
            })  # fmt: skip
    return found


def moved(ask: Asking) -> list[Row]:
    """Returns the moves of the open money, without pipelines and managers that had none.

    Raises Missing for a choice of people where nobody knows who was responsible.
    """
    if ask.choice.users is not None:
        ask.lacking(["deal_responsible_changes"])
    names = (*MOVES, "at_start", "at_end")
    return [row for row in ask.rows("moved") if any(row[name] for name in names) or row["at_start"] is None]


def returns(costs: list[list[str]]) -> Callable[[Asking], list[Row]]:
    """Returns a function of what each source cost and brought, by the rows of read_costs.

    As on the page, the deals of a source count that were created in the accounts and months that have costs for it.
    """

    def rows(ask: Asking) -> list[Row]:
        days = ask.choice.days.values()
        if not all(own.has_plans for own in days):
            raise Refused("Costs are of whole months: give whole months, as period=last_month or period=last_3_months.")
        first, last = min(own.since for own in days), max(own.until for own in days)
        deals = ask.rows("sources_by_month")
        if len({row["purse"] for row in deals}) > 1:
            raise Refused("The file of costs names no currency, and these accounts have several: give one project.")
        paid: dict[str | None, dict[tuple[str, date], Decimal]] = {}
        for project, month, paid_to, amount in named_as_in_deals(costs, sources_of(ask.run)):
            if project in ("", *ask.choice.days) and first <= (day := date.fromisoformat(month)) <= last:
                of_source = paid.setdefault(paid_to or None, {})
                of_source[project, day] = of_source.get((project, day), Decimal(0)) + Decimal(amount)
        found = []
        for source, own in paid.items():
            months = {(row["project_id"], row["month"]): row for row in deals if row["source"] == source}
            of = [row for (project, day), row in months.items() if own.keys() & {(project, day), ("", day)}]
            cost, won_budget = (
                sum(own.values(), Decimal(0)),
                sum((row["won_of_created_budget"] for row in of), Decimal(0)),
            )
            created, won, still_open = (
                sum(row[name] for row in of) for name in ("created", "won_of_created", "still_open")
            )
            found.append({
                "currency": next((row["currency"] for row in deals), None), "source": source, "cost": cost,
                "cost_months": sorted({f"{day:%Y-%m}" for _, day in own}), "created": created, "won_of_created": won,
                "still_open": still_open,
                "won_of_created_budget": won_budget, "cost_of_deal": per_deal(cost, created),
                "cost_of_won": per_deal(cost, won), "romi_share": share(won_budget - cost, cost),
            })  # fmt: skip
        return sorted(found, key=lambda row: (-row["cost"], str(row["source"])))

    return rows


def per_deal(sum_of: Any, count: int) -> Decimal | None:
    return rounded(sum_of / count) if count else None


def plan_months(ask: Asking) -> list[Row]:
    found: dict[Any, Row] = {}
    for row in ask.rows("plans_at_today"):
        own = found.setdefault(
            (row["project_id"], row["month"]),
            {"project_id": row["project_id"], "currency": row["currency"], "month": row["month"], "plan": Decimal(0),
             "plan_won_budget": Decimal(0)},
        )  # fmt: skip
        own["plan"] += row["plan"]
        own["plan_won_budget"] += row["won_budget"]
    return [row | {"of_plan_share": share(row["plan_won_budget"], row["plan"])} for row in found.values()]


def plan_managers(ask: Asking) -> list[Row]:
    return [
        {name: value for name, value in row.items() if name != "today"}
        | {"of_plan_share": share(row["won_budget"], row["plan"])}
        for row in ask.rows("plans_at_today")
    ]


def pace(ask: Asking) -> list[Row]:
    """Returns the present month: the plan's part up to today (an equal part for each day), and the sales."""
    months = [ask.choice.month_of(project) for project in ask.choice.days]
    rows = [row for choice in months for row in ask.rows("plans_at_today", choice)]
    found: list[Row] = []
    for project in dict.fromkeys(row["project_id"] for row in rows):
        own = [row for row in rows if row["project_id"] == project]
        total = {"manager": "*", "user_id": None, "plan": sum(row["plan"] for row in own),
                 "won_budget": sum(row["won_budget"] for row in own)}  # fmt: skip
        for row in [own[0] | total, *own]:
            today = row["today"]
            days = monthrange(today.year, today.month)[1]
            by_today = row["plan"] * today.day / days
            found.append({
                "project_id": project, "currency": row["currency"], "manager": row["manager"], "month": row["month"],
                "plan": row["plan"], "sold_so_far": row["won_budget"], "plan_by_today": Decimal(round(by_today)),
                "of_plan_by_today_share": share(row["won_budget"], by_today),
                "of_plan_share": share(row["won_budget"], row["plan"]),
                "left_to_sell": max(row["plan"] - row["won_budget"], Decimal(0)), "days_left": days_left(today),
                "needed_a_day": rounded(needed_a_day(row["plan"], row["won_budget"], today)),
            })  # fmt: skip
    return found


def record(ask: Asking) -> list[Row]:
    """Returns how the forecasts of the last months did: within the interval, and how far off."""
    found = []
    rows = [row for row in ask.rows("forecast") if row["months_back"] and row["expected"] is not None]
    for project, pipeline in dict.fromkeys((row["project_id"], row["pipeline_name"]) for row in rows):
        own = [row for row in rows if (row["project_id"], row["pipeline_name"]) == (project, pipeline)]
        off = [share(abs(float(row["expected"]) - float(row["sold"])), row["sold"]) for row in own]
        naive = [share(abs(float(row["sold_month_before"] or 0) - float(row["sold"])), row["sold"]) for row in own]
        found.append({
            "project_id": project, "pipeline_name": pipeline, "months": len(own),
            "within_interval": sum(row["low"] <= row["sold"] <= row["high"] for row in own),
            "off_share": middle(off), "same_as_month_before_off_share": middle(naive),
        })  # fmt: skip
    return found


def middle(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return median(found) if found else None


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def by_hour(query: str, count: str) -> Callable[[Asking], list[Row]]:
    """Returns a function that counts by weekday and hour of the account's clock."""

    def rows(ask: Asking) -> list[Row]:
        found: dict[Any, Row] = {}
        for row in ask.rows(query):
            own = found.setdefault(
                (row["project_id"], row["weekday"]),
                {"project_id": row["project_id"], "weekday": WEEKDAYS[row["weekday"] - 1], count: 0, "by_hour": {}},
            )
            own[count] += row[count]
            own["by_hour"][str(row["hour"])] = row[count]
        return list(found.values())

    return rows


SPEEDS = ("up_to_5_minutes", "5_to_15_minutes", "15_to_60_minutes", "1_to_4_hours", "later")
"""Classes of the working time until the first touch, as metrics.yaml numbers them."""


def speed(ask: Asking) -> list[Row]:
    """Returns deals by the working time until a person's first touch, and what is won of them."""
    return [
        row | {"speed": "not_touched_yet" if row["speed"] is None else SPEEDS[row["speed"]]}
        for row in ask.known("speed", ask.rows("speed"))
    ]


def stale(ask: Asking) -> list[Row]:
    """Returns the deals in which nothing has happened for long, of accounts of which it is known."""
    return ask.known("stale", with_links("stale")(ask))


def beside_median(ask: Asking) -> list[Row]:
    """Returns the sales of each manager of both periods, and those of present users beside their median."""
    rows = both(ask, "by_manager", "manager", "won_budget", "won", "lost")
    present = {(row["project_id"], row["manager"]) for row in ask.rows("people") if not row["is_deactivated"]}
    for project in {row["project_id"] for row in rows}:
        own = [row for row in rows if row["project_id"] == project]
        people = [row for row in own if (project, row["manager"]) in present]
        usual = middle(float(row["won_budget"]) for row in people)
        is_told = (middle(row["won"] for row in people) or 0) >= FEW
        for row in own:
            row["of_median_share"] = share(row["won_budget"], usual) if row in people and is_told else None
    return rows


def deal(ask: Asking) -> list[Row]:
    """Returns the history of one deal. Raises ValueError if no account has it, or if the moment is to come."""
    moments, found = ask.moments(), spans(ask)
    for project in found:
        now = local_moment(ask.built_at.replace(tzinfo=timezone.utc), ask.accounts[project]["time_zone"])
        if moments and moments[project] > now:
            raise Refused(
                f"The moment {moments[project]} had not come yet when the marts were built, at {now} by the account's "
                "clock. Give an earlier one; without at the answer ends with the present state."
            )
    by_utc = ("from_at", "to_at")
    return [
        {name: row[name] for name in row if name not in by_utc} | {"link": ask.link(row)}
        for project, rows in found.items()
        for row in rows
        if not moments or is_within(moments[project], row)
    ]


def spans(ask: Asking) -> dict[str, list[Row]]:
    """Returns the history of one deal by account, the earliest first. Raises ValueError if no account has it."""
    number = ask.values["deal_id"]
    found: dict[str, list[Row]] = {row["project_id"]: [] for row in ask.rows("deal_card", deal=number)}
    if not found:
        raise ValueError(f"There is no deal {number} in {', '.join(ask.choice.days)}.")
    for row in ask.rows("deal", deal=number):
        found[row["project_id"]].append(row)
    return found


def is_within(at: datetime, span: Row) -> bool:
    """Returns whether a moment by the account's clock is in a span of a deal's history."""
    return span["from_at_local"] <= at and (span["to_at_local"] is None or at < span["to_at_local"])


def without_history(ask: Asking) -> list[str]:
    """Returns a sentence for each account's deal that has no history at the moment asked for, or none at all."""
    moments, found = ask.moments(), []
    for project, rows in spans(ask).items():
        deal = f"Deal {ask.values['deal_id']} of {project}"
        if not rows:
            found.append(f"{deal} has no history: its creation is unknown.")
        elif moments and moments[project] < rows[0]["from_at_local"]:
            found.append(f"{deal} was not there yet: its history begins at {rows[0]['from_at_local']}.")
        elif moments and not any(is_within(moments[project], row) for row in rows):
            found.append(f"{deal} was not there any more: it was deleted at {rows[-1]['to_at_local']}.")
    return found


def selected(ask: Asking) -> list[Row]:
    """Returns the rows of the SELECT. Raises Missing if it reads a model that the last build did not make."""
    named = needs(ask.values["select"].casefold().replace('"', ""))
    ask.check(named & {path.stem.replace("amocrm__", "") for path in PACKAGE.rglob("*.sql")})
    return ask.free_select(ask.values["select"], ask.limit)


SCHEMA = """
    select table_schema, table_name, column_name, data_type
    from information_schema.columns
    where table_schema like '%marts' or table_schema like '%staging'
    order by 1, 2, ordinal_position
"""


def schema(ask: Asking) -> list[Row]:
    """Returns the tables with their columns, the marts first; or the columns of one. Raises ValueError."""
    words = Words("en")
    tables: dict[str, list[tuple[str, str]]] = {}
    for of, table, column, kind in ask.run(SCHEMA)[1]:
        tables.setdefault(f"amocrm_{'marts' if of.endswith('marts') else 'staging'}.{table}", []).append((column, kind))
    wanted = ask.values.get("table")
    if not wanted:
        return [{"table": name, "columns": ", ".join(name for name, _ in of)} for name, of in tables.items()]
    own = next((of for name, of in tables.items() if wanted.casefold() in (name, name.partition(".")[2])), None)
    if own is None:
        close = nearest(wanted, [name.partition(".")[2] for name in tables])
        raise ValueError(f"There is no table {wanted}.{close} schema without a table lists them.")
    return [{"column": column, "type": kind, "means": words.of_column(column)} for column, kind in own]
