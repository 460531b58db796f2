"""The arguments of the assistant's tools: what is not understood is refused by name, with the nearest right one."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from amocrm_warehouse.assistant.mcp_command import INSTRUCTIONS, described, server
from amocrm_warehouse.assistant.prompts import QUESTIONS
from amocrm_warehouse.assistant.tool_arguments import ARGUMENTS, Refused, days_of, one_period, read_arguments
from amocrm_warehouse.assistant.tools import SQL_TOOLS, TOOLS
from amocrm_warehouse.report.choice import Days

TODAY = date(2026, 11, 29)
YEAR = Days(date(2025, 12, 1), date(2026, 11, 30), TODAY)


def refusal(tool: str, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        read_arguments(tool, (TOOLS | SQL_TOOLS)[tool].arguments, (TOOLS | SQL_TOOLS)[tool].needs, given)
    return str(refused.value)


def test_an_unknown_argument_is_refused_with_the_nearest_right_one() -> None:
    assert refusal("sales", pipeline_id=1).startswith(
        "sales takes no argument pipeline_id. Did you mean pipeline? It takes: project, pipeline, manager, team, "
    )
    assert refusal("queue", since="2026-01-01").startswith("queue takes no argument since. It is as of now.")
    assert refusal("directory", zzz=1) == (
        "directory takes no argument zzz. It takes: project, show, limit, offset, kilobytes, explain."
    )


def test_sql_is_of_all_accounts_and_refuses_one() -> None:
    assert refusal("sql", project="1002") == (
        "sql takes no argument project. It is of all accounts: in sql, write where project_id = '1002' (directory "
        "has the ids). It takes: select, table, show, limit, offset, kilobytes, explain."
    )
    assert "where project_id = 'o''k'" in refusal("sql", project="o'k")


@pytest.mark.parametrize("tool", TOOLS | SQL_TOOLS)
def test_every_argument_of_a_tool_has_a_type_and_no_other_is_taken(tool: str) -> None:
    of = (TOOLS | SQL_TOOLS)[tool]
    assert set(of.arguments) <= set(ARGUMENTS)
    assert set(of.needs) <= set(of.takes)
    assert ("since" in of.arguments) is bool(of.dated)
    assert all("type" in ARGUMENTS[name].schema for name in of.arguments)
    assert "takes no argument nonsense" in refusal(tool, nonsense=1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"since": "2026-13-01"}, "since must be a day, as 2026-01-31, and is '2026-13-01'."),
        ({"until": "2026"}, "until must be a day, as 2026-01-31, and is '2026'."),
        ({"until": 5}, "until must be a day, as 2026-01-31, and is 5."),
        ({"limit": 10**9}, "limit must be a whole number from 1 to 500, and is 1000000000."),
        ({"limit": True}, "limit must be a whole number from 1 to 500, and is True."),
        ({"manager": ["Анна"]}, "manager must be a text, and is ['Анна']."),
        ({"show": [1]}, "show must be a list of names, and is [1]."),
        ({"explain": "maybe"}, "explain must be true or false, and is 'maybe'."),
        ({"manager": " "}, "manager is empty. Give it a value, or leave it out."),
    ],
)
def test_a_value_of_another_type_is_refused(given: dict[str, Any], sentence: str) -> None:
    assert refusal("sales", **given) == sentence


def test_an_argument_that_is_needed_is_named() -> None:
    assert refusal("manager") == (
        "manager needs the argument manager: A user, by id or name; a surname alone is enough if one person has it."
    )
    assert refusal("deals", state="sold") == "There is no state 'sold'. There are: won, lost, open, created, all."
    assert refusal("deals", state="wonn") == (
        "There is no state 'wonn'. Did you mean won? There are: won, lost, open, created, all."
    )


PERIODS = {
    "today": ("2026-11-29", "2026-11-29"), "yesterday": ("2026-11-28", "2026-11-28"),
    "this_week": ("2026-11-23", "2026-11-29"), "last_week": ("2026-11-16", "2026-11-22"),
    "this_month": ("2026-11-01", "2026-11-30"), "last_month": ("2026-10-01", "2026-10-31"),
    "this_quarter": ("2026-10-01", "2026-12-31"), "last_quarter": ("2026-07-01", "2026-09-30"),
    "this_year": ("2026-01-01", "2026-12-31"), "last_year": ("2025-01-01", "2025-12-31"),
    "last_7_days": ("2026-11-23", "2026-11-29"), "last_30_days": ("2026-10-31", "2026-11-29"),
    "last_3_months": ("2026-09-01", "2026-11-30"), "last_12_months": ("2025-12-01", "2026-11-30"),
    "2024": ("2024-01-01", "2024-12-31"), "2024-Q1": ("2024-01-01", "2024-03-31"),
    "2024-02": ("2024-02-01", "2024-02-29"),
}  # fmt: skip


@pytest.mark.parametrize("name", PERIODS)
def test_a_period_has_a_name(name: str) -> None:
    found = days_of(name, TODAY)
    assert found is not None
    assert tuple(day.isoformat() for day in found) == PERIODS[name]


def test_days_are_included_at_both_ends_and_stand_as_they_were_given() -> None:
    days = one_period({"since": date(2026, 3, 10), "until": date(2026, 3, 31)}, YEAR)
    assert days == Days(date(2026, 3, 10), date(2026, 3, 31), TODAY)
    assert one_period({}, YEAR) == YEAR


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"since": date(2026, 5, 2), "until": date(2026, 5, 1)},
         "The first day, 2026-05-02, is after the last, 2026-05-01."),
        ({"until": date(2025, 5, 31)},
         "Without since the days begin on 2025-12-01, the first of the last twelve months, which is after until, "
         "2025-05-31. Give since as well."),
        ({"since": date(2026, 12, 1), "until": date(2026, 12, 2)},
         "The first day, 2026-12-01, has not come yet: the account's today is 2026-11-29."),
        ({"period": "today", "since": date(2026, 5, 2)}, "Give either period, or since and until."),
        ({"period": "2024-13"}, "There is no period “2024-13”. There are: today, yesterday, "),
        ({"period": "last month"}, "There is no period “last month”. Did you mean last_month? There are: "),
    ],
)  # fmt: skip
def test_days_that_cannot_be_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        one_period(given, YEAR)
    assert str(refused.value).startswith(sentence)


def test_budgets_that_no_deal_can_have_are_refused() -> None:
    takes = ("budget_from", "budget_to")
    assert read_arguments("deals", takes, (), {"budget_from": 5, "budget_to": "5"}) == dict.fromkeys(takes, 5)
    with pytest.raises(Refused, match=r"^The least budget, 5, is above the greatest, 4\.5\.$"):
        read_arguments("deals", takes, (), {"budget_from": 5, "budget_to": 4.5})


@pytest.mark.parametrize("page", ["assistant.md", "assistant.ru.md"])
def test_the_pages_name_every_tool(page: str) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / page).read_text(encoding="utf-8")
    rows = "".join(line for line in text.splitlines() if line.startswith("| "))
    assert set(re.findall(r"`(\w+)`", rows)) == TOOLS.keys()
    assert all(f"`{name}`" in text for name in SQL_TOOLS)


def test_the_tools_are_few_and_their_descriptions_short() -> None:
    """Each argument is explained by the first tool that takes it; four characters are a token, more or less."""
    listed = list(described(TOOLS | SQL_TOOLS))
    assert len(listed) <= 16
    assert (
        sum(len(tool.model_dump_json(by_alias=True, exclude_none=True)) for tool in listed) + len(INSTRUCTIONS) < 20_000
    )
    explained = [name for tool in listed for name, of in tool.input_schema["properties"].items() if "description" in of]
    assert sorted(explained) == sorted(set(explained))
    taken = {name for tool in listed for name in tool.input_schema["properties"]}
    assert taken - set(explained) == {"kind", "order"}


@pytest.mark.parametrize(("page", "language"), [("assistant.md", "en"), ("assistant.ru.md", "ru")])
def test_the_pages_have_the_proven_questions_that_the_server_offers(page: str, language: str) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / page).read_text(encoding="utf-8")
    assert all(f"| {one[language]} | `{one['tool']}` |" in text for one in QUESTIONS)
    assert {one["tool"] for one in QUESTIONS} <= TOOLS.keys()


def test_a_client_is_offered_prompts_and_definitions() -> None:
    async def offered() -> tuple[Any, ...]:
        async with Client(server("nowhere.duckdb")) as client:
            named = [prompt.name for prompt in (await client.list_prompts()).prompts]
            said: Any = (await client.get_prompt("plan_ru")).messages[0].content
            uris = [str(one.uri) for one in (await client.list_resources()).resources]
            read: list[Any] = [(await client.read_resource(uri)).contents[0] for uri in uris]
            return named, said.text, uris, [one.text for one in read]

    named, said, uris, texts = asyncio.run(offered())
    assert len(named) == 2 * len(QUESTIONS)
    assert said == "Выполняем ли план этого месяца? Возьми инструмент plan из source-amocrm."
    assert uris == ["amocrm://definitions", "amocrm://columns"]
    assert ("won_budget:" in texts[0], "deal_history" in texts[1]) == (True, True)
