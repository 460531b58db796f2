"""`source-amocrm mcp`, asked by the official client: each answer is the mart's, and nothing is changed or leaked."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from amocrm_warehouse import mcp_server
from amocrm_warehouse.mcp_server import TABLES, TOKEN, plain, server

from . import expected, models
from .sandbox import Account, ManualClock
from .warehouse import COMMAND, PYTHON, ROOT

NOW = 1_767_290_400
SECRET = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = str(tmp_path_factory.mktemp("mcp") / "crm.duckdb")
    account = Account.generate(2, 150, clock=ManualClock(NOW))
    models.store(file, "1001", expected.tables(account), "duckdb")
    models.build(file, "--now", "2026-01-01T18:00:00")
    return file


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


def digest(database: str) -> str:
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
    before = digest(database)
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
    assert digest(database) == before


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
