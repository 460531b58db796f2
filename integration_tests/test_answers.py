"""The answers beside the page: `source-amocrm mcp`, the workbook, the digest, and a report of one team.

The server is asked by the official client: each answer is the mart's, and nothing is changed or leaked. The
workbook and the digest are held against the account's own store.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from amocrm_warehouse import mcp_server
from amocrm_warehouse.database import reading
from amocrm_warehouse.mcp_server import TABLES, TOKEN, plain, server
from amocrm_warehouse.report import workbook
from amocrm_warehouse.report.answers import Choice, chosen, last_months, people_of
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.metrics import METRICS, ROWS, total
from amocrm_warehouse.report.words import Words

from . import expected, models
from .expected import marts as oracle
from .expected.marts import ahead
from .expected.marts import page as expected_page
from .expected.marts.deals import deals
from .report_numbers import plain as as_shown
from .report_numbers import rows_of, same
from .sandbox import Account, ManualClock
from .test_report import known_of, run
from .warehouse import COMMAND, PYTHON, ROOT

NOW = 1_767_290_400
SECRET = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def known() -> oracle.Known:
    return known_of("1001", expected.tables(Account.generate(2, 150, clock=ManualClock(NOW))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, known: oracle.Known) -> Path:
    """The database, the workbook in both languages, and the page of one manager."""
    made = tmp_path_factory.mktemp("answers")
    file = str(made / "crm.duckdb")
    models.store(file, "1001", {name: list(rows.values()) for name, rows in known.rows.items()}, "duckdb")
    given = ["--now", "2026-01-01T18:00:00", "--xlsx", str(made / "ru.xlsx"), "--digest", "--language", "ru"]
    given += ["--manager", boss(known), "--out", str(made / "own.html")]
    done = run("-m", "amocrm_warehouse.report.command", *given, database=file)
    assert done.returncode == 0, done.stderr
    (made / "own.txt").write_text(done.stdout, encoding="utf-8")
    with reading(file) as ask:
        workbook.write(made / "en.xlsx", ask, Choice(*last_months(ask)), Words("en"))
        (made / "en.txt").write_text(digest(ask, Choice(*last_months(ask)), Words("en")), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def database(folder: Path) -> str:
    return str(folder / "crm.duckdb")


def boss(known: oracle.Known) -> str:
    """The name of who has the most deals."""
    [(user, _)] = Counter(row["responsible_user_id"] for row in known.all("deals")).most_common(1)
    return str(known.user(user))


def ask(database: str, *calls: tuple[str, dict[str, Any]], free_sql: bool = True) -> list[Any]:
    """What each call is answered: the content, or the sentence of an error."""

    async def asked() -> list[Any]:
        async with Client(server(database, free_sql)) as client:
            return [told(await client.call_tool(name, arguments)) for name, arguments in calls]

    return asyncio.run(asked())


def told(result: Any) -> Any:
    return result.content[0].text if result.is_error else result.structured_content


def rows(database: str, sql: str) -> list[dict[str, Any]]:
    return models.query(database, sql)


def alike(one: Any) -> Any:
    return models.plain(one) if isinstance(one, int | float) and not isinstance(one, bool) else one


SAID = {
    "managers": "select responsible_user_id as user_id, sum(won) as won, sum(won_budget) as won_budget, "
    "sum(lost) as lost from amocrm_marts.sales where month between '2025-02-01' and '2026-01-01' group by 1",
    "loss_reasons": "select loss_reason as reason, count(*) as deals, coalesce(sum(budget), 0) as lost_budget "
    "from amocrm_marts.lost_deals where lost_month between '2025-02-01' and '2026-01-01' group by 1",
    "sources": "select coalesce(source_name, utm_source) as source, sum(deals) as deals, sum(won) as won, "
    "sum(won_budget) as won_budget from amocrm_marts.attribution "
    "where created_month between '2025-02-01' and '2026-01-01' group by 1",
    "open_deals": "select pipeline_id, status_name as stage, count(*) as deals, coalesce(sum(budget), 0) as budget "
    "from amocrm_marts.deals where stage_kind in ('open', 'unsorted') and not is_deleted group by 1, 2",
    "today": "select reason as why, entity_type, entity_id, budget, days from amocrm_marts.today",
    "stale_deals": "select deal_id, budget, days_without_activity from amocrm_marts.stale_deals",
    "forecast": "select pipeline_id, months_back, months_ahead, month, expected, low, high, sold "
    "from amocrm_marts.forecast where months_back = 0 or months_ahead = 0",
    "conversations": "select responsible_user_id as user_id, count(*) as talks, "
    "median(floor(seconds_to_first_response / 60)) as first_response, "
    "count(*) filter (where is_unanswered) as unanswered "
    "from amocrm_marts.conversations where messages_in > 0 "
    "and started_at_local >= '2025-02-01' and started_at_local < '2026-02-01' group by 1",
    "activity": "select user_id, sum(calls_out) as calls_out, sum(tasks_done) as tasks_done "
    "from amocrm_marts.manager_activity where day between '2025-02-01' and '2026-01-31' and calls_in + calls_out + "
    "talk_seconds + messages + notes + stage_moves + tasks_done > 0 group by 1, user_name",
    "funnel": "select pipeline_id, status_name as stage, sum(cohort_deals) as deals, sum(reached) as reached, "
    "sum(lost) as lost_here from amocrm_marts.funnel "
    "where cohort_month between '2025-02-01' and '2026-01-01' group by 1, 2",
}


@pytest.mark.parametrize("tool", TABLES)
def test_each_answer_is_the_marts(database: str, tool: str) -> None:
    [answer] = ask(database, (tool, {"limit": 500}))
    wanted = rows(database, SAID[tool])
    columns = list(wanted[0])
    found = [[alike(row[column]) for column in columns] for row in answer["rows"]]
    if tool == "managers":  # those of whom only tasks or stale deals are told
        found = [row for row in found if any(row[1:])]
        wanted = [row for row in wanted if row["won"] or row["won_budget"] or row["lost"]]
    assert answer["total_rows"] >= len(wanted) > 0
    assert sorted(map(str, found)) == sorted(map(str, ([alike(value) for value in row.values()] for row in wanted)))


def test_an_overview_a_card_and_a_deal_as_of_a_day(database: str) -> None:
    [deal] = rows(database, "select deal_id, from_at_local, to_at_local from amocrm_marts.deal_history "
                            "where to_at_local is not null order by to_at_local desc, deal_id limit 1")  # fmt: skip
    at = deal["from_at_local"].replace(" ", "T")
    [user] = rows(
        database,
        "select responsible_user_id as id from amocrm_marts.stale_deals group by 1 order by count(*) desc limit 1",
    )
    overview, card, as_of, whole, directory = ask(
        database,
        ("sales_overview", {"since": "2025-03-10", "until": "2025-12-31"}),
        ("manager_card", {"manager_id": int(user["id"])}),
        ("deal_as_of", {"deal_id": int(deal["deal_id"]), "at": at}),
        ("deal_as_of", {"deal_id": int(deal["deal_id"])}),
        ("directory", {}),
    )
    [sold] = rows(database, "select sum(won) as won, sum(won_budget) as money from amocrm_marts.sales "
                            "where month between '2025-03-01' and '2025-12-01'")  # fmt: skip
    assert [float(overview["total"]["won"]), float(overview["total"]["won_budget"])] == [sold["won"], sold["money"]]
    assert sum(month["won"] for month in overview["months"]["rows"]) == sold["won"]
    stale = rows(
        database, f"select count(*) as n from amocrm_marts.stale_deals where responsible_user_id = {user['id']:.0f}"
    )
    assert card["sales"]["rows"][0]["stale"] == stale[0]["n"]
    assert {row["user_id"] for row in card["cards"]["rows"]} == {user["id"]}
    assert [row["from_at_local"] for row in as_of["rows"]] == [at]
    assert whole["total_rows"] > as_of["total_rows"] == 1
    assert {len(directory[part]["rows"]) > 0 for part in ("accounts", "pipelines", "people")} == {True}


def sum_of(database: str) -> str:
    return hashlib.sha256(Path(database).read_bytes()).hexdigest()


EVIL = "x' or '1'='1"
ATTACKS = [
    "drop table amocrm_marts.deals", "select 1; drop table amocrm_marts.deals", "delete from amocrm_marts.deals",
    "select * from read_text('/etc/passwd')", "select * from read_csv('/etc/passwd')",
     "copy amocrm_marts.deals to '/tmp/x'",
    "with gone as (delete from amocrm_marts.deals returning 1) select * from gone", "attach '/tmp/other.duckdb'",
    "select 1) as a; drop table amocrm_marts.deals; --", "set enable_external_access = true", "install httpfs",
    "select * from '/etc/passwd'", "pragma database_list", "update amocrm_marts.deals set budget = 0",
]  # fmt: skip


def test_nothing_that_is_asked_changes_or_leaks_anything(database: str) -> None:
    before = sum_of(database)
    answers = ask(database, *(("sql", {"select": attack}) for attack in ATTACKS))
    for attack, answer in zip(ATTACKS, answers, strict=True):
        assert isinstance(answer, str), (attack, answer)
        assert "root:" not in answer
    none = ask(
        database, ("managers", {"project": EVIL}), ("today", {"project": EVIL}), ("directory", {"project": EVIL})
    )
    assert [answer["rows"] for answer in none[:2]] == [[], []]
    assert {part["total_rows"] for part in none[2].values() if isinstance(part, dict)} == {0}
    wrong = ask(
        database, ("managers", {"manager_id": EVIL}), ("deal_as_of", {"deal_id": EVIL}), ("today", {"limit": 10**9})
    )
    assert all(isinstance(answer, str) for answer in wrong)
    assert sum_of(database) == before


def test_free_sql_is_there_only_if_asked_for_and_has_limits(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def named(free_sql: bool) -> set[str]:
        async with Client(server(database, free_sql)) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(named(True)) - asyncio.run(named(False)) == {"sql"}
    count = "select count(*) as n from amocrm_marts.deals -- all of them"
    [some, counted] = ask(
        database, ("sql", {"select": "select deal_id from amocrm_marts.deals", "limit": 3}), ("sql", {"select": count})
    )
    assert (len(some["rows"]), some["more"]) == (3, True)
    assert [{name: plain(value) for name, value in row.items()} for row in rows(database, count)] == counted["rows"]
    monkeypatch.setattr(mcp_server, "SECONDS", 0.5)
    began = time.monotonic()
    [late] = ask(database, ("sql", {"select": "select count(*) from range(100000000) a, range(100000000) b"}))
    assert "nterrupt" in late
    assert time.monotonic() - began < 30


def test_it_speaks_by_stdio(database: str) -> None:
    async def asked() -> Any:
        command = StdioServerParameters(
            command=str(PYTHON), args=[*COMMAND[1:], "mcp", "--to", f"duckdb:///{database}"], cwd=str(ROOT)
        )
        async with Client(command) as client:
            return told(await client.call_tool("open_deals", {}))

    assert asyncio.run(asked()) == ask(database, ("open_deals", {}))[0]


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [*COMMAND, "mcp", "--to", f"duckdb:///{database}", "--http", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, TOKEN: SECRET})
    try:
        for _ in range(600):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(30)


def test_by_http_it_answers_whoever_has_the_token_alone(database: str, address: str) -> None:
    async def asked() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {SECRET}"}) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return told(await client.call_tool("open_deals", {}))

    assert asyncio.run(asked()) == ask(database, ("open_deals", {}))[0]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {SECRET[:-1]}"}):
        refused = httpx2.post(address, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert (refused.status_code, refused.text) == (401, "The token is missing or wrong.")


def test_without_a_token_there_is_no_server(database: str) -> None:
    done = subprocess.run(
        [*COMMAND, "mcp", "--to", f"duckdb:///{database}", "--http", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, TOKEN: "short"},
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (2, f"Put a token of 16 characters or more into {TOKEN} first.")


MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    """The cells of each sheet of a workbook by its name: texts, numbers, and None."""
    with zipfile.ZipFile(path) as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist() if name.endswith(".xml")}
    texts = ["".join(part.text or "" for part in one.iter(f"{MAIN}t")) for one in parts["xl/sharedStrings.xml"]]
    found = {}
    for number, named in enumerate(parts["xl/workbook.xml"].iter(f"{MAIN}sheet"), 1):
        cells: list[list[Any]] = []
        for row in parts[f"xl/worksheets/sheet{number}.xml"].iter(f"{MAIN}row"):
            cells.append([])
            for cell in row:
                letters = re.sub(r"\d", "", cell.attrib["r"])
                place = sum(26**power * (ord(letter) - 64) for power, letter in enumerate(reversed(letters))) - 1
                value = cell.findtext(f"{MAIN}v")
                cells[-1] += [None] * (place - len(cells[-1]))
                told = value if value is None else texts[int(value)] if cell.get("t") == "s" else float(value)
                cells[-1].append(told)
        found[named.attrib["name"]] = cells
    return found


def test_the_workbook_is_what_the_account_holds(folder: Path, known: oracle.Known) -> None:
    told = sheets(folder / "en.xlsx")
    choice = expected_page.Choice((known,), date(2025, 2, 1), date(2026, 1, 1))
    width = {len(rows[0]) for name, rows in told.items() if name != "Definitions"}
    assert min(width) > 2

    def of(name: str, total: bool = True) -> list[list[Any]]:
        columns, *found = told[name]
        found = [row + [None] * (len(columns) - len(row)) for row in found]
        if not total:
            return found
        sums = found.pop()
        for place, value in enumerate(sums):
            if isinstance(value, float):
                assert value == pytest.approx(sum(row[place] or 0 for row in found)), (name, columns[place])
        return found

    assert same(of("Managers"), expected_page.managers(choice))
    assert same(of("Sources"), expected_page.sources(choice))
    assert same(
        of("Reasons of loss"), [[reason, deals, money] for reason, deals, _, money in expected_page.reasons(choice)]
    )
    assert same(
        [row[1:] for row in of("Where deals get stuck")], [[r[0], *r[-2:]] for r in expected_page.stuck(choice)]
    )
    months = [row[1:] for row in expected_page.money_by(choice, lambda day: f"{day:%Y-%m}") if any(row[1:])]
    assert same([row[1:4] for row in of("Money over time")], months)
    stages = [[row[0], row[1], row[4]] for row in rows_of(expected_page.funnel(choice))]
    assert same([[row[1], *row[3:]] for row in of("Where deals are lost", False)], stages)
    work = [[*row[:3], row[3] / 86_400, *row[4:]] for row in expected_page.work(choice)]
    assert same(of("What managers do"), work)
    columns = ("responsible_name", "pipeline_name", "status_name", "budget", "days_without_activity", "open_tasks")
    stale = [[row[column] for column in columns] for row in expected_page.stale_rows(choice)]
    assert same([row[1:] for row in of("Stale deals", False)], stale)
    assert len(of("Today’s list", False)) == len(ahead.today(known))
    assert len(of("Forecast", False)) == len([
        row for row in ahead.forecast(known) if not (row["months_back"] and row["months_ahead"])
    ])  # fmt: skip


def test_the_workbook_has_every_word_in_russian(folder: Path) -> None:
    told = sheets(folder / "ru.xlsx")
    words = [*told, *(head for name, rows in told.items() if name != "Определения" for head in rows[0])]
    assert [word for word in words if not re.search("[а-яё]", word)] == []
    meant = [row for row in told["Определения"] if len(row) == 3]
    assert len(meant) > 20


def test_the_digest_is_twelve_lines_of_the_account(folder: Path, known: oracle.Known) -> None:
    told = (folder / "en.txt").read_text(encoding="utf-8").splitlines()
    assert len(told) == 12
    now = expected_page.Choice((known,), date(2026, 1, 1), date(2026, 1, 1))
    last = expected_page.Choice((known,), date(2025, 12, 1), date(2025, 12, 31))
    this, before = expected_page.figures(now), expected_page.figures(last)
    assert told[1] == f"This month: {this['won']} won for {this['won_budget']:,.0f}\u00a0₽"
    assert told[6].startswith(
        f"December 2025: {before['won']} won for {before['won_budget']:,.0f}\u00a0₽, the month before "
    )
    assert told[7].startswith(f"Created this month: {this['created']}; won of closed: ")
    waits = Counter(row["reason"] for row in ahead.today(known))
    assert told[10] == (
        f"Waiting: {waits['no_task']} deals without a task, {waits['slow']} slow, {waits['waiting']} clients without "
        f"an answer, {waits['overdue_task']} overdue tasks"
    )
    assert told[3] == "Forecast of January 2026: too few sales to tell"
    russian = (folder / "own.txt").read_text(encoding="utf-8").splitlines()
    assert [len(russian[:12]), russian[1][:15]] == [12, "В этом месяце: "]


def test_the_workbook_the_digest_and_the_assistant_tell_what_the_definitions_own_sql_gives(
    folder: Path, database: str
) -> None:
    """Each metric by its SQL over the mart's rows of a year, and of the present month for the digest."""
    year, month = ("2025-02-01", "2026-01-31"), ("2026-01-01", "2026-01-31")

    def by_definition(name: str, period: tuple[str, str] = year) -> Any:
        metric = METRICS[name]
        of = METRICS[metric.share[1]] if metric.share else metric
        rows_of = ROWS.get(of.of, {})
        told = [rows_of.get("where", "true")]
        if of.day:
            told.append(f"{rows_of[of.day]} between date '{period[0]}' and date '{period[1]}'")
        [found] = rows(database, f"select {total(name)} as n from amocrm_marts.{of.of} where {' and '.join(told)}")
        return found["n"]

    def close(found: Any, name: str, **period: Any) -> bool:
        wanted = by_definition(name, **period)
        return bool(found == wanted or float(found) == pytest.approx(float(wanted)))

    overview, *tables = ask(
        database, ("sales_overview", {}), *((tool, {"limit": 500}) for tool in ("managers", "sources", "conversations"))
    )
    [of_managers, of_sources, of_talks] = [table["rows"] for table in tables]
    told = {name: overview["total"][name] for name in METRICS if name in overview["total"]}
    told |= {name: sum(row[name] for row in of_managers) for name in ("overdue", "stale")}
    told |= {name: sum(row[name] for row in of_talks) for name in ("talks", "unanswered")}
    told["source_rate"] = sum(row["won"] for row in of_sources) / sum(row["deals"] for row in of_sources)
    assert [name for name, value in told.items() if not close(value, name)] == []
    assert METRICS.keys() - told.keys() == {"closed", "lost_budget", "first_response"}
    book = sheets(folder / "en.xlsx")
    for sheet, names in (
        ("Money over time", ("won", "won_budget", "lost")),
        ("Managers", ("overdue", "stale")),
        ("Reasons of loss", ("lost_budget",)),
        ("Conversations", ("talks", "unanswered")),
    ):
        heads, *_, sums = book[sheet]
        told = {name: sums[heads.index(Words("en")(f"column.{name}"))] for name in names}
        assert [name for name, value in told.items() if not close(value, name)] == [], sheet
    definitions = {row[2] for row in book["Definitions"] if len(row) > 2}
    assert {METRICS["won"].means.split(" | ")[0], METRICS["first_response"].means.split(" | ")[0]} <= definitions
    said = (folder / "en.txt").read_text(encoding="utf-8")
    won, created, rate = (by_definition(name, month) for name in ("won", "created", "rate"))
    assert f"This month: {won:,.0f} won for {by_definition('won_budget', month):,.0f}\u00a0₽" in said
    assert f"Created this month: {created:,.0f}; won of closed: {Words('en').percent(rate)}" in said


def unpacked(page: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table of a page."""
    found = re.search(r'id="data">([^<]+)<', page.read_text(encoding="utf-8"))
    assert found is not None
    tables = {}
    for name, table in json.loads(zlib.decompress(base64.b64decode(found[1])))["tables"].items():
        columns = {column: unfolded(of) for column, of in table.items()}
        tables[name] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return tables


def unfolded(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    if "of" in column:
        return [column["of"][place] for place in column["at"]]
    last, told = 0, []
    for by in column.get("days", column.get("numbers")):
        last += by or 0
        told.append(None if by is None else last)
    return told


def test_no_row_of_another_is_in_the_report_of_one_manager(folder: Path, known: oracle.Known) -> None:
    """Nor in the workbook; what is told of everybody together is not there at all."""
    own = next(row["user_id"] for row in known.all("users") if row["name"] == boss(known))
    tables = unpacked(folder / "own.html")
    assert not {"forecast", "forecast_stages", "freshness"} & tables.keys()
    whose = ("responsible_user_id", "closer_id", "user_id")
    users = {row.get(name) for of in tables.values() for row in of for name in whose} - {None}
    assert users == {own}
    there = [deal for deal in deals(known) if not deal["is_deleted"]]
    mine = [deal for deal in there if own in (deal["responsible_user_id"], deal["closer_id"])]
    assert 0 < len(tables["deals"]) == len(mine) < len(there)
    others = {str(known.user(row["user_id"])) for row in known.all("users")} - {boss(known)}
    shown = json.dumps(tables, ensure_ascii=False) + str(sheets(folder / "ru.xlsx"))
    assert boss(known) in shown
    assert [name for name in others if name in shown] == []
    choice = expected_page.Choice((known,), date(2025, 2, 1), date(2026, 1, 1), users=frozenset({own}))
    people = sheets(folder / "ru.xlsx")["Менеджеры"]
    assert as_shown(people[1]) == as_shown(expected_page.managers(choice)[0])


def test_a_user_of_two_accounts_is_chosen_in_one_of_them() -> None:
    asked = Choice(date(2026, 1, 1), date(2026, 1, 1), users=frozenset({("north", 5), ("south", 55)})).values()
    cards = "(values ('north', 5), ('south', 5), ('north', 55), ('north', 1)) as cards (project_id, id)"
    found = duckdb.execute(
        f"select project_id, id from {cards} where {chosen('cards', 'id', None)}",
        {name: asked[name] for name in ("project", "users")},
    )
    assert found.fetchall() == [("north", 5)]


def test_an_unknown_group_is_told_with_those_that_are_there(folder: Path) -> None:
    with (
        reading(str(folder / "crm.duckdb")) as ask,
        pytest.raises(ValueError, match="There is no group “Nobody”"),
    ):
        people_of(ask, ["Nobody"], [])
