"""The questions of docs/questions.md have the answers that they show, in DuckDB and in PostgreSQL.

With ANSWERS=write the answers are written into the pages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Account, ManualClock
from testing import expected, models, postgres
from testing.guides import ROOT

PAGES = [ROOT / "docs" / name for name in ("questions.md", "questions.ru.md")]
NOW = 1_767_290_400
"""2026-01-01 18:00 UTC: the account is the same whenever the tests run."""
BLOCK = re.compile(r"```sql\n(.*?)\n```\n\n<!-- answer -->\n(.*?)<!-- /answer -->", re.DOTALL)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    account = Account.generate(1, 300, clock=ManualClock(NOW))
    if request.param == "duckdb":
        path = str(tmp_path_factory.mktemp("questions") / "crm.duckdb")
        fill(path, account, "duckdb")
        yield path
        return
    with postgres.server() as url:
        fill(url, account, "postgres")
        yield url


def fill(database: str, account: Account, flavour: str) -> None:
    models.store(database, "1001", expected.tables(account), flavour)
    models.build(database, "--now", "2026-01-01T18:00:00")


def test_answers_are_those_on_the_page(database: str) -> None:
    page, russian = PAGES
    shown = BLOCK.findall(page.read_text(encoding="utf-8"))
    with models.asking(database) as ask:
        answers = [answer(ask(statement)) for statement, _ in shown]
    if os.environ.get("ANSWERS") == "write":
        for path in PAGES:
            write(path, answers)
    assert [text for _, text in shown] == answers
    assert len(answers) == 8
    assert BLOCK.findall(russian.read_text(encoding="utf-8")) == shown


def answer(rows: list[models.Row]) -> str:
    """Rows as a table of Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".").replace(",", " ")
    return "" if value is None else str(value)


def write(path: Path, answers: list[str]) -> None:
    told = iter(answers)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        BLOCK.sub(lambda found: f"```sql\n{found[1]}\n```\n\n<!-- answer -->\n{next(told)}<!-- /answer -->", text),
        encoding="utf-8",
    )
