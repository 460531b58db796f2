"""Holds the page, which JavaScript counts, beside the workbook and the assistant, for which SQL counts the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from amocrm_warehouse.assistant.assistant_queries import AGES, COHORT_MONTHS, QUERIES
from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, answer, select
from amocrm_warehouse.report.choice import Choice, Days
from amocrm_warehouse.report.like_with_like import days_before, months_later
from amocrm_warehouse.report.page_queries import MOVES, QUEUE_SHOWN
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.this_month import this_month
from amocrm_warehouse.report.working_days import working_days

from .report_page import Report

Row = Mapping[str, Any]
Rows = list[list[Any]]
SAID = Words("en")


@dataclass(frozen=True)
class Both:
    """A choice of one account in the page, and the same choice of the answers."""

    page: Mapping[str, Any]
    """The sections of the page by id, as `Report.sections` returns them."""
    facts: Mapping[str, Any]
    """What FACTS returns of the page."""
    figures: Mapping[str, Mapping[str, Any]]
    """The figures of the page, and of its first screen."""
    run: Run
    choice: Choice

    @classmethod
    def of(cls, page: Report, run: Run, choice: Choice) -> Both:
        figures = {name: page.figures(name) for name in ("figures", "month")}
        return cls(page.sections(), page.script(FACTS), figures, run, choice)

    @property
    def project(self) -> str:
        return next(iter(self.choice.days))

    @property
    def days(self) -> Days:
        return self.choice.days[self.project]

    def ask(self, name: str, choice: Choice | None = None) -> list[dict[str, Any]]:
        """Returns the rows of an answer, or of a query of the assistant."""
        asked = choice or self.choice
        found = answer(self.run, name, asked) if name in ANSWERS else select(self.run, QUERIES[name], asked)
        return found.dicts()

    def within(self, first: date, last: date) -> Choice:
        return replace(self.choice, days={self.project: replace(self.days, since=first, until=last)})

    def table(self, section: str, place: int = 0) -> Rows:
        tables = self.page[section]["tables"] if section in self.page else []
        return list(tables[place]) if len(tables) > place else []

    def named(self, section: str) -> dict[str, Rows]:
        """Returns the tables of a section by the name above each."""
        names = [caption.partition(": ")[2] for caption in self.page[section]["captions"]]
        return dict(zip(names, self.page[section]["tables"], strict=True))

    def all_named(self, section: str) -> Rows:
        return [[name, *row] for name, rows in self.named(section).items() for row in rows]


FACTS = """
  const pair = pairOf(chosen(state.scope, state.period, state.who), state.sides);
  return {
    since: textOf(sinceOf(state.scope.project)), kind: state.period.kind,
    pair: pair.includes(undefined) ? [] : pair.map((one) => one.users), has_forecast: find("#forecast table") !== null,
  };
"""


def of(rows: Sequence[Row], *columns: str) -> Rows:
    return [[row[column] for column in columns] for row in rows]


def summed(rows: Iterable[Sequence[Any]], texts: int = 1) -> Rows:
    """Returns the rows whose first values are the same as one, with the sums of their other values."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        own = found.setdefault(tuple(row[:texts]), [0] * (len(row) - texts))
        found[tuple(row[:texts])] = [one + (other or 0) for one, other in zip(own, row[texts:], strict=True)]
    return [[*key, *numbers] for key, numbers in found.items() if any(numbers)]


def ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if part is not None and whole else None


def first_touch(row: Row) -> str:
    return SAID(f"speed.{'none' if row['speed'] is None else row['speed']}")


def customer(row: Row) -> str:
    return SAID({True: "repeat.true", False: "repeat.false", None: "repeat.null"}[row["is_repeat"]])


FIGURES = ("created", "won", "won_budget", "rate", "average", "days_to_win", "live")
OF_MONTH = ("won_budget", "created", "first_touch", "won", "lost")
BESIDE = ("created", "first_touch", "won", "won_budget", "lost", "rate", "average", "days_to_win")
SOLD = ("deals", "won_of_created", "source_rate", "won_of_created_budget")
WORK = ("calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done")
MANAGERS = ("lost", "rate", "average", "overdue", "stale")
CALLS = ("incoming_calls", "missed_calls", "called_back", "back_within_hour")
TALKS = ("talks", "first_response", "answered_by_person", "answered_by_robots_alone", "not_answered")
TOUCH, WEEK, INCOMING = (
    "First touch in working time, and winning",
    "Deals by weekday and hour of creation",
    "Incoming calls",
)
REASONS_BESIDE = 6


def month(both: Both) -> tuple[Rows, Rows]:
    """The first screen; the answers know no forecast of one pipeline."""
    found, shown = this_month(both.run, both.choice, both.project), both.figures["month"]
    names = [*OF_MONTH, "plan_share", "needed", *([] if both.choice.pipelines else ["expected"])]
    plan = {"plan_share": ratio(found.of_plan, found.plan), "needed": found.needed}
    told = found.figures | plan | {"expected": found.present.get("expected")}
    return [[shown.get(name) for name in names]], [[told[name] for name in names]]


def plans_by_month(both: Both) -> tuple[Rows, Rows]:
    rows = both.ask("plans") if both.days.has_plans else []
    sums = summed([f"{row['month']:%Y-%m}", row["plan_so_far"], row["won_budget"]] for row in rows)
    shown = [[row[0], row[3], row[4]] for row in both.table("money") if len(row) == 6 and row[3] is not None]
    return shown, [[of_month, plan, ratio(sold, plan)] for of_month, plan, sold in sums]


def plans_by_manager(both: Both) -> tuple[Rows, Rows]:
    rows = both.ask("plans") if both.days.has_plans else []
    sums = summed(of(rows, "manager", "plan_so_far", "won_budget"))
    shown = [[row[0], *row[3:5]] for row in both.table("managers") if len(row) == 10 and row[3] is not None]
    return shown, [[manager, plan, ratio(sold, plan)] for manager, plan, sold in sums]


def days(both: Both) -> tuple[Rows, Rows]:
    """Each day with sales of the present month until today."""
    today = both.days.today
    rows = both.ask("days", both.within(today.replace(day=1), today)) if both.facts["has_forecast"] else []
    shown = [row[:3] for row in both.named("forecast").get("This month day by day", []) if row[1]]
    return shown, [[f"{row['day']}", row["won"], row["won_budget"]] for row in rows if row["won"]]


def managers_beside(both: Both) -> tuple[Rows, Rows]:
    """What each manager sold in the days before, which are those of the assistant's comparison."""
    first, last = days_before(both.days.since, both.days.until, both.days.today, working_days(both.run))
    sold = {row["manager"]: row["won_budget"] for row in both.ask("managers") if row["won"]}
    has_before = both.facts["kind"] != "all" and f"{first}" >= both.facts["since"]
    rows = both.ask("managers", both.within(first, last)) if has_before else []
    before = {row["manager"]: row["won_budget"] for row in rows if row["won"]}
    wanted = [[who, sold.get(who, 0), before.get(who, 0) if has_before else None] for who in sold | before]
    return [row[:3] for row in both.table("managers", 1)], wanted if len(wanted) > 1 else []


def sides(both: Both) -> tuple[Rows, Rows]:
    """The figures of two managers, and how many of their deals each stage has reached and lost."""
    shown, wanted = [row[1:] for row in both.table("sides")], []
    for at, users in enumerate(both.facts["pair"]):
        choice = replace(both.choice, users=frozenset((both.project, user) for user in users))
        wanted += of(both.ask("figures", choice), *BESIDE)
        reached = [row for row in both.ask("funnel", choice) if row["reached"]]
        wanted += [
            [at, row["pipeline_name"], row["stage"], row["reached"], ratio(row["lost_here"], row["reached"])]
            for row in reached
        ]
    for caption, rows in list(zip(both.page["sides"]["captions"], both.page["sides"]["tables"], strict=True))[1:]:
        name = caption.partition(": ")[2]
        shown += [[at, name, row[0], row[1 + at], row[5 + at]] for row in rows for at in (0, 1) if row[1 + at]]
    return shown, wanted


def moved(column: str, title: str, crossed: tuple[str, str], is_part: bool, both: Both) -> tuple[Rows, Rows]:
    """Open money at both ends, and its moves between them. Moves between rows show if only a part is chosen."""
    answers = [row for row in both.ask("moved") if row["at_end"] is not None]
    others = {} if is_part else dict(zip(("moved_in", "moved_out"), crossed, strict=True))
    moves = [name for name in (others.get(one, one) for one in MOVES) if sum(row[name] for row in answers)]
    columns = ["at_start", *moves, "at_end"]
    return both.named("moved").get(title, []), summed(of(answers, column, *columns))


def reasons_by_month(both: Both) -> tuple[Rows, Rows]:
    reasons = [row[0] for row in both.table("reasons")]
    shown = reasons[: REASONS_BESIDE if len(reasons) > REASONS_BESIDE + 1 else None]
    heads = [*shown, *(["others"] if len(shown) < len(reasons) else [])]
    table = both.named("reasons").get("By time", [])
    rows = summed(
        [[f"{row['month']:%Y-%m}", row["reason"] if row["reason"] in shown else "others", row["deals"]]
         for row in both.ask("reasons_by_month")], 2,
    )  # fmt: skip
    if not table and len({row[0] for row in rows}) < 2:
        return [], []  # one month is no table by time
    return summed(([row[0][:7], head, count] for row in table for head, count in zip(heads, row[1:-1], strict=True)),
                  2), rows  # fmt: skip


def cohorts(both: Both) -> tuple[Rows, Rows]:
    shares = [f"won_within_{months}_months_share" for months in COHORT_MONTHS]
    columns = ("deals", "won_of_created", "won_of_created_budget", *shares)
    return both.table("cohorts"), [
        [f"{row['month']:%Y-%m}", *(row[column] for column in columns)] for row in both.ask("cohorts")
    ]


def by_hour(rows: Rows) -> Rows:
    return [[day + 1, hour, count] for day, *counts, _ in rows for hour, count in enumerate(counts) if count]


def hours(both: Both) -> tuple[Rows, Rows]:
    """The page knows the hours of whole months, and says so."""
    first, last = both.days.since.replace(day=1), months_later(both.days.until.replace(day=1), 1) - timedelta(days=1)
    asked = both.ask("hours", both.within(first, last))
    return by_hour(both.table("hours")), of(asked, "weekday", "hour", "actions")


def open_by_age(both: Both) -> tuple[Rows, Rows]:
    ages, wanted = (*AGES, "age_unknown"), []
    rows = both.ask("open_by_age")
    shown = [age for age in ages if age != "age_unknown" or any(row[age] for row in rows)]
    wanted += of(rows, "pipeline_name", "stage", *shown, "deals", "budget")
    return both.all_named("stuck"), wanted


def calls(both: Both) -> tuple[Rows, Rows]:
    """Callers without an id are one in the page, without a median."""
    rows, shown = both.ask("calls"), both.named("incoming").get(INCOMING, [])
    sums = summed([row["manager"] if row["user_id"] is not None else None, *(row[one] for one in CALLS)]
                  for row in rows)  # fmt: skip
    medians = [[row["manager"], row["back_after"]] for row in rows if row["user_id"] is not None]
    return (
        summed([row[0], row[1], row[3], row[5], row[7]] for row in shown)
        + [[row[0], row[6]] for row in shown if row[0] is not None],
        sums + medians,
    )


def today(both: Both) -> tuple[Rows, Rows]:
    """The cards of each manager, and their budgets: a card counts once, whatever its reasons."""
    cards = {
        (row["manager"], row["entity_type"], row["entity_id"] or -row["item_id"]): row["budget"] or 0
        for row in both.ask("today")
    }
    shown = [[row[0], *row[-2:]] for row in both.table("today")]
    return summed(shown), summed([who, 1, budget] for (who, _, _), budget in cards.items())


def queue(both: Both) -> tuple[Rows, Rows]:
    """The first ten cards of each manager, and the first hundred dead deals."""
    own: dict[Any, list[dict[str, Any]]] = {}
    for row in sorted(both.ask("queue"), key=lambda row: row["place"]):
        own.setdefault(row["user_id"], []).append(row)
    first = [row for rows in own.values() for row in rows[:QUEUE_SHOWN]]
    wanted = of(first, "card", "why", "stage", "working_minutes", "budget")
    wanted += of([row for row in both.ask("stale") if row["is_dead"]][:100], "deal", "manager", "stage", "budget",
                 "days_without_activity")  # fmt: skip
    tables = both.page["queue"]["tables"]
    return [[*row[:4], row[5]] if len(row) == 6 else row for rows in tables for row in rows], wanted


def forecast(both: Both) -> tuple[Rows, Rows]:
    """The forecast of everybody, which the page shows whoever is chosen."""
    columns = ("expected", "low", "high", "sold", "sold_so_far", "from_open", "from_new")
    rows = [row for row in both.ask("forecast", replace(both.choice, users=None))
            if (row["pipeline_id"] is None) == (both.choice.pipelines is None)]  # fmt: skip
    shown = [[*row[:5], *row[6:]] for row in both.table("forecast") if len(row) == 9]
    known = any(row["expected"] is not None and not row["months_back"] for row in rows)
    return shown, [[f"{row['month']:%Y-%m}", *(row[column] if column != "sold" or row["months_back"] else None
                    for column in columns)] for row in rows if known]  # fmt: skip


def freshness(both: Both) -> tuple[Rows, Rows]:
    rows = [row for row in both.ask("freshness") if row["was_read"]]
    return [row[-4:-1] for row in both.table("freshness")], of(rows, "table", "rows", "deleted_rows")


def pair(name: str, of_answer: Callable[[list[dict[str, Any]]], Rows], of_page: Callable[[Both], Rows]) -> Any:
    """Returns the comparison of an answer with a part of the page."""
    return lambda both: (of_page(both), of_answer(both.ask(name)))


Comparison = Callable[[Both], tuple[Rows, Rows]]
COMPARED: list[tuple[str, str, Comparison]] = [
    ("figures", "figures", lambda both: ([[both.figures["figures"].get(name) for name in FIGURES]],
                                         of(both.ask("figures"), *FIGURES))),
    ("month", "figures", month),
    ("money", "money", pair(
        "money",
        lambda rows: summed([f"{row['month']:%Y-%m}", row["won"], row["won_budget"], row["lost"]] for row in rows),
        lambda both: summed([row[0][:7], row[1], row[2], row[-1]] for row in both.table("money")),
    )),
    ("money", "plans", plans_by_month),
    ("managers", "plans", plans_by_manager),
    ("managers", "managers", pair(
        "managers",
        lambda rows: [row for row in of(rows, "manager", "won", "won_budget", *MANAGERS) if any(row[1:])],
        lambda both: [shown for row in both.table("managers") if any((shown := [*row[:3], *row[-5:]])[1:])],
    )),
    ("managers", "managers", managers_beside),
    ("sides", "figures", sides),
    ("reasons", "reasons", pair(
        "reasons", lambda rows: of(rows, "reason", "deals", "lost_budget"),
        lambda both: [[row[0], row[1], row[3]] for row in both.table("reasons")],
    )),
    ("reasons", "reasons_by_month", reasons_by_month),
    ("sources", "sources", pair(
        "sources", lambda rows: of(rows, "source", *SOLD, "won", "won_budget"),
        lambda both: [row[:7] for row in both.table("sources") if row[1] or row[5]],
    )),
    ("funnel", "funnel", pair(
        "funnel", lambda rows: of(rows, "pipeline_name", "stage", "reached", "lost_here"),
        lambda both: [[*row[:3], row[5]] for row in both.all_named("funnel")],
    )),
    ("stuck", "stuck", pair(
        "stuck", lambda rows: of(rows, "pipeline_name", "stage", "deals", "budget"),
        lambda both: [[*row[:2], *row[-2:]] for row in both.all_named("stuck")],
    )),
    ("stuck", "open_by_age", open_by_age),
    ("incoming", "speed", pair(
        "speed", lambda rows: [[first_touch(row), *(row[name] for name in SOLD)] for row in rows],
        lambda both: [[*row[:2], *row[3:]] for row in both.named("incoming").get(TOUCH, []) if row[1]],
    )),
    ("incoming", "created_by_hour", pair(
        "created_by_hour", lambda rows: of(rows, "weekday", "hour", "deals"),
        lambda both: by_hour(both.named("incoming").get(WEEK, [])),
    )),
    ("incoming", "calls", calls),
    ("moved", "moved", lambda both: moved("manager", "By manager", ("from_other_managers", "to_other_managers"),
                                          both.choice.pipelines is not None, both)),
    ("moved", "moved", lambda both: moved("pipeline_name", "By pipeline",
                                          ("from_other_pipelines", "to_other_pipelines"),
                                          both.choice.users is not None, both)),
    ("repeat", "repeat", pair(
        "repeat", lambda rows: [[customer(row), *(row[name] for name in SOLD[:3])] for row in rows],
        lambda both: [row[:4] for row in both.table("repeat") if row[1]],
    )),
    ("goods", "goods", pair(
        "goods",
        lambda rows: summed(of(rows, "good", "is_purchase", "sales", "quantity", "amount_now"), 2),
        lambda both: summed(([good, name == "In purchases", *row] for name, good, *row in both.all_named("goods")), 2),
    )),
    ("cohorts", "cohorts", cohorts),
    ("hours", "hours", hours),
    ("talks", "talks", pair(
        "talks", lambda rows: of(rows, "manager", "talks", "first_response", "unanswered"),
        lambda both: [[*row[:3], row[-1]] for row in both.table("talks")],
    )),
    ("talks", "talks_by_channel", pair(
        "talks_by_channel", lambda rows: of(rows, "channel", *TALKS, "unanswered"), lambda both: both.table("talks", 1),
    )),
    ("talks", "talks_by_hour", pair(
        "talks_by_hour", lambda rows: of(rows, "hour", *TALKS), lambda both: both.table("talks", 2),
    )),
    ("work", "work", pair("work", lambda rows: of(rows, "manager", *WORK), lambda both: both.table("work"))),
    ("at_once", "at_once", pair(
        "at_once",
        lambda rows: of([row for row in rows if row["is_news"]], "manager", "changed_cards", "from_to", "money"),
        lambda both: [[row[1], *row[3:]] for row in both.table("at_once")],
    )),
    ("forecast", "days", days),
    ("forecast", "forecast", forecast),
    ("today", "today", today),
    ("queue", "queue", queue),
    ("stale", "stale", pair(
        "stale",
        lambda rows: of(rows[:20], "deal", "pipeline_name", "stage", "manager", "budget", "days_without_activity",
                        "open_tasks"),
        lambda both: both.table("stale"),
    )),
    ("freshness", "freshness", freshness),
]  # fmt: skip
"""A section, an answer or a query of the assistant, and what returns the rows of both in the same columns."""
ALONE = {
    "by": "a section by the field that --by names, and these marts have none; it is counted as that of sources",
    "reasons_today": "its counts are in a sentence of the page, and in the table of what waits",
    "untouched": "its counts are in a sentence of the page",
    "dead": "its counts are in a sentence of the page",
    "deals": "a list of deals, which the page opens behind its numbers", "accounts": "a list of names",
    "people": "as an answer a list of names; as a section made of what other sections count",
    "pipelines": "a list of names",
    "deal": "the history of one deal, which the page does not have",
}  # fmt: skip
"""The sections and the answers that are not compared, each with the reason."""
