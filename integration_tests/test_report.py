"""`source-amocrm report`: each number of the page is the marts', whatever an account holds; nothing is half written.

With SCREENSHOTS=docs/images the pictures are those of the report of `make demo`, and are kept there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from selenium import webdriver

from amocrm_warehouse import desktop
from amocrm_warehouse.report import command as report

from . import expected, models, report_marts, report_page
from .report_marts import Choice
from .report_page import Report
from .sandbox import Account, ManualClock
from .test_models_settings import DEALS, LATE_COLUMNS, MARTS
from .warehouse import PYTHON, ROOT

pytestmark = pytest.mark.xdist_group("browser")

NOW = 1_767_290_400
BUILT = "2026-01-01T18:00:00"
HOSTILE = """</script><img src=x onerror="hurt=1">{{7*7}}<!--'&lt;"""
REVOKED = f"Not read to the end: deals. amoCRM said {HOSTILE}"
LATER = ("2025-12-31 09:00", "2025-12-31 09:01", [REVOKED])
LENGTHS = {"month": 1, "quarter": 3, "year": 12, "last12": 12, "last3": 3}


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
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """1001 holds markup; 1002 has no deal and few tables; 1003 is a small sync of an older version."""
    folder = tmp_path_factory.mktemp("report")
    file = str(folder / "crm.duckdb")
    full = hostile()
    models.store(file, "1001", full, "duckdb")
    other = expected.tables(Account.generate(7, 60, clock=ManualClock(NOW)))
    few = {name: rows for name, rows in other.items() if name in DEALS}
    models.store(file, "1002", {name: [] if name.startswith("deal") else rows for name, rows in few.items()}, "duckdb")
    models.store(file, "1003", few, "duckdb", without=LATE_COLUMNS)
    plans = folder / "plans.csv"
    lines = [f"1001,2025-{month:02}-01,{full['users'][0]['user_id']},{100_000 + month}" for month in range(6, 13)]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines, ""]), encoding="utf-8")
    models.store_syncs(file, "1001", [("2025-12-30 09:00", "2025-12-30 09:01", []), LATER])
    models.store_syncs(file, "1002", [("2025-12-30 09:00", "2025-12-30 09:01", [REVOKED]), (*LATER[:2], [])])
    models.store_syncs(file, "1009", [LATER])
    given = ["--project", "1001,1002,1003", "--now", BUILT, "--plans", str(plans)]
    done = run("-m", "amocrm_warehouse.report.command", *given, "--out", str(folder / "report.html"), database=file)
    assert (done.returncode, done.stdout) == (0, f"\nThe report: {folder / 'report.html'}\n"), done.stderr
    return file


def run(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PYTHON), *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "DB": database, "CI": "true", "AMOCRM_TARGET": str(Path(models.PARSED.name) / "duckdb")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(database: str) -> Path:
    return Path(database).with_name("report.html")


@pytest.fixture
def page(browser: webdriver.Chrome, file: Path) -> Report:
    opened = Report(browser)
    opened.open(file)
    return opened


def asked(page: Report, database: str, scope: str, kind: str) -> Choice:
    """The choice of a scope and of the newest period of a kind that is over, made in the page."""
    if scope.endswith("/"):
        scope = next(value for value in page.options("scope") if value.startswith(scope))
    period = [value for value in page.options("period") if value.startswith(kind)][:2][-1]
    first = period.removeprefix(f"{kind}-")
    year, month = map(int, first.split("-"))
    count = 12 * year + month - 1 + LENGTHS.get(kind, 10_000) - 1
    page.choose(scope, period)
    return Choice(database, scope, period, f"{first}-01", f"{min(count // 12, 9999)}-{count % 12 + 1:02}-01")


@pytest.mark.parametrize(
    ("scope", "kind"), [("", "all"), ("1001/", "month"), ("1001/", "last12"), ("1003", "year"), ("1001", "quarter")]
)
def test_each_number_is_the_marts(page: Report, database: str, scope: str, kind: str) -> None:
    choice = asked(page, database, scope, kind)
    shown = page.sections()
    figures = page.figures()
    assert figures == report_marts.figures(choice)
    assert figures["created"]
    tables = {name: section["tables"] for name, section in shown.items()}
    assert tables["funnel"] == report_marts.funnel(choice)
    [money] = tables["money"]
    planned = len(money[0]) == 6
    assert [[*row[:3], row[-1]] for row in money] == report_marts.months(choice, BUILT[:8] + "01")
    plans = choice.rows(f"""
        SELECT strftime(month, '%Y-%m'), sum(plan) FROM amocrm_marts.sales_plan
        WHERE plan IS NOT NULL AND {choice.where("month", pipeline=False)} GROUP BY month ORDER BY month""")
    assert planned == bool(plans and not choice.pipeline)
    if planned:
        assert [[row[0], row[3]] for row in money if row[3]] == plans
        assert all(row[4] == report_marts.ratio(row[2], row[3]) for row in money if row[3])
    assert same(kept(tables["managers"], planned), report_marts.managers(choice))
    assert same(rows_of(tables["reasons"]), report_marts.reasons(choice))
    assert same(rows_of(tables["sources"]), report_marts.sources(choice))
    assert same(rows_of(tables["stuck"]), report_marts.stuck(choice, BUILT))
    assert rows_of(tables["stale"]) == report_marts.stale(choice)
    at = report_marts.hours(choice)
    assert rows_of(tables["hours"]) == (
        [[day, *(at.get((day, hour), 0) for hour in range(24)), sum(at.get((day, hour), 0) for hour in range(24))]
         for day in range(7)] if at else []
    )  # fmt: skip
    assert same(rows_of(tables["work"]), report_marts.work(choice))


def rows_of(tables: list[Any]) -> list[Any]:
    return [row for table in tables for row in table]


def kept(tables: list[Any], planned: bool) -> list[Any]:
    """The rows of managers without their plans."""
    return [row[:3] + row[5:] if planned else row for row in rows_of(tables)]


def same(one: list[Any], other: list[Any]) -> bool:
    assert sorted(map(str, one)) == sorted(map(str, other))
    return True


def test_pictures_show_what_the_tables_say(page: Report, database: str) -> None:
    choice = asked(page, database, "1001/", "last12")
    [stages] = report_marts.funnel(choice)
    reached = [mark for mark in page.marks("funnel") if "kind" in mark]
    assert [(float(mark["reached"]), float(mark["Lost from here"])) for mark in reached] == [
        (row[1], row[4]) for row in stages
    ]
    sold = [float(mark["won_budget"]) for mark in page.marks("money")]
    unit = 1e6 if max(row[2] for row in report_marts.months(choice, BUILT[:8] + "01")) >= 2e6 else 1e3
    assert sold == pytest.approx([row[2] / unit for row in report_marts.months(choice, BUILT[:8] + "01")])
    lost = [float(mark["Deals"]) for mark in page.marks("reasons")]
    assert lost == sorted((row[1] for row in report_marts.reasons(choice)), reverse=True)
    at = report_marts.hours(choice)
    assert {(mark["weekday"], int(mark["hour"])): float(mark["touches"]) for mark in page.marks("hours")} == {
        (day, hour): at.get((place, hour), 0)
        for place, day in enumerate(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
        for hour in range(24)
    }


def test_names_are_never_markup_and_nothing_reaches_the_network(page: Report, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(text.encode()) < 1_500_000
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


def test_both_languages_have_every_word(page: Report) -> None:
    """In Russian no word of the page's own is English; a key without text would have failed."""
    page.press("[data-language=ru]")
    assert page.script("return document.documentElement.lang") == "ru"
    heads = page.script(
        "return [...document.querySelectorAll('h2, th, .label, .lead, button')].map((one) => one.textContent)"
    )
    own = [head for head in heads if not re.search(r"[а-яё]", head, re.IGNORECASE) and not re.fullmatch(r"\d*", head)]
    assert own == ["English"]
    assert page.options("period")["last12-2025-02"] == "Последние 12 месяцев"


def test_dark_light_print_and_phone(page: Report) -> None:
    ink = "return getComputedStyle(document.querySelector('.chart.funnel svg text')).fill"
    light = page.script(ink)
    page.press(".theme")
    assert page.script(ink) != light
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.script(ink) == "rgb(17, 17, 17)"
        assert page.script("return getComputedStyle(document.querySelector('.filters')).display") == "none"
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


LARGE = "for (const row of TABLES.sales) row.won_budget *= 150; for (const row of TABLES.open) row.deals *= 1000;"
VALUES = """
  const all = [...document.querySelectorAll("#figures .value")];
  return all.map((value) => [value.textContent, value.scrollWidth - value.clientWidth]);
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
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_widest_table_fits_a_printed_page(page: Report) -> None:
    """The managers with their plans; and a plan that is missed is not drawn over what was sold."""
    page.script(LARGE)
    page.press("[data-language=ru]")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    a4 = {"width": 703, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", a4)
    try:
        assert page.script("return document.querySelectorAll('#managers thead th').length") == 10
        assert page.script("return document.querySelector('#managers table').getBoundingClientRect().right") <= 703
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    [plan] = page.script(
        "return SECTIONS[2].count(chosen(state.scope, state.period))[0].rows.filter((row) => row.plan)"
    )
    assert plan["label_at"] == max(plan["won_budget"], plan["plan"])
    total = "return Number(document.querySelector('#managers tfoot').rows[0].cells[3].dataset.value)"
    assert page.script(total) == plan["plan"]


def test_an_unfinished_month_is_told_of(page: Report, database: str) -> None:
    said = "return document.querySelector('.compared').textContent"
    asked(page, database, "1001/", "last3")
    assert page.script(said) == "▲▼ against the 3 months before. The present month is not over yet."
    asked(page, database, "1001/", "month")
    assert page.script(said) == "▲▼ against the month before."


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


def test_an_account_with_nothing_says_what_there_is_none_of(
    browser: webdriver.Chrome, database: str, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.duckdb"
    shutil.copy(database, alone)
    with closing(duckdb.connect(str(alone))) as connection:
        for table in [
            *(f"amocrm_marts.{name}" for name in MARTS),
            *(f"amocrm_staging.int_{n}" for n in ("accounts", "touches")),
        ]:
            connection.execute(f"DELETE FROM {table} WHERE project_id <> '1002'")
    sentence = f"Not read to the end: calls: amoCRM said {HOSTILE}"
    report_page.write(str(alone), tmp_path / "alone.html", [sentence])
    page = Report(browser)
    page.open(tmp_path / "alone.html")
    shown = page.sections()
    none = {name: section["none"] for name, section in shown.items() if section["none"]}
    of_deals = "There are none in the account."
    assert none == dict.fromkeys(
        ["funnel", "money", "managers", "reasons", "sources", "stuck", "stale", "hours", "work"], of_deals
    )
    assert shown["freshness"]["notes"] == [
        f"The last sync could not read everything:{sentence}",
        "Not read: calls, companies, contacts, customers, events, messages, notes, tasks.",
        "The account has none of: deal_statuses, deals.",
    ]
    assert page.figures() == {
        "created": 0,
        "won": 0,
        "won_budget": 0,
        "rate": None,
        "average": None,
        "cycle": None,
        "open": 0,
    }
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_large_account_has_fewer_months(browser: webdriver.Chrome, database: str, tmp_path: Path) -> None:
    size = Path(database).with_name("report.html").stat().st_size
    report_page.write(database, tmp_path / "less.html", limit=size - 1)
    assert (tmp_path / "less.html").stat().st_size < size
    page = Report(browser)
    page.open(tmp_path / "less.html")
    assert next(iter(page.options("period").values())).startswith("Since ")


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
    code = f"""
import sys
from amocrm_warehouse.report.command import main
for arguments in {cases!r}:
    print(main(["--out", {str(before)!r}, *arguments]), file=sys.stderr)
"""
    done = run("-c", code, database=database)
    assert done.stdout == ""
    told = done.stderr.splitlines()
    assert told[1::2] == ["2"] * len(BAD)
    for line, (_, sentence) in zip(told[::2], BAD, strict=True):
        assert line.startswith(sentence.format(folder=tmp_path))
    assert before.read_text(encoding="utf-8") == "the report of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plans.csv", "report.html"]


def test_a_sync_keeps_the_accounts_that_were_united_and_their_plans(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    given: list[list[str]] = []

    class Runner:
        def invoke(self, arguments: list[str]) -> Any:
            given.append(arguments)
            return SimpleNamespace(success=True, result=SimpleNamespace(results=[]))

    monkeypatch.setitem(sys.modules, "dbt.cli.main", SimpleNamespace(dbtRunner=Runner))
    monkeypatch.setattr(report, "report", lambda *_, **__: tmp_path)
    for name in (
        "AMOCRM_DUCKDB",
        "AMOCRM_TARGET_TYPE",
        "AMOCRM_TARGET",
        "AMOCRM_SEEDS",
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
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", "linux")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    desktop.show(tmp_path / "report.html")
    assert opened == ([(tmp_path / "report.html").as_uri()] if answer else [])
