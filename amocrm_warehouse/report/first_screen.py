"""The first screen without a browser: a picture of the month, and HTML of it with the main tables.

The HTML is what the page shows where no script runs, as in the preview of a mail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from textwrap import wrap
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from amocrm_warehouse.database import Run
from amocrm_warehouse.report import this_month
from amocrm_warehouse.report.answer_parts import CASES
from amocrm_warehouse.report.answers import answer, marks_of, missing
from amocrm_warehouse.report.choice import Choice, Marks
from amocrm_warehouse.report.like_with_like import FEW, days_left
from amocrm_warehouse.report.metrics import METRICS, MONEY, metrics_in
from amocrm_warehouse.report.page_queries import QUEUE_SHOWN, built_at
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.unmade_parts import made
from amocrm_warehouse.report.workbook import NAMELESS, SHARES, head, link

T = TypeVar("T")
FOLDER = Path(__file__).resolve().parent
TABLES = {
    "queue": ["manager", "place", "card", "why", "stage", "budget", "working_minutes", "days"],
    "money": ["month", "won", "won_budget", "lost", "rate"],
    "managers": ["manager", "won", "won_budget", "lost", "rate", "average", "overdue", "stale"],
    "reasons": ["reason", "deals", "lost_budget"],
}
"""The tables of the page without scripts, each with its columns; of several accounts each row names its own."""
OF_DAYS = ("managers", "reasons")
"""The tables that count all the days of the choice together, which their titles name."""
LINE, CHART, LONGEST_LINE = 20, 150, 78
"""Heights of a line and of the chart (units of the picture), and the longest line (characters)."""
LONGEST_LABEL, LONGEST_NOTE = 20, 28
"""The longest lines of a figure's name and of the note below it (characters). A figure has room for two of each."""
PICTURE_SCALE = 2
"""Pixels of the picture for each of its units."""


@dataclass(frozen=True)
class Box:
    name: str
    label: str
    value: str
    note: str = ""

    @property
    def labels(self) -> list[str]:
        return wrap(self.label, LONGEST_LABEL)

    @property
    def notes(self) -> list[str]:
        return wrap(self.note, LONGEST_NOTE)


@dataclass(frozen=True)
class Card:
    """The month of one account: what the picture shows."""

    title: str
    as_of: str
    money: Sequence[Box] = ()
    counts: Sequence[Box] = ()
    sold: float | None = None
    """How much of the plan is sold (share, at most 1); None without a plan."""
    even: float = 0
    """How much of the month is over."""
    compared: str = ""
    insights: Sequence[str] = ()
    """Lines about what is unusual, and about parts that could not be made."""
    chart: str = ""
    """The name of the chart, empty if nothing was sold and there is no plan."""
    bars: Sequence[float] = ()
    """What was sold until each day of the month, as a share of the chart's top."""
    planned: Sequence[float] = ()
    """The plan by the end of each day of the month, by its days of work, as a share of the chart's top."""
    top: str = ""
    """The amount at the chart's top."""
    days: int = 31

    @property
    def height(self) -> int:
        return 360 + LINE * len(self.insights) + (CHART if self.chart else 0)


@cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def cards(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> list[Card]:
    """Returns the present month of each account; in its first days, the month that has ended before it."""
    return [
        card(run, choice, account, words, months, unbuilt)
        for account in answer(run, "accounts", choice).dicts()
        for months in ((-1, 0) if this_month.begins(account["today"]) else (0,))
    ]


def card(
    run: Run, choice: Choice, account: dict[str, Any], words: Words, months: int = 0, unbuilt: Collection[str] = ()
) -> Card:
    """Returns the picture of an account's month. A part that cannot be made is named below the figures.

    What has no models is left out.
    """
    project = account["project_id"]
    unmade: list[str] = []
    none: list[Box] = []
    nothing: list[str] = []

    def part(key: str, make: Callable[[], T], empty: T) -> T:
        def instead(sentence: str) -> T:
            unmade.append(sentence)
            return empty

        return made(words, words(key), make, instead)

    def part_of(name: str, key: str, make: Callable[[], list[str]]) -> list[str]:
        return nothing if missing(unbuilt, name) else part(key, make, nothing)

    def money(value: Any) -> str:
        return words.money(value, account["currency"])

    def minutes(value: Any) -> str:
        return "–" if value is None else f"{words.minutes(value)}\u00a0{words('talks.unit')}"

    def before(value: str) -> str:
        return words("picture.month_before" if months else "picture.before", value=value)

    def boxes(month: this_month.ThisMonth, **write: Callable[[Any], str]) -> list[Box]:
        made_of = {name: partial(box_of, month, name, one) for name, one in write.items()}
        return [box for name, make in made_of.items() for box in part(f"column.{name}", make, none)]

    def box_of(month: this_month.ThisMonth, name: str, write: Callable[[Any], str]) -> list[Box]:
        value, cases = month.figures[name], month.figures[CASES[name]]
        few = [words("few.now", count=cases)] if METRICS[name].is_average and 0 < (cases or 0) < FEW else []
        return [Box(name, words(f"column.{name}"), write(value), "; ".join([*few, before(write(month.then[name]))]))]

    def of_plan(month: this_month.ThisMonth) -> list[Box]:
        if month.plan_share is None:
            return []
        key = "month.plan_of_some" if month.is_plan_of_some else "month.plan"
        of = words(key, plan=money(month.plan), sold=money(month.of_plan))
        share = Box("plan_share", words("month.plan_share"), words.percent(month.plan_share), of)
        if month.needed is None:
            return [share]
        days = days_left(month.today, month.working)
        left = words("month.days", days=days) if month.needed else words("month.done")
        return [share, Box("needed", words("month.needed"), money(month.needed), left)]

    def of_forecast(month: this_month.ThisMonth) -> list[Box]:
        if not month.present:
            return []
        expected, low, high = (month.present[one] for one in ("expected", "low", "high"))
        interval = words("month.interval", low=money(low), high=money(high))
        note = words("month.few") if expected is None else interval
        return [Box("expected", words("column.expected"), money(expected), note)]

    month_of_account = choice.month_of(project, months)
    title = choice.title(account["account"])
    found = Card(
        words("digest.head", account=title, today=words.month(month_of_account.since)),
        as_of=words.as_of(account, built_at(run)),
    )  # fmt: skip
    if month := part("month.name", partial(this_month.this_month, run, choice, project, months), None):
        last, top = month_of_account.until.day, month.top
        found = replace(
            found,
            money=[
                *boxes(month, won_budget=money), *part("plans.title", partial(of_plan, month), none),
                *part("forecast.title", partial(of_forecast, month), none),
            ],
            counts=boxes(month, created=words.number, first_touch=minutes, won=words.number, lost=words.number),
            sold=None if month.plan_share is None else min(month.plan_share, 1.0),
            even=month.passed,
            compared=words(
                "month.compared_whole" if month.is_over else "month.compared",
                days=words.days_between(month.first, month.until),
            ),
            insights=[] if months else [
                *part_of("untouched", "today.title", partial(untouched, run, month.choice, words)),
                *part("month.insights", partial(insights, month, words, money, minutes), nothing),
                *part("column.open", partial(live, month, words, money), nothing),
            ],
            chart=words("pace.ended" if months else "pace.title") if top else "",
            bars=[float(sold) / top for sold in month.sold_by_day] if top else [],
            planned=[plan / top for plan in month.plan_by_day] if top else [],
            top=money(top) if top else "",
            days=last,
        )  # fmt: skip
    if not months:
        unmade += part("month.recent", partial(recent, run, choice, project, words, money), nothing)
    lines = [line for one in [*found.insights, *unmade] for line in wrap(one, LONGEST_LINE)]
    return replace(found, insights=lines)


def insights(
    month: this_month.ThisMonth, words: Words, money: Callable[[Any], str], minutes: Callable[[Any], str]
) -> list[str]:
    """Returns the sentences of the page's first screen: a plan out of reach, and what is unusual."""
    high, plan = month.present.get("high"), month.plan
    found = []
    if plan and high is not None and high < plan:
        found.append(words("month.short", high=money(high), lack=money(float(plan) - high)))
    for one in month.unusual:
        write = {"won_budget": money, "first_touch": minutes}.get(one.metric, words.number)
        key = "month.more" if one.is_more else "month.less"
        found.append(words(key, name=words(f"column.{one.metric}"), value=write(one.value), usual=write(one.usual)))
    return found


def untouched(run: Run, choice: Choice, words: Words) -> list[str]:
    """Returns the sentence about new leads that nobody has touched, and for how long the oldest has waited."""
    [new] = answer(run, "untouched", choice).dicts()
    if (waited := new["oldest_working_minutes"]) is None:
        return []
    return [words("month.untouched", count=words.number(new["untouched"]), waited=words.waited(waited))]


def live(month: this_month.ThisMonth, words: Words, money: Callable[[Any], str]) -> list[str]:
    """Returns the sentence about open deals, live and dead apart, and how far the live ones cover the plan."""
    alive, worth, dead, dead_money = (month.figures[name] for name in ("live", "live_budget", "dead", "dead_budget"))
    if dead is None or not month.figures["open"]:
        return []
    lack = max(month.plan - month.of_plan, Decimal(0)) if month.plan else Decimal(0)
    return [
        words(
            "month.coverage" if lack else "month.live", live=words.number(alive), live_money=money(worth),
            dead=words.number(dead), dead_money=money(dead_money), lack=money(lack),
            share=words.percent(float(worth) / float(lack)) if lack else "",
        )
    ]  # fmt: skip


def recent(run: Run, choice: Choice, project: str, words: Words, money: Callable[[Any], str]) -> list[str]:
    """Returns a line of leads and sales for the last day of work, and one for the last week."""
    return [
        words(
            f"recent.{kind}", days=words.days_between(first, last), created=words.number(row["created"]),
            won=words.number(row["won"]), lost=words.number(row["lost"]), money=money(row["won_budget"]),
        )
        for kind, first, last, row in this_month.recent(run, choice, project)
    ]  # fmt: skip


def svg(found: list[Card]) -> Markup:
    """Returns the picture of the accounts' months, one below the other."""
    return Markup(environment().get_template("first_screen.svg").render(cards=found))


def png(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> bytes:
    """Returns the first screen as a picture. Raises ValueError if its models are not built."""
    if absent := missing(unbuilt, "accounts", *this_month.TABLES):
        raise ValueError(words("digest.unbuilt", models=", ".join(sorted(absent))))
    import vl_convert  # a large library, seldom needed

    picture: bytes = vl_convert.svg_to_png(svg(cards(run, choice, words, unbuilt)), scale=PICTURE_SCALE)
    return picture


@dataclass(frozen=True)
class PlainTable:
    title: str
    unmade: str = ""
    """Why the table is not there."""
    heads: Sequence[str] = ()
    rows: Sequence[list[tuple[str, str | None]]] = ()
    """The text of each cell, and where it leads."""


def plain(run: Run, choice: Choice, words: Words, unbuilt: Collection[str] = ()) -> str:
    """Returns the first screen and the main tables as HTML without scripts; what has no models is left out."""
    has_month = not missing(unbuilt, "accounts", *this_month.TABLES)
    picture = (
        made(words, words("month.name"), lambda: svg(cards(run, choice, words, unbuilt)), str) if has_month else ""
    )
    titles = {name: words(f"{name}.title") for name in TABLES if not missing(unbuilt, "accounts", name)}
    tables = [
        made(words, title, partial(table, run, choice, name, words), partial(PlainTable, title))
        for name, title in titles.items()
    ]
    shown = [one for one in tables if one.rows or one.unmade]
    return environment().get_template("plain.html").render(picture=picture, tables=shown, words=words)


def table(run: Run, choice: Choice, name: str, words: Words) -> PlainTable:
    accounts = {row["project_id"]: row for row in answer(run, "accounts", choice).dicts()}
    rows = answer(run, name, choice).dicts()
    if name == "queue":
        rows = [row for row in rows if row["place"] <= QUEUE_SHOWN]
        rows.sort(key=lambda row: (str(row["manager"]), row["place"]))
    columns, marks = [*(["project_id"] if len(accounts) > 1 else []), *TABLES[name]], marks_of(run)
    days = words.days_between(choice.since, choice.until) if name in OF_DAYS else ""
    return PlainTable(
        ": ".join(filter(None, (words(f"{name}.title"), days))), "", [words(head(column)) for column in columns],
        [[cell(row, column, accounts[row["project_id"]], words, marks) for column in columns] for row in rows],
    )  # fmt: skip


def cell(
    row: dict[str, Any], column: str, account: dict[str, Any], words: Words, marks: Marks
) -> tuple[str, str | None]:
    """Returns the text of a cell, and where it leads."""
    value = row[column]
    if column == "project_id":
        return account["account"], None
    if column == "manager" and (name := words.manager(row, marks)):
        return name, None
    if value is None:
        return words(NAMELESS[column]) if column in NAMELESS else "–", None
    if column == "card":
        return str(value), link(account["domain"], row["entity_type"], row["entity_id"])
    if column == "why":
        return ", ".join(words(f"today.{reason}") for reason in value.split(" ")), None
    if column in MONEY | metrics_in("money"):
        return words.money(value, row["currency"]), None
    if column in SHARES:
        return words.percent(value), None
    if column == "month":
        return words.month(value), None
    if isinstance(value, datetime | date):
        return words.day(value), None
    return value if isinstance(value, str) else words.number(value), None
