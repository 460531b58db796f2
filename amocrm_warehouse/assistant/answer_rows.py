"""Tables of the assistant's answers that are more than a query: stages, two periods side by side, pace, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any

from amocrm_warehouse.assistant.asking import Asking, Missing, Row, share
from amocrm_warehouse.assistant.assistant_queries import AGES
from amocrm_warehouse.plans_and_costs import named_as_in_deals
from amocrm_warehouse.report import this_month
from amocrm_warehouse.report.answer_parts import CASES, FIGURES
from amocrm_warehouse.report.answers import sources_of
from amocrm_warehouse.report.choice import Days, whole_months
from amocrm_warehouse.report.like_with_like import (
    FEW,
    days_before,
    days_left,
    is_comparable,
    needed_a_day,
    part_passed,
    rounded,
)
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_data import shifted
from amocrm_warehouse.report.page_queries import MOVES, needs
from amocrm_warehouse.report.working_days import DAYS, working_days

OF_LATELY = ("created", "won", "lost", "won_budget", "plan", "plan_won_budget")


def lately(ask: Asking) -> list[Row]:
    """Returns the present month of each account (in its first days after the one that ended), day and week before."""
    ask.check(needs(DAYS))
    working, found = working_days(ask.run), []
    for project, own in ask.choice.days.items():
        spans = [("this_month", whole_months(own.today, own.today, own.today))]
        if this_month.begins(own.today):
            ended = shifted(own.today, -1)
            spans.insert(0, ("last_month", whole_months(own.today, ended, ended)))
        spans += [(name, Days(*days, own.today)) for name, days in working.recent(own.today).items()]
        for name, days in spans:
            before = Days(*days_before(days.since, days.until, own.today, working), own.today)
            now, then = (ask.rows("figures", replace(ask.choice, days={project: one}))[0] for one in (days, before))
            found.append({
                "project_id": project, "currency": now["currency"], "days": name, "since": days.since,
                "until": min(days.until, own.today), **{one: now[one] for one in OF_LATELY},
                "of_plan_share": share(now["plan_won_budget"], now["plan"]), "won_budget_before": then["won_budget"],
            })  # fmt: skip
    return found


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
    ages = [*AGES, "dead"]
    return [row | {"age": ages[row["age"]]} for row in ask.rows("forecast_stages")]


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
            key = row["project_id"], row[column], row.get("pipeline_id", row.get("user_id"))
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


OF_MOVES = ("at_start", *MOVES, "at_end")


def moved(ask: Asking) -> list[Row]:
    """Returns the moves of the open money, without pipelines and managers that had none.

    Raises Missing for a choice of people where nobody knows who was responsible.
    """
    if ask.choice.users is not None:
        ask.lacking(["deal_responsible_changes"])
    return [row for row in ask.rows("moved") if any(row[name] for name in OF_MOVES) or row["at_start"] is None]


def moved_in_all(ask: Asking) -> list[Row]:
    """Returns the sums of what moved, a row for each currency; null if a number of it is unknown."""
    found: dict[Any, Row] = {}
    for row in moved(ask):
        own = found.setdefault(row["currency"], {"currency": row["currency"], **dict.fromkeys(OF_MOVES, Decimal(0))})
        for name in OF_MOVES:
            own[name] = None if own[name] is None or row[name] is None else own[name] + row[name]
    return list(found.values())


def open_stages(ask: Asking) -> list[Row]:
    """Returns the open deals of each stage: at the end of the day asked for, or now with their ages."""
    return ask.rows("open_on_day", day=ask.values["day"]) if "day" in ask.values else ask.rows("open_by_age")


def open_in_all(ask: Asking) -> list[Row]:
    """Returns the open deals and their money, live and dead apart as of now, a row for each currency."""
    found: dict[Any, Row] = {}
    for row in open_stages(ask):
        own = found.setdefault(row["currency"], {"currency": row["currency"]})
        for name in ("deals", "budget", *(name for name in LIVE if name in row)):
            was = own.get(name, 0)
            own[name] = None if was is None or row[name] is None else was + row[name]
    return list(found.values())


LIVE = ("live", "live_budget", "dead", "dead_budget")


def by_field(ask: Asking) -> list[Row]:
    """Returns sales by the values of the own field asked for."""
    return ask.rows("by_field", field=ask.parameters["field"]) if ask.parameters["field"] else []


def beside_team(ask: Asking) -> list[Row]:
    """Returns the sums and medians of everybody beside the chosen person, with the person's place; no other's name."""
    if ask.choice.users is None:
        return []
    found = []
    everybody = ask.rows("managers", replace(ask.choice, users=None))
    for project in ask.choice.days:
        people = [row for row in everybody if row["project_id"] == project and "is_deactivated" not in row]
        for measure in ("won", "won_budget", "lost", "overdue", "stale"):
            values = [row[measure] for row in people if row[measure] is not None]
            own = [row[measure] for row in people if (project, row["user_id"]) in ask.choice.users]
            if len(own) == 1 and own[0] is not None:
                found.append({
                    "project_id": project, "measure": measure, "own": own[0],
                    "place": 1 + sum(value > own[0] for value in values),
                    "people": len(values), "median": middle(map(float, values)), "total": sum(values),
                })  # fmt: skip
    return found


def returns(costs: list[list[str]]) -> Callable[[Asking], list[Row]]:
    """Returns a function of what each source cost and brought, by the rows of read_costs.

    As on the page, the deals of a source count that were created in the accounts and months that have costs for it.
    """

    def rows(ask: Asking) -> list[Row]:
        days = ask.choice.days.values()
        if not all(own.has_plans for own in days):
            raise Missing("costs are of whole months: give whole months, as period=last_month or period=last_3_months.")
        first, last = min(own.since for own in days), max(own.until for own in days)
        deals = ask.rows("sources_by_month")
        if len({row["purse"] for row in deals}) > 1:
            raise Missing("the file of costs names no currency, and these accounts have several: give one project.")
        paid: dict[str | None, dict[tuple[str, date], Decimal]] = {}
        for project, month, paid_to, amount in named_as_in_deals(costs, sources_of(ask.run)):
            if project in ("", *ask.choice.days) and first <= (day := date.fromisoformat(month)) <= last:
                of_source = paid.setdefault(paid_to or None, {})
                of_source[project, day] = of_source.get((project, day), Decimal(0)) + Decimal(amount)
        found = []
        for source, own in paid.items():
            of = [
                row
                for row in deals
                if row["source"] == source and own.keys() & {(row["project_id"], row["month"]), ("", row["month"])}
            ]
            cost = sum(own.values(), Decimal(0))
            names = ("created", "won_of_created", "still_open", "won_of_created_budget", "won", "won_budget")
            sums: Row = {name: sum((row[name] for row in of), Decimal(0)) for name in names}
            found.append({
                "currency": next((row["currency"] for row in deals), None), "source": source, "cost": cost,
                "cost_months": sorted({f"{day:%Y-%m}" for _, day in own}), **sums,
                "cost_of_deal": per_deal(cost, sums["created"]), "cost_of_won": per_deal(cost, sums["won_of_created"]),
                "romi_share": share(sums["won_of_created_budget"] - cost, cost),
                "romi_sold_share": share(sums["won_budget"] - cost, cost),
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
             "plan_so_far": Decimal(0), "plan_won_budget": Decimal(0)},
        )  # fmt: skip
        own["plan"] += row["plan"]
        own["plan_so_far"] += row["plan_so_far"]
        own["plan_won_budget"] += row["won_budget"]
    return [row | {"of_plan_share": share(row["plan_won_budget"], row["plan_so_far"])} for row in found.values()]


def plan_managers(ask: Asking) -> list[Row]:
    return [
        {name: value for name, value in row.items() if name != "today"}
        | {"of_plan_share": share(row["won_budget"], row["plan_so_far"])}
        for row in ask.rows("plans_at_today")
    ]


def pace(ask: Asking) -> list[Row]:
    """Returns the present month: the plan's part up to today (equal for each working day), and the sales."""
    ask.check(needs(DAYS))
    working = working_days(ask.run)
    months = [ask.choice.month_of(project) for project in ask.choice.days]
    rows = [row for choice in months for row in ask.rows("plans_at_today", choice)]
    found: list[Row] = []
    for project in dict.fromkeys(row["project_id"] for row in rows):
        own = [row for row in rows if row["project_id"] == project]
        total = {"manager": "*", "user_id": None, "plan": sum(row["plan"] for row in own),
                 "won_budget": sum(row["won_budget"] for row in own)}  # fmt: skip
        [in_work] = ask.rows("figures", ask.choice.month_of(project))
        for row in [own[0] | total, *own]:
            today = row["today"]
            by_today = row["plan"] * Decimal(part_passed(today, working))
            found.append({
                "project_id": project, "currency": row["currency"], "manager": row["manager"], "month": row["month"],
                "plan": row["plan"], "sold_so_far": row["won_budget"], "plan_by_today": Decimal(round(by_today)),
                "of_plan_by_today_share": share(row["won_budget"], by_today),
                "of_plan_share": share(row["won_budget"], row["plan"]),
                "left_to_sell": max(row["plan"] - row["won_budget"], Decimal(0)),
                "days_left": days_left(today, working),
                "needed_a_day": rounded(needed_a_day(row["plan"], row["won_budget"], today, working)),
            })  # fmt: skip
            if row["user_id"] is None:
                found[-1] |= {name: in_work[name] for name in LIVE}
                found[-1]["live_of_left_share"] = share(in_work["live_budget"], found[-1]["left_to_sell"])
    return found


def record(ask: Asking) -> list[Row]:
    """Returns how the forecasts of the last months did: within the interval, and how far off."""
    found = []
    rows = [row for row in ask.rows("forecast") if row["months_back"] and row["expected"] is not None]
    for project, pipeline in dict.fromkeys((row["project_id"], row["pipeline_id"]) for row in rows):
        own = [row for row in rows if (row["project_id"], row["pipeline_id"]) == (project, pipeline)]
        off = [share(abs(float(row["expected"]) - float(row["sold"])), row["sold"]) for row in own]
        naive = [share(abs(float(row["sold_month_before"] or 0) - float(row["sold"])), row["sold"]) for row in own]
        found.append({
            "project_id": project, "pipeline_name": own[0]["pipeline_name"], "months": len(own),
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
            closed, was = (row[f"won{end}"] + row[f"lost{end}"] for end in ("", "_before"))
            now, then = share(row["won"], closed), share(row["won_before"], was)
            row |= {"rate": now, "rate_before_share": then, "rate_change_points": None}
            if now is not None and then is not None and closed >= FEW and was >= FEW:
                row["rate_change_points"] = 100 * (now - then)
            row["of_median_share"] = share(row["won_budget"], usual) if row in people and is_told else None
    return rows
