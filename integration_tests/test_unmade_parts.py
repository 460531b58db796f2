"""A part of the report that cannot be made is named in its place, and every output of the report has all others."""

from __future__ import annotations

import re
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from amocrm_warehouse.database import reading
from amocrm_warehouse.report import first_screen, page_data, this_month, workbook
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.report_words import Words
from sandbox import Account, ManualClock
from testing import expected, models
from testing.report_numbers import digest_lines, known_of
from testing.report_page import run
from testing.sheets import sheets

NOW = 1_766_167_200
"""19 December 2025, 18:00 UTC."""
STREAMS = (
    "account", "users", "groups", "statuses", "loss_reasons", "deals", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "events", "deleted_entities",
)  # fmt: skip
PLAN = 9 * 10**10


@pytest.fixture(scope="module")
def known() -> Any:
    tables = expected.tables(Account.generate(3, 1_500, clock=ManualClock(NOW)))
    found = known_of("1001", {name: tables[name] for name in STREAMS}, NOW)
    found.plans = {("2025-12", found.all("users")[0]["user_id"]): Decimal(PLAN)}
    return found


@pytest.fixture(scope="module")
def built(database: str, known: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The marts of an account whose plan is above all that the forecast has."""
    tables = {name: known.all(name) for name in STREAMS}
    models.store(database, "1001", tables, "postgres" if database.startswith("postgresql:") else "duckdb")
    [(month, user)] = known.plans
    plans = tmp_path_factory.mktemp("plans") / "plans.csv"
    plans.write_text(f"project_id,month,responsible_user_id,plan\n1001,{month}-01,{user},{PLAN}\n", encoding="utf-8")
    hours = ("--working-hours", "1-5 9:00-18:00, 6 10:00-14:30")
    models.build(database, "--now", known.now.isoformat(), *hours, "--plans", str(plans))
    return database


def changed(database: str, statement: str) -> None:
    opened: Any = psycopg.connect(database) if database.startswith("postgresql:") else duckdb.connect(database)
    with closing(opened):
        opened.execute(statement)
        opened.commit()


def test_a_plan_out_of_reach_is_said_wherever_the_month_is_told(built: str, known: Any, tmp_path: Path) -> None:
    made = {name: tmp_path / f"report.{name}" for name in ("html", "png", "xlsx")}
    given = [f"--{'out' if name == 'html' else name}={path}" for name, path in made.items()]
    done = run("--built", "--digest", "--language", "en", *given, database=built)
    assert (done.returncode, done.stderr) == (0, f"\nThe report: {made['html']}\n")
    assert done.stdout.splitlines() == digest_lines(known)
    money = "{:,.0f}\u00a0₽".format
    [now] = models.query(built, "SELECT high FROM amocrm_marts.forecast WHERE pipeline_id IS NULL "
                         "AND months_back = 0 AND months_ahead = 0")  # fmt: skip
    short = f"Even the upper end of the forecast, {money(now['high'])}, is short of the plan by "
    lack = PLAN - now["high"]
    with reading(built) as ask:
        [card] = first_screen.cards(ask, last_months(ask), Words("en"))
    assert " ".join(card.insights).startswith(f"{short}{money(lack)}.")
    assert short in re.sub(r"</text>\s*<text[^>]*>", " ", made["html"].read_text(encoding="utf-8"))
    assert made["png"].read_bytes()[:4] == b"\x89PNG"


def test_a_part_that_fails_is_named_and_all_others_are_there(built: str, tmp_path: Path) -> None:
    """The queue lacks a column, as it may in a dbt project of one's own."""
    words = Words("ru")

    def told(name: str) -> tuple[list[str], dict[str, Any], bytes, dict[str, Any], str]:
        with reading(built) as ask:
            choice = last_months(ask)
            workbook.write(tmp_path / f"{name}.xlsx", ask, choice, words)
            page = page_data.read(ask)
            return (
                digest(ask, choice, words).splitlines(), sheets(tmp_path / f"{name}.xlsx"),
                first_screen.png(ask, choice, words), page, first_screen.plain(ask, choice, words),
            )  # fmt: skip

    lines, book, picture, page, _ = told("whole")
    assert words.not_made == []
    changed(built, "ALTER TABLE amocrm_marts.queue RENAME COLUMN working_minutes TO minutes")
    try:
        lines_then, book_then, picture_then, page_then, plain = told("part")
        done = run("--built", "--digest", "--language", "ru", f"--out={tmp_path / 'report.html'}", database=built)
    finally:
        changed(built, "ALTER TABLE amocrm_marts.queue RENAME COLUMN minutes TO working_minutes")
    assert lines_then[:-2] == lines[:-2]
    for line, title in zip(lines_then[-2:], ("Всё, что ждёт", "Очередь на сегодня"), strict=True):
        assert re.match(f"Не удалось сделать «{title}»: .*working_minutes", line)
    assert picture_then != picture, "whose line of new leads is of the queue"
    differ = {name for name in book if book[name] != book_then.get(name)}
    assert differ == {"Определения", "Очередь на сегодня"}
    assert book_then["Очередь на сегодня"][0][0] == lines_then[-1]
    of_queue = {"queue", "untouched"}
    assert page_then["tables"] == {name: table for name, table in page["tables"].items() if name not in of_queue}
    assert list(page_then["unbuilt"]) == ["queue"], "one sentence for all that is made of the queue"
    assert "working_minutes" in page_then["unbuilt"]["queue"]
    assert f'<p class="warning">{lines_then[-1][:40]}' in plain
    assert (done.returncode, "working_minutes" in done.stderr) == (2, True)
    assert done.stdout.splitlines()[:-2] == lines[:-2]


def test_a_month_that_fails_is_named_in_the_picture(built: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ArithmeticError("of its own")

    monkeypatch.setattr(this_month, "usual", fails)
    with reading(built) as ask:
        [card] = first_screen.cards(ask, last_months(ask), Words("en"))
        assert first_screen.png(ask, last_months(ask), Words("en"))[:4] == b"\x89PNG"
        said = digest(ask, last_months(ask), Words("en")).splitlines()
    assert card.insights[0] == "“This month” could not be made: of its own"
    assert card.insights[1].startswith("2025-12-18: leads ")
    assert len(said) == 15
    assert sum("of its own" in line for line in said) == 8
