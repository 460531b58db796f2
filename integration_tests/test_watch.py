"""What is out of habit, in DuckDB and PostgreSQL: planted incidents are found, quiet years have next to none."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from statistics import median
from typing import Any

import pytest

from amocrm_warehouse.database import reading
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.notify import Recipient
from amocrm_warehouse.report.report_command import message
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.watch import watched, watched_in
from amocrm_warehouse.report.week import week
from amocrm_warehouse.report.working_days import WorkingDays, working_days
from testing import models, postgres
from testing.models import Row

NOW = "2026-12-01T09:00:00"
TODAY = date(2026, 12, 1)
DAYS = [TODAY - timedelta(days=back) for back in range(430, 0, -1)]
SIZE, EVEN_BEFORE = 700, 701
"""Custom fields of deals: one that people stop filling, and one that they fill every other time."""
DAYS_OFF = {date(2026, 5, 1), date(2026, 5, 4)}
WORN = date(2026, 11, 16)
"""The day from which `SIZE` is left empty."""
DISMISSED = date(2026, 11, 24)
KEYS = {
    "deals": "lead_id", "contacts": "contact_id", "companies": "company_id", "tasks": "task_id", "notes": "note_id",
    "calls": "note_id", "messages": "message_id", "events": "event_id",
}  # fmt: skip
QUIET = {"1002": None, "1003": 8}
"""Accounts of a quiet year, and the shape of the gamma distribution by which their busy and slack days differ."""
Ask = Callable[[str], list[Row]]
Counts = dict[str, dict[date, int]]


def moment(day: date, second: int = 0) -> str:
    return f"{datetime.combine(day, datetime.min.time()) + timedelta(hours=9, seconds=second):%Y-%m-%dT%H:%M:%SZ}"


def is_workday(day: date) -> bool:
    return day.isoweekday() <= 5


def planted() -> Counts:
    """An account whose days are alike, but for what the test plants."""
    chance = Random(7)
    found = {
        "deals": {day: chance.randint(18, 22) if is_workday(day) else 2 for day in DAYS},
        "calls": dict.fromkeys(DAYS, 12),
        "messages": {day: chance.randint(5, 9) for day in DAYS},
        "tasks": dict.fromkeys(DAYS, 2),
        "notes": dict.fromkeys(DAYS[-50:], 20),  # less than eight weeks
    }
    found["deals"][date(2026, 11, 17)] = 100
    found["calls"] |= dict.fromkeys([date(2026, 11, 10), date(2026, 11, 11)], 0)
    found["tasks"] |= {day: 0 for day in DAYS if day >= date(2026, 11, 20)}
    found["notes"][DAYS[-1]] = 0
    return found


def quiet(seed: str, shape: int | None) -> Counts:
    chance = Random(seed)
    usual = {"deals": 14, "contacts": 10, "companies": 3, "tasks": 12, "notes": 8, "calls": 20, "messages": 25}

    def drawn(mean: float) -> int:
        """Returns a number of the Poisson distribution."""
        mean = mean if shape is None else chance.gammavariate(shape, mean / shape)
        at, count = chance.expovariate(1), 0
        while at < mean:
            at, count = at + chance.expovariate(1), count + 1
        return count

    return {
        table: {day: drawn(mean / 10 if day in DAYS_OFF or not is_workday(day) else mean) for day in DAYS}
        for table, mean in usual.items()
    }


def account(counts: Counts, *, is_planted: bool) -> dict[str, list[Row]]:
    zone = {"datetime_settings": {"timezone": "Europe/Moscow"}, "invoices_settings": {"currency": "RUB"}}
    tables: dict[str, list[Row]] = {table: [] for table in (*KEYS, "users", "custom_fields_contacts")}
    number = 0
    for table, days in counts.items():
        for day, count in days.items():
            for second in range(count):
                number += 1
                key: Any = str(number) if table in ("messages", "events") else number
                row: Row = {KEYS[table]: key, "created_at": moment(day, second), "updated_at": moment(day, second)}
                row["read_at"] = moment(day, second)
                if table == "deals":
                    row |= {"pipeline_id": 1, "status_id": 142, "closed_at": moment(day, second), "sale": 10}
                tables[table].append(row)
    tables["custom_fields_deals"] = [
        {
            "lead_id": row["lead_id"], "read_at": row["read_at"], "custom_field_id": field, "value_index": 0,
            "name": name, "field_type": "text", "value": "1",
        }
        for row in tables["deals"]
        for field, name in ((SIZE, "Размер"), (EVEN_BEFORE, "Цвет"))
        if (row["closed_at"] < moment(WORN) if field == SIZE else row["lead_id"] % 2)
    ]  # fmt: skip
    return tables | {
        "account": [{"account_id": 1, "name": "Ромашка", **zone}],
        "statuses": [{"pipeline_id": 1, "pipeline_name": "Продажи", "status_id": 142, "status_name": "Успех"}],
        "syncs": [
            {
                "started_at": moment(day, -20_000), "ended_at": moment(day, -20_000 + 60 * (100 if is_odd else 10)),
                "ended_well": True, "rows": 1, "failures": [],
                "tables": dict.fromkeys(KEYS, 1) | read_users(day, is_planted=is_planted),
                "requests": 9_000 if is_odd else 500,
                "disk_free": 3_000_000_000 + (TODAY - day).days * 300_000_000 if is_planted else None,
                "token_expires_at": "2026-12-10T00:00:00Z" if is_planted else None,
            }
            for day in [*DAYS, TODAY]
            for is_odd in [is_planted and day == date(2026, 11, 20)]
        ],
        "names": NAMES if is_planted else [],
        "verifications": VERIFIED if is_planted else [],
    }  # fmt: skip


def read_users(day: date, *, is_planted: bool) -> dict[str, int]:
    """Twenty people, of whom five are dismissed; on the day before no sync reads them."""
    if is_planted and day == DISMISSED - timedelta(days=1):
        return {}
    return {"users": 15 if is_planted and day >= DISMISSED else 20}


VERIFIED: list[Row] = [
    {
        "verified_at": "2026-11-29T03:00:00Z", "source_table": table, "is_whole": failure is None, "looked_at": 10,
        "missing": missing, "extra": 0, "stale": 0, "unequal": 0, "failure": failure,
    }
    for table, missing, failure in (("deals", 0, None), ("calls", 2, None), ("tasks", 0, "amoCRM refused."))
]  # fmt: skip
FIRST, LAST_WEEK = "2026-01-01T00:00:00Z", "2026-11-26T00:00:00Z"
NAMES: list[Row] = [
    {
        "source_table": table, "parent": parent, "id": own, "name": name, "sort": sort, "first_seen_at": first,
        "gone_at": gone,
    }
    for table, parent, own, name, sort, first, gone in (
        ("pipelines", "", 1, "Продажи", 1, FIRST, None),
        ("statuses", "1", 11, "Новая", 1, FIRST, LAST_WEEK),
        ("statuses", "1", 11, "Заявка", 1, LAST_WEEK, None),
        ("statuses", "1", 12, "Счёт", 2, FIRST, LAST_WEEK),
        ("statuses", "1", 13, "Оплата", 3, LAST_WEEK, None),
        ("statuses", "1", 14, "Отгрузка", 4, FIRST, LAST_WEEK),
        ("statuses", "1", 14, "Отгрузка", 5, LAST_WEEK, None),  # moved in its list
        ("users", "", 1, "Анна", None, FIRST, "2026-06-01T00:00:00Z"),
        ("users", "", 1, "Анна", None, LAST_WEEK, None),  # came back
        ("tags", "leads", 5, "Акция", None, FIRST, None),
        ("tags", "leads", 6, "Осень", None, LAST_WEEK, None),
        *(("custom_fields", "leads", 700 + at, f"Поле {at}", at, FIRST, LAST_WEEK) for at in range(5)),
    )
]  # fmt: skip


def judged(days: dict[date, int]) -> dict[tuple[date, int], Row]:
    """Judges each day and week of a table by going through its days one after another."""
    found: dict[tuple[date, int], Row] = {}
    first = min(day for day, count in days.items() if count)
    last_unusual: dict[str, list[date]] = {"low": [], "high": []}
    for day in [one for one in DAYS if one >= max(first, TODAY - timedelta(days=428))]:
        for span in (1, 7):
            before = [day - timedelta(weeks=week) for week in range(1, 9)]
            if before[-1] - timedelta(days=span - 1) < first or day < TODAY - timedelta(days=366):
                continue
            past = sorted(total(days, one, span) for one in before if work(one, span) == work(day, span))
            if len(past) < 6:
                continue
            value, usual, low, high = total(days, day, span), median(past), past[1], past[-2]
            direction = None
            if value * 6 <= low and usual - value >= 10:
                direction = "low"
            elif value > high + 3 * (high - low) and value >= 2 * usual and value - usual >= 20:
                direction = "high"
            recent = [one for one in last_unusual.get(direction or "", ()) if one >= day - timedelta(days=7)]
            found[day, span] = {
                "measured": value, "usual": usual, "usual_low": low, "usual_high": high, "direction": direction,
                "is_news": direction is not None and not recent,
            }  # fmt: skip
            if direction:
                last_unusual[direction].append(day)
    return found


def near(share: float) -> Any:
    """Returns what equals a share that `ask` has rounded."""
    return pytest.approx(share, abs=1e-4)


def back_from(until: date, span: int) -> list[date]:
    return [until - timedelta(days=back) for back in range(span)]


def total(days: dict[date, int], until: date, span: int) -> int:
    return sum(days.get(day, 0) for day in back_from(until, span))


def work(until: date, span: int) -> int:
    return sum(is_workday(day) and day not in DAYS_OFF for day in back_from(until, span))


PLANTED = "1001"
ACCOUNTS = {PLANTED: planted(), **{project: quiet(project, shape) for project, shape in QUIET.items()}}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        file = str(tmp_path_factory.mktemp("watch") / "crm.duckdb")
        found = {"duckdb": file, "postgres": stack.enter_context(postgres.server())}
        for flavour, database in found.items():
            for project, counts in ACCOUNTS.items():
                models.store(database, project, account(counts, is_planted=project == PLANTED), flavour)
            models.build(database, "--now", NOW, "--days-off", ",".join(map(str, sorted(DAYS_OFF))))
        yield found


@pytest.fixture(params=["duckdb", "postgres"])
def ask(request: pytest.FixtureRequest, databases: dict[str, str]) -> Iterator[Ask]:
    with models.asking(databases[request.param]) as asked:
        yield asked


def test_each_day_is_judged_beside_its_own_eight_weeks(ask: Ask) -> None:
    columns = "measured, usual, usual_low, usual_high, direction, is_news"
    for project, counts in ACCOUNTS.items():
        for table, days in counts.items():
            rows = ask(
                f"SELECT day, days, {columns} FROM amocrm_marts.watch "
                f"WHERE project_id = '{project}' AND measure = 'rows' AND source_table = '{table}'"
            )
            found = {(date.fromisoformat(str(row.pop("day"))), row.pop("days")): row for row in rows}
            assert found == judged(days), (project, table)
            assert found or table == "notes"


def test_an_incident_is_news_once(ask: Ask) -> None:
    columns = "day, days, measure, source_table, field_name, direction"
    rows = ask(
        f"SELECT {columns} FROM amocrm_marts.watch WHERE is_news AND project_id = '{PLANTED}' ORDER BY day, measure"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("2026-11-10", 1, "rows", "calls", None, "low"),
        ("2026-11-17", 7, "empty", "deals", "Размер", "high"),
        ("2026-11-17", 1, "rows", "deals", None, "high"),
        ("2026-11-20", 1, "minutes", "syncs", None, "high"),
        ("2026-11-20", 1, "requests", "syncs", None, "high"),
        ("2026-11-24", 1, "users", "syncs", None, "low"),
        ("2026-11-25", 7, "rows", "tasks", None, "low"),
        ("2026-12-01", 28, "disk", "syncs", None, None),
        ("2026-12-01", 1, "token", "syncs", None, None),
    ]


def test_the_share_of_an_empty_field_is_that_of_the_deals_closed_in_the_week(ask: Ask) -> None:
    deals = ACCOUNTS[PLANTED]["deals"]
    rows = ask(
        "SELECT day, measured, cases, usual, usual_high FROM amocrm_marts.watch WHERE measure = 'empty' "
        f"AND project_id = '{PLANTED}' AND custom_field_id = {SIZE} ORDER BY day DESC LIMIT 30"
    )
    assert len(rows) == 30
    for row in rows:
        day = date.fromisoformat(str(row["day"]))
        cases = total(deals, day, 7)
        worn = sum(deals[one] for one in back_from(day, 7) if one >= WORN)
        assert (row["measured"], row["cases"]) == (near(worn / cases), cases)
        past = sorted(
            sum(deals[one] for one in back_from(end, 7) if one >= WORN) / total(deals, end, 7)
            for end in (day - timedelta(weeks=week) for week in range(1, 9))
        )
        assert (row["usual"], row["usual_high"]) == (near(median(past)), near(past[-2]))


def test_a_quiet_year_has_fewer_than_ten_sentences(ask: Ask) -> None:
    said = Counter(row["project_id"] for row in ask("SELECT project_id FROM amocrm_marts.watch WHERE is_news"))
    assert all(said[project] < 10 for project in QUIET), said


def test_the_number_of_users_is_unknown_where_no_sync_read_them(ask: Ask) -> None:
    rows = ask(
        f"SELECT day, measured, usual, usual_low, direction FROM amocrm_marts.watch WHERE project_id = '{PLANTED}' "
        "AND measure = 'users' AND day >= '2026-11-22' ORDER BY day"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("2026-11-22", 20, 20, 20, None),
        *((f"2026-11-{day}", 15, 20, 20, "low") for day in range(24, 31)),
    ]


def test_what_came_went_or_was_renamed_is_told_by_name(ask: Ask) -> None:
    columns = "source_table, name_id, parent_name, change, name_before, name_after"
    rows = ask(f"SELECT {columns} FROM amocrm_marts.name_changes ORDER BY changed_at, source_table, name_id")
    assert [tuple(row.values()) for row in rows] == [
        ("users", 1, None, "went", "Анна", None),
        *(("custom_fields", 700 + at, None, "went", f"Поле {at}", None) for at in range(5)),
        ("statuses", 11, "Продажи", "renamed", "Новая", "Заявка"),
        ("statuses", 12, "Продажи", "went", "Счёт", None),
        ("statuses", 13, "Продажи", "came", None, "Оплата"),
        ("tags", 6, None, "came", None, "Осень"),
        ("users", 1, None, "came", None, "Анна"),
    ]


STAGES = "Stages: new 1, “Оплата” (Продажи); renamed 1, “Новая” → “Заявка” (Продажи); gone 1, “Счёт” (Продажи)"
URGENT = [
    "The token ends in 8 days: put a new one into the account's config",
    "The disk of the database has 3.0 GB left; the last four weeks took 8.4 GB",
]


@pytest.mark.parametrize("flavour", ["duckdb", "postgres"])
def test_each_sentence_has_its_number_and_what_is_usual(databases: dict[str, str], flavour: str) -> None:
    with reading(databases[flavour]) as run:
        since = date(2026, 11, 17)
        told = watched(run, PLANTED, since, Words("en"), most=20)
        short = watched(run, PLANTED, since, Words("ru"))
        days = working_days(run)
        assert days.since_last_work(TODAY) == date(2026, 11, 30)
        assert days.since_last_work(date(2026, 11, 30)) == date(2026, 11, 27)  # a Monday tells of the weekend
        assert days.since_last_work(date(2026, 11, 29)) == date(2026, 11, 28)
    assert told == [
        *URGENT,
        "Seven days up to 2026-11-25, fewer than usual: tasks 2 (usually 14)",
        "2026-11-24, fewer than usual: number of users 15 (usually 20)",
        "2026-11-20, more than usual: minutes of syncs 100 (usually 10), requests of syncs 9,000 (usually 500)",
        "2026-11-17, more than usual: deals 100 (usually 18–22)",
        "Seven days up to 2026-11-17, empty more often than usual, deals: Размер 64% (usually 0%)",
        "Users: new 1, “Анна”",
        STAGES,
        "Fields: gone 5, “Поле 0”, “Поле 1”, “Поле 2” and 2 more",
    ]
    assert short == [
        "Токен кончится через 8 дн.: впишите новый в настройки аккаунта",
        "На диске с базой свободно 3,0 ГБ; за последние четыре недели занято 8,4 ГБ",
        "За семь дней по 25.11.2026 меньше обычного: задачи — 2 (обычно 14)",
        "24.11.2026 меньше обычного: число пользователей — 15 (обычно 20)",
        "И ещё 6 — в витринах watch и name_changes",
    ]
    assert watched_in(databases[flavour]) == {PLANTED: URGENT, **{project: [] for project in QUIET}}


@pytest.mark.parametrize("flavour", ["duckdb", "postgres"])
def test_the_week_says_what_changed_what_is_unusual_what_waits_and_whether_the_data_are_proven(
    databases: dict[str, str], flavour: str
) -> None:
    with reading(databases[flavour]) as run:
        choice = last_months(run)
        pages = {project: week(run, choice.of(project), Words("en")).splitlines() for project in (PLANTED, "1002")}
        assert week(run, choice, Words("ru")).count(": неделя, 24.11.2026 – 30.11.2026\n") == len(ACCOUNTS)
        assert week(run, replace(choice, users=frozenset()), Words("en")) == ""
        assert week(run, choice, Words("en"), is_due=True) == ""
    waits = [
        "The queue:",
        "– Waiting: new leads without a touch 0, deals without a task 0, slow deals –, clients without an answer –, "
        "overdue tasks 0",
        "– cards in the queue: 0",
        "Are the data proven:",
    ]
    assert pages[PLANTED] == [
        "Ромашка (1001): the week, 2026-11-24 – 2026-11-30",
        "Changed in the account:",
        "– Users: new 1, “Анна”",
        f"– {STAGES}",
        "– Fields: gone 5, “Поле 0”, “Поле 1”, “Поле 2” and 2 more",
        "Out of habit:",
        *(f"– {one}" for one in URGENT),
        "– Seven days up to 2026-11-25, fewer than usual: tasks 2 (usually 14)",
        "– 2026-11-24, fewer than usual: number of users 15 (usually 20)",
        *waits,
        "– verified 2026-11-29, 1 of 3 tables are equal; differ: calls 2; not looked at: tasks",
    ]
    assert pages["1002"] == [
        "Ромашка (1002): the week, 2026-11-24 – 2026-11-30",
        *("Changed in the account:", "– nothing", "Out of habit:", "– nothing"),
        *waits,
        "– never verified: source-amocrm verify compares them with the account",
    ]


@pytest.mark.parametrize("flavour", ["duckdb", "postgres"])
def test_a_week_begins_with_its_first_day_of_work(databases: dict[str, str], flavour: str) -> None:
    with reading(databases[flavour]) as run:
        days = working_days(run)
        begins = [day for day in DAYS if days.begins_week(day)]
    assert [day for day in begins if date(2026, 4, 20) <= day <= date(2026, 5, 11)] == [
        date(2026, 4, 20), date(2026, 4, 27), date(2026, 5, 5), date(2026, 5, 11),
    ]  # fmt: skip


def test_the_page_of_the_week_follows_the_digest_of_its_first_day(
    databases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkingDays, "begins_week", lambda _, today: today == TODAY)
    options = Namespace(group=[], manager=[], notify="notify.yaml", language="en")
    with reading(databases["duckdb"]) as run:
        sent = message(run, Recipient(1, "json://127.0.0.1", (PLANTED,)), options, ())
        words, choice = Words("en"), last_months(run).of(PLANTED)
        assert sent.text == f"{digest(run, choice, words)}\n\n{week(run, choice, words)}"
        assert digest(run, choice, words).splitlines()[-2:] == URGENT
