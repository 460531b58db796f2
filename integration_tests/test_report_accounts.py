"""The report of several accounts: of other currencies and clocks, and with names that objects of JavaScript have."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from amocrm_warehouse.database import reading
from amocrm_warehouse.report.answers import answer
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.report_words import Words
from sandbox import Account, ManualClock
from testing import expected, models
from testing.assistant import ask
from testing.hooks import hook
from testing.report_page import Report, run
from testing.sheets import sheets, tables_of
from testing.terminal import forked_on_a_terminal
from testing.warehouse import execute, query

NOW = 1_767_229_200
"""1 January 2026, 01:00 UTC: in São Paulo it is still 2025."""
OF_OBJECTS = (
    "constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable",
    "toLocaleString", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
)  # fmt: skip
"""The names that every object of JavaScript has."""
NAMES = {
    "account": ["name"], "users": ["name"], "groups": ["name"], "loss_reasons": ["name"],
    "statuses": ["pipeline_name", "status_name"], "deals": ["name", "loss_reason_name", "source_name"],
    "deal_tags": ["name"], "custom_fields": ["name"], "custom_fields_deals": ["name", "value"], "talks": ["origin"],
}  # fmt: skip


def named_as_objects(tables: dict[str, list[models.Row]]) -> dict[str, list[models.Row]]:
    """Gives names of objects to all that has a name; different names stay different."""
    found = {}
    for table, rows in tables.items():
        known: dict[tuple[str, Any], str] = {}
        for column in NAMES.get(table, ()):
            for value in dict.fromkeys(row[column] for row in rows if row.get(column) is not None):
                used = sum(of == column for of, _ in known)
                known[column, value] = OF_OBJECTS[used % 12] + ("" if used < 12 else str(used))
        found[table] = [row | {c: known.get((c, row.get(c)), row.get(c)) for c in NAMES.get(table, ())} for row in rows]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the workbook of 10, of 20, which has the same rows with other names, and of 30 in São Paulo."""
    made = tmp_path_factory.mktemp("accounts")
    file = str(made / "crm.duckdb")
    tables = expected.tables(Account.generate(7, 60, clock=ManualClock(NOW)))
    [account] = tables["account"]
    own = account["account_id"]
    named = named_as_objects(tables)
    named["account"] = [row | {"account_id": own + 1} for row in named["account"]]
    far = [
        account
        | {"account_id": own + 2}
        | {"currency": None, "invoices_settings": {**account["invoices_settings"], "currency": "KZT"}}
        | {"datetime_settings": {**account["datetime_settings"], "timezone": "America/Sao_Paulo"}}
    ]
    models.store(file, "10", tables, "duckdb")
    models.store(file, "20", named, "duckdb")
    models.store(file, "30", tables | {"account": far}, "duckdb")
    files = ["--out", str(made / "report.html"), "--xlsx", str(made / "report.xlsx"), "--language", "en"]
    seen = forked_on_a_terminal(["report", "--now", "2026-01-01T01:00:00", *files], DB=file, CI="true")
    assert seen.code == 0, seen.text
    (made / "seen.txt").write_text(seen.text, encoding="utf-8")
    return made


@pytest.fixture
def page(browser: webdriver.Chrome, folder: Path) -> Report:
    opened = Report(browser)
    opened.visit(folder / "report.html")
    return opened


def test_the_live_line_counts_models_and_then_names_the_report(folder: Path) -> None:
    seen = (folder / "seen.txt").read_text(encoding="utf-8")
    counted = [int(number) for number in re.findall(r"models (\d+) of \d+", seen)]
    assert counted == sorted(counted)
    assert len(set(counted)) > 3
    assert "models" not in seen[seen.index("workbook") :]
    done, total = re.findall(r"report (\d+) of (\d+) queries", seen)[-1]
    assert done == total


DRAWN = """
  const marks = "svg path[aria-label], svg .mark-text text";
  return [...document.querySelectorAll(".chart")].map((one) => [one.classList[1], one.querySelectorAll(marks).length]);
"""


def test_names_of_objects_are_names_like_others(page: Report) -> None:
    """Every chart has as many marks as with any other names, and every table its rows."""
    shown = {}
    for project in ("10", "20"):
        page.choose(project, "all")
        rows = {name: [len(table) for table in section["tables"]] for name, section in page.sections().items()}
        shown[project] = page.script(DRAWN), rows
    assert shown["20"] == shown["10"]
    charts = dict(shown["20"][0])
    assert {"funnel", "money", "managers", "reasons", "sources", "open", "hours"} <= charts.keys()
    assert min(charts.values()) > 0
    filters = page.script("return filtersOf(state.scope).map((one) => ({ name: one.name, options: one.options }))")
    assert {one["name"] for one in filters} & {*OF_OBJECTS}
    assert {"constructor", "__proto__"} <= {option for one in filters for option in one["options"]}
    names = {mark["Manager"].removesuffix(" · deactivated") for mark in page.marks("managers")}
    assert {"constructor", "__proto__"} <= names <= set(OF_OBJECTS)


def test_namesakes_of_several_accounts_are_told_apart(page: Report) -> None:
    """By the account, while several are in view. Accounts of one currency are, together."""
    names = page.script("""
      for (const row of TABLES.accounts) Object.assign(row, { currency: "RUB", name: `Account ${row.project_id}` });
      SCOPES = DATA.scopes = [{ id: "", project: null, pipeline: null }, ...DATA.scopes];
      state.scope = SCOPES[0];
      state.period = periodOf("all", null);
      WHOS.clear();
      return show().then(() => managers(chosen(state.scope, state.period, null))[0].rows.map((row) => row.name));
    """)
    page.wait()
    names = [name for name in names if not name.startswith("№") and name != "robot"]
    assert len(set(names)) == len(names)
    own = page.script("return [...PEOPLE].filter(([id]) => id.startsWith('10/')).map(([, { name }]) => name)")
    account = page.script("return accountName('10')")
    assert {f"{name} · {account}" for name in own} & set(names)
    assert all(text.count(account) == 1 for text in page.options("who").values() if text.endswith(f" · {account}"))
    page.choose("10", "all")
    assert {mark["Manager"].removesuffix(" · deactivated") for mark in page.marks("managers")} <= {*own, "robot"}


def test_accounts_of_one_name_carry_their_projects(page: Report, folder: Path) -> None:
    with reading(str(folder / "crm.duckdb")) as ask:
        _, [(name,)] = ask("SELECT name FROM amocrm_staging.int_accounts WHERE project_id = '10'")
    names = {"10": f"{name} (10)", "20": "constructor", "30": f"{name} (30)"}
    assert page.script("return document.title") == ", ".join(names.values())
    assert {one: page.options("scope")[one].removesuffix(": all pipelines") for one in names} == names
    assert [row[0] for row in sheets(folder / "report.xlsx")["Definitions"][1:4]] == [*names.values()]


def test_each_account_has_its_own_today(page: Report) -> None:
    for project, first, last in (("10", "2025-02-01", "2026-01-01"), ("30", "2025-01-01", "2025-12-31")):
        page.choose(project, "last12")
        assert page.chosen() == (date.fromisoformat(first), date.fromisoformat(last))
    assert "2026-01" not in page.options("period")
    assert page.script("return textOf(todayOf(null))") == "2025-12-31"


def test_currencies_are_never_added_up(page: Report, folder: Path) -> None:
    assert not {"", "10,20,30"} & page.options("scope").keys()
    told = sheets(folder / "report.xlsx")
    periods = [row[1:] for row in told["Definitions"][1:4]]
    assert periods == [
        ["2025-02-01 – 2026-01-01", "RUB"], ["2025-02-01 – 2026-01-01", "RUB"], ["2025-01-01 – 2025-12-31", "KZT"],
    ]  # fmt: skip
    as_of = ["Built 2026-01-01, 04:00; the database does not tell when it was synced"] * 2
    as_of.append("Built 2025-12-31, 22:00; the database does not tell when it was synced")
    assert [row[1] for row in told["Definitions"][4:7]] == as_of
    rows = tables_of(folder / "report.xlsx")["money"]
    with reading(str(folder / "crm.duckdb")) as asked:
        wanted = answer(asked, "money", last_months(asked)).dicts()
    assert [[row["project_id"], row["currency"], row["won_budget"]] for row in rows] == [
        [row["project_id"], row["currency"], float(row["won_budget"])] for row in wanted
    ]
    assert [row[0] for row in told["Revenue over time"] if str(row[0]).startswith("Total")] == [
        "Total, KZT",
        "Total, RUB",
    ]
    for name in ("Managers in the period", "All that waits", "Stale deals", "Sources"):
        assert told[name][0][:2] == ["Account", "Currency"]
        currencies = [row[1] for row in told[name][1:] if len(row) > 1 and isinstance(row[1], str)]
        assert currencies == sorted(currencies), name  # a list ordered by money is ordered within a currency


def test_the_workbook_is_ready_to_print_and_names_what_has_no_name(folder: Path) -> None:
    with zipfile.ZipFile(folder / "report.xlsx") as book:
        parts = {name: book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/sheet")}
        defined = book.read("xl/workbook.xml").decode()
    assert all('orientation="landscape"' in part and 'fitToHeight="0"' in part for part in parts.values())
    told = sheets(folder / "report.xlsx")
    assert set(told) - set(re.findall(r"'?([^'!<>]+)'?!\$1:\$1<", defined)) == {"Summary", "Definitions"}
    assert "no source" in {row[2] for row in told["Sources"][1:]}
    for name, column in (("Sources", 2), ("Managers in the period", 2), ("Stale deals", 2), ("All that waits", 5)):
        assert all(row[column] for row in told[name][1:] if not str(row[0]).startswith("Total")), name


def test_every_column_of_the_workbook_that_is_defined_is_in_it(folder: Path) -> None:
    told, shown = sheets(folder / "report.xlsx"), ""
    for row in told["Definitions"][4:]:
        shown = row[0] or shown if row else shown
        if len(row) > 2:
            assert row[1] in told[shown][0], row
    meant = {(row[1], row[2]) for row in told["Definitions"] if len(row) > 2}
    assert ("Won of them", Words("en").of_column("won_of_created")) in meant


def test_a_recipient_gets_the_accounts_that_are_named(folder: Path, tmp_path: Path) -> None:
    """And of a team whose name two accounts have, the team of the account that is named."""
    database, file = str(folder / "crm.duckdb"), tmp_path / "notify.yaml"
    with models.asking(database) as sql:
        team = sql("SELECT name FROM amocrm_staging.stg_groups WHERE project_id = '30' ORDER BY 1")[0]["name"]
    limits = [f"group: '{team}'", f"group: '{team}', project: 30", "project: [10, 20]", "project: 40", "project: 50"]
    with hook() as hooks:
        file.write_text("".join(f"- {{url: '{hooks.address}', {limit}}}\n" for limit in limits), encoding="utf-8")
        file.chmod(0o600)
        done = run("--built", "--notify", str(file), "--elsewhere", "50,60", "--language", "en", database=database)
    texts = ["\n".join((body["title"], body["message"])) for _, body in hooks.found]
    heads = [[part.partition(":")[0] for part in text.split("\n\n")] for text in texts]
    with reading(database) as asked:
        first, second, third = (row["account"] for row in answer(asked, "accounts", last_months(asked)).dicts())
    assert heads == [[f"{first}, {team}", f"{third}, {team}"], [f"{third}, {team}"], [first, second]]
    assert (done.returncode, done.stderr) == (
        3,
        "The digest was not sent to recipient 4 (json): There is no project “40”. There are: 10, 20, 30. "
        f"Correct the entry in {file}. Everything else was written.\n",
    )


SELLERS = """
    SELECT deals.closer_id AS id FROM amocrm_marts.deals AS deals
    INNER JOIN amocrm_staging.stg_users AS users ON users.project_id = '10' AND users.user_id = deals.closer_id
    WHERE deals.project_id = '10' AND deals.stage_kind = 'won' AND users.is_active
    GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2
"""


def test_users_of_one_name_in_one_account_carry_their_ids(browser: webdriver.Chrome, folder: Path) -> None:
    """In the page, the workbook and the assistant's answers."""
    file = str(shutil.copy(folder / "crm.duckdb", folder / "doubles.duckdb"))
    ids = [row["id"] for row in query(file, SELLERS)]
    told = {f"Алла Двойкина ({user})" for user in ids}
    named = {"amocrm_staging.stg_users": ("user_id", "name"), "amocrm_marts.deals": ("closer_id", "closer_name")}
    for table, (user, name) in named.items():
        of_ids = f"project_id = '10' AND {user} IN ({ids[0]}, {ids[1]})"
        execute(file, f"UPDATE {table} SET {name} = 'Алла Двойкина' WHERE {of_ids}")

    def of_alla(names: Iterable[Any]) -> set[str]:
        return {name for name in names if str(name).startswith("Алла Двойкина")}

    page, book = folder / "doubles.html", folder / "doubles.xlsx"
    done = run("--built", "--out", str(page), "--xlsx", str(book), "--language", "en", database=file)
    assert done.returncode == 0, done.stderr
    shown = Report(browser)
    shown.visit(page)
    shown.choose("10", "all")
    assert of_alla(shown.options("who").values()) == told
    assert of_alla(mark["Manager"] for mark in shown.marks("managers")) == told
    assert of_alla(row["manager"] for row in tables_of(book)["managers"]) == told
    of = {"project": "10", "period": "2025", "show": ["managers"]}
    for answered in ask(file, ("sales", of), ("compare_periods", of)):
        assert of_alla(row["manager"] for row in answered["managers"]) == told
    [deals] = ask(file, ("deals", {"project": "10", "period": "2025", "state": "won", "limit": 500}))
    assert not isinstance(deals, str), deals
    assert of_alla(row["manager_at_closing"] for row in deals["deals"]) == told


def test_pipelines_of_one_name_in_one_account_carry_their_ids(browser: webdriver.Chrome, folder: Path) -> None:
    """In the page, the workbook and the assistant's answers."""
    file = str(shutil.copy(folder / "crm.duckdb", folder / "pipelines.duckdb"))
    sql = "SELECT DISTINCT pipeline_id AS id FROM amocrm_marts.deals WHERE project_id = '10' AND NOT is_deleted"
    told = {f"Одна воронка ({row['id']})" for row in query(file, sql)}
    assert len(told) > 1
    of_pipelines = "project_id = '10' AND pipeline_id IS NOT NULL"
    for table in ("staging.stg_statuses", "staging.int_stages", "marts.deals", "marts.forecast", "marts.today"):
        execute(file, f"UPDATE amocrm_{table} SET pipeline_name = 'Одна воронка' WHERE {of_pipelines}")
    execute(file, "UPDATE amocrm_marts.forecast SET expected = 1, low = 0, high = 2, sold = 1 WHERE months_back > 0")

    page, book = folder / "pipelines.html", folder / "pipelines.xlsx"
    done = run("--built", "--out", str(page), "--xlsx", str(book), "--language", "en", database=file)
    assert done.returncode == 0, done.stderr
    shown = Report(browser)
    shown.visit(page)
    assert {name.split(": ")[1] for of, name in shown.options("scope").items() if of.startswith("10/")} == told
    of_sheets = tables_of(book)
    for sheet in ("deals", "forecast", "funnel", "moved", "stuck"):
        names = {row["pipeline_name"] for row in of_sheets[sheet] if row["pipeline_name"]}
        assert {name for name in names if name.startswith("Одна воронка")} == told, sheet
    of = {"project": "10", "period": "2025"}
    compared, plan, waits = ask(
        file, ("compare_periods", of | {"show": ["pipelines"]}), ("plan", {"project": "10", "show": ["record"]}),
        ("queue", {"project": "10", "show": ["cards"], "limit": 100}),
    )  # fmt: skip
    assert {row["pipeline_name"] for row in compared["pipelines"]} == told
    assert sorted(row["pipeline_name"] for row in plan["record"]) == ["*", *sorted(told)]
    assert {row["pipeline_name"] for row in waits["cards"] if row.get("pipeline_name")} == told
