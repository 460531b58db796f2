"""The SQL that the docs show runs on the tables, in DuckDB and in PostgreSQL, and answers what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import psycopg
import pytest

from sandbox import Account, ManualClock, Sandbox, writes
from testing import expected, models, postgres
from testing.connector import messages
from testing.destination import Destination
from testing.guides import blocks

TABLES = ("account", "calls", "custom_fields_deals", "deals", "deleted_entities", "live_entities", "statuses", "users")
NOW = 1_767_290_400
ZONE = "Europe/Berlin"
SQL = [block.text for block in blocks("sql") if not block.page.startswith(("publish", "questions", "security", "sync"))]
Run = Callable[[str], list[tuple[Any, ...]]]


@dataclass
class Filled:
    """A database after two syncs with `deleted_rows: ignore`; `deal` was deleted between them by `by`."""

    run: Run
    account: Account
    deal: dict[str, Any]
    by: int


def shown(*words: str) -> str:
    """The statement of the docs that has these words."""
    [statement] = [text for text in SQL if all(word in text for word in words)]
    return statement


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Run]]:
    if request.param == "duckdb":
        path = str(tmp_path_factory.mktemp("duckdb") / "crm.duckdb")

        def in_duckdb(sql: str) -> list[tuple[Any, ...]]:
            with closing(duckdb.connect(path, read_only=True)) as connection:
                return connection.execute(sql).fetchall()

        yield path, in_duckdb
        return
    with postgres.server() as url:

        def in_postgres(sql: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(url) as connection:
                return connection.execute(sql.encode()).fetchall()

        yield url, in_postgres


@pytest.fixture(scope="module")
def filled(database: tuple[str, Run]) -> Filled:
    """Its tables are of the types that a sync writes."""
    place, run = database
    clock, destination = ManualClock(NOW), Destination()
    account = Account.generate(leads=60, clock=clock, timezone=ZONE)

    def sync() -> None:
        clock.advance(60)
        assert destination.take(messages(Sandbox(account), TABLES, destination.state(), deleted_rows="ignore"))

    sync()
    deal = max(account.tables["leads"].rows.values(), key=lambda row: (row["price"] or 0, row["id"]))
    by = deal["responsible_user_id"]
    writes.trash(account, "leads", deal["id"], by=by)
    sync()
    tables = {name: destination.rows[name].values() for name in TABLES}
    models.store(place, "1001", tables, "postgres" if "://" in place else "duckdb")
    return Filled(run, account, dict(deal), by)


@pytest.mark.parametrize("statement", SQL)
def test_it_runs_and_finds_something(filled: Filled, statement: str) -> None:
    assert filled.run(statement)


def there(account: Account) -> dict[int, datetime]:
    """When each deal was created, by the clock on the wall of the account's people."""
    zone = ZoneInfo(ZONE)
    return {
        lead["id"]: datetime.fromtimestamp(lead["created_at"], timezone.utc).astimezone(zone).replace(tzinfo=None)
        for lead in account.tables["leads"].rows.values()
    }


def test_times_are_shown_in_the_account_s_zone(filled: Filled) -> None:
    found: dict[int, datetime] = dict(filled.run(shown("created_there")))
    assert found.pop(filled.deal["id"])
    assert found == there(filled.account)
    assert len({row.utcoffset() for row in (at.replace(tzinfo=ZoneInfo(ZONE)) for at in found.values())}) == 2


def test_who_made_a_call(filled: Filled) -> None:
    tables = expected.tables(filled.account)
    names = {str(user["user_id"]): user["name"] for user in tables["users"]}

    def who(call: dict[str, Any]) -> str | None:
        named = call["call_responsible"]
        return names.get(str(call["responsible_user_id"])) if named is None else names.get(named, named)

    calls = Counter((who(call), call["direction"]) for call in tables["calls"])
    rows = filled.run(shown("call_responsible"))
    assert {(name, direction): count for name, direction, count in rows} == calls
    assert any(call["call_responsible"] in names for call in tables["calls"])
    assert any(call["call_responsible"] not in names for call in tables["calls"])


def test_a_deleted_deal_keeps_its_values(filled: Filled) -> None:
    rows = filled.run(shown("deleted_by"))
    assert [(lead, name, int(sale), by) for lead, name, sale, _, by in rows] == [
        (filled.deal["id"], filled.deal["name"], filled.deal["price"], filled.by)
    ]
