"""`source-amocrm report`: each number of the page is the marts', whatever an account holds; nothing is half written.

With SCREENSHOTS=docs/images the pictures are those of the report of `make demo`, and are kept there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import struct
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from amocrm_warehouse import models_command, this_machine
from amocrm_warehouse.assistant.assistant_queries import QUERIES
from amocrm_warehouse.assistant.replies import plain as plain_value
from amocrm_warehouse.database import reading
from amocrm_warehouse.report import first_screen, this_month
from amocrm_warehouse.report import report_command as report
from amocrm_warehouse.report.answers import ANSWERS
from amocrm_warehouse.report.choice import Choice, Days, last_months
from amocrm_warehouse.report.like_with_like import percents, rounded
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_data import packed
from amocrm_warehouse.report.report_words import Words
from sandbox import Account, ManualClock
from testing import expected, models, report_page
from testing.assistant import ask
from testing.combinations import one_in
from testing.expected import marts as oracle
from testing.expected.marts import ahead
from testing.expected.marts import page as expected_page
from testing.expected.marts.deals import deals
from testing.expected.marts.sentences import Wording, sentences
from testing.expected.marts.totals import ended
from testing.models import DEALS, LATE_COLUMNS, MARTS
from testing.page_and_answers import ALONE, COMPARED, Both
from testing.report_numbers import (
    check_filtered,
    check_numbers,
    choose,
    known_of,
    link_to,
    lives_of,
    on_day,
    plain,
    same,
)
from testing.report_page import CHOOSE, SHOW, Report, on_a_phone, run
from testing.warehouse import ROOT

NOW = 1_767_290_400
BUILT = "2026-01-01T18:00:00"
AS_BUILT = ("--now", BUILT, "--working-hours", "1-5 9:00-18:00, 6 10:00-14:30")
"""With the working hours of the oracle."""
HOSTILE = """</script><img src=x onerror="hurt=1">{{7*7}}<!--'&lt;"""
REVOKED = f"Not read to the end: deals. amoCRM said {HOSTILE}"
PLANNED = [*(f"2025-{month:02}" for month in range(6, 13)), "2026-01"]
PLANS = [Decimal(100_000 + n) for n in range(len(PLANNED))]
SYNCED_AT = datetime(2025, 12, 30, 9, 1)
LATER = ("2025-12-31 09:00", "2025-12-31 09:01", [REVOKED])


def hostile() -> dict[str, list[models.Row]]:
    """The tables of an account that calls everything what would be markup."""
    tables = expected.tables(Account.generate(1, 220, clock=ManualClock(NOW)))
    for name, columns in {
        "account": ["name"], "users": ["name"], "loss_reasons": ["name"], "statuses": ["pipeline_name", "status_name"],
        "deals": ["name", "loss_reason_name", "source_name"],
    }.items():  # fmt: skip
        for place, row in enumerate(tables[name]):
            for column in columns:
                if row.get(column) and (place % 3 == 0 or column == "pipeline_name"):
                    row[column] += HOSTILE
    return tables


@pytest.fixture(scope="module")
def known() -> dict[str, oracle.Known]:
    """What was read: 1001 holds markup; 1002 has no deal and few tables; 1003 is a small sync of an older version."""
    other = expected.tables(Account.generate(7, 60, clock=ManualClock(NOW)))
    few = {name: rows for name, rows in other.items() if name in DEALS}
    old = {name: [row | dict.fromkeys(LATE_COLUMNS) for row in rows] for name, rows in few.items()}
    none = {name: [] if name.startswith("deal") else rows for name, rows in few.items()}
    old["account"] = [row | {"account_id": row["account_id"] + 1} for row in old["account"]]
    found = {
        project: known_of(project, tables, NOW)
        for project, tables in {"1001": hostile(), "1002": none, "1003": old}.items()
    }
    user = found["1001"].all("users")[0]["user_id"]
    found["1001"].plans = {(month, user): plan for month, plan in zip(PLANNED, PLANS, strict=True)}
    found["1001"].synced_at, found["1002"].synced_at = SYNCED_AT, SYNCED_AT + timedelta(days=1)
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, known: dict[str, oracle.Known]) -> str:
    folder = tmp_path_factory.mktemp("report")
    file = str(folder / "crm.duckdb")
    for project, own in known.items():
        tables = {name: list(rows.values()) for name, rows in own.rows.items()}
        models.store(file, project, tables, "duckdb", without=LATE_COLUMNS if project == "1003" else ())
    plans = folder / "plans.csv"
    lines = [f"1001,{month}-01,{user},{plan}" for (month, user), plan in known["1001"].plans.items()]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines, ""]), encoding="utf-8")
    costs = folder / "costs.csv"
    costs.write_text(
        "month;source;cost;project_id\n01.12.2025;Газета;500;1002\n"
        + "".join(f"01.{month:02}.2025;{source};{100 * month}\n" for month in (10, 11, 12)
                  for source in (first_source(known["1001"]).upper() if month == 12 else first_source(known["1001"]),
                                 "Радио")), encoding="cp1251",
    )  # fmt: skip
    models.store_syncs(file, "1001", [("2025-12-30 09:00", "2025-12-30 09:01", []), LATER])
    models.store_syncs(file, "1002", [("2025-12-30 09:00", "2025-12-30 09:01", [REVOKED]), (*LATER[:2], [])])
    models.store_syncs(file, "1009", [LATER])
    for project, rows in VERIFIED.items():
        models.store(file, project, {"verifications": [EQUAL | row for row in rows]}, "duckdb")
    given = ["--project", "1001,1002,1003", *AS_BUILT, "--plans", str(plans), "--costs", str(costs), "--language", "en"]
    done = run(*given, "--out", str(folder / "report.html"), database=file)
    assert (done.returncode, done.stdout) == (0, f"\nThe report: {folder / 'report.html'}\n"), done.stderr
    return file


EQUAL = {"verified_at": "2025-12-30T09:05:00Z", "looked_at": 2_500, "is_whole": True, "missing": 0, "extra": 0,
         "stale": 0, "unequal": 0}  # fmt: skip
VERIFIED: dict[str, list[models.Row]] = {
    "1001": [
        {"source_table": "deals", "verified_at": "2025-12-29T09:05:00Z", "missing": 9},
        {"source_table": "deals", "missing": 1, "unequal": 2},
        {"source_table": "events", "looked_at": 100, "is_whole": False},
        {"source_table": "users", "looked_at": 0, "failure": "amoCRM refused the list."},
    ],
    "1002": [{"source_table": "users"}],
}
"""What the verifications of two accounts found; those of 1001 of the day before count no more."""


def first_source(known: oracle.Known) -> str:
    names = {name for deal in deals(known) if (name := deal["source_name"] or deal["utm_source"])}
    return str(min(name for name in names if HOSTILE not in name))


@pytest.fixture(scope="module")
def file(database: str) -> Path:
    return Path(database).with_name("report.html")


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: webdriver.Chrome, file: Path) -> Report:
    """Shown as on a first visit, unless the test and the one before it are CHOOSING."""
    opened, chooses = Report(browser), "chooses" in request.fixturenames
    if not chooses or not opened.script("return window.wasChosenIn === true"):
        opened.visit(file)
        opened.script("window.wasChosenIn = arguments[0]", chooses)
    return opened


@pytest.fixture
def chooses() -> None:
    """See CHOOSING."""


CHOOSING = pytest.mark.usefixtures("chooses")
"""A test that chooses all that it shows, and changes nothing else in the page."""


CHOICES = [
    ("", "all", ""), ("1001/", "month", ""), ("1001/", "last12", ""), ("1003", "year", ""), ("1001", "quarter", ""),
    ("1001", "week", ""), ("1001", "last12", "team"), ("1001/", "last12", "9"), ("1002", "all", ""),
]  # fmt: skip


@CHOOSING
@pytest.mark.parametrize(("scope", "kind", "who"), CHOICES)
def test_each_number_is_the_accounts(
    page: Report, known: dict[str, oracle.Known], scope: str, kind: str, who: str
) -> None:
    choice = choose(page, known, scope, kind, who)
    assert page.figures()["created"] is not None
    check_numbers(page, choice)


OF_CALLS = ("incoming_calls", "missed_calls", "called_back", "back_within_hour")
COUNTED = """
  const view = chosen(state.scope, state.period, null);
  return {
    ...metrics(view.closed(), "lost", "lost_budget", "closed"),
    ...metrics(view.created(), "first_touch", "first_touch_working", "won_of_created"),
    ...metrics(view.created(), "won_of_created_budget", "source_rate"),
    ...metrics(view.open(), "open_budget"), ...metrics(view.talks(), "talks", "first_response"),
    ...metrics(view.now("talks"), "unanswered"), ...metrics(view.callbacks(), "back_after"),
    ...Object.fromEntries(arguments[0].map((name) => [name, sum(view.calls(), name)])),
  };
"""


@CHOOSING
def test_each_metric_is_the_accounts(page: Report, known: dict[str, oracle.Known]) -> None:
    """Compares every metric of metrics.yaml, also those that the page shows only by manager or stage."""
    choice = choose(page, known, "1001", "year")
    [people, *_] = page.sections()["managers"]["tables"]
    told = page.figures() | page.script(COUNTED, OF_CALLS)
    in_work = ["open", "live_budget", "dead", "dead_budget"]
    told |= page.script("return metrics(chosen(state.scope, state.period, state.who).open(), ...arguments[0])", in_work)
    told |= {"overdue": sum(row[-2] for row in people), "stale": sum(row[-1] for row in people)}
    lost, created = expected_page.of_kind(choice.closed(), "lost"), choice.created()
    talks, first_response, *_ = expected_page.answered([talk for _, talk in expected_page.talks(choice)])
    won_of_created = expected_page.of_kind(created, "won")
    *calls, waits = [list(of) for of in zip(*(row[2:] for row in expected_page.incoming_calls(choice)), strict=True)]
    wanted = expected_page.figures(choice) | {
        "lost": len(lost), "lost_budget": expected_page.money(lost), "closed": len(choice.closed()),
        "won_of_created": len(won_of_created), "won_of_created_budget": expected_page.money(won_of_created),
        "source_rate": expected_page.ratio(len(won_of_created), len(created)),
        "open_budget": expected_page.money(deal for _, deal in choice.open()),
        "talks": talks, "first_response": first_response, "first_touch": expected_page.first_touch(choice),
        "first_touch_working": expected_page.first_touch_working(choice),
        "unanswered": len(expected_page.waiting_talks(choice)),
        "overdue": sum(row[-2] for row in expected_page.managers(choice)),
        "stale": len(expected_page.stale_rows(choice)),
        **dict(zip(OF_CALLS, map(sum, calls), strict=True)),
        "back_after": expected_page.middle([wait for of in waits for wait in of]),
        "open": len(choice.open()),
        **dict(zip(("live", "live_budget", "dead", "dead_budget"), lives_of(choice), strict=True)),
    }  # fmt: skip
    assert wanted.keys() == METRICS.keys()
    assert plain(told) == plain(wanted)
    heads = page.script("return [...document.querySelectorAll('.label')].map((one) => [one.textContent, one.title])")
    assert ["Won", METRICS["won"].means.split(" | ")[0]] in heads


@CHOOSING
def test_the_plan_is_held_against_those_who_have_one(page: Report, known: dict[str, oracle.Known]) -> None:
    """In their months up to the present one, and alike in both sections."""
    choose(page, known, "1001", "all")
    shown, told = page.sections(), Wording("en", "RUB")
    of_month = known["1001"].plans["2026-01", known["1001"].all("users")[0]["user_id"]]
    by_day = [mark["Plan by that day"] for mark in page.marks("money") if "Plan by that day" in mark]
    passed = [expected_page.part_of_month(date(2026, 1, day)) for day in range(1, 32)]
    assert by_day == [told.money(float(of_month) * part) for part in passed]
    [months], [people, *_] = shown["money"]["tables"], shown["managers"]["tables"]
    planned = [row for row in months if row[3]]
    so_far = [float(expected_page.plan_so_far(known["1001"], *one)) for one in zip(PLANNED, PLANS, strict=True)]
    assert so_far[:-1] == [float(plan) for plan in PLANS[:-1]]
    assert 0 < so_far[-1] < 10_000, "one day of work of the present month has passed"
    assert [[row[0], row[3]] for row in planned] == [list(one) for one in zip(PLANNED, so_far, strict=True)]
    user = known["1001"].all("users")[0]
    sold = {
        name: sum(float(deal["budget"] or 0) for deal in own if deal["closer_id"] == user["user_id"])
        for name, own in by_month(known["1001"]).items()
    }
    assert [row[4] for row in planned] == [round(sold.get(row[0], 0) / row[3], 4) for row in planned]
    [plan] = [row for row in people if row[3]]
    total = sum(row[3] for row in planned)
    assert (plan[0], plan[3]) == (user["name"], total)
    assert plan[4] == round(sum(sold.get(row[0], 0) for row in planned) / total, 4)


AT = """
  const of = (kind) => [...document.querySelectorAll(`.chart.managers svg .mark-${kind}.role-mark > *`)];
  const x = (one) => one.getBoundingClientRect();
  const drawn = (kind) => of("rect").filter((one) => one.ariaRoleDescription === kind);
  const [bars, labels] = [drawn("bar").map((one) => x(one).right), of("text").map((one) => x(one).left)];
  return { bars, labels, ticks: drawn("tick").length };
"""
OF_PLAN = "“Of the plan” takes only the sales of those who have a plan, in its months."
SO_FAR = "“Plan” has of the current month the part for its working days up to today."


@CHOOSING
def test_a_plan_is_shown_beside_the_sales_that_it_is_of(page: Report, known: dict[str, oracle.Known]) -> None:
    """Neither the sales of other months nor those of people without a plan stand beside it unsaid."""
    choose(page, known, "1001", "last12")
    in_part = (
        "Some months of the period have no plan: the column “Plan” is of the others alone, and the chart has no mark "
        "of it."
    )
    notes = {name: section["notes"] for name, section in page.sections().items()}
    assert {OF_PLAN, SO_FAR, in_part} <= set(notes["managers"])
    assert {OF_PLAN, SO_FAR} <= set(notes["money"])
    found = page.script(AT)
    assert (found["ticks"], len(found["labels"])) == (0, len(found["bars"]))
    assert all(6 < label - bar < 10 for label, bar in zip(found["labels"], found["bars"], strict=True))
    user = known["1001"].all("users")[0]
    assert "those who have one: ₽" in page.script("return find('[data-id=plan_share] .beside').textContent")
    page.choose("1001", "2025-12")
    assert page.script(AT)["ticks"] == 1
    assert {OF_PLAN, SO_FAR, in_part} & set(page.sections()["managers"]["notes"]) == set()
    people = [one for one in page.options("who") if re.match(r"1001/\d", one)]
    other = next(one for one in people if not one.endswith(f"/{user['user_id']}"))
    page.choose("1001", "this_month", other)
    without = f"{page.options('who')[other]}: no plan for this period."
    assert without in page.sections()["month"]["notes"]
    page.choose("1001", "last12", other)
    assert without in page.sections()["money"]["notes"]


@CHOOSING
def test_a_source_is_held_against_what_it_cost(page: Report, known: dict[str, oracle.Known]) -> None:
    """In its months that have costs, also if it brought no deal; what has no costs says why."""
    choice = choose(page, known, "1001", "last12")
    found = {row[0]: row[1:] for row in page.sections()["sources"]["tables"][-1]}
    assert found["Радио"] == [3300, 3, None, None, -1, None, -1]
    source = first_source(known["1001"])
    paid = replace(choice, first=date(2025, 10, 1), last=date(2025, 12, 31))
    [(all_deals, *_)] = [row[1:] for row in expected_page.sources(choice) if row[0] == source]
    [(deals_of, won, _, money, _, brought)] = [row[1:] for row in expected_page.sources(paid) if row[0] == source]
    assert 0 < deals_of < all_deals
    still_open = [deal for _, deal in paid.created() if deal["stage_kind"] not in ("won", "lost")]
    still_open = [deal for deal in still_open if expected_page.source_of(deal) == source]
    romi = [(float(one) - 3300) / 3300 for one in (money, brought)]
    told = [3300, 3, 3300 / deals_of, 3300 / won if won else None, romi[0], len(still_open), romi[1]]
    last = "[...document.querySelectorAll('#sources table')].at(-1)"
    texts = f"return [...{last}.tBodies[0].rows].map((row) => [...row.cells].at(-2).textContent)"
    assert {f"{len(still_open)} of {deals_of}", "–"} <= set(page.script(texts))
    assert plain(found[source]) == plain(told)
    assert "count only the months that have costs for the source" in str(page.sections()["sources"]["notes"])
    whole = "Costs for which the file names no account count whole here, and in each other account."
    assert whole in page.sections()["sources"]["notes"]
    assert "Газета" not in found
    choose(page, known, "1002", "last12")
    of_one_account = {row[0]: row[1:] for row in page.sections()["sources"]["tables"][-1]}["Газета"]
    assert of_one_account == [500, 1, None, None, -1, None, -1]
    general = "Costs are by months and of everybody, so they are not shown for this choice."
    for period, why in (("2025-12-22", general), ("2025-09", "The file has no costs for these months.")):
        page.choose("1001", period)
        assert page.sections()["sources"]["captions"][-1].partition(": ")[2] != "Costs and ROMI"
        assert why in page.sections()["sources"]["notes"]


def test_the_month_that_ended_says_what_its_sources_cost_and_brought(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    page.choose("1001", "last12")
    december = expected_page.Choice((known["1001"],), date(2025, 12, 1), date(2025, 12, 31))
    [of] = [row for row in expected_page.sources(december) if row[0] == first_source(known["1001"])]
    romi = [Wording("en", None).percent((float(brought) - 2400) / 2400).replace("-", "−") for brought in (of[4], of[6])]
    assert page.script("return document.querySelector('#ended .note').textContent") == (
        f"Sources cost ₽2,400; ROMI of the deals that came in the month {romi[0]}, of what was sold in it {romi[1]}."
    )
    page.choose("1001", "last12", next(value for value in page.options("who") if value))  # costs are of everybody
    assert page.script("return document.querySelector('#ended .note')") is None


def test_the_assistant_says_what_a_source_cost_as_the_page_does(database: str, known: dict[str, oracle.Known]) -> None:
    costs = Path(database).with_name("costs.csv")
    asked: dict[str, Any] = {"project": "1001", "since": "2025-11-01", "until": "2025-12-31"}
    of = [("sources", asked | {"show": ["costs"]} | until) for until in ({"until": "2025-12-07"}, {})]
    week, told = ask(database, *of, costs=costs)
    assert week["covers"]["missing"] == {
        "costs": "It is not known: costs are of whole months: give whole months, as period=last_month or "
        "period=last_3_months."
    }
    choice = expected_page.Choice((known["1001"],), date(2025, 11, 1), date(2025, 12, 31))
    deals = {row[0]: row[1:] for row in expected_page.sources(choice)}
    rows, created_then = [], [deal for _, deal in choice.created()]
    for source in sorted([first_source(known["1001"]), "Радио"]):
        created, won, _, money, sold, brought = deals.get(source, [0, 0, None, Decimal(0), 0, Decimal(0)])
        rows.append({
            "currency": "RUB", "source": source, "cost": 2300, "cost_months": ["2025-11", "2025-12"],
            "created": created, "won_of_created": won, "still_open": sum(
                deal["stage_kind"] not in ("won", "lost") for deal in created_then
                if expected_page.source_of(deal) == source
            ), "won_of_created_budget": plain_value(money),
            "cost_of_deal": plain_value(rounded(Decimal(2300) / created)) if created else None,
            "cost_of_won": plain_value(rounded(Decimal(2300) / won)) if won else None,
            "romi_percent": plain_value(percents((money - 2300) / 2300)), "won": sold,
            "won_budget": plain_value(brought), "romi_sold_percent": plain_value(percents((brought - 2300) / 2300)),
        })  # fmt: skip
    assert told["costs"] == rows
    assert told["covers"]["means"]["cost_of_won"] == "Costs divided by won_of_created."
    assert told["covers"]["notes"][-1] == f"{costs}: no deal has the source “Радио”, so its costs stand alone."


def by_month(known: oracle.Known) -> dict[str, list[models.Row]]:
    found: dict[str, list[models.Row]] = {}
    for deal in oracle.united(deals, [known]):
        if deal["stage_kind"] == "won" and not deal["is_deleted"]:
            found.setdefault(f"{deal['closed_at_local']:%Y-%m}", []).append(deal)
    return found


@CHOOSING
def test_pictures_show_what_the_tables_say(page: Report, known: dict[str, oracle.Known]) -> None:
    choice = choose(page, known, "1001/", "last12")
    [stages] = expected_page.funnel(choice)
    reached = [mark for mark in page.marks("funnel") if "reached" in mark and "kept" not in mark]
    assert [(float(mark["reached"]), float(mark["Lost from here"])) for mark in reached] == [
        (row[1], row[4]) for row in stages.rows
    ]
    sold = [float(mark["won_budget"]) for mark in page.marks("money") if "Month" in mark]
    wanted = [float(row[2]) for row in expected_page.money_by(choice, lambda day: f"{day:%Y-%m}")]
    unit = 1e6 if max(wanted) >= 2e6 else 1e3
    assert sold == pytest.approx([amount / unit for amount in wanted])
    told = Wording("en", "RUB")
    lost = [(mark["Reason"], mark["Deals"], mark["Lost money"]) for mark in page.marks("reasons")]
    reasons = expected_page.reasons(choice)
    assert sorted(lost) == sorted((row[0] or "no reason given", str(row[1]), told.money(row[3])) for row in reasons)
    assert sorted(page.labels("reasons")) == sorted(f"{row[1]} · {told.percent(row[2])}" for row in reasons)
    assert page.labels("funnel") == [f"{row[1]} · {told.percent(row[3])}" for row in stages.rows]
    people = [row for row in expected_page.managers(choice) if row[2]]
    bars = [(mark["Manager"], mark["Sold for"], mark["Won"]) for mark in page.marks("managers")]
    assert sorted(bars) == sorted((row[0], told.money(row[2]), str(row[1])) for row in people)
    assert sorted(page.labels("managers")) == sorted(told.short(row[2]) for row in people)
    sources = {row[0] or "no source": row[1:] for row in expected_page.sources(choice)}
    shown_of = ("Source", "Deals", "Won of them", "Sold for, of them")
    found = [{name: mark[name] for name in shown_of if name in mark} for mark in page.marks("sources")]
    drawn = [bar["Source"] for bar in found if "Deals" in bar]
    assert len(drawn) == min(len(sources), 12)
    assert found == [{"Source": name, "Deals": str(sources[name][0])} for name in drawn] + [
        {"Source": name, "Won of them": str(sources[name][1]), "Sold for, of them": told.money(sources[name][3])}
        for name in drawn
    ]
    assert page.labels("sources") == [f"{sources[name][0]} · {told.percent(sources[name][2])}" for name in drawn]
    of_stages = page.marks("open")
    waits = sorted((mark["Manager"].partition(" · ")[0], mark["Cards"]) for mark in page.marks("today"))
    assert waits == sorted((row[0], str(row[6])) for row in expected_page.today(choice)[0])  # whatever their reasons
    [pipeline] = expected_page.stuck(choice)
    stuck = sorted((mark["Stage"], mark["Deals"]) for mark in of_stages if "In this stage" in mark)
    assert stuck == sorted((row[0], str(count)) for row in pipeline.rows for count in row[1:-2] if count)
    week = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    marks = {(mark["weekday"], int(mark["hour"])): mark for mark in page.marks("hours")}
    rows = expected_page.hours(choice)
    assert {own: float(mark["Actions"]) for own, mark in marks.items()} == {
        (day, hour): rows[place][1 + hour] for place, day in enumerate(week) for hour in range(24)
    }
    choice = choose(page, known, "1001", "all")
    began = [
        [float(mark["Hour"]), mark["Conversations"], mark["First answer, median min"]] for mark in page.marks("talks")
    ]
    by_hour = expected_page.talks_by_hour(choice)
    assert began == [[row[0], str(row[1]), f"{row[2]:g}"] for row in sorted(by_hour) if row[3] >= expected_page.FEW]


STANDS_STILL = "Date.now = () => Date.parse('2026-01-03T09:00:00Z'); show();"


def test_it_says_as_of_which_sync_it_is(page: Report, known: dict[str, oracle.Known], database: str) -> None:
    """Of the oldest, by the clock of the account; the assistant says of each account as well."""
    page.script(STANDS_STILL)
    said = "return document.querySelector('.built').textContent.replace(/\\s/g, ' ')"
    assert page.script(said) == "As of the sync of Dec 30, 2025, 12:01 PM 3 days old."
    page.press("[data-language=ru]")
    assert page.script(said) == "Данные синхронизации 30 дек. 2025 г., 12:01 Данным 3 дн."
    [told] = ask(database, ("directory", {}))
    synced = {row["project_id"]: row["synced_at"] for row in told["accounts"]}
    assert synced == {name: own.synced_at and own.synced_at.isoformat() for name, own in known.items()}


LEVELS = """
  TABLES.hours.find((row) => row.project_id === "1001").touches = 1e6;
  const view = chosen(SCOPES.find((one) => one.id === "1001"), periodOf("all", null), null);
  return hours(view)[0].drawn.map((one) => one.level);
"""


def test_one_act_on_many_cards_does_not_whiten_the_hours(page: Report) -> None:
    levels = [level for level in page.script(LEVELS) if level]
    assert {levels.count(level) for level in range(1, 6)} & {0} == set()


COLORS = """
  const view = chosen(SCOPES[0], periodOf("all", null), null);
  const found = stuck(view)[0];
  found.ages = [3];
  found.drawn = found.drawn.filter((one) => one.age_order === 3);
  return spec(found, teller(view), 900).encoding.color.scale;
"""


def test_an_age_has_its_colour_also_where_others_are_not(page: Report) -> None:
    assert page.script(COLORS)["range"] == ["var(--age-3)"]


def test_the_choice_is_in_the_address(page: Report, file: Path) -> None:
    who = next(value for value in page.options("who") if value.startswith("1001/9"))
    page.browser.get("about:blank")
    days = "2025-03-05..2025-04-17"
    page.browser.get(f"{file.as_uri()}#scope=1001&period={days}&who={who}&language=ru")
    page.wait()
    told = "return [state.scope.id, state.period.id, state.who.id, language(), find('#from').value, find('#to').value]"
    assert page.script(told) == ["1001", days, who, "ru", "2025-03-05", "2025-04-17"]
    page.choose("1001", "2025-Q2")
    assert page.script("return location.hash") == "#scope=1001&period=2025-Q2&language=ru"


@CHOOSING
def test_deals_are_linked_to_the_account(page: Report, known: dict[str, oracle.Known]) -> None:
    choice = choose(page, known, "1001", "all")
    links = "return [...document.querySelectorAll(`#${arguments[0]} td a`)].map((link) => link.getAttribute('href'))"
    shown, waiting = page.script(links, "stale"), page.script(WAITING)
    cards = expected_page.waiting(choice)[1]
    links_of = [[card["reasons"], link_to(known["1001"], card["entity_type"], card["entity_id"])] for card in cards]
    assert sorted(waiting, key=str) == sorted(links_of, key=str)
    rows = sorted(
        expected_page.stale_rows(choice),
        key=lambda row: (-float(row["budget"] or 0), -row["days_without_activity"], row["deal_id"]),
    )
    assert shown == [f"https://example.amocrm.ru/leads/detail/{row['deal_id']}" for row in rows[:20]]


WAITING = """
  const places = [...lists.keys()].filter((place) => /^today[/]0[/][0-9]+[/]cards$/.test(place));
  return places.flatMap((place) => lists.get(place).deals().map(listed)).map(({ reasons, href }) => [reasons, href]);
"""
CHANGES = """
  const tell = teller(chosen(state.scope, state.period, null));
  const pairs = [[7, 7, "number"], [8, 4, "number"], [0.5, 0.5, "percent"], [5e9, 2, "money"], [3, 4, "days"]];
  return pairs.map((one) => [change(...one, tell)].map((made) => `${made.textContent} ${made.className}`)[0]);
"""


NOTHING_SOLD = """
  const values = { count: ["number", 6], inside: ["number", 0], off: ["percent", null], before: ["percent", null] };
  return sentence(["forecast.record", values], teller(chosen(state.scope, state.period, null)));
"""


STAND_STILL = """
  let first = 0;
  TABLES.stays = TABLES.stays.filter((row) => row.status_id !== arguments[0] || (first += 1) <= 6);
  for (const row of TABLES.stays) row.is_over = false;
  show();
"""


def test_of_several_stages_that_deals_do_not_leave_the_fullest_is_named(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    """Neither the first one nor the last."""
    [pipeline] = expected_page.funnel(choose(page, known, "1001/", "all"))
    [_, first, *_] = [row for row in known["1001"].all("statuses") if row["pipeline_id"] == pipeline.id]
    page.script(STAND_STILL, first["status_id"])
    page.wait()
    [_, first_stays, most, less, *_] = pipeline.stays
    assert first_stays > most > less > 6
    said = page.sections()["funnel"]["notes"][-1]
    assert said == (f"More than half have not left “{pipeline.rows[2][0]}” yet: {most} of {most} are there now (100%).")


def test_no_arrow_at_zero_and_months_in_their_case(page: Report) -> None:
    assert page.script(CHANGES) == [
        "as before change", "▲ 100% change up", "as before change", "▲ over 1,000% change up", "▼ 25% change up",
    ]  # fmt: skip
    assert page.script(NOTHING_SOLD).endswith("off by – (median), “the same as last month” by –.")
    page.press("[data-language=ru]")
    assert (
        page.script("return said('period.clipped', {month: teller({}).since('2023-12')})")
        == "Начиная с декабря 2023 г."
    )
    page.choose("1001", "yesterday")
    assert page.script("return find('#month h2').textContent").endswith(": январь 2026 г.")
    assert page.script("return find('#figures h2').textContent + periodName(ownPeriod(20423, 20423), teller({}))") == (
        "Вчера1 дек. 2025 г."
    )


def test_what_fails_in_one_section_leaves_the_others(page: Report) -> None:
    page.script("SECTIONS.find((one) => one.id === 'money').count = () => { throw new Error('of its own') }; show();")
    page.wait()
    failed = page.script("return [...document.querySelectorAll('.failed')].map((one) => one.textContent)")
    assert failed == ["This could not be shown: of its own"]
    assert len(page.sections()["managers"]["tables"]) == 2


def test_the_periods_begin_with_those_of_now_and_reversed_days_are_turned_round(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    """Their numbers are those of the same days by date; the first screen is the period “this month”."""
    options = list(page.options("period").items())
    assert options[:6] == [
        ("this_month", "This month"), ("this_week", "This week"), ("yesterday", "Yesterday"),
        ("last_week", "Last week"), ("last_month", "Last month"), ("last_quarter", "Last quarter"),
    ]  # fmt: skip
    for name, first, last in (
        ("this_month", date(2026, 1, 1), date(2026, 1, 1)), ("this_week", date(2025, 12, 29), date(2026, 1, 1)),
        ("yesterday", date(2025, 12, 31), date(2025, 12, 31)),
        ("last_week", date(2025, 12, 22), date(2025, 12, 28)), ("last_month", date(2025, 12, 1), date(2025, 12, 31)),
        ("last_quarter", date(2025, 10, 1), date(2025, 12, 31)),
    ):  # fmt: skip
        page.choose("1001", name)
        assert page.chosen() == (first, last)
        choice = expected_page.Choice((known["1001"],), first, last)
        assert plain(page.figures()) == plain(expected_page.figures(choice))
    page.choose("1001", "this_month")
    month, period = page.figures("month"), page.figures()
    assert [month[name] for name in ("created", "won", "won_budget")] == [
        period[name] for name in ("created", "won", "won_budget")
    ]
    days = "find('#from').value = arguments[0]; find('#to').value = arguments[1]; find('#to').onchange();"
    page.script(days, "2025-11-20", "2025-11-05")
    page.wait()
    assert page.chosen() == (date(2025, 11, 5), date(2025, 11, 20))
    assert page.script("return [find('#from').value, find('#to').value]") == ["2025-11-05", "2025-11-20"]
    assert "period=2025-11-05..2025-11-20" in page.script("return location.hash")


def test_a_period_that_is_older_than_the_data_begins_with_them_and_says_so(
    page: Report, database: str, known: dict[str, oracle.Known]
) -> None:
    """In the list, the figures and the table of months, and in each account by its own data. Days before are named."""
    begins: dict[str, str] = {}
    for project, own in known.items():
        there = [deal for deal in deals(own) if not deal["is_deleted"]]
        days = [day for deal in there for day in (deal["created_at_local"], ended(deal)) if day]
        months = [f"{day:%Y-%m}" for day in days] + [month for month, _ in own.plans]
        begins |= {project: max(f"{min(months)}-01", page.script("return DATA.since"))} if months else {}
    assert page.script("return DATA.begins") == begins
    page.script("DATA.begins['1001'] = '2025-03-01'; return show()")
    for language, names in (
        ("en", ["2025 (from Mar 1)", "Q1 2025 (from Mar 1)", "Q2 2025"]),
        ("ru", ["2025 год (с 1 мар.)", "1 кв. 2025 (с 1 мар.)", "2 кв. 2025"]),
    ):
        page.press(f"[data-language={language}]")
        page.choose("1001", "2025")
        shown = page.options("period")
        assert [shown[name] for name in ("2025", "2025-Q1", "2025-Q2")] == names
        assert shown.keys() & {"2024", "2024-Q4", "2025-02"} == set()
        assert page.script("return [find('#figures h2').textContent, find('#from').min]") == [names[0], "2025-03-01"]
    choice = expected_page.Choice((known["1001"],), date(2025, 3, 1), date(2025, 12, 31))
    assert page.chosen() == (choice.first, choice.last)
    assert plain(page.figures()) == plain(expected_page.figures(choice))
    assert page.sections()["money"]["tables"][0][0][0] == "2025-03"
    for asked, left in (("2025-02-01..2025-02-20", "all"), ("2025-02-01..2025-03-20", "2025-03-01..2025-03-20")):
        page.script(FOLLOW, f"#scope=1001&period={asked}&language=en")
        gone = page.script("return find('#gone').textContent")
        assert gone.startswith(f"The link names “{asked}”, which this report ")
        assert page.script("return state.period.id") == left
    with reading(database) as run:
        old = Choice({"1001": Days(date(2019, 1, 1), date(2019, 3, 31), date(2026, 1, 1))})
        assert set(this_month.figures(run, old, "1001").values()) == {None}
    [told] = ask(database, ("sales", {"project": "1001", "period": "2019", "show": ["managers"]}))
    assert told["covers"]["period"]["no_data_before"] == "2023-01-01"


def test_own_days_are_typed_in_peace(page: Report) -> None:
    """Nothing is chosen before both days are right or the focus leaves them. A sentence names a day outside."""
    month_first = page.script("return new Intl.DateTimeFormat().format(Date.UTC(2025, 10, 16))").startswith("11")

    def typed(field: str, day: date, *then: str) -> None:
        for name in ({"from", "to"} - {field}).pop(), field:  # from outside, so that its first part has the focus
            page.script("document.getElementById(arguments[0]).focus()", name)
        page.browser.switch_to.active_element.send_keys(f"{day:%m%d%Y}" if month_first else f"{day:%d%m%Y}", *then)

    def shown() -> list[str]:
        page.wait()
        said = "return [find('#from').value, find('#to').value, state.period.id, find('#no-days').textContent]"
        address = page.script("return location.hash")
        found: list[str] = page.script(said)
        assert f"period={found[2]}" in address
        return found

    page.script("find('.more').open = true")
    since = page.script("return DATA.since")
    page.script("location.hash = `scope=1001&period=${DATA.since}..${DATA.since}&language=en`")
    page.wait()
    typed("from", date(2025, 11, 23))
    assert shown() == ["2025-11-23", since, f"{since}..{since}", ""]
    typed("to", date(2025, 11, 27))
    assert shown() == ["2025-11-23", "2025-11-27", "2025-11-23..2025-11-27", ""]
    typed("to", date(2025, 11, 16), Keys.ENTER)
    assert shown() == ["2025-11-16", "2025-11-23", "2025-11-16..2025-11-23", ""]
    typed("to", date(2025, 11, 5))
    page.press("h1")
    assert shown() == ["2025-11-05", "2025-11-16", "2025-11-05..2025-11-16", ""]
    page.script("find('#from').focus()")
    page.browser.switch_to.active_element.send_keys(Keys.DELETE)
    assert shown() == ["", "2025-11-16", "2025-11-05..2025-11-16", ""]
    for language, before, after in (
        ("en", "The report has no days before {}", "The report has no days after Jan 1, 2026"),
        ("ru", "Даты раньше {} нет в отчёте", "Даты позже 1 янв. 2026 г. нет в отчёте"),
    ):
        page.press(f"[data-language={language}]")
        typed("from", date(2005, 11, 5))
        said = before.format(page.script("return teller({}).bucket(DATA.since)"))
        assert shown()[1:] == ["2025-11-16", "2025-11-05..2025-11-16", said]
        page.press("h1")
        assert shown() == ["2025-11-05", "2025-11-16", "2025-11-05..2025-11-16", said]
        typed("to", date(2026, 1, 2))
        assert shown()[1:] == ["2026-01-02", "2025-11-05..2025-11-16", after]
        page.press("h1")


def test_names_are_never_markup_and_nothing_reaches_the_network(page: Report, file: Path) -> None:
    page.browser.get_log("browser")  # type: ignore[no-untyped-call]  # what the tests before have measured in far sections
    page.open(file)
    text = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(text.encode()) < 1_300_000
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+'; style-src 'unsafe-inline'; img-src data:; "
        r"base-uri 'none'; form-action 'none'",
        policy[1].replace("&#39;", "'"),
    )
    for language in ("ru", "en"):
        page.press(f"[data-language={language}]")
        assert page.script("return [document.images.length, window.hurt === undefined]") == [0, True]
        shown = str(page.script("return document.body.textContent"))
        assert HOSTILE in shown
        assert page.script("return document.querySelector('h1').textContent").count(HOSTILE) == 1
    assert page.script("return performance.getEntriesByType('resource').length") == 0
    assert page.browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def account_names(known: dict[str, oracle.Known]) -> dict[str, str]:
    """Returns the names of accounts by project; those of one name carry their projects."""
    names = {project: str(one.all("account")[0]["name"]) for project, one in known.items()}
    counts = Counter(names.values())
    return {project: f"{name} ({project})" if counts[name] > 1 else name for project, name in names.items()}


def without_scripts(file: Path) -> ElementTree.Element:
    """Returns what stands in the page before a script replaces it; it is also well-formed XML."""
    found = re.search(r"<main[^>]*>(.*?)</main>", file.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[1])


def test_without_scripts_there_are_the_month_and_the_main_tables(file: Path, known: dict[str, oracle.Known]) -> None:
    page, told = without_scripts(file), Wording("en", "RUB")
    everything = expected_page.Choice(tuple(known.values()), date(2025, 2, 1), date(2026, 1, 1))
    tables = {
        "".join(section.findtext("h2") or ""): [
            ["".join(cell.itertext()) for cell in row] for row in section.iter("tr")
        ]
        for section in page.iter("section")
    }
    days = "2025-02-01 – 2026-01-31"
    managers = f"Managers in the period: {days}"
    assert list(tables) == ["Today’s queue", "Revenue over time", managers, f"Reasons of loss: {days}"]
    of = account_names(known)
    assert {(rows[0][0], *{row[0] for row in rows[1:]} - {*of.values()}) for rows in tables.values()} == {("Account",)}
    for project, one in known.items():
        people = [[r[0], str(r[1])] for r in expected_page.managers(replace(everything, known=(one,))) if any(r[1:])]
        rows = [row[1:] for row in tables[managers][1:] if row[0] == of[project]]
        counted = [row for row in rows if re.search("[1-9]", " ".join(row[1:]))]
        assert sorted(row[:2] for row in counted) == sorted(people)
    reasons = [[row[0] or "no reason given", str(row[1])] for row in expected_page.reasons(everything)]
    by_account = [row[1:3] for row in tables[f"Reasons of loss: {days}"][1:]]
    assert sum(int(row[1]) for row in by_account) == sum(int(row[1]) for row in reasons)
    queued = [row for one in known.values() for row in ahead.queue(one) if row["place"] <= 10]
    assert len(tables["Today’s queue"]) == len(queued) + 1
    texts = [text.text for text in page.iter("{http://www.w3.org/2000/svg}text")]
    month, _ = expected_page.this_month(replace(everything, known=(known["1001"],)), date.min)
    assert {told.percent(month["plan_share"]), str(month["created"])} <= set(texts)
    needed = f"{month['needed'].quantize(Decimal(1), ROUND_HALF_UP):,}\u00a0₽"
    assert needed in texts
    assert {"script", "img"} & {element.tag for element in page.iter()} == set()


def test_the_first_screen_is_a_picture(database: str, tmp_path: Path) -> None:
    picture = tmp_path / "month.png"
    done = run("--built", "--png", str(picture), "--language", "ru", database=database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    # each account has its lines about what is unusual and, if it sold something or has a plan, its chart
    assert (width, height % 20) == (2 * 760, 0)
    assert height > 2 * 300 * 3
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["month.png"]


@pytest.mark.parametrize(("language", "as_of"), [
    ("en", "As of the sync of 2025-12-30, 12:01"), ("ru", "Данные синхронизации 30.12.2025, 12:01"),
])  # fmt: skip
def test_the_words_of_the_picture_have_room_and_say_as_of_when_they_are(
    database: str, language: str, as_of: str
) -> None:
    """A figure has 178 units; two lines of one stand apart. The sales of those who have a plan stand beside it."""
    with reading(database) as run:
        found = first_screen.cards(run, last_months(run), Words(language))
    texts = list(ElementTree.fromstring(first_screen.svg(found)).iter("{http://www.w3.org/2000/svg}text"))
    figures = [one for one in texts if one.get("font-size") in ("10", "12") and int(one.get("y", "")) < 270]
    assert len(figures) > 2 * 3 * 4
    lines = [one for one in texts if one.get("x") == "24" and one.get("font-size") != "19"]
    for of, room in ((figures, 178), (lines, 692)):
        assert [one.text for one in of if len(one.text or "") * 0.6 * int(one.get("font-size", "")) > room] == []
    assert max(len(box.labels) for card in found for box in card.counts) == 2
    assert found[0].as_of == as_of
    assert as_of in [one.text for one in texts]
    [share] = [box for box in found[0].money if box.name == "plan_share"]
    assert share.notes[0].startswith(("those who have one:", "те, у кого есть план:"))


def test_a_link_to_what_the_report_does_not_have_says_so_by_name(page: Report) -> None:
    """Until the next choice. A name that the link does not give is that of the account's list, or the id."""
    gone = "return (find('#gone') || {}).textContent"
    who = page.script("return DATA.owners.map((one) => one.join('/')).find((one) => PEOPLE.has(one))")
    for address, names in {
        "who=1001/77&who_name=Анна Ким": "“Анна Ким”",
        f"scope=1003&who={who}&who_name=Ким": "“{} · {}”".format(*page.script(OF_ACCOUNT, who)),
        "who=1001/team/78": "“№ 78”",
        "scope=1001/5&scope_name=Опт": "“Опт”",
        "sides=1001/79": "“№ 79”",
        "scope=1001&period=2019-Q1": "“2019-Q1”",
        'where=[["tag","Луна"],["1001/5","Марс"]]': "“Tag: Луна”, “Марс”",
    }.items():
        page.script(FOLLOW, f"#{address}&language=en")
        said = str(page.script(gone))
        assert said.startswith(
            f"The link names {names}, which this report or the chosen account does not have. Shown without that: "
        ), said
        assert said.endswith(f": {page.script(PICKED)}."), said
    page.press("[data-language=ru]")
    assert page.script(gone).startswith(
        "В отчёте или в выбранном аккаунте нет «Тег: Луна», «Марс» из ссылки. Показано без этого: "
    )
    page.script(CHANGE)
    page.wait()
    assert page.script(gone) is None
    page.choose("1001", "last12", who)
    page.script("location.reload()")
    page.wait()
    assert page.script(gone) is None
    assert "who_name=" in page.script("return location.hash")


OF_ACCOUNT = "const {name, project_id} = PEOPLE.get(arguments[0]); return [name, accountName(project_id)]"
FOLLOW = f"history.replaceState(null, '', arguments[0]); readAddress(); {SHOW}"
CHANGE = "find('#period').value = 'all'; find('#period').dispatchEvent(new Event('change', { bubbles: true }))"
PICKED = "return find('p.chosen').textContent"
HEADS = """
  const heads = [...document.querySelectorAll(`#${arguments[0]} thead .groups > *`)];
  return heads.map((head) => [head.textContent, head.colSpan]);
"""
ON_A_PHONE = """
  const before = (cell) => getComputedStyle(cell, "::before").content;
  const cells = [...document.querySelectorAll(`#${arguments[0]} td[data-value]`)];
  return cells.map((cell) => [cell.dataset.head, before(cell), cell.getBoundingClientRect().right]);
"""


def test_a_table_of_deals_created_and_deals_closed_says_which_its_numbers_are(page: Report) -> None:
    """Without a pointer; on a phone too, where each cell of what moved is in view with its head."""
    groups = ["Deals created in the period", "Deals closed in the period"]
    page.choose("1001", "all")
    assert page.script(HEADS, "repeat") == [["", 1], [groups[0], 3], [groups[1], 3]]
    assert page.script(HEADS, "sides") == [["", 1], [groups[0], 2], [groups[1], 6]]
    assert groups[0] in page.sections()["sides"]["notes"]
    with on_a_phone(page.browser):
        page.script("goTo('sides')")
        told = {head: text for head, text, _ in page.script(ON_A_PHONE, "sides")}
        assert (told["Deals created"], told["Won"]) == (
            f'"{groups[0]}\\a Deals created: "', f'"{groups[1]}\\a Won: "',
        )  # fmt: skip
        page.script("goTo('moved')")
        cells = page.script(ON_A_PHONE, "moved")
        assert {"At the start", "New", "Won", "Lost", "At the end"} <= {head for head, *_ in cells}
        assert max(right for *_, right in cells) <= 390
        boxes = page.script("return [...document.querySelectorAll('#moved .scroll')].map((one) => one.scrollWidth)")
        assert set(boxes) == {page.script("return find('#moved .scroll').clientWidth")}


WAITED = """
  state.language = arguments[0];
  const tell = teller(chosen(state.scope, state.period, null));
  const cards = [["untouched", 2], ["waiting", 3], ["missed_call", 0], ["task", 12], ["slow", 40]];
  return cards.map(([reason, days]) => tell.waited(days, { reason, usual_days: 4.5 }));
"""
OF_QUEUE = """
  return [...document.querySelectorAll("#queue details:not(:last-of-type) tbody tr")].map((row) => (
    [row.cells[1].firstChild.textContent, row.cells[4].textContent]));
"""


def test_the_days_of_the_queue_say_since_what_they_are(page: Report) -> None:
    assert page.script(WAITED, 0) == [
        "2 с прихода", "3 без ответа", "меньше 1 после пропущенного звонка", "12 после срока",
        "40 на этапе, обычно до 4,5",
    ]  # fmt: skip
    assert page.script(WAITED, 1) == [
        "2 since it came", "3 without an answer", "under 1 since the missed call", "12 past the due time",
        "40 in the stage, usually up to 4.5",
    ]  # fmt: skip
    of_reason = {
        "not touched yet": r"(\d+|under 1) since it came",
        "client waits": r"(\d+|under 1) without an answer", "missed call": r"(\d+|under 1) since the missed call",
        "task due": r"(\d+|under 1) past the due time|due today",
        "slow": r"(\d+|under 1) in the stage, usually up to [\d.]+",
    }  # fmt: skip
    cards = page.script(OF_QUEUE)
    assert len(cards) > 5
    assert len({days.partition(" ")[2] for _, days in cards}) > 2
    for reasons, days in cards:
        assert any(re.fullmatch(of_reason[reason], days) for reason in reasons.split(", ")), (reasons, days)


NEVER_IDLE = """
  window.requestIdleCallback = () => 0;
  goTo("managers");
"""
NOT_DRAWN = "return [...document.querySelectorAll('main > [aria-busy]')].map((one) => one.id)"
OPACITY = "return ['queue', 'managers'].map((id) => getComputedStyle(find(`#${id} > .inside`)).opacity)"
TOUCH_AN_OLD_NUMBER = """
  const top = () => find("#managers").getBoundingClientRect().top;
  const before = top();
  find("#sources td .opens").click();
  return [find("#sources").hasAttribute("aria-busy"), find("#list").open, top() - before];
"""


def test_what_is_in_view_is_drawn_first_and_no_old_number_looks_finished(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    """In a browser that is never idle nothing else is drawn, until somebody touches, prints or searches it."""
    choose(page, known, "1001", "year")
    page.script(NEVER_IDLE)
    until = WebDriverWait(page.browser, 600, 0.05).until
    until(lambda _: page.script("return inView.has('managers') && !inView.has('queue') && !inView.has('sources')"))
    for period in ("2025-11", "last12"):
        page.script(CHOOSE, {"period": period})
        choice = expected_page.Choice((known["1001"],), *page.chosen())
        until(lambda _: page.script("return jobs.length > 0 && nextInView() < 0"))
        left = set(page.script(NOT_DRAWN))
        assert {"queue", "sources", "stuck"} <= left
        assert "managers" not in left
        assert page.script(OPACITY) == ["0.45", "1"]
        early = {name: section for name, section in page.sections().items() if name not in left}
        assert same(early["managers"]["tables"][1], expected_page.managers_beside(
            choice, expected_page.before(choice, page.since())))  # fmt: skip
    assert page.script(TOUCH_AN_OLD_NUMBER) == [False, False, 0]
    assert "sources" not in page.script(NOT_DRAWN)
    page.browser.execute_cdp_cmd("Page.printToPDF", {})
    assert page.script(NOT_DRAWN) == []
    assert page.script("return document.querySelectorAll('.chart:not(:has(svg))').length") == 0
    page.wait()
    shown = page.sections()
    assert {name: shown[name] for name in early} == early
    check_numbers(page, choice)


def test_both_languages_have_every_word(page: Report) -> None:
    """In Russian no word of the page's own is English; a key without text would have failed."""
    page.press("[data-language=ru]")
    assert page.script("return document.documentElement.lang") == "ru"
    heads = page.script(
        "return [...document.querySelectorAll('h2, th, .label, .lead, button')].map((one) => one.textContent)"
    )
    own = [head for head in heads if not re.search(r"[а-яё]", head, re.IGNORECASE) and not re.fullmatch(r"\d*", head)]
    assert own == ["English"]
    assert page.options("period")["last12"] == "Последние 12 месяцев"


def test_dark_light_print_and_phone(page: Report) -> None:
    ink = "return getComputedStyle(document.querySelector('.chart.funnel svg text')).fill"
    light = page.script(ink)
    page.press(".theme")
    assert page.script(ink) != light
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.script(ink) == "rgb(17, 17, 17)"
        assert page.script("return getComputedStyle(document.querySelector('.filters')).display") == "none"
        assert page.script("return getComputedStyle(document.querySelector('#stale')).display") == "none"
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.press("[data-language=ru]")
        assert page.script("return document.documentElement.scrollWidth") == 360
        wide = "return [...document.querySelectorAll('.chart')].filter((c) => c.scrollWidth > c.clientWidth + 1).length"
        assert page.script(wide) == 0
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


LARGE = """
  for (const row of TABLES.deals) row.budget *= 150;
  const open = TABLES.deals.filter((row) => row.closed === null);
  for (let copies = 0; copies < 300; copies += 1) TABLES.deals.push(...open);
"""
VALUES = """
  const all = [...document.querySelectorAll("#figures .value")];
  return all.map((value) => [value.textContent, value.scrollWidth - value.clientWidth]);
"""
FEW_OPEN = """
  const open = TABLES.deals.filter((row) => row.closed === null).slice(0, 2);
  const [{ project_id, pipeline_id, status_id }] = open;
  TABLES.today = [];
  TABLES.deals = open.map((row) => ({ ...row, project_id, pipeline_id, status_id, age: 3 }));
  TABLES.ways = [];
  TABLES.stays = [];
  state.folds = new Set(["stuck"]);
  DAYS.clear();
  return show();
"""
TICKS = "return [...document.querySelectorAll('.chart.open svg .role-axis-label text')].map((tick) => tick.textContent)"


def test_large_numbers_have_room_and_the_marks_of_the_language(page: Report) -> None:
    page.script(LARGE)
    metrics = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.press("[data-language=ru]")
        values = dict(page.script(VALUES))
        assert any(re.fullmatch(r"\d{3},\d\u00a0млн\u00a0₽", value) for value in values), values
        assert set(values.values()) == {0}
        ticks = page.script(TICKS)
        assert any(re.fullmatch(r"\d+\u00a0000", tick) for tick in ticks), ticks
        page.script(FEW_OPEN)
        page.wait()
        assert [tick for tick in page.script(TICKS) if tick[0] in "0123456789"] == ["0", "1", "2"]
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


OF_MILLIONS = """
  const [deals, moved] = [TABLES.deals, TABLES.moved];
  const times = (rows, column, factor) => rows.forEach((row) => { if (row[column]) row[column] *= factor; });
  times(deals, "budget", 137e6 / sum(deals.filter(isWon), "budget"));
  const largest = Math.max(...moved.map((row) => row.at_end || 0));
  for (const column of ["at_start", ...GAINS, ...LOSSES, "at_end"]) times(moved, column, 19e6 / largest);
  return show();
"""
CUT = """
  const all = (css) => [...document.querySelectorAll(`section:not(.folded) ${css}`)];
  const wide = all(".scroll").filter((one) => one.scrollWidth > one.clientWidth);
  const told = all(".sideways").filter((one) => one.offsetHeight);
  return [wide.map((one) => one.ariaLabel), told.map((one) => one.nextSibling.ariaLabel)];
"""


def test_no_table_is_cut_on_a_desk_and_a_cut_one_says_so(page: Report) -> None:
    """In Russian, with sales of 137 million in a year."""
    desk = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", desk)
    try:
        page.choose("1001", "last12")
        page.press("[data-language=ru]")
        page.script(OF_MILLIONS)
        page.wait()
        page.unfold()
        assert page.script(CUT) == [[], []]
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", desk | {"width": 390, "mobile": True})
        wait = WebDriverWait(page.browser, 600, 0.05)
        wide, told = wait.until(lambda _: (found := page.script(CUT))[0] and found[0] == found[1] and found)
        assert "Менеджеры за период" in wide
        assert wide == told
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


MASS_CHANGE = """
  const [{ project_id }] = TABLES.accounts;
  const day = todayOf(project_id);
  TABLES.at_once = [{
    project_id, day, began: `${textOf(day)}T09:05:00Z`, responsible_user_id: 0, kind: "stage", field_name: null,
    cards: 46, pairs: "New → Lost: 46", money: 5000, is_news: true,
  }];
  return show();
"""
APART = """
  const cells = [...document.querySelectorAll("#at_once table .figure + :not(.figure)")];
  return cells.map((one) => [one.tagName, one.textContent, parseFloat(getComputedStyle(one).paddingLeft) >= 8]);
"""


def test_a_text_stands_apart_from_the_number_before_it(page: Report) -> None:
    """The moment and the count of a mass change end where who did it, and what became of the cards, begin."""
    page.script(MASS_CHANGE)
    page.wait()
    page.unfold("at_once")
    assert page.script(APART) == [
        ["TH", "Who", True], ["TH", "From what to what", True], ["TD", "robot", True], ["TD", "New → Lost: 46", True],
    ]  # fmt: skip


def test_the_widest_table_fits_a_printed_page(page: Report) -> None:
    """The managers with their plans; and a plan that is missed is not drawn over what was sold."""
    page.script(LARGE)
    page.press("[data-language=ru]")
    page.unfold("managers")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    a4 = {"width": 703, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", a4)
    try:
        assert page.script("return document.querySelector('#managers thead').rows[0].cells.length") == 10
        assert page.script("return document.querySelector('#managers table').getBoundingClientRect().right") <= 703
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    [plan] = page.script("return managers(chosen(state.scope, state.period, null))[0].rows.filter((row) => row.plan)")
    assert plan["mark"] is None  # the period has months without a plan
    total = "return Number(document.querySelector('#managers tfoot').rows[0].cells[3].dataset.value)"
    assert page.script(total) == plan["plan"]


def test_deals_that_are_dated_as_closed_in_days_to_come_are_in_the_sum_of_the_months(page: Report) -> None:
    """And a month between them and the present one, in which nothing was closed, has no row."""
    page.choose("1001", "all")
    won, before = page.figures()["won"], page.sections()["money"]["tables"][0]
    page.script("TABLES.deals.filter(isWon)[0].closed = dayOf('2026-04-30'); return show()")
    assert page.figures()["won"] == won
    [rows], [[total]] = page.sections()["money"]["tables"], page.sections()["money"]["totals"]
    assert (float(total[1]), [row[0] for row in rows]) == (won, [*(row[0] for row in before), "2026-04"])


@CHOOSING
def test_an_unfinished_period_is_compared_with_the_same_days(page: Report, known: dict[str, oracle.Known]) -> None:
    said = "return document.querySelector('.compared').textContent"
    choose(page, known, "1001/", "last3")
    same_days = (
        "Nov 1, 2025 – Jan 1, 2026 against the same days before: Aug 1, 2025 – Oct 1, 2025; today is not over yet"
    )
    assert page.script(said) == f"▲▼ {same_days}"
    sections = page.sections()
    assert [same_days in sections[name]["notes"] for name in ("managers", "sources")] == [True, True]
    choose(page, known, "1001/", "month")
    assert page.script(said) == "▲▼ Dec 1, 2025 – Dec 31, 2025 against Nov 1, 2025 – Nov 30, 2025"
    page.choose("1001", "yesterday")
    assert page.script(said) == "▲▼ Dec 31, 2025 against Dec 24, 2025"  # the same day of the week
    choose(page, known, "1001/", "week")
    assert page.script(said) == "▲▼ Dec 22, 2025 – Dec 28, 2025 against Dec 15, 2025 – Dec 21, 2025"


LINES = """
  const all = document.querySelectorAll("#month .change, #month .beside, #month .insight, #month .note");
  return [...all].map((one) => one.textContent);
"""
IS_COMPARED = re.compile("[▲▼]|usual|same days|days of work|few deals|as before")
"""The lines of the first screen about other months. Plan and forecast stay those of the day of the build."""


@pytest.mark.parametrize(("few", "found_at_least"), [(1, 3), (expected_page.FEW, 1)])
def test_what_is_unusual_in_the_month_has_a_sentence(
    page: Report, known: dict[str, oracle.Known], monkeypatch: pytest.MonkeyPatch, few: int, found_at_least: int
) -> None:
    """As it was on some days of an account of 220 deals; what is as usual has none, nor has what is of few deals."""
    choose(page, known, "1001", "all")
    since = page.since()
    found = set()
    monkeypatch.setattr(expected_page, "FEW", few)
    page.script("DATA.few = arguments[0]", few)
    for day in (date(2025, 12, 12), date(2025, 12, 21), date(2025, 11, 8), date(2025, 10, 20)):
        on_day(page, day)
        then = replace(known["1001"], now=datetime(day.year, day.month, day.day, 9), cache={})
        choice = expected_page.Choice((then,), day, day)
        _, unusual = expected_page.this_month(choice, since)
        told = page.script(LINES)
        wanted = sentences(choice, None, since, "en")["month"]
        assert [line for line in told if IS_COMPARED.search(line)] == list(filter(IS_COMPARED.search, wanted))
        found |= {(name, value > usual) for name, value, usual in unusual}
    assert len(found) >= found_at_least, found


def test_the_first_screen_of_a_phone_is_the_month(page: Report) -> None:
    """With its plan, in both languages; the choice is one line until it is touched.

    On the first of a month it is the month that has ended; by the 20th, the present one.
    """
    with on_a_phone(page.browser):
        page.script("location.reload()")
        page.wait()
        page.choose("1001", "last12")
        page.script("document.querySelector('h1').textContent = 'ООО «Северный ветер»'")
        of_plan = {"won_budget", "plan_share", "created", "lost"}
        for day, section, figures in (("2026-01-01", "ended", of_plan), ("2025-12-20", "month", {*of_plan, "needed"})):
            on_day(page, date.fromisoformat(day))
            for language in ("ru", "en"):
                page.press(f"[data-language={language}]")
                bottom = page.script(f"return find('#{section}').getBoundingClientRect().bottom + scrollY")
                assert bottom <= 844, (day, language)
                assert page.figures(section).keys() >= figures
        assert page.script("return document.querySelector('.filters').open") is False


OPENED = """
  const off = [];
  let [counts, sums] = [0, 0];
  for (const button of document.querySelectorAll("td .opens")) {
    const place = button.dataset.place;
    const name = place.split("/").pop();
    const [found, value] = [lists.get(place).deals(), Number(button.parentNode.dataset.value)];
    const { sum: summed, share, median: middle } = METRICS[name] || {};
    if (share || middle || name === "share") {
      if (!found.length) off.push(place);
      continue;
    }
    if (REASONS.includes(name)) { // of a card that waits for several tasks each counts
      if (sum(found, name) !== value) off.push([place, value]);
      continue;
    }
    const isSum = summed || ["sold_to_day", "budget", "was"].includes(name);
    if (isSum) sums += 1; else counts += 1;
    const wanted = isSum ? sum(found, "budget") : found.length;
    if (Math.abs(wanted - value) > 0.01) off.push([place, value, wanted]);
  }
  return [off, counts, sums];
"""


@CHOOSING
@pytest.mark.parametrize(("scope", "who"), [("1001", ""), ("1001/", ""), ("1001", "9")])
def test_a_number_opens_as_many_deals_as_it_says(
    page: Report, known: dict[str, oracle.Known], scope: str, who: str
) -> None:
    """Every count and every sum of the page's tables that can be opened."""
    choose(page, known, scope, "last12", who)
    off, counts, sums = page.script(OPENED)
    assert off == []
    assert counts
    assert sums


LIST = """
  const [title, count] = [...document.querySelectorAll("#list > :is(h2, .lead)")].map((one) => one.textContent);
  return [find("#list").open, title, count, [...document.querySelectorAll("#list td a")].map((one) => one.href)];
"""


def test_a_list_has_the_deals_of_its_number_and_stands_in_the_address(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    choice = choose(page, known, "1001", "all")
    told = Wording("en", "RUB")
    for figure, wanted in (("won", expected_page.of_kind(choice.closed(), "won")),
                           ("created", [deal for _, deal in choice.created()])):  # fmt: skip
        page.press(f"#figures [data-id={figure}] .value .opens")
        _, title, count, links = page.script(LIST)
        by_budget = sorted(wanted, key=lambda deal: -float(deal["budget"] or 0))
        money = told.money(expected_page.money(wanted))
        assert (title, count) == (METRICS[figure].name.partition(" | ")[0], f"{len(wanted):,} deals for {money}")
        assert len(links) == min(len(wanted), 100)
        ids = {f"https://example.amocrm.ru/leads/detail/{deal['deal_id']}" for deal in wanted}
        assert set(links) <= ids
        shown = {int(link.rpartition("/")[2]) for link in links}
        assert sum(float(d["budget"] or 0) for d in wanted if d["deal_id"] in shown) == pytest.approx(
            sum(float(deal["budget"] or 0) for deal in by_budget[:100])
        )
        assert f"list=figures%2F{figure}" in page.script("return location.hash")
        page.script("location.reload()")
        page.wait()
        assert page.script(LIST) == [True, title, count, links]
        page.press("#list .close")
        assert "list=" not in page.script("return location.hash")


OWN_VALUES = """
  const place = [...find("#list thead tr:last-child").cells].findIndex((head) => head.textContent === arguments[0]);
  return [...find("#list tbody").rows].map((row) => Number(row.cells[place].dataset.value));
"""


def test_the_list_behind_a_median_has_its_deals_with_their_own_values(page: Report) -> None:
    page.choose("1001", "2025-12")
    page.script(
        "TABLES.deals.find((row) => isWon(row) && monthOf(row.closed) === '2025-12').days_to_win = null; return show()"
    )
    page.press("#figures [data-id=days_to_win] .value .opens")
    days = page.script(OWN_VALUES, "Median days to win")
    assert len(days) == page.figures()["won"] - 1 > 1
    assert expected_page.middle(days) == page.figures()["days_to_win"]


BARS = """
  const [chart, head] = arguments;
  const found = [];
  for (const mark of document.querySelectorAll(`#${chart.replace(".", " .chart.")}.touchable svg path[aria-label]`)) {
    const label = mark.getAttribute("aria-label").replaceAll("\u200b", "");
    if (!new RegExp(`; ${head}: [^;]*[1-9]`).test(label)) continue; // a bar of another number, or of nothing
    mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    found.push([label, find("#list").open && find("#list h2").textContent, find("#list .lead")?.textContent]);
    find("#list").close();
  }
  return found;
"""
OPENING = {
    "today.today": ("Cards", ["Manager"]), "funnel.funnel": ("Reached", ["Stage"]),
    "forecast.money": ("Sold since the first", []),
    "money.money": ("Won", []), "managers.managers": ("Won", ["Manager"]),
    "incoming.hours": ("Deals", ["Day", "Hour"]), "reasons.reasons": ("Deals", ["Reason"]),
    "sources.sources": ("Deals", ["Source"]), "stuck.open": ("Deals", ["Stage", "In this stage"]),
}  # fmt: skip
"""The charts whose bars open deals, by section: the number in a bar's label, and names that the list's title has."""
TOUCHABLE = """
  const all = [...document.querySelectorAll(".touchable")];
  return all.map((one) => `${one.closest("section").id}.${one.classList[1]}`);
"""


def test_a_bar_opens_its_deals(page: Report) -> None:
    """Each chart of deals: as many of them, or as much money, as the label of the bar says; also a stage by age."""
    page.choose("1001", "all")
    page.script("state.folds = new Set(['stuck']); return show()")
    page.wait()
    assert set(page.script(TOUCHABLE)) == OPENING.keys()
    for chart, (head, names) in OPENING.items():
        bars = page.script(BARS, chart, head)
        assert bars, chart
        for label, title, lead in bars[:: max(len(bars) // 8, 1)]:
            said = dict(part.split(": ", 1) for part in label.split("; "))
            assert title, (chart, label)
            assert [name for name in names if f" · {said[name]}" not in title] == [], (chart, label, title)
            count, _, money = lead.partition(" cards, budgets of " if chart == "today.today" else " deals for ")
            assert said[head].replace(",", "") in (count.replace(",", ""), money.replace(",", "")), (chart, label, lead)


LINKED = """
  const found = {};
  for (const table of document.querySelectorAll("main section:not(#queue) figure table")) {
    const [heads, section] = [[...table.tHead.rows].pop().cells, table.closest("section").id];
    for (const cell of [...table.tBodies[0].rows].flatMap((row) => [...row.cells])) {
      if (!cell.classList.contains("figure") || !Number(cell.dataset.value)) continue;
      const name = `${section}: ${heads[cell.cellIndex].textContent}`;
      (found[name] ||= new Set()).add(cell.querySelector(".opens") !== null);
    }
  }
  return Object.entries(found).filter(([, opens]) => opens.has(false)).map(([name]) => name);
"""
UNLINKED = {
    "people": {"Plan", "Of the plan", "Forecast without deals to come", "Calls made", "Calls answered",
               "Tasks done", "Overdue tasks"},
    "forecast": {"Forecast", "Interval from", "Interval to", "Off by", "Sold by that time of that day",
                 "From open deals", "From deals to come", "Plan by that day", "Deals", "Budget", "Chance this month",
                 "This month", "Next month", "In two months"},
    "funnel": {"Of the stage before", "Of all", "Lost, %", "Half leave within, days"},
    "money": {"Plan", "Of the plan"},
    "managers": {"Plan", "Of the plan", "Overdue tasks", "Change", "Of the median", "Conversion before"},
    "incoming": {"Incoming calls", "Answered", "Missed", "Missed, %", "Called back", "Called back after (median)",
                 "Within an hour"},
    "sources": {"Change", "Of the median", "Cost", "Months with costs", "Cost of a deal", "Cost of a won deal", "ROMI",
                "ROMI of what was sold", "Still open"},
    "goods": {"Sales", "Quantity", "At present prices"},
    "cohorts": {"In the month", *(f"{months} months later" for months in (2, 3, 6, 12)), "1 month later"},
    "stale": {"Budget", "Days without activity", "Open tasks"},
}  # fmt: skip
"""Numbers of the tables that open nothing: shares, medians and plans, and what the page holds as sums alone."""
WHOLE = ("moved", "talks", "hours", "work", "freshness")
"""Sections in which no number opens deals."""


NOTED = {
    "moved": (
        "Which deals moved: the mart deal_history ",
        "Какие сделки двигались: каждый день сделки — в витрине deal_history, ",
    ),
    "goods": ("Which purchases: the customers’ cards ", "Какие это покупки: они перечислены "),
    "forecast": ("Which deals: the section “Where deals get stuck” ", "Какие это сделки: их открывает раздел «Где "),
}
"""How the note begins that says where the deals of numbers are that open nothing."""


def test_a_number_of_deals_opens_them_or_a_note_says_where_they_are(page: Report) -> None:
    pipeline = page.script("return SCOPES.find((one) => one.project === '1001' && one.pipeline !== null).id")
    noted: dict[str, list[str]] = {}
    for scope in ("1001", pipeline):
        page.choose(scope, "all")
        page.script("state.folds = new Set(FOLDED); return show()")
        page.wait()
        left = [name.split(": ", 1) for name in page.script(LINKED)]
        assert [one for one in left if one[0] not in WHOLE and one[1] not in UNLINKED.get(one[0], ())
                and one[1].rpartition(": ")[2] not in UNLINKED["funnel"]] == []  # fmt: skip
        for at, language in enumerate(("en", "ru")):
            page.press(f"[data-language={language}]")
            shown = page.sections()
            for section, said in NOTED.items():
                noted.setdefault(said[at], []).extend(n for n in shown[section]["notes"] if n.startswith(said[at]))
        page.press("[data-language=en]")
    # of what moved, of all purchases and of a pipeline’s forecast, once each
    assert [len(noted[one]) for said in NOTED.values() for one in said] == [2, 2, 1, 1, 1, 1]


ALL_ROWS = """
  return [...document.querySelectorAll("main > .card table")].map((grid) => {
    const rows = [...grid.tBodies[0].rows];
    const shown = () => rows.filter((row) => getComputedStyle(row).display !== "none").length;
    const [before, button] = [shown(), grid.closest(".scroll").parentNode.querySelector(":scope > .all")];
    const text = button && button.textContent;
    if (button) button.click();
    return [rows.length, before, text, shown(), button !== null && button.isConnected];
  });
"""


def test_a_long_table_is_folded_until_somebody_unfolds_it(page: Report, known: dict[str, oracle.Known]) -> None:
    choose(page, known, "1001", "all")
    found = page.script(ALL_ROWS)
    assert {rows > 14 for rows, *_ in found} == {True, False}
    for rows, before, text, after, has_button in found:
        wanted = (12, f"Show all {rows} rows of this table") if rows > 14 else (rows, None)
        assert (before, text, after, has_button) == (*wanted, rows, False)


def test_two_people_or_teams_stand_side_by_side_through_the_funnel(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    """By default the two with the highest sales; whom somebody chooses stays in the address."""
    choice = choose(page, known, "1001", "last12")
    listed = {row["user_id"] for row in known["1001"].all("users") if row["is_active"]}
    sales = {user: row[2] for (_, user), row in expected_page.managers_by_id(choice).items() if user in listed}
    best = sorted((amount for amount in sales.values()), reverse=True)[:2]
    [figures, *_] = page.sections()["sides"]["tables"]
    assert [row[4] for row in figures] == plain(best)
    pair = [value for value in page.options("who") if re.match(r"1001/\d", value)][1:3]
    teams = [value for value in page.options("who") if value.startswith("1001/team/")][:2]
    assert len(teams) == 2
    page.script("location.hash += `&folds=sides&sides=${arguments[0].join(',')}`", teams)
    page.wait()
    groups = [int(one.rpartition("/")[2]) for one in teams]
    users = known["1001"].all("users")
    check_sides(page, choice, [{row["user_id"] for row in users if row["group_id"] == group} for group in groups])
    page.script(CHOOSE_SIDES, pair)
    page.wait()
    check_sides(page, choice, [{int(one.rpartition("/")[2])} for one in pair])
    assert f"sides={'%2C'.join(one.replace('/', '%2F') for one in pair)}" in page.script("return location.hash")
    page.script("state.sides = ['', '']")
    page.script("for (const row of TABLES.deals) if (isWon(row)) row.closed = dayOf('2025-03-01'); return show()")
    page.choose("1001", "2025-12")
    assert page.sections()["sides"]["notes"] == ["No sales: choose two."]
    selects = "return [...document.querySelectorAll('.sides select')].map((one) => one.selectedOptions[0].text)"
    assert page.script(selects) == ["–", "–"]
    page.script(CHOOSE_SIDES, pair)
    page.wait()
    assert [row[0] for row in page.sections()["sides"]["tables"][0]] == [page.options("who")[one] for one in pair]


def check_sides(page: Report, choice: expected_page.Choice, users: list[set[int]]) -> None:
    """Asserts what the page shows of two people or teams, by the users of each."""
    views = [replace(choice, users=frozenset(one)) for one in users]
    shown = page.sections()["sides"]
    for row, view in zip(shown["tables"][0], views, strict=True):
        wanted = expected_page.figures(view)
        names = ("created", "won", "won_budget", "rate", "average", "days_to_win")
        assert plain([row[place] for place in (1, 3, 4, 6, 7, 8)]) == plain([wanted[name] for name in names])
        assert plain(row[2]) == plain(expected_page.first_touch(view))
    funnels = [{one.name: one.rows for one in expected_page.funnel(view)} for view in views]
    for caption, rows in zip(shown["captions"][1:], shown["tables"][1:], strict=True):
        both = [of.get(caption.partition(": ")[2]) for of in funnels]
        for place, (stage, *values) in enumerate(rows):
            of = [rows_of[place] if rows_of else [stage, 0, None, None, 0, None, None, 0] for rows_of in both]
            assert plain([stage, *values]) == plain([of[0][0], *(one[column] for column in (1, 2, 5, 6) for one in of)])
    assert {caption.partition(": ")[2] for caption in shown["captions"][1:]} == {name for of in funnels for name in of}


CHOOSE_SIDES = """
  arguments[0].forEach((id, at) => {
    const select = document.querySelectorAll(".sides select")[at];
    select.value = id;
    select.onchange();
    finish("sides");
  });
"""
OWN_DAYS = ("2025-11-03..2025-11-29", "2025-03-05..2025-11-17")
"""Days of less than a month, which the page splits into days, and of more than half a year, split into months."""
COMBINATIONS = [
    choice for choice in product(("1001", "1001/", "1003"), ("all", "last12", "quarter", "week", *OWN_DAYS),
                                 ("", "team", "9"))
    if choice[0] != "1003" or not choice[2]
]  # fmt: skip


@CHOOSING
@pytest.mark.parametrize(("scope", "period", "who"), one_in(4, COMBINATIONS))
def test_page_and_answers_count_the_same(
    page: Report, known: dict[str, oracle.Known], database: str, scope: str, period: str, who: str
) -> None:
    """Each number that JavaScript counts for the page, and SQL for the workbook and the assistant, in each choice."""
    choice = choose(page, known, scope, "last12" if period in OWN_DAYS else period, who)
    if period in OWN_DAYS:
        page.script(f"choosePeriod(arguments[0]); {SHOW}", period)
        choice = replace(choice, first=page.chosen()[0], last=page.chosen()[1])
    [project] = [name for name, one in known.items() if one in choice.known]
    pipelines = choice.pipeline and frozenset({(project, choice.pipeline)})
    users = None if choice.users is None else frozenset((project, user) for user in choice.users)
    with reading(database) as run:
        today = last_months(run).days[project].today
        asked = Choice({project: Days(choice.first, choice.last, today)}, pipelines or None, users)
        both = Both.of(page, run, asked)
        for section, name, compare in COMPARED:
            assert same(*compare(both)), (section, name)


def test_each_section_and_each_answer_is_compared_or_has_a_reason(page: Report) -> None:
    sections = {"month", "figures", *page.script("return SECTIONS.map((section) => section.id)")}
    assert {section for section, _, _ in COMPARED} == sections - ALONE.keys()
    assert {name for _, name, _ in COMPARED} - QUERIES.keys() == ANSWERS.keys() - ALONE.keys()
    assert ALONE.keys() <= sections | ANSWERS.keys()


def of_most_deals(options: dict[int, set[str]], deals_there: Collection[int]) -> str:
    """Returns the option that most deals have."""
    counts = Counter(option for deal, own in options.items() if deal in deals_there for option in own)
    return max(sorted(counts), key=counts.__getitem__)


def test_deals_are_filtered_by_tag_source_and_field(page: Report, known: dict[str, oracle.Known]) -> None:
    """By one, by two together, and by none at all; the choice stands in the address, and its plan is left out."""
    choice = choose(page, known, "1001", "last12")
    rows = {deal["deal_id"]: deal for deal in deals(known["1001"]) if not deal["is_deleted"]}
    sets: dict[str, dict[int, set[Any]]] = {"source": {}, "tag": {}}
    for deal in rows.values():
        if source := expected_page.source_of(deal):
            sets["source"][deal["deal_id"]] = {source}
    for tag in known["1001"].all("deal_tags"):
        sets["tag"].setdefault(tag["lead_id"], set()).add(tag["name"])
    for value in known["1001"].all("custom_fields_deals"):
        if value["field_type"] in ("select", "multiselect", "radiobutton", "category"):
            own = sets.setdefault(f"1001/{value['custom_field_id']}", {})
            own.setdefault(value["lead_id"], set()).add(value["value"])
    names = page.script("return [...document.querySelectorAll('#more select')].map((one) => one.dataset.filter)")
    assert sorted(names) == sorted(sets)
    fields = [name for name in sets if name.startswith("1001/")]
    assert fields
    best = {name: of_most_deals(of, rows) for name, of in sets.items()}
    where: list[list[Any]] = []
    for asked in (
        {"tag": best["tag"]}, {"source": best["source"]}, {"source": None},
        {fields[-1]: best[fields[-1]], "tag": None},
    ):  # fmt: skip
        where = [[name, option] for name, option in asked.items()]
        left = {deal for deal in rows if all(option in sets[name].get(deal, {None}) for name, option in asked.items())}
        assert left
        page.script(f"state.where = new Map(arguments[0]); {SHOW}", where)
        check_filtered(page, replace(choice, deals=frozenset(left)))
    assert page.sections()["money"]["notes"] == ["The plan is for all deals, so it is not shown with a filter."]
    page.script("location.reload()")
    page.wait()
    assert page.script("return [...state.where]") == where
    page.script("const one = find('#more select'); one.value = '0'; one.onchange();")
    page.wait()
    assert page.script("return state.where.size") == 1


SORTED = (
    "return [...document.querySelector('#managers tbody').rows].map((row) => row.cells[arguments[0]].dataset.value)"
)


def test_tables_are_sorted_by_a_head_and_stay_so_in_the_address(page: Report, known: dict[str, oracle.Known]) -> None:
    choose(page, known, "1001", "all")
    page.unfold("managers")
    head = "#managers th:nth-child({}) button"
    for column, is_number in ((2, True), (1, False)):
        before = page.script(SORTED, column - 1)
        for presses in (1, 2):
            page.press(head.format(column))
            down = (presses == 1) == is_number
            if is_number:
                assert [float(one) for one in page.script(SORTED, column - 1)] == sorted(
                    map(float, before), reverse=down
                )
            else:
                names = [str(one) for one in page.script(SORTED, 0)]
                again = page.script("return arguments[0].sort((a, b) => a.localeCompare(b))", names)
                assert names == (again[::-1] if down else again)
    shown = page.script(SORTED, 0)
    page.script("location.reload()")
    page.wait()
    assert page.script(SORTED, 0) == shown
    assert page.script("return document.querySelector('#managers th').getAttribute('aria-sort')") == "descending"


OPEN_ONES = """
  return [...document.querySelectorAll("#queue details")].filter((one) => one.open).map((one) => one.dataset.fold);
"""
OPEN_OR_CLOSE = "document.querySelectorAll('#queue summary')[arguments[0]].click()"


def test_the_managers_whose_queue_is_open_stay_so_after_a_choice_and_in_the_address(page: Report) -> None:
    """If none of them is in view, the first manager is open, as on a page where nobody has opened any."""
    page.choose("1001", "all")
    folds = page.script("return [...document.querySelectorAll('#queue details')].map((one) => one.dataset.fold)")
    assert (len(folds) > 2, folds[-1]) == (True, "dead")
    assert page.script(OPEN_ONES) == folds[:1]
    for place in (1, 2, len(folds)):  # closes the first, opens the second and the dead deals
        page.script(OPEN_OR_CLOSE, place - 1)
    kept = [folds[1], "dead"]
    assert page.script(OPEN_ONES) == kept
    page.choose("1001", "last12")
    assert page.script(OPEN_ONES) == kept
    page.script("location.reload()")
    page.wait()
    assert page.script(OPEN_ONES) == kept
    page.choose("1001", "last12", folds[0])
    assert page.script(OPEN_ONES) == [folds[0], *kept[1:]]
    page.choose("1001", "last12")
    for place in (2, len(folds)):
        page.script(OPEN_OR_CLOSE, place - 1)
    page.choose("1001", "all")
    assert page.script(OPEN_ONES) == []


def test_a_month_without_a_forecast_says_why(page: Report) -> None:
    said = "return [...document.querySelectorAll('#month > .note')].map((one) => one.textContent)"
    who = next(one for one in page.options("who") if one.startswith("1001/9"))
    for scope, person, where, text in (
        ("1001", who, [], "The forecast is of everybody, so it is not shown for one manager or team."),
        ("1001", "", [["source", None]], "The forecast is of all deals, so it is not shown with a filter."),
        ("", "", [], "The intervals of several forecasts have no sum, so the forecast is shown for one account at a "
         "time."),
        ("1002", "", [], "There is no forecast: the moves of deals were not read, or there are none."),
    ):  # fmt: skip
        page.script("state.where = new Map(arguments[0])", where)
        page.choose(scope, "last12", person)
        page.script("return show()")
        assert "expected" not in page.figures("month")
        assert text in page.script(said)
    page.choose("1001", "last12")
    assert "expected" in page.figures("month")
    assert [note for note in page.script(said) if "forecast" in note] == []


FOLDED = "return document.getElementById(arguments[0]).classList.contains('folded')"


def test_the_contents_lead_to_each_section_and_unfold_it(page: Report) -> None:
    names = page.script("return [...document.querySelectorAll('.contents button')].map((one) => one.textContent)")
    heads = page.script("return [...document.querySelectorAll('main > .card h2 button')].map((one) => one.textContent)")
    assert names == ["This month", "Figures", *heads]
    assert [page.script(FOLDED, name) for name in ("stale", "people")] == [True, False]
    page.press(f".contents button:nth-child({1 + names.index('Stale deals')})")
    assert page.script(FOLDED, "stale") is False
    assert {"folds=stale", "at=stale"} <= set(page.script("return location.hash.slice(1).split('&')"))
    page.script("location.reload()")
    page.wait()
    assert page.script(FOLDED, "stale") is False
    page.press("#stale h2 button")
    assert page.script(FOLDED, "stale") is True


def test_a_definition_is_shown_where_it_is_touched(page: Report) -> None:
    meaning = "return find('#meaning').hidden ? null : find('#meaning').textContent"
    page.press("#figures [data-id=won] .label button")
    assert page.script(meaning) == METRICS["won"].means.partition(" | ")[0]
    page.press("h1")
    assert page.script(meaning) is None
    page.press("#people th:nth-child(3) button")
    assert page.script(meaning) == METRICS["won_budget"].means.partition(" | ")[0]


CARDS = """
  const cards = [...find("#moved tbody").rows];
  return cards.map((row) => Number([...row.cells].find((cell) => cell.dataset.head === arguments[0]).dataset.value));
"""
TOUCH = """
  const touched = [...document.querySelectorAll(`${arguments[0]} td`)].find((one) => one.dataset.head === arguments[1]);
  touched.click();
  const [{ left, right, top }, { bottom }] = [meaning, touched].map((one) => one.getBoundingClientRect());
  const over = document.elementFromPoint(left + 4, top + 4) === meaning;
  return [meaning.textContent, left >= 0 && right <= innerWidth, Math.abs(top - bottom) < 9, over];
"""
ORDER = """
  const select = find("#moved .sort select");
  select.value = arguments[0];
  select.onchange();
"""


def test_on_a_phone_cards_are_sorted_and_say_what_their_numbers_mean(page: Report) -> None:
    """Where a table of cards has no heads: also in an opened list, over it."""
    assert page.script("return getComputedStyle(find('#moved .sort')).display") == "none"
    with on_a_phone(page.browser):
        page.choose("1001", "all")
        page.script("goTo('moved')")
        assert page.script("return find('#moved .sort select').offsetHeight") > 0
        before = page.script(CARDS, "At the end")
        for order, is_down in (("at_end+", False), ("at_end-", True)):
            page.script(ORDER, order)
            assert page.script(CARDS, "At the end") == sorted(before, reverse=is_down)
            assert f"sort=moved%2F0%3Aat_end{'-' if is_down else '%2B'}" in page.script("return location.hash")
            assert page.script("return find('#moved .sort select').value") == order
        page.script("find('#moved table').scrollIntoView({ block: 'center' })")
        said, *shown = page.script(TOUCH, "#moved", "At the end")
        assert said.startswith("Budgets of the open deals at the end of the period")
        assert shown == [True, True, True]
        page.script(ORDER, "")
        assert page.script(CARDS, "At the end") == before
        assert "sort=" not in page.script("return location.hash")
        page.script("find('#figures [data-id=won] .value .opens').click()")
        said, *shown = page.script(TOUCH, "#list", "Manager")
        assert said.startswith("The responsible user; of won and lost deals")
        assert shown == [True, True, True]


BY_FIELD = """
  DATA.by = "Услуги";
  DATA.without = DATA.without.filter((name) => name !== "by");
  TABLES.deals.forEach((row, place) => { row.by_value = place % 3 ? "Доставка" : null; });
  show();
"""


def test_a_field_is_shown_beside_the_sources_which_keep_their_costs(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    choose(page, known, "1001", "last12")
    sources = page.sections()["sources"]["tables"]
    assert "by" not in page.sections()
    page.script(BY_FIELD)
    page.wait()
    shown = page.sections()
    assert shown["sources"]["tables"] == sources
    assert {row[0] for row in shown["by"]["tables"][0]} == {"Доставка", None}
    assert sum(row[1] for row in shown["by"]["tables"][0]) == sum(row[1] for row in sources[0])
    assert page.script("return document.querySelector('#by h2').textContent") == "By “Услуги”"


PEOPLE = """
  const row = (closer_id, budget) => ({ project_id: "1001", closer_id, budget, stage_kind: "won", closed: 1 });
  const people = TABLES.people.filter((one) => one.project_id === "1001").slice(0, 4);
  const rows = [...people.map((one, place) => row(one.user_id, 100 * (place + 1))), row(0, 9000), row(1, 8000)];
  const found = beside(rows, null, (one) => isPerson(one.project_id, one.closer_id), "project_id", "closer_id");
  return found.map((one) => [nameOf("1001", one.row.closer_id), one.of_median]);
"""


def test_robots_removed_and_deactivated_users_are_no_part_of_a_median_of_people(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    """Whose access is switched off is marked wherever the name stands, in the language of the page."""
    first, off, third, fourth = sorted(known["1001"].all("users"), key=lambda row: str(row["name"]))[:4]
    assert [row["is_active"] for row in (first, off, third, fourth)] == [True, False, True, True]
    told = [["robot", None], ["№ 1", None]]
    page.choose("1001", "last12")
    assert {of_median for _, of_median in page.script(PEOPLE)} == {None}  # of one deal each
    page.script("DATA.few = 1")
    assert page.script(PEOPLE) == [
        *told, [fourth["name"], 400 / 300], [third["name"], 1], [f"{off['name']} · deactivated", None],
        [first["name"], 100 / 300],
    ]  # fmt: skip
    seller = page.script(SELLER)
    page.script("PEOPLE.get(arguments[0]).is_deactivated = true; return show()", seller)
    names = "finish(); return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    lists = ("#who option", ".sides select:first-child option", "#managers figure:first-of-type tbody td:first-child")
    for language, word in (("en", "deactivated"), ("ru", "без доступа")):
        page.press(f"[data-language={language}]")
        marked = [f"{page.script('return PEOPLE.get(arguments[0]).name', seller)} · {word}"]
        assert [[one for one in page.script(names, css) if " · " in one] for css in lists] == [marked] * 3


SELLER = """
  const sellers = chosen(state.scope, state.period, null).closed().filter(isWon);
  return sellers.map((row) => `${row.project_id}/${row.closer_id}`).find((key) => PEOPLE.has(key));
"""
MEANT = "return [...document.querySelectorAll(`#${arguments[0]} th`)].map((one) => [one.textContent, one.title])"


def test_a_definition_is_that_of_its_number(page: Report) -> None:
    """Won by the day of creation is another number than won by the day of closing."""
    meant = {name: dict(page.script(MEANT, name)) for name in ("sources", "cohorts", "managers", "funnel", "forecast")}
    won, won_of_created = (METRICS[name].means.partition(" | ")[0] for name in ("won", "won_of_created"))
    assert [meant[name].get("Won") for name in ("sources", "cohorts", "managers")] == [won, None, won]
    assert [meant[name].get("Won of them") for name in ("sources", "cohorts", "managers")] == [
        won_of_created, won_of_created, None,
    ]  # fmt: skip
    assert meant["funnel"]["Lost from here"].startswith("Deals created in the period whose last stage")
    assert {"Sold for", "Sold since the first"} <= meant["forecast"].keys()
    change = {name: meant[name]["Change"].partition(" in the period")[0] for name in ("sources", "managers")}
    assert change == {"sources": "What the deals created", "managers": "The amount won"}


NAMED_BADLY = """
  const names = ["constructor", "__proto__", "toString"];
  const [deals, goods_of] = [TABLES.deals.filter((row) => row.stage_kind === "lost"), TABLES.goods];
  deals.forEach((row, place) => { row.reason = names[place % 3]; });
  goods_of.forEach((row, place) => { row.good = names[place % 3]; });
  return show();
"""


def test_reasons_and_goods_may_have_any_name(page: Report) -> None:
    page.choose("1001", "all")
    before = page.sections()
    page.script(NAMED_BADLY)
    page.wait()
    shown = page.sections()
    for name in ("reasons", "goods"):
        assert {"constructor", "__proto__", "toString"} >= {row[0] for row in shown[name]["tables"][0]}
        assert sum(row[1] for row in shown[name]["tables"][0]) >= sum(row[1] for row in before[name]["tables"][0]) > 0
    lost = [sum(column) for column in zip(*(row[1:] for row in shown["reasons"]["tables"][1]), strict=True)]
    assert sum(lost[:-1]) == lost[-1] == sum(row[1] for row in shown["reasons"]["tables"][0])
    assert page.script("return document.querySelectorAll('.failed').length") == 0


LONGER = "for (const row of TABLES.accounts) row.stale_days = 30; show();"


def test_the_words_of_stale_deals_have_the_days_of_the_marts(page: Report) -> None:
    lead = "return document.querySelector('#stale .lead').title"
    assert " for 14 days or more " in page.script(lead)
    page.script(LONGER)
    page.wait()
    assert " for 30 days or more " in page.script(lead)
    assert " for 30 days: " in dict(page.script(MEANT, "managers"))["Stale deals"]


@CHOOSING
@pytest.mark.parametrize("kind", ["week", "month", "all"])
def test_clients_who_wait_are_as_many_wherever_they_are_counted(
    page: Report, known: dict[str, oracle.Known], kind: str
) -> None:
    """Whatever period is chosen: they wait now."""
    choice = choose(page, known, "1001", kind)
    shown = page.sections()
    waiting = len(expected_page.waiting_talks(choice))
    assert waiting > 0
    assert f"clients without an answer: {waiting};" in shown["today"]["notes"][0]
    assert f"Clients without an answer now: {waiting}, whenever" in str(shown["talks"]["notes"])
    of_today, of_talks = shown["today"]["totals"][0][0], shown["talks"]["totals"][0][0]
    assert [of_today[4], of_talks[-1]] == [waiting, waiting]


PICTURES = {
    f"report-{name}-{language}": (language, *shape)
    for language in ("en", "ru")
    for name, shape in {
        "desktop": ("light", 1280, 900, 1.5, False), "dark": ("dark", 1280, 900, 1.5, False),
        "phone": ("light", 390, 844, 2, True),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_report(browser: webdriver.Chrome, file: Path, tmp_path: Path, name: str) -> None:
    language, theme, width, height, scale, mobile = PICTURES[name]
    kept_in = os.environ.get("SCREENSHOTS")
    page = Report(browser)
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open(ROOT / "demo" / "amocrm-demo-report.html" if kept_in else file, language)
        if theme == "dark":
            page.press(".theme")
        assert page.script("return document.documentElement.scrollWidth") == width
        picture = Path(kept_in or tmp_path) / f"{name}.png"
        assert browser.save_screenshot(str(picture))
        assert picture.stat().st_size > 30_000
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_failures_of_the_last_syncs_are_told_by_project_and_those_of_other_projects_are_not(page: Report) -> None:
    [told, *_] = page.sections()["freshness"]["notes"]
    assert told == f"The last sync could not read everything:1001, last read whole 2025-12-30 09:01 UTC: {REVOKED}"


def test_the_last_verification_of_each_account_is_told_with_its_date(
    page: Report, known: dict[str, oracle.Known]
) -> None:
    names = account_names(known)
    notes = [note.replace("\u202f", " ") for note in page.sections()["freshness"]["notes"]]
    assert notes[-3:] == [
        f"{names['1001']}: Compared with amoCRM on Dec 30, 2025, 12:05 PM: 3 differences in 2,600 rows looked at, in "
        "deals. 1 of 2 tables were looked at in part.",
        f"{names['1001']}: Could not be compared then: users.",
        f"{names['1002']}: Compared with amoCRM on Dec 30, 2025, 12:05 PM: 2,500 rows looked at, no difference. 0 of 1 "
        "tables were looked at in part.",
    ]


def test_failures_are_read_of_a_file_that_has_the_name_of_the_schema(tmp_path: Path) -> None:
    file = str(tmp_path / "amocrm.duckdb")
    with closing(duckdb.connect(file)) as connection:
        connection.execute("CREATE SCHEMA amocrm.amocrm")
        connection.execute(
            "CREATE TABLE amocrm.amocrm.amocrm_1_syncs AS SELECT * FROM (VALUES "
            "(TIMESTAMPTZ '2026-01-01 09:00:00+00', TIMESTAMPTZ '2026-01-01 10:00:00+00', true, JSON '[]'), "
            "(TIMESTAMPTZ '2026-01-02 09:00:00+00', TIMESTAMPTZ '2026-01-02 10:00:00+00', false, JSON '[\"refused\"]')"
            ") AS syncs (started_at, ended_at, ended_well, failures)"
        )
    assert report.failures(file, ["1"], None) == ["1, last read whole 2026-01-01 10:00 UTC: refused"]


def test_an_account_with_nothing_says_what_there_is_none_of(
    browser: webdriver.Chrome, database: str, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.duckdb"
    shutil.copy(database, alone)
    with closing(duckdb.connect(str(alone))) as connection:
        for table in [
            *(f"amocrm_marts.{name}" for name in MARTS),
            *(f"amocrm_staging.int_{n}" for n in ("accounts", "touches", "deal_ways", "forecast_chances")),
            *(f"amocrm_staging.stg_{n}" for n in ("users", "groups", "statuses")),
        ]:
            connection.execute(f"DELETE FROM {table} WHERE project_id <> '1002'")
    sentence = f"Not read to the end: calls: amoCRM said {HOSTILE}"
    report_page.write(str(alone), tmp_path / "alone.html", [sentence])
    page = Report(browser)
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # what the tests before have measured in far sections
    page.open(tmp_path / "alone.html")
    shown = page.sections()
    none = {name: section["none"] for name, section in shown.items() if section["none"]}
    of_deals = "There are none in the account."
    for name, tables in {
        "talks": "messages", "moved": "deal_sale_changes", "goods": "customer_transactions, deal_catalog_elements",
        "stale": "calls, events, messages, notes, tasks",
    }.items():  # fmt: skip
        assert none.pop(name).startswith(f"Not read: the table {tables} is not there.")
    assert none == dict.fromkeys(
        (
            "today", "forecast", "funnel", "money", "managers", "reasons", "sources", "cohorts", "stuck",
            "hours", "work", "incoming", "repeat", "sides", "people", "at_once",
        ),
        of_deals,
    )  # fmt: skip
    told, absent, empty, verified = shown["freshness"]["notes"]
    assert verified.startswith("Compared with amoCRM on Dec 30, 2025")
    assert told == f"The last sync could not read everything:{sentence}"
    assert absent.startswith(
        "Not read: calls, catalog_elements, companies, company_field_changes, company_responsible_changes, "
    )
    assert empty == "Empty, of the tables that the marts need: deal_statuses, deals."
    assert page.figures() == {
        "created": 0,
        "won": 0,
        "won_budget": 0,
        "rate": None,
        "average": None,
        "days_to_win": None,
        "open": 0,
    }
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_model_that_cannot_be_built_is_named_and_left_out(
    browser: webdriver.Chrome, database: str, tmp_path: Path, known: dict[str, oracle.Known]
) -> None:
    """A plan of 37 digits has no room, and a key is there twice: all else is shown, and nothing of an older build."""
    copy, out = tmp_path / "crm.duckdb", tmp_path / "report.html"
    shutil.copy(database, copy)
    with closing(duckdb.connect(str(copy))) as connection:
        twice = connection.execute(
            "SELECT project_id, contact_id, tag_id FROM amocrm_staging.stg_contact_tags LIMIT 1"
        ).fetchone()
        assert twice is not None
        connection.execute(
            "INSERT INTO amocrm.amocrm_{0}_contact_tags SELECT * FROM amocrm.amocrm_{0}_contact_tags "
            "WHERE contact_id = {1} AND tag_id = {2}".format(*twice)
        )
    plans = tmp_path / "plans.csv"
    plans.write_text(f"project_id;month;responsible_user_id;plan\n1001;01.12.2025;1;{'9' * 37}\n", encoding="cp1251")
    given = ["--project", "1001,1002,1003", *AS_BUILT, "--plans", str(plans), "--out", str(out)]
    done = run(*given, database=str(copy))
    assert done.returncode == 2
    assert re.search(
        "These models or their tests failed: (plans, stg_contact_tags|stg_contact_tags, plans). The first says: ",
        done.stderr,
    )
    page = Report(browser)
    page.open(out)
    told = str(page.script("return document.querySelector('main > .unbuilt').textContent"))
    assert told.startswith("These models could not be built, and what is made of them is left out:")
    assert "plans: " in told
    assert re.search("sales_plan: it is made of [a-z_, ]*plans", told)
    wrong = "project_id, contact_id, tag_id = {}, {}, {}".format(*twice)
    assert f"stg_contact_tags: The key of stg_contact_tags is null or not unique in rows with {wrong}." in told
    choice = choose(page, known, "1001", "last12")
    assert page.figures() == plain(expected_page.figures(choice))
    tables = page.sections()["managers"]["tables"]
    assert {len(row) for row in tables[0]} == {8}
    assert run("--built", "--digest", database=str(copy)).stdout.startswith("There is no digest: ")
    plan, sold = ask(f"duckdb:///{copy}", ("plan", {}), ("sql", {"select": "select * from amocrm_marts.sales_plan"}))
    unknown = "It is not known: the last build made no sales_plan. Build the models: source-amocrm models."
    assert {part: plan["covers"]["missing"][part] for part in ("pace", "months", "managers")} == dict.fromkeys(
        ["pace", "months", "managers"], unknown
    )
    assert sold["covers"]["missing"] == {"rows": unknown}, "the table of the build before is there"


def test_a_column_is_packed_by_its_values() -> None:
    """Days as differences, few values as positions; 1 and True stay what they are."""
    assert packed("closed", [date(1970, 1, 2), None, date(1970, 1, 5)]) == {"days": [1, None, 3]}
    assert packed("deal_id", [7, 9, 8]) == {"numbers": [7, 2, -1]}
    money = [Decimal("1.00"), Decimal("2.50"), None]
    assert packed("budget", money) == [1, 2.5, None]
    assert packed("budget", 9 * money) == {"of": [1, 2.5, None], "at": 9 * [0, 1, 2]}
    assert packed("source", 9 * ["a", True, None]) == {"of": ["a", True, None], "at": 9 * [0, 1, 2]}
    assert [type(value) for value in packed("mixed", 15 * [1, True])] == 15 * [int, bool]


def test_a_large_account_has_fewer_months(
    browser: webdriver.Chrome, database: str, tmp_path: Path, known: dict[str, oracle.Known]
) -> None:
    size = Path(database).with_name("report.html").stat().st_size
    report_page.write(database, tmp_path / "less.html", limit=size - 1)
    assert (tmp_path / "less.html").stat().st_size < size
    page = Report(browser)
    page.open(tmp_path / "less.html")
    assert page.options("period")["all"].startswith("Since ")
    check_numbers(page, choose(page, known, "1001", "all"))


NAMED = "return [...document.querySelectorAll('#sources tbody tr')].map((row) => row.cells[0].textContent)"


def test_sources_that_have_few_deals_are_told_as_one(
    browser: webdriver.Chrome, database: str, tmp_path: Path, known: dict[str, oracle.Known]
) -> None:
    """In the table, beside the period before, and in the picture; each is an option of the filter."""
    report_page.write(database, tmp_path / "few.html", sources=2)
    page = Report(browser)
    page.open(tmp_path / "few.html")
    choice = choose(page, known, "1001", "last12")
    counts = Counter(expected_page.source_of(deal) for _, deal in choice.there)
    del counts[None]
    named = sorted(counts, key=lambda name: (-counts[name], name))[:2]

    def told_as(deal: models.Row) -> str:
        source = expected_page.source_of(deal)
        return "no source" if source is None else source if source in named else "others"

    rows, then = expected_page.sources(choice, told_as), expected_page.before(choice, date.min)
    assert {"others", "no source", *named} == {row[0] for row in rows}
    tables, names = page.sections()["sources"]["tables"], iter(page.script(NAMED))
    shown = [[[next(names), *row[1:]] for row in table] for table in tables]
    assert same(shown[0], rows)
    assert same(shown[1], expected_page.sources_beside(choice, then, told_as))
    drawn = [(mark["Source"], mark["Deals"]) for mark in page.marks("sources") if "Deals" in mark]
    assert sorted(drawn) == sorted((row[0], str(row[1])) for row in rows)
    created = {source: count for source, count, *_ in expected_page.sources(choice) if source}
    assert len(created.keys() - {*named}) > 1
    for source, count in created.items():
        page.script("state.where = new Map([['source', arguments[0]]]); return show()", source)
        assert page.figures()["created"] == count


BAD = [
    (
        ["--project", "77"],
        "There are no tables of the project 77 in the schema amocrm of this database: read the account",
    ),
    (["--plans", "{folder}/plans.csv"], "The first line of {folder}/plans.csv must name the columns project_id,month,"),
    (["--db", "{folder}/none.duckdb"], "There is no DuckDB file {folder}/none.duckdb. Read an account into it first"),
    (
        ["--out", "{folder}/none/report.html"],
        "The report cannot be written to {folder}/none/report.html. Name a file in",
    ),
]


def test_one_sentence_and_the_report_that_was_there(database: str, tmp_path: Path) -> None:
    """What is said of other settings, `make models` says as well."""
    (tmp_path / "plans.csv").write_text("month,plan\n", encoding="utf-8")
    before = tmp_path / "report.html"
    before.write_text("the report of yesterday", encoding="utf-8")
    cases = [[word.format(folder=tmp_path) for word in given] for given, _ in BAD]
    for case, (_, sentence) in zip(cases, BAD, strict=True):
        done = run("--out", str(before), *case, database=database)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert line.startswith(sentence.format(folder=tmp_path))
    assert before.read_text(encoding="utf-8") == "the report of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plans.csv", "report.html"]


@pytest.mark.parametrize(("option", "name"), [("xlsx", "z.csv"), ("png", "month.jpg")])
def test_a_file_whose_name_promises_something_else_is_not_written(
    option: str, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert report.main(["--to", f"duckdb:///{tmp_path}/crm.duckdb", f"--{option}", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err == f"The name of the file in --{option} must end with .{option}, and is {name}.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_sync_keeps_the_accounts_that_were_united_and_their_plans(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    given: list[list[str]] = []

    class Runner:
        def __init__(self, manifest: None, callbacks: list[Any]) -> None:
            assert manifest is None
            assert callbacks, "the line that says how far the models are"

        def invoke(self, arguments: list[str]) -> Any:
            given.append(arguments)
            return SimpleNamespace(success=True, result=SimpleNamespace(results=[]))

    monkeypatch.setitem(sys.modules, "dbt.cli.main", SimpleNamespace(dbtRunner=Runner))
    monkeypatch.setattr(models_command, "_parsed", lambda *_: None)
    monkeypatch.setattr(report, "report", lambda *_, **__: tmp_path)
    for name in (
        "AMOCRM_DUCKDB",
        "AMOCRM_TARGET_TYPE",
        "AMOCRM_TARGET",
        "DBT_SEND_ANONYMOUS_USAGE_STATS",
    ):
        monkeypatch.setenv(name, "")
    plans = tmp_path / "plans.csv"
    plans.write_text("project_id,month,responsible_user_id,plan\n", encoding="utf-8")
    for project, file in (("1003", None), ("New", None), ("1003", plans)):
        report.after_sync(database, project, file)
    assert [arguments[-1] for arguments in given] == [
        json.dumps({"projects": projects, "raw_schema": "amocrm"})
        for projects in (["1001", "1002", "1003"], ["1001", "1002", "1003", "new"], ["1001", "1002", "1003"])
    ]
    assert ["resource_type:seed" in arguments for arguments in given] == [True, True, False]


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, False),
        ({}, False),
    ],
)
def test_it_is_opened_on_a_desktop_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], answer: bool
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "CI", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", "linux")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    this_machine.show(tmp_path / "report.html")
    assert opened == ([(tmp_path / "report.html").as_uri()] if answer else [])
