"""Each number of the report beside what the accounts' own store says of the same choice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import floor
from typing import Any

import pytest

from . import report_page
from .expected import marts as oracle
from .expected.marts import ahead
from .expected.marts import page as expected_page
from .expected.marts.known import PARTS, amount
from .expected.marts.page import Choice
from .models import Row
from .report_page import Report


def asked(page: Report, known: Mapping[str, oracle.Known], scope: str, kind: str, who: str = "") -> Choice:
    """The choice of a scope, of the newest period of a kind that is over, and of people, made in the page."""
    if scope.endswith("/"):
        scope = next(value for value in page.options("scope") if value.startswith(scope))
    fitting = [value for value in page.options("period") if re.fullmatch(KINDS[kind], value)]
    page.choose(scope, fitting[:2][-1])
    users = None
    if who:
        chosen = next(value for value in page.options("who") if value.startswith(f"{scope.partition('/')[0]}/{who}"))
        page.choose(scope, fitting[:2][-1], chosen)
        users = frozenset(page.script("return state.who.users"))
    project, _, pipeline = scope.partition("/")
    own = tuple(one for name, one in known.items() if project in ("", name))
    return Choice(own, *page.chosen(), int(pipeline) if pipeline else None, users)


KINDS = {
    "all": "all", "last12": "last12", "last3": "last3", "month": r"\d{4}-\d\d", "quarter": r"\d{4}-Q\d",
    "year": r"\d{4}", "week": r"\d{4}-\d\d-\d\d",
}  # fmt: skip


def check_numbers(page: Report, choice: Choice) -> None:
    """Raises AssertionError where a figure or a table of the page is not what the accounts hold."""
    shown = page.sections()
    tables = {name: section["tables"] for name, section in shown.items()}
    for section in shown.values():
        for rows, foot in zip(section["tables"], section["totals"], strict=True):
            for place, total in enumerate(foot[0] if foot else ()):
                assert not isinstance(total, float) or total == pytest.approx(sum(row[place] or 0 for row in rows))
    assert plain(page.figures()) == plain(expected_page.figures(choice))
    then = expected_page.before(choice, date.fromisoformat(page.script("return DATA.since")))
    assert page.script(CHANGES) == changes(choice, then)
    by_day = page.script("return state.period.kind === 'week'")
    months = [[*row[:3], row[-1]] for row in rows_of(tables["money"])]
    assert plain(months) == plain(
        expected_page.money_by(choice, lambda day: f"{day:%Y-%m-%d}" if by_day else f"{day:%Y-%m}")
    )
    assert [sorted(map(str, plain(of))) for of in tables["today"]] == [
        sorted(map(str, plain(of))) for of in expected_page.today(choice)
    ]
    told = [row[:3] if len(row) == 4 else row for row in rows_of(tables["forecast"])]  # without the plan
    assert same(without_empty_days(told), without_empty_days(expected_page.forecast(choice)))
    assert same(rows_of(tables["talks"]), expected_page.talks(choice))
    assert tables["funnel"] == plain(expected_page.funnel(choice))
    assert same(rows_of(tables["managers"][1:]), expected_page.managers_beside(choice, then))
    assert same(rows_of(tables["sources"][1:]), expected_page.sources_beside(choice, then))
    assert same(rows_of(tables["cohorts"]), expected_page.cohorts(choice))
    told = [row[:3] + row[5:] if len(row) == 10 else row for row in rows_of(tables["managers"][:1])]
    assert same([row for row in told if any(row[1:])], [r for r in expected_page.managers(choice) if any(r[1:])])
    assert not by_day or all(len(row) == 8 for row in rows_of(tables["managers"][:1]))
    assert same(rows_of(tables["reasons"]), expected_page.reasons(choice))
    assert same([row[:5] for row in rows_of(tables["sources"][:1]) if row[1]], expected_page.sources(choice))
    assert same(rows_of(tables["stuck"]), expected_page.stuck(choice))
    assert plain(rows_of(tables["stale"])) == plain(expected_page.stale(choice))
    assert rows_of(tables["hours"]) == plain(expected_page.hours(choice))
    assert same(rows_of(tables["work"]), expected_page.work(choice))
    several = page.script("return TABLES.accounts.length > 1")
    # the values and links that a card has no longer stay in their tables: no oracle of the account counts them
    read = [row[several:][:3] for row in rows_of(tables["freshness"]) if row[several] not in PARTS]
    read = [[name, count, deleted if count else None] for name, count, deleted in read]
    assert same(
        read,
        rows_of(
            [
                expected_page.freshness(
                    choice,
                    [
                        name
                        for name in page.script(
                            "return TABLES.freshness.filter((row) => row.is_there).map((row) => row.source_table)"
                        )
                        if name not in PARTS
                    ],
                )
            ]
        ),
    )


CHANGES = """
  const all = [...document.querySelectorAll("#figures .figure .change")];
  return Object.fromEntries(all.map((change) => [change.parentNode.dataset.id, change.textContent]));
"""


def changes(choice: Choice, then: Choice | None) -> dict[str, str]:
    """What is said in English of each figure beside the period before."""
    now, was = expected_page.figures(choice), expected_page.figures(then) if then else {}
    found = {}
    for name in ("created", "won", "won_budget", "rate", "average"):
        if was.get(name) and now[name] is not None:
            points = name == "rate"
            by = float(now[name]) - float(was[name]) if points else float(now[name]) / float(was[name]) - 1
            thousandths = floor(1000 * abs(by) + 0.5)
            digits = 1 if abs(by) < 0.1 or points else 0
            share = floor(100 * abs(by) * 10**digits + 0.5) / 10**digits
            size = "over 1,000%" if by > 10 else f"{share:,.{digits}f}".removesuffix(".0") + (" pp" if points else "%")
            found[name] = f"{'▼' if by < 0 else '▲'} {size}" if thousandths else "as before"
    return found


def without_empty_days(rows: list[Any]) -> list[Any]:
    """Days are shown of a month with a plan as well, where nothing was sold."""
    return [row for row in rows if len(row) > 3 or row[1]]


def plain(value: Any) -> Any:
    """As the page tells it to a test: numbers with four decimals, or twelve digits as JavaScript has them."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    found = report_page.number(value)
    return float(f"{found:.12g}") if isinstance(found, float) else found


def rows_of(tables: list[Any]) -> list[Any]:
    return [row for table in tables for row in table]


def same(one: list[Any], other: list[Any]) -> bool:
    assert sorted(map(str, plain(one))) == sorted(map(str, plain(other)))
    return True


def check_answers(told: Mapping[str, list[Row]], choice: Choice) -> None:
    """Raises AssertionError where tables of the workbook or of the assistant are not what the accounts hold.

    `told`: the rows of each of ANSWERS; some of them may lack columns.
    """
    wanted = answers(choice)
    for name, rows in told.items():
        columns = [column for column in wanted[name][0] if not rows or column in rows[0]]
        places = [wanted[name][0].index(column) for column in columns]
        found = [[in_words(row[column]) for column in columns] for row in rows]
        assert same(found, [[in_words(row[place]) for place in places] for row in wanted[name][1]]), name


def answers(choice: Choice) -> dict[str, tuple[Sequence[str], list[Any]]]:
    """The columns and the rows of each table; `choice` is of whole months."""
    today = ("reason", "entity_type", "entity_id", "entity_name", "text", "responsible_name", "pipeline_name",
             "status_name", "budget", "since_at_local", "days", "usual_days")  # fmt: skip
    foreseen = ("pipeline_id", "months_back", "months_ahead", "month", "expected", "low", "high", "sold_so_far",
                "from_open", "from_new", "sold", "sold_month_before")  # fmt: skip
    stale = ("name", "responsible_name", "pipeline_name", "status_name", "budget", "days_without_activity",
             "open_tasks")  # fmt: skip
    waiting = [
        row
        for known in choice.known
        for row in ahead.today(known)
        if choice.fits(row["pipeline_id"], row["responsible_user_id"])
    ]
    expected_sales = [
        row
        for known in choice.known
        for row in ahead.forecast(known)
        if choice.users is None and not (row["months_back"] and row["months_ahead"])
    ]
    months = expected_page.money_by(choice, lambda day: f"{day:%Y-%m}-01")
    return {
        "money": (("month", "won", "won_budget", "lost"), [row for row in months if any(row[1:])]),
        "managers": (
            ("manager", "won", "won_budget", "lost", "rate", "average", "overdue", "stale"),
            expected_page.managers(choice),
        ),
        "funnel": (
            ("stage", "reached", "lost_here"),
            [[row[0], row[1], row[4]] for row in rows_of(expected_page.funnel(choice))],
        ),
        "reasons": (
            ("reason", "deals", "lost_budget"),
            [[reason, deals, money] for reason, deals, _, money in expected_page.reasons(choice)],
        ),
        "sources": (("source", "deals", "won", "source_rate", "won_budget"), expected_page.sources(choice)),
        "stuck": (("stage", "deals", "budget"), [[row[0], *row[-2:]] for row in expected_page.stuck(choice)]),
        "today": (
            ("why", "entity_type", "entity_id", "card", "text", "manager", "pipeline_name", "stage", *today[8:]),
            [[row[name] for name in today] for row in waiting],
        ),
        "forecast": (foreseen, [[row[name] for name in foreseen] for row in expected_sales]),
        "stale": (
            ("deal", "manager", "pipeline_name", "stage", *stale[4:]),
            [[row[name] for name in stale] for row in expected_page.stale_rows(choice)],
        ),
        "talks": (
            ("manager", "talks", "first_response", "unanswered"),
            [row[:4] for row in expected_page.talks(choice, [0])],
        ),
        "work": (("manager", *expected_page.COUNTS), expected_page.work(choice)),
    }


def in_words(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def of_fifteen_digits(lines: Sequence[str]) -> list[str]:
    """Lines whose amounts have no more digits than the oracle's sums."""
    return [re.sub(r"\d[\d,]{17,}", lambda found: f"{float(found[0].replace(',', '')):.14e}", line) for line in lines]


def twelve_lines(known: oracle.Known, users: frozenset[int] | None = None, plan: int | None = None) -> list[str]:
    """The digest of an account in English. `plan`: of the present month."""
    now = known.local(known.now)
    assert now is not None
    month = [ahead.months_earlier(now.replace(day=1), back).date() for back in (-2, -1, 0, 1, 2)]
    [this, last, earlier] = [
        Choice((known,), first, after - timedelta(days=1), users=users)
        for first, after in zip(month[2:], month[1:], strict=False)
    ]
    sold, before, then = map(expected_page.figures, (this, last, earlier))
    tables = answers(this)
    account = next((row["name"] for row in known.all("account")), None)
    sign = {"RUB": "₽", "USD": "$"}.get(known.currency or "", known.currency or "")

    def money(value: Any) -> str:
        return f"{amount(value):,.0f}\u00a0{sign}".strip()

    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:,.0f}%"

    rows = [dict(zip(tables["forecast"][0], row, strict=True)) for row in tables["forecast"][1]]
    told = [row for row in rows if row["pipeline_id"] is None and row["expected"] is not None]
    past = [row for row in told if row["months_back"]]

    def foreseen(months: int) -> str:
        name = f"Forecast of {month[2 - months]:%B %Y}"
        for row in told:
            if (row["months_back"], row["months_ahead"]) == (0, months):
                return f"{name}: {money(row['expected'])} ({money(row['low'])} – {money(row['high'])})"
        return f"{name}: too few sales to tell"

    inside = sum(row["low"] <= row["sold"] <= row["high"] for row in past)
    best = min(expected_page.managers(this), key=lambda row: (-row[2], -row[1]), default=None)
    reason = min(expected_page.reasons(this), key=lambda row: (-row[1], -row[3], row[0] or "\U0010ffff"), default=None)
    waiting = [dict(zip(tables["today"][0], row, strict=True)) for row in tables["today"][1]]
    waits = Counter(row["why"] for row in waiting)
    card = min(
        waiting, default=None,
        key=lambda row: (-(row["budget"] or 0), -(-1 if row["days"] is None else row["days"]),
                         row["entity_type"] or "~", row["entity_id"] or 0),
    )  # fmt: skip
    place = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}
    where = next((row["subdomain"] for row in known.all("account")), None)
    link = card and where and card["entity_id"] and card["entity_type"] in place
    lost = len(expected_page.of_kind(this.closed(), "lost"))
    return [
        f"{account or known.project}: sales, {now:%B %Y}",
        f"This month: {sold['won']} won for {money(sold['won_budget'])}",
        f"Plan of the month: {money(plan)}, done {share(float(sold['won_budget']) / plan)}"
        if plan
        else "Plan of the month: none",
        foreseen(0),
        foreseen(1),
        f"Of the last {len(past)} months {inside} were within such an interval"
        if past
        else "How such forecasts did: too few sales to tell",
        f"{month[3]:%B %Y}: {before['won']} won for {money(before['won_budget'])}, the month before "
        f"{money(then['won_budget'])}",
        f"Created this month: {sold['created']}; won of closed: {share(sold['rate'])}",
        f"Most this month: {best[0]}, {money(best[2])}" if best and best[2] else "Most this month: –, –",
        f"Lost this month: {lost}, most often “{(reason and reason[0]) or 'no reason given'}”",
        f"Waiting: {waits['no_task']} deals without a task, {waits['slow']} slow, {waits['waiting']} clients without "
        f"an answer, {waits['overdue_task']} overdue tasks",
        f"The largest of them: {card['card'] or '–'}, {money(card['budget'] or 0)}, {card['manager'] or '–'} "
        + (f"https://{where}.amocrm.ru/{place[card['entity_type']]}/detail/{card['entity_id']}" if link else "")
        if card
        else "Nothing waits.",
    ]
