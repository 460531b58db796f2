"""Each number of the report beside what the accounts' own store says of the same choice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from . import report_page
from .expected import marts as oracle
from .expected.marts import page as expected_page
from .expected.marts.known import PARTS
from .expected.marts.page import Choice
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
    assert plain(page.figures()) == plain(expected_page.figures(choice))
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
    then = expected_page.before(choice, date.fromisoformat(page.script("return DATA.since")))
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
