"""The forecast of an account with enough sales is what its own store says had been known by then, number by number."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from selenium import webdriver

from amocrm_warehouse.database import reading
from amocrm_warehouse.report import workbook
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.report_words import Words
from sandbox import Account, ManualClock
from testing import expected, models, report_page
from testing.assistant import ask
from testing.assistant_numbers import check_rows
from testing.expected import marts as oracle
from testing.expected.marts import ahead
from testing.expected.marts import page as expected_page
from testing.expected.marts.sentences import Wording
from testing.models import different
from testing.report_numbers import check_answers, check_sentences, digest_lines, known_of, rows_of, same
from testing.report_page import Report
from testing.sheets import tables_of

NOW = 1_766_167_200
"""19 December 2025, 18:00 UTC."""
STREAMS = (
    "account", "users", "groups", "statuses", "loss_reasons", "deals", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "events", "deleted_entities",
)  # fmt: skip


@pytest.fixture(scope="module")
def known() -> oracle.Known:
    """Also with mistyped budgets, of an open deal and of two that were sold after the day of their month's forecast."""
    tables = expected.tables(Account.generate(3, 1_500, clock=ManualClock(NOW)))
    won = sorted((row for row in tables["deals"] if row["status_id"] == 142), key=lambda row: str(row["closed_at"]))
    late = [row for row in won if row["closed_at"] < "2025-12" and row["closed_at"][8:10] > "20"]
    for row in (late[-20], late[-1], next(row for row in tables["deals"] if row["status_id"] not in (142, 143))):
        row["sale"] = 10**12
    return known_of("1001", {name: tables[name] for name in STREAMS}, NOW)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, known: oracle.Known) -> str:
    file = str(tmp_path_factory.mktemp("forecast") / "crm.duckdb")
    models.store(file, "1001", {name: known.all(name) for name in STREAMS}, "duckdb")
    models.build(file, "--now", known.now.isoformat(), "--working-hours", "1-5 9:00-18:00, 6 10:00-14:30")
    return file


def test_each_number_of_the_forecast_is_the_accounts(database: str, known: oracle.Known) -> None:
    for build in (ahead.forecast, ahead.forecast_stages, ahead.capped_deals):
        wanted = [{"project_id": "1001", **row} for row in build(known)]
        assert len(wanted) > (0 if build is ahead.capped_deals else 20)
        found = models.query(database, f"SELECT * FROM amocrm_marts.{build.__name__}")
        assert different(build.__name__, wanted, found) == []
    told = [row for row in ahead.forecast(known) if row["pipeline_id"] is None and row["expected"]]
    assert {(row["months_back"], row["months_ahead"]) for row in told} >= {(0, 0), (0, 2), (6, 0)}
    assert all(row["low"] < row["expected"] < row["high"] for row in told)
    [ahead_of_all] = [row for row in told if (row["months_back"], row["months_ahead"]) == (0, 1)]
    assert ahead_of_all["expected"] < 10**9 < 10**12 == max(row["budget"] for row in ahead.capped_deals(known))
    of_month = {(row["pipeline_id"], row["months_back"], row["months_ahead"]) for row in ahead.forecast(known)
                if row["expected"] is not None}  # fmt: skip
    assert {(pipeline, back, 0) for pipeline, back, _ in of_month} <= of_month, "a nearer month is told with a farther"
    few = [row for row in ahead.forecast(known) if row["expected"] is None]
    assert few, "no pipeline has too few sales, and that is told of none"


def test_it_is_told_in_the_workbook_the_digest_and_to_the_assistant(
    database: str, known: oracle.Known, tmp_path: Path
) -> None:
    with reading(database) as run:
        chosen = last_months(run)
        workbook.write(tmp_path / "all.xlsx", run, chosen, Words("en"))
        lines = digest(run, chosen, Words("en")).splitlines()
    assert lines == digest_lines(known)
    assert lines[3].startswith("Forecast of December 2025: ")
    assert lines[5].startswith("Of the last 6 months ")
    choice = expected_page.Choice((known,), chosen.since, date(2025, 12, 31))
    check_answers({"forecast": tables_of(tmp_path / "all.xlsx")["forecast"]}, choice)
    [answer] = ask(database, ("plan", {"limit": 500, "show": ["forecast", "capped_deals"], "kilobytes": 400}))
    check_rows(answer["forecast"], "forecast", choice)
    backs = [row["months_back"] > 0 for row in answer["forecast"]]
    assert backs == sorted(backs), "the present forecast stands before those of the months that are over"
    capped = sorted(ahead.capped_deals(known), key=lambda row: (-row["budget"], row["deal_id"]))
    assert [(row["deal_id"], row["deal"], row["budget"], row["budget_cap"]) for row in answer["capped_deals"]] == [
        (row["deal_id"], row["name"], row["budget"], row["budget_cap"]) for row in capped
    ]
    assert all(row["link"].endswith(f"/leads/detail/{row['deal_id']}") for row in answer["capped_deals"])


def test_it_is_told_in_the_page(database: str, known: oracle.Known, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Of all pipelines and of the largest, with the months of which too little is known."""
    report_page.write(database, tmp_path / "report.html")
    page = Report(browser)
    page.open(tmp_path / "report.html")
    for scope in list(page.options("scope"))[:2]:
        page.choose(scope, "last12")
        pipeline = int(scope.partition("/")[2]) if scope else None
        choice = expected_page.Choice((known,), *page.chosen(), pipeline)
        rows, shown = expected_page.forecast(choice), page.sections()["forecast"]
        assert same(rows_of(shown["tables"]), rows)
        check_sentences(page, choice, ["month", "forecast"])
        told = [row for row in rows if len(row) == 9 and row[1] is not None]
        money, marks = Wording("en", "RUB").money, page.marks("forecast")
        dots = [
            [mark[name] for name in ("Forecast", "Interval from", "Interval to")]
            for mark in marks
            if "Forecast" in mark
        ]
        assert dots == [[money(value) for value in row[1:4]] for row in told]
        bars = [mark["Sold for"] for mark in marks if "Forecast" not in mark]
        sold = [row[4] if row[4] is not None else row[6] for row in rows if len(row) == 9]
        assert bars == [money(value) for value in sold[:7]], "of the months up to now"
