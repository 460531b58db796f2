"""The answers beside the page: `source-amocrm mcp`, the workbook, the digest, and a report of one team.

The server is asked by the official client, and nothing is changed or leaked. Its answers, the workbook and the digest
are held against the account's own store.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import duckdb
import httpx2
import pytest
from mcp import Client

from amocrm_warehouse.assistant import bounded_select
from amocrm_warehouse.assistant.call_log import CALLS, recorder
from amocrm_warehouse.assistant.mcp_command import TOKEN, called, server
from amocrm_warehouse.assistant.people import Person
from amocrm_warehouse.assistant.replies import plain, text_of
from amocrm_warehouse.assistant.tools import SQL_TOOLS, TOOLS
from amocrm_warehouse.database import reading
from amocrm_warehouse.known_names import people_named
from amocrm_warehouse.report import page_data, workbook
from amocrm_warehouse.report.answer_parts import in_choice
from amocrm_warehouse.report.answers import choice_of_people
from amocrm_warehouse.report.choice import Choice, last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.metrics import METRICS
from amocrm_warehouse.report.page_queries import GAINS, LOSSES, MOVES
from amocrm_warehouse.report.report_words import Words
from sandbox import Account, ManualClock, writes
from testing import forked, models, postgres
from testing.assistant import ATTACKS, SECRET, ask, ask_by_http, ask_by_stdio, serving
from testing.assistant_numbers import check_assistant
from testing.expected import marts as oracle
from testing.expected.marts import ahead
from testing.expected.marts import page as expected_page
from testing.expected.marts.conversations import conversations
from testing.expected.marts.deals import deal_history, deals
from testing.expected.marts.known import grouped
from testing.expected.marts.people import manager_activity, tasks_open, touches
from testing.expected.marts.totals import ended
from testing.report_numbers import check_answers, digest_lines, same
from testing.report_page import run, unfolded, unpacked
from testing.sheets import sheets, tables_of

NOW = 1_767_290_400
TEAM = "Опт"
TIMUR = "Тимур Гараев"
VICTORY = "Победа!"
"""What one of the pipelines calls the stage 142."""
PLAN = 300_000
FIRST_DAY = datetime(2023, 2, 1)
"""Of the 36 months that the page shows."""


@pytest.fixture(scope="module")
def known() -> oracle.Known:
    """An account where, in the last hour, won, lost and open deals of the year changed their owner or were deleted."""
    account = Account.generate(2, 150, clock=ManualClock(NOW))
    writes.rename_status(account, account.pipelines[1]["id"], 142, VICTORY)
    known = oracle.Known("1001", ZoneInfo("Europe/Moscow"), oracle.at_second(NOW), marks=False)
    known.read(account)
    account.clock = ManualClock(NOW - 3600)
    of_year = [row for row in account.tables["leads"].rows.values() if row["created_at"] > NOW - 200 * 86_400]
    for of in grouped(of_year, lambda row: (row["status_id"] if row["closed_at"] else None,)).values():
        for place, row in enumerate(of[:6]):
            if place % 3:
                to = next(user for user in account.users if user != row["responsible_user_id"])
                writes.edit(account, "leads", row["id"], responsible_user_id=to)
            else:
                writes.trash(account, "leads", row["id"])
    for row in of_year[::2]:
        if row["id"] in account.tables["leads"].rows:
            writes.edit(account, "leads", row["id"], source_id=account.sources[0]["id"])  # some came by utm_source too
    known.read(account)
    known.plans = {("2026-01", row["user_id"]): Decimal(PLAN) for row in known.all("users")}
    return known


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, known: oracle.Known) -> Path:
    """The database; the page, the workbook and the digest of one manager and of one team; the workbook in Russian.

    The names are not given in amoCRM's letters, and are shown in these all the same.
    """
    made = tmp_path_factory.mktemp("answers")
    file = str(made / "crm.duckdb")
    models.store(file, "1001", {name: list(rows.values()) for name, rows in known.rows.items()}, "duckdb")
    plans = made / "plans.csv"
    lines = [f"1001,2026-01-01,{row['user_id']},{PLAN}" for row in known.all("users")]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines, ""]), encoding="utf-8")
    for name, given in {
        "manager": [
            "--now", "2026-01-01T18:00:00", "--working-hours", "1-5 9:00-18:00, 6 10:00-14:30",
            "--plans", str(plans), "--manager", boss(known).upper(),
        ],
        "team": ["--built", "--group", TEAM.lower()],
    }.items():  # fmt: skip
        files = ["--xlsx", str(made / f"{name}.xlsx"), "--out", str(made / f"{name}.html")]
        done = run(*given, *files, "--digest", "--language", "en", database=file)
        assert done.returncode == 0, done.stderr
        (made / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
    with reading(file) as ask:
        workbook.write(made / "ru.xlsx", ask, last_months(ask), Words("ru"))
    return made


@pytest.fixture(scope="module")
def database(folder: Path) -> str:
    return str(folder / "crm.duckdb")


def boss(known: oracle.Known) -> str:
    """The name of who has the most deals."""
    [(user, _)] = Counter(row["responsible_user_id"] for row in known.all("deals")).most_common(1)
    return str(known.user(user))


def rows(database: str, sql: str) -> list[dict[str, Any]]:
    return models.query(database, sql)


CHOICES: dict[str, dict[str, Any]] = {
    "some months": {"since": "2025-03-10", "until": "2025-12-31"}, "a pipeline": {"pipeline": 0},
    "a manager": {"manager": 0, "since": "2025-06-01"},
}  # fmt: skip
"""Beside the account as a whole, which test_models asks for; a 0 stands for the one with the most deals."""


@pytest.mark.parametrize("name", CHOICES)
def test_each_answer_is_the_accounts(database: str, known: oracle.Known, name: str) -> None:
    most = Counter((row["pipeline_id"], row["responsible_user_id"]) for row in known.all("deals")).most_common(1)[0][0]
    of = dict(zip(("pipeline", "manager"), most, strict=True))
    chosen = {key: of.get(key, value) for key, value in CHOICES[name].items()}
    first = date.fromisoformat(chosen.get("since", "2025-02-01"))
    last = date.fromisoformat(chosen.get("until", "2026-01-31"))
    users = frozenset({chosen["manager"]}) if "manager" in chosen else None
    check_assistant(
        database, known, expected_page.Choice((known,), first, last, chosen.get("pipeline"), users), **chosen
    )


def sum_of(database: str) -> str:
    return hashlib.sha256(Path(database).read_bytes()).hexdigest()


EVIL = "x' or '1'='1"


def test_nothing_that_is_asked_changes_or_leaks_anything(database: str) -> None:
    before = sum_of(database)
    answers = ask(database, *(("sql", {"select": attack}) for attack in ATTACKS))
    for attack, answer in zip(ATTACKS, answers, strict=True):
        assert isinstance(answer, str), (attack, answer)
        assert "root:" not in answer
    none = ask(database, ("sales", {"project": EVIL}), ("queue", {"project": EVIL}), ("directory", {"project": EVIL}))
    assert all(isinstance(answer, str) for answer in none)
    wrong = ask(
        database,
        ("sales", {"manager": EVIL}),
        ("card", {"id": EVIL}),
        ("queue", {"limit": 10**9}),
    )
    assert all(isinstance(answer, str) for answer in wrong)
    [none_found] = ask(database, ("find", {"query": EVIL}))
    assert (none_found["cards"], none_found["deals"]) == ([], [])
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
    assert (len(some["rows"]), some["covers"]["rows"]) == (3, {"rows": "3 of more"})
    assert [{name: plain(value) for name, value in row.items()} for row in rows(database, count)] == counted["rows"]
    none = ask(database, *(("sql", {"select": f"select * from {name}"}) for name in ("nope", "amocrm_marts.nope")))
    assert none == ["There is no table nope here. sql without a select lists the tables."] * 2
    monkeypatch.setattr(bounded_select, "SECONDS", 0.5)
    [late] = ask(
        database,
        ("sql", {"select": "with recursive n(i) as (select 1 union all select i from n) select count(*) from n"}),
    )
    assert late == bounded_select.TOO_MUCH


def test_names_work_as_well_as_ids_and_an_unknown_one_is_refused_with_the_right_ones(
    database: str, known: oracle.Known
) -> None:
    name = boss(known)
    user = next(row["user_id"] for row in known.all("users") if row["name"] == name)
    by_name, by_id, of_team, wrong, no_pipeline, no_source, no_project = ask(
        database,
        ("sales", {"manager": name.upper(), "project": known.all("account")[0]["name"]}),
        ("sales", {"manager": user, "project": "1001"}), ("sales", {"team": TEAM.lower()}),
        ("sales", {"manager": f"{name}а"}), ("funnel", {"pipeline": "Прдажи"}), ("sources", {"source": "Радио"}),
        ("queue", {"project": "1002"}),
    )  # fmt: skip
    assert by_name == by_id
    assert by_id["covers"]["filters"] == {"manager": [f"{name} ({user})"]}
    assert (len(by_id["managers"]), of_team["covers"]["filters"]) == (1, {"team": [TEAM]})
    assert wrong.startswith(f"There is no manager “{name}а”. Did you mean {name}? There are: ")
    assert no_pipeline.startswith("There is no pipeline “Прдажи”. Did you mean Продажи? There are: Продажи, Опт, ")
    assert no_source.startswith("There is no source “Радио”. There are: ")
    assert no_project.startswith("There is no account “1002”. There are: ООО «Северный ветер».")


def test_a_day_is_that_day_alone_and_both_ends_count(database: str, known: oracle.Known) -> None:
    """At a month's end as well, where an act of the last evening belongs to the last day."""
    acts = [row for row in manager_activity(known) if row["day"] <= "2025-12-31"]
    last = max(row["day"] for row in acts if row["stage_moves"])
    days = [
        {"since": last, "until": last}, {"since": "2025-12-01", "until": "2025-12-31"}, {"period": "2025-11"},
    ]  # fmt: skip
    for arguments, answer in zip(days, ask(database, *(("activity", one) for one in days)), strict=True):
        [since, until] = [answer["covers"]["period"][name] for name in ("since", "until")]
        wanted = sum(row["stage_moves"] for row in acts if since <= row["day"] <= until)
        assert sum(row["stage_moves"] for row in answer["managers"]) == wanted, arguments


def test_days_of_a_plan_are_widened_to_months_and_it_says_so(database: str) -> None:
    days = [{"since": "2025-11-05", "until": "2025-12-20"}, {"since": "2025-11-01", "until": "2025-12-31"}]
    [some, whole] = ask(database, *(("plan", one) for one in days))
    assert some == whole
    period = some["covers"]["period"]
    assert (period["since"], period["until"], "is_over" in period) == ("2025-11-01", "2025-12-31", False)
    [now] = ask(database, ("plan", {"period": "today"}))
    assert {name: value for name, value in now["covers"]["period"].items() if name != "counted_by"} == {
        "since": "2026-01-01", "until": "2026-01-31", "is_over": False, "so_far_until": "2026-01-01"
    }  # fmt: skip


def test_what_moved_in_two_parts_of_a_month_adds_up_to_the_month(database: str) -> None:
    days = [("2025-11-01", "2025-11-12"), ("2025-11-13", "2025-11-30"), ("2025-11-01", "2025-11-30")]
    asked = [("what_moved", {"since": since, "until": until}) for since, until in days]
    first, second, month = (
        {name: sum(row[name] for row in answer["moved"]) for name in ("at_start", *MOVES, "at_end")}
        for answer in ask(database, *asked)
    )
    assert (first["at_start"], first["at_end"], second["at_end"]) == (
        month["at_start"], second["at_start"], month["at_end"]
    )  # fmt: skip
    assert {name: first[name] + second[name] for name in MOVES} == {name: month[name] for name in MOVES}
    assert all(part["left_won"] + part["left_lost"] and part["at_start"] != part["at_end"] for part in (first, second))


def deal_that_moved(known: oracle.Known) -> list[dict[str, Any]]:
    """The history of the deal that changed most often."""
    spans = grouped(deal_history(known), lambda row: (row["deal_id"],)).values()
    return max(spans, key=len)


def test_a_moment_with_a_zone_is_converted_to_the_clock_of_the_account(database: str, known: oracle.Known) -> None:
    last = deal_that_moved(known)[-1]
    began = last["from_at_local"].replace(tzinfo=known.zone)
    moments = [began, began - timedelta(seconds=1)]
    forms = [
        [at.replace(tzinfo=None).isoformat(), at.isoformat(), f"{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
         at.astimezone(ZoneInfo("America/Sao_Paulo")).isoformat()]
        for at in moments
    ]  # fmt: skip
    answers = iter(
        ask(database, *(("card", {"id": last["deal_id"], "at": at, "show": ["history"]}) for of in forms for at in of))
    )
    found = [[next(answers)["history"] for _ in of] for of in forms]
    assert [len({json.dumps(history) for history in of}) for of in found] == [1, 1]
    assert [datetime.fromisoformat(of[0][0]["from_at_local"]) == last["from_at_local"] for of in found] == [True, False]


def test_a_deal_is_of_the_moment_that_covers_names(database: str, known: oracle.Known) -> None:
    """A moment to come is refused; at a moment before the deal's creation a sentence says that it was not there."""
    history = deal_that_moved(known)
    deal, first, last = history[0]["deal_id"], history[0]["from_at_local"], history[-1]["from_at_local"]
    ends = [rows[-1] for rows in grouped(deal_history(known), lambda row: (row["deal_id"],)).values()]
    gone = next(row for row in ends if row["to_at_local"])
    asked = [(deal, last.isoformat()), (deal, None), (deal, f"{first:%Y-%m-%d}"),
             (gone["deal_id"], gone["to_at_local"].isoformat()), (deal, "2026-01-01T21:00:01")]  # fmt: skip
    then, always, before, after, to_come = ask(
        database, *(("card", {"id": number, "show": ["history"], **({"at": at} if at else {})}) for number, at in asked)
    )
    assert then["covers"]["period"] == {"at": f"{last.isoformat()}+03:00 Europe/Moscow"}
    assert always["covers"]["period"] == "all times"
    assert (before["history"], before["covers"]["period"]) == ([], {"at": f"{first:%F}T00:00:00+03:00 Europe/Moscow"})
    assert before["covers"]["notes"][-1] == f"Deal {deal} of 1001 was not there yet: its history begins at {first}."
    assert (after["history"], after["covers"]["notes"][-1]) == (
        [], f"Deal {gone['deal_id']} of 1001 was not there any more: it was deleted at {gone['to_at_local']}."
    )  # fmt: skip
    assert to_come == (
        "The moment 2026-01-01 21:00:01 had not come yet when the marts were built, at 2026-01-01 21:00:00 by the "
        "account's clock. Give an earlier one; without at the answer ends with the present state."
    )


def found_by(database: str, tool: str, **given: Any) -> dict[str, Any]:
    [answer] = ask(database, (tool, {"limit": 500, "kilobytes": 400, **given}))
    assert isinstance(answer, dict), answer
    return answer


def test_a_client_is_found_by_what_people_know_of_him(database: str, known: oracle.Known) -> None:
    """By the whole name, its words in any order and case, +7, 8 or the last digits, an address, an id and a link."""
    contact = next(row for row in known.all("contacts") if row["name"] and " " in row["name"] and row["phones"]
                   and not row["is_deleted"])  # fmt: skip
    phone = re.sub(r"\D", "", contact["phones"][0])
    first, *_, last = contact["name"].split()
    asked = [
        contact["name"], f"{last} {first}".upper(), f"+{phone}", f"8{phone[1:]}", phone[-7:],
        str(contact["contact_id"]),
        f"https://example.amocrm.ru/contacts/detail/{contact['contact_id']}",
    ]  # fmt: skip
    for query in asked:
        cards = found_by(database, "find", query=query)["cards"]
        assert contact["contact_id"] in [card["id"] for card in cards if card["kind"] == "contact"], query
    assert [found_by(database, "find", query=signs)["cards"] for signs in ("%", "'", "🇷🇺 🎄")] == [[]] * 3
    none = found_by(database, "find", query="Нетникого Никогданебыло")
    assert (none["cards"], none["covers"]["empty"]["cards"]) == (
        [], "No card has all of these words, these digits or this address."
    )  # fmt: skip
    theirs = {link["lead_id"] for link in known.all("deal_contacts") if link["contact_id"] == contact["contact_id"]}
    there = {deal["deal_id"] for deal in deals(known) if not deal["is_deleted"]}
    told = {row["deal_id"] for row in found_by(database, "find", query=str(contact["contact_id"]))["deals"]}
    assert theirs & there <= told
    card = found_by(database, "card", kind="contact", id=contact["contact_id"])
    assert {row["deal_id"] for row in card["deals"]} == theirs & there
    assert card["card"][0]["name"] == contact["name"]


FILTERS: dict[str, tuple[dict[str, Any], Any]] = {
    "large open": ({"state": "open", "budget_from": 100_000},
                   lambda deal, _: deal["stage_kind"] in ("open", "unsorted") and (deal["budget"] or 0) >= 100_000),
    "small": ({"budget_to": 1000}, lambda deal, _: (deal["budget"] or 0) <= 1000),
    "won in a month": ({"state": "won", "period": "2025-11"}, lambda deal, _: deal["stage_kind"] == "won"
                       and deal["closed_at_local"] and f"{deal['closed_at_local']:%Y-%m}" == "2025-11"),
    "untouched": ({"untouched": True}, lambda deal, _: deal["stage_kind"] in ("open", "unsorted")
                  and deal["first_response_at"] is None),
    "silent for 60 days": ({"days_without_activity": 60}, lambda deal, silent: deal["deal_id"] in silent),
    "won stage of one pipeline": ({"stage": "победа!"}, lambda deal, _: deal["status_name"] == VICTORY),
    "won stage of the others": ({"stage": "Успешно реализовано"},
                                lambda deal, _: deal["status_name"] == "Успешно реализовано"),
    "everything": ({}, lambda *_: True),
}  # fmt: skip
"""The arguments of a list of deals, and whether a deal is in it."""


@pytest.mark.parametrize("name", FILTERS)
def test_a_list_of_deals_has_those_and_says_how_many_and_how_much_in_all(
    database: str, known: oracle.Known, name: str
) -> None:
    given, holds = FILTERS[name]
    everything = expected_page.Choice((known,), date(2020, 1, 1), date(2026, 1, 31))
    silent = {row["deal_id"] for row in expected_page.stale_rows(everything) if row["days_without_activity"] >= 60}
    wanted = [deal for deal in deals(known) if not deal["is_deleted"] and holds(deal, silent)]
    answer, short = found_by(database, "deals", **given), found_by(database, "deals", **given, limit=2, offset=1)
    assert sorted(row["deal_id"] for row in answer["deals"]) == sorted(deal["deal_id"] for deal in wanted)
    assert [row["deal_id"] for row in short["deals"]] == [row["deal_id"] for row in answer["deals"][1:3]]
    [in_all] = short["covers"]["in_all"]["deals"] if wanted else [{"rows": 0, "budget": 0}]
    assert (in_all["rows"], in_all["budget"]) == (
        len(wanted),
        plain(sum((Decimal(str(deal["budget"] or 0)) for deal in wanted), Decimal(0))),
    )


def test_deals_with_a_tag_or_a_value_of_an_own_field(database: str, known: oracle.Known) -> None:
    there = {deal["deal_id"]: deal for deal in deals(known) if not deal["is_deleted"]}
    tags = Counter(tag for deal in there.values() for tag in tags_of(deal))
    tag = tags.most_common(1)[0][0]
    told = found_by(database, "deals", tag=tag.upper())
    assert len(told["deals"]) == tags[tag]
    [field, value] = rows_of_field(database)
    told = found_by(database, "deals", field=field, value=value)
    held = rows(database, "select distinct entity_id from amocrm_marts.entity_fields where entity_type = 'deal' and "
                f"name = '{field}' and value = '{value}'")  # fmt: skip
    assert {row["deal_id"] for row in told["deals"]} == {row["entity_id"] for row in held} & there.keys()
    wrong = ask(database, ("deals", {"tag": "нет такого"}), ("deals", {"value": "x"}))
    assert wrong[0].startswith("There is no tag “нет такого”. There are: ")
    assert wrong[1] == "A value needs the own field that has it: give field as well."


def tags_of(deal: dict[str, Any]) -> set[str]:
    return {tag.strip() for tag in (deal["tags"] or "").split(",")} - {""}


def rows_of_field(database: str) -> list[str]:
    [one] = rows(database, "select name, value from amocrm_marts.entity_fields where entity_type = 'deal' and "
                 "value not like '%''%' group by 1, 2 order by count(*) desc, 1, 2 limit 1")  # fmt: skip
    return [one["name"], one["value"]]


def test_the_open_money_of_a_past_day_is_one_call(database: str, known: oracle.Known) -> None:
    day = datetime(2025, 10, 1)
    end = day + timedelta(days=1)
    open_then = [
        row for row in deal_history(known)
        if row["stage_kind"] in ("open", "unsorted") and row["from_at_local"] < end
        and (row["to_at_local"] is None or row["to_at_local"] >= end)
    ]  # fmt: skip
    answer = found_by(database, "what_moved", day="2025-10-01")
    assert answer["open"][0]["deals"] == len(open_then)
    moved = found_by(database, "what_moved", period="2025-11")
    [total] = moved["total"]
    assert total["at_start"] + sum(total[name] for name in GAINS) - sum(
        total[name] for name in LOSSES
    ) == pytest.approx(total["at_end"])
    assert next(iter(name for name in moved if name != "covers")) == "total"


def test_an_empty_answer_says_why_and_an_ambiguous_name_gives_the_candidates(
    database: str, known: oracle.Known
) -> None:
    [nothing, surname] = ask(
        database, ("plan", {"period": "2024-05", "show": ["months"]}), ("sales", {"manager": TIMUR.split()[1].lower()})
    )
    assert nothing["covers"]["empty"] == {"months": "No plan was given for 2024-05-01 to 2024-05-31."}
    assert [name.split(" (")[0] for name in surname["covers"]["filters"]["manager"]] == [TIMUR]
    everybody = [
        {"project_id": "1", "user_id": 5, "manager": "Анна Ким", "team": None},
        {"project_id": "1", "user_id": 6, "manager": "Анна Пёрова", "team": None},
    ]
    with pytest.raises(ValueError, match=r"^Several have the manager “анна”: Анна Ким \(5\), Анна Пёрова \(6\)\."):
        people_named(everybody, [], ["анна"])
    assert people_named(everybody, [], ["перова"]) == {("1", 6)}
    assert known.all("users")


def test_a_mart_that_is_missing_leaves_the_rest_of_an_answer(database: str, tmp_path: Path) -> None:
    file = tmp_path / "crm.duckdb"
    file.write_bytes(Path(database).read_bytes())
    with duckdb.connect(str(file)) as connection:
        connection.execute("drop table amocrm_marts.conversations")
    [talks, waits, sold] = ask(
        str(file),
        ("incoming", {"show": ["talks", "channels", "hours"]}),
        ("manager", {"manager": TIMUR}),
        ("sales", {}),
    )
    sentence = "It is not known: the last build made no conversations. Build the models: source-amocrm models."
    assert set(talks["covers"]["missing"].values()) == {sentence}
    assert talks.keys() == {"covers"}
    assert waits["sales"]
    assert "missing" not in sold["covers"]


def test_calls_at_the_same_time_are_all_answered(database: str) -> None:
    async def together() -> list[Any]:
        async with Client(server(database, True)) as client:
            calls = [client.call_tool("sql", {"select": "select 1 as one"}), client.call_tool("sales", {}),
                     *(client.call_tool("queue", {"limit": 1}) for _ in range(3))]  # fmt: skip
            return [answer.is_error for answer in await asyncio.gather(*calls)]

    assert asyncio.run(together()) == [False] * 5


def test_it_speaks_by_stdio_and_by_http_to_whoever_has_the_token_alone(database: str) -> None:
    [answer] = ask(database, ("plan", {}))
    assert ask_by_stdio(f"duckdb:///{database}", "plan") == answer
    with serving(f"duckdb:///{database}") as address:
        assert ask_by_http(address, "plan") == answer
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {SECRET[:-1]}"}):
            refused = httpx2.post(address, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            assert (refused.status_code, refused.text) == (401, "The token is missing or wrong.")


def test_a_person_sees_his_own_cards_alone_whatever_he_asks(database: str, known: oracle.Known) -> None:
    """Every tool is asked for everybody's rows: no stranger's deal is in an answer, but sums and places."""
    me = Person("me", "", manager=boss(known))
    [mine] = [row["user_id"] for row in known.all("users") if row["name"] == me.manager]
    there = [deal for deal in deals(known) if not deal["is_deleted"]]
    own = [deal for deal in there if mine in (deal["responsible_user_id"], deal["closer_id"])]
    waiting = {row["entity_id"] for row in ahead.today(known) if row["responsible_user_id"] == mine}
    strangers = [deal for deal in there if deal not in own and deal["deal_id"] not in waiting]
    other = next(deal for deal in strangers if deal["name"] and deal["budget"])
    everything = {"limit": 500, "kilobytes": 400}
    asked: dict[str, list[dict[str, Any]]] = {name: [{}] for name in TOOLS}
    asked |= {
        "find": [{"query": "сделка"}, {"query": str(other["name"])}, {"query": str(other["deal_id"])}],
        "deals": [{}, {"state": "open"}, {"state": "won", "period": "all"}, {"state": "lost", "period": "all"}],
        "card": [{"id": own[0]["deal_id"]}], "manager": [{"manager": me.manager}], "why": [{"id": own[0]["deal_id"]}],
        "directory": [{"show": list(TOOLS["directory"].parts)}],
    }  # fmt: skip
    told = json.dumps([
        called(database, name, TOOLS[name], one | everything, me) for name, each in asked.items() for one in each
    ], ensure_ascii=False)  # fmt: skip
    names = {str(deal["name"]) for deal in own} | {str(deal["name"]) for deal in there if deal["deal_id"] in waiting}
    names.add(str(other["name"]))  # which covers repeats
    secret = {str(deal["deal_id"]) for deal in strangers if deal is not other}
    secret |= {str(deal["name"]) for deal in strangers} - names
    assert [text for text in secret if f'"{text}"' in told or f"/{text}" in told or f" {text}," in told] == []
    for name, given in (("card", {"id": other["deal_id"]}), ("why", {"id": other["deal_id"]}),
                        ("sales", {"manager": known.user(other["responsible_user_id"])}), ("sql", {})):  # fmt: skip
        with pytest.raises(ValueError, match=r"There is no deal|You see your own cards alone|does not open it"):
            called(database, name, (TOOLS | SQL_TOOLS)[name], given, me)
    assert called(database, "find", TOOLS["find"], {"query": str(other["deal_id"])}, me)["cards"] == []
    sales = called(database, "sales", TOOLS["sales"], {"manager": me.manager, "period": "all"}, me)
    beside = {row["measure"]: row for row in sales["beside_team"]}
    sold = Counter(deal["closer_id"] for deal in there if deal["stage_kind"] == "won")
    off = {row["user_id"] for row in known.all("users") if not row["is_active"]}
    assert beside["won"]["own"] == sold[mine]
    assert beside["won"]["total"] == sum(count for user, count in sold.items() if user not in off)
    assert beside["won"]["place"] == 1 + sum(count > sold[mine] for user, count in sold.items() if user not in off)


def test_each_person_has_a_token_that_can_be_revoked_and_each_call_is_logged(
    database: str, known: oracle.Known, tmp_path: Path
) -> None:
    people, log = tmp_path / "people.yaml", tmp_path / "calls.log"
    given = ["--people", str(people)]
    token = forked.run(["mcp", "token", "add", "Анна", *given, "--manager", boss(known)]).stdout.splitlines()[-1]
    assert token not in people.read_text(encoding="utf-8")
    with serving(f"duckdb:///{database}", *given, "--log", str(log)) as address:
        own, everybody = ask_by_http(address, "sales", token), ask_by_http(address, "sales")
        assert own["covers"]["filters"] == {"seen": boss(known)}
        assert len(own["managers"]) < len(everybody["managers"])
        assert forked.run(["mcp", "token", "revoke", "Анна", *given]).stdout == "The token of Анна is revoked.\n"
        refused = httpx2.post(address, headers={"Authorization": f"Bearer {token}"}, json={})
        assert refused.status_code == 401
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(line["who"], line["tool"]) for line in lines] == [("Анна", "sales"), ("the server's token", "sales")]
    assert (lines[0]["accounts"], lines[0]["refused"], log.stat().st_mode & 0o777) == (["1001"], "", 0o600)
    assert lines[0]["bytes"] == len(text_of(own).encode())
    said = forked.run(["mcp", "calls", str(log), "--last", "1"]).stdout
    assert said.splitlines()[-1] == "Most asked: sales by Анна (1), sales by the server's token (1)"


def test_each_call_is_in_a_table_of_postgresql_and_no_duckdb_file_is_written(database: str) -> None:
    with postgres.server() as url:
        record = recorder(None, "hash", url)
        record("me", "find", {"query": "Анна"}, accounts=["1001"], rows=2, bytes=90, ms=3)
        again = recorder(None, "hash", url)
        again("me", "sales", {"limit": 5}, "There is no user 7.", accounts=[], rows=0, bytes=0, ms=1)
        kept = models.query(url, f"select * from {CALLS} order by at")
    assert [(row["who"], row["tool"], row["accounts"], row["rows"], row["refused"]) for row in kept] == [
        ("me", "find", ["1001"], 2, ""), ("me", "sales", [], 0, "There is no user 7."),
    ]  # fmt: skip
    assert kept[1]["arguments"] == {"limit": 5}
    assert "Анна" not in str(kept[0]["arguments"])
    done = forked.run(["mcp", "--to", f"duckdb:///{database}", "--log-table"])
    said = "A DuckDB file has one writer at a time, and syncs write this one: use --log FILE."
    assert (done.returncode, done.stderr.strip()) == (2, said)


def test_an_answer_links_to_the_section_of_the_page_with_the_same_choice(database: str, known: oracle.Known) -> None:
    [user] = [row["user_id"] for row in known.all("users") if row["name"] == boss(known)]
    given = {"manager": boss(known), "since": "2025-10-01", "until": "2025-12-31"}
    answer = called(database, "funnel", TOOLS["funnel"], given, report="https://crm.example/report.html")
    address, _, choice = answer["covers"]["page"].partition("#")
    assert address == "https://crm.example/report.html"
    assert parse_qs(choice) == {"at": ["funnel"], "who": [f"1001/{user}"], "period": ["2025-10-01..2025-12-31"]}
    folded = called(database, "queue", TOOLS["queue"], {}, report="r.html")["covers"]["page"]
    assert folded == "r.html#at=queue"
    assert called(database, "plan", TOOLS["plan"], {}, report="r.html")["covers"]["page"].startswith(
        "r.html#at=forecast&folds=forecast"
    )
    assert "page" not in called(database, "funnel", TOOLS["funnel"], given)["covers"]


def test_a_log_holds_no_personal_data_unless_it_is_told_to(tmp_path: Path) -> None:
    asked = {"query": "+7 916 003-53-33", "select": "select 1 where name = 'Анна'", "limit": 5}
    for personal, shown in (("hash", False), ("drop", False), ("keep", True)):
        recorder(tmp_path / personal, personal)(
            "me", "find", asked, refused="There is no tag “Анна”. There are: Борис."
        )
        line = (tmp_path / personal).read_text(encoding="utf-8")
        assert ("916 003" in line, "where name = 'Анна'" in line, "Борис" in line) == (shown, shown, False)
        assert json.loads(line)["arguments"]["limit"] == 5


def test_without_a_database_there_is_no_server(tmp_path: Path) -> None:
    done = forked.run(["mcp", "--to", f"duckdb:///{tmp_path}/crm.duckdb"])
    said = f"There is no DuckDB file {tmp_path}/crm.duckdb. Read an account into it first: source-amocrm sync."
    assert (done.returncode, done.stdout, done.stderr.strip()) == (2, "", said)


def test_without_a_token_there_is_no_server(database: str) -> None:
    done = forked.run(["mcp", "--to", f"duckdb:///{database}", "--http", "1"], {TOKEN: "short"})
    assert (done.returncode, done.stderr.strip()) == (2, f"Put a token of 16 characters or more into {TOKEN} first.")


def test_the_workbook_has_every_word_in_russian(folder: Path, known: oracle.Known) -> None:
    told = sheets(folder / "ru.xlsx")
    assert "Бюджет карточки, в каждой её строке" in told["Всё, что ждёт"][0]
    others = ("Сводка", "Определения")
    words = [*told, *(head for name, rows in told.items() if name not in others for head in rows[0])]
    assert [word for word in words if not re.search("[а-яё]", word)] == []
    meant = [row for row in told["Определения"] if len(row) == 3]
    assert len(meant) > 20
    account = next(row["name"] for row in known.all("account"))
    part, managers = "", {}
    for row in told["Определения"][2:]:
        part = row[0] if row and row[0] else part
        if len(row) == 3 and row[1] == "Менеджер":
            managers[part] = row[2]
    now, then = "Ответственный сейчас.", "Ответственный; у выигранных и проигранных сделок — в момент закрытия."
    assert managers == {
        "Очередь на сегодня": now, "Всё, что ждёт": now, "Менеджеры за период": then, "Сделки": then,
        "Планы": then,
        "Входящие звонки": "За кем звонок записан в amoCRM.", "Что изменилось": "Кто был ответственным тогда.",
        "Забытые сделки": now, "Беседы": now, "Что делают менеджеры": "Кто это сделал.",
    }  # fmt: skip
    assert told["Определения"][:2] == [["Отчёт по продажам"], [account, "01.02.2025 – 01.01.2026", "RUB"]]


def test_the_workbook_and_the_digest_tell_what_the_account_holds(
    database: str, known: oracle.Known, tmp_path: Path
) -> None:
    """In the last twelve months, and in the present one; each metric is defined beside its table."""
    with reading(database) as run_sql:
        workbook.write(tmp_path / "en.xlsx", run_sql, last_months(run_sql), Words("en"))
        said = digest(run_sql, last_months(run_sql), Words("en"))
    choice = expected_page.Choice((known,), date(2025, 2, 1), date(2026, 1, 31))
    check_answers(tables_of(tmp_path / "en.xlsx"), choice)
    names = {cell for rows in sheets(tmp_path / "en.xlsx").values() for row in rows for cell in row if cell}
    off = {row["name"] for row in known.all("users") if not row["is_active"]}
    assert off & names == set()
    assert {f"{name} · deactivated" for name in off} == {one for one in names if str(one).endswith(" · deactivated")}
    assert said.splitlines()[:15] == digest_lines(known)
    told = {cell for row in sheets(tmp_path / "en.xlsx")["Definitions"] for cell in row}
    shown = {column for columns in workbook.SHEETS.values() for column in columns}
    assert {Words("en").of_column(name) for name in METRICS if name in shown} <= told


@pytest.mark.parametrize("name", ["manager", "team"])
def test_no_row_of_another_is_in_the_report_of_one_manager_or_one_team(
    folder: Path, known: oracle.Known, name: str
) -> None:
    """Row by row the page, the workbook and the digest; what is told of everybody together is not there at all."""
    group = next(row["group_id"] for row in known.all("groups") if row["name"] == TEAM)
    own = frozenset(
        row["user_id"]
        for row in known.all("users")
        if (row["name"] == boss(known) if name == "manager" else row["group_id"] == group)
    )
    assert len(own) == (1 if name == "manager" else 2)
    tables = unpacked(folder / f"{name}.html")
    assert not {"forecast", "forecast_stages", "freshness", "costs"} & tables.keys()
    whose = ("responsible_user_id", "closer_id", "user_id")
    users = {row.get(column) for of in tables.values() for row in of for column in whose} - {None}
    assert users == own
    there = [deal for deal in deals(known) if not deal["is_deleted"]]
    mine = [deal for deal in there if {deal["responsible_user_id"], deal["closer_id"]} & own]
    cards = {row["entity_id"] for row in ahead.today(known) if row["responsible_user_id"] in own}  # also by their tasks
    others = [deal for deal in there if deal not in mine and deal["deal_id"] not in cards]
    own_or_seen = [deal for deal in there if deal not in others]
    # a lead may be named as a tag, which the page shows
    names = {str(deal["name"]) for deal in own_or_seen} | {str(tag["name"]) for tag in known.all("deal_tags")}
    assert mine
    assert others
    check_rows(tables, known, own, mine)

    choice = expected_page.Choice((known,), date(2025, 2, 1), date(2026, 1, 31), users=own)
    check_answers(tables_of(folder / f"{name}.xlsx"), choice)
    lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    head, *rest = digest_lines(known, own)
    people = boss(known) if name == "manager" else TEAM
    account, _, what = head.partition(": ")
    assert lines[:12] == [f"{account}, {people}: {what}", *rest]
    assert f"{account}, {people}" in {row[0] for row in sheets(folder / f"{name}.xlsx")["Definitions"] if row}
    assert f"<h1>{account}, {people}</h1>" in (folder / f"{name}.html").read_text(encoding="utf-8")
    assert "forecast" not in tables_of(folder / f"{name}.xlsx")

    cells = [cell for sheet in sheets(folder / f"{name}.xlsx").values() for row in sheet for cell in row]
    shown = json.dumps(tables, ensure_ascii=False) + str(cells) + "".join(lines)
    strangers = {row["user_id"] for row in known.all("users")} - own
    secret = {str(known.user(user)) for user in strangers} | {str(user) for user in strangers}
    secret |= {str(deal["deal_id"]) for deal in others} | {str(deal["name"]) for deal in others} - names
    assert [text for text in secret if text in shown] == []
    assert all(str(known.user(user)) in shown for user in own)
    # what moved holds the money of deals that they had once
    had = {row["deal_id"] for row in deal_history(known) if row["responsible_user_id"] in own}
    known_to_them = [*own_or_seen, *(deal for deal in others if deal["deal_id"] in had)]
    amounts = {float(deal["budget"] or 0) for deal in others} - {float(deal["budget"] or 0) for deal in known_to_them}
    numbers = {*cells, *(value for of in tables.values() for row in of for value in row.values())}
    assert [amount for amount in amounts if amount > 99_999 and amount in numbers] == []


def check_rows(
    tables: dict[str, list[dict[str, Any]]], known: oracle.Known, own: frozenset[int], mine: list[dict[str, Any]]
) -> None:
    """Raises AssertionError where a table of the page has another row, or lacks one, of these people."""

    def of(user: int | None) -> int | None:
        return user if user in own else None

    def day(moment: Any) -> int | None:
        return (moment.date() - date(1970, 1, 1)).days if moment else None

    shown = ("pipeline_id", "status_id", "created", "closed", "budget", "responsible_user_id", "closer_id")
    wanted = [
        [deal["pipeline_id"], deal["status_id"], day(deal["created_at_local"]),
         day(ended(deal) if deal["stage_kind"] in ("won", "lost") else None), deal["budget"],
         of(deal["responsible_user_id"]), of(deal["closer_id"])]
        for deal in mine
    ]  # fmt: skip
    assert same([[row[column] for column in shown] for row in tables["deals"]], wanted)
    stages = {row["deal_id"] for row in mine}
    assert {row["deal"] for row in tables["stays"]} | {row["deal"] for row in tables["ways"]} <= set(range(len(stages)))
    waiting = [row for row in ahead.today(known) if row["responsible_user_id"] in own]
    piles = grouped(waiting, lambda row: (row["pipeline_id"], row["responsible_user_id"]))
    cards = [{(row["entity_type"], row["entity_id"]) for row in pile} for pile in piles.values()]
    assert len(tables["today"]) == sum(min(len(pile), 20) for pile in cards)
    assert {(row["entity_type"], row["entity_id"]) for row in tables["today"]} <= set().union(*cards)
    stale = expected_page.stale_rows(expected_page.Choice((known,), date(2025, 2, 1), date(2026, 1, 31), users=own))
    forgotten = [row for row in tables["deals"] if row["is_stale"] and row["responsible_user_id"] in own]
    assert {row["deal_id"] for row in forgotten} == {row["deal_id"] for row in stale}
    talks = [row for row in conversations(known) if row["responsible_user_id"] in own and row["messages_in"]]
    assert len(tables["talks"]) == len(talks)
    tasks = [row for row in tasks_open(known) if row["responsible_user_id"] in own]
    assert sum(row["tasks"] for row in tables["tasks"]) == len(tasks)
    counts = ("user_id", "day", *expected_page.COUNTS)
    work = [row for row in manager_activity(known) if row["user_id"] in own and row["day"] >= f"{FIRST_DAY:%F}"]
    done = [[row[column] for column in counts] for row in work if any(row[count] for count in expected_page.COUNTS)]
    told = [{"user_id": row["responsible_user_id"], **row} for row in tables["work"]]
    assert same(
        [[row[c] if c != "day" else str(date.fromordinal(719_163 + row[c])) for c in counts] for row in told], done
    )
    assert sum(row["touches"] for row in tables["hours"]) == sum(
        user in own and moment >= FIRST_DAY for _, user, moment in touches(known)
    )
    plans = [[row["responsible_user_id"], row["plan"]] for row in tables["plans"]]
    assert plans == [[user, PLAN] for user in sorted(own)]


def test_a_source_that_costs_something_keeps_its_name(
    folder: Path, known: oracle.Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is not among those that have most deals: its costs would stand beside no deal."""
    choice = expected_page.Choice((known,), date(2020, 1, 1), date(2026, 1, 31))
    [(rare, count), *_] = sorted((row[:2] for row in expected_page.sources(choice) if row[0]), key=lambda row: row[1])
    monkeypatch.setattr(page_data, "SOURCES_SHOWN", 1)
    with reading(str(folder / "crm.duckdb")) as ask:
        told = page_data.read(ask, contents=page_data.Contents(costs=[["1001", "2025-12-01", rare, "100"]]))
    sources = unfolded(told["tables"]["deals"]["source"])
    assert (sources.count(rare), len({*sources} - {None, True})) == (count, 2)


def test_a_user_of_two_accounts_is_chosen_in_one_of_them() -> None:
    asked = Choice({}, users=frozenset({("north", 5), ("south", 55)})).values()
    cards = "(values ('north', 5), ('south', 5), ('north', 55), ('north', 1)) as cards (project_id, id)"
    found = duckdb.execute(
        f"select project_id, id from {cards} where {in_choice('cards', 'id', None)}",
        {"users": asked["users"]},
    )
    assert found.fetchall() == [("north", 5)]


def test_a_plan_in_another_currency_than_the_accounts_is_refused(folder: Path, tmp_path: Path) -> None:
    plans = tmp_path / "plans.csv"
    plans.write_text("project_id,month,responsible_user_id,plan\n1001,2026-01-01,1,$100\n", encoding="utf-8")
    for verb in ("models", "report"):
        done = forked.run([verb, "--plans", str(plans)], {"DB": str(folder / "crm.duckdb")}, cwd=tmp_path)
        assert done.returncode == 2
        assert "“$100” is no amount in RUB" in done.stderr


def test_an_unknown_group_is_told_with_those_that_are_there(folder: Path) -> None:
    with (
        reading(str(folder / "crm.duckdb")) as ask,
        pytest.raises(ValueError, match="There is no group “Nobody”"),
    ):
        choice_of_people(ask, ["Nobody"], [])
