"""The marts are what the accounts' own store says, in DuckDB and PostgreSQL: after a first sync, and after work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from amocrm_warehouse.database import reading
from amocrm_warehouse.report import data

from . import models, postgres
from .connector import messages
from .destination import Destination
from .expected import marts as oracle
from .models import Row
from .sandbox import NOW, Account, ManualClock, Sandbox, writes
from .warehouse import ROOT

STREAMS = [
    "account", "users", "groups", "statuses", "loss_reasons", "task_types", "deleted_entities", "deals", "contacts",
    "companies", "customers", "custom_fields_deals", "custom_fields_contacts", "custom_fields_companies",
    "deal_contacts", "deal_companies", "deal_tags", "contact_tags", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "events", "tasks", "notes", "calls", "messages", "customer_transactions",
]  # fmt: skip
LATER = 10 * 86_400
"""Seconds from the first sync to the moment as of which the models are built."""
MODELS = yaml.safe_load((ROOT / "amocrm_warehouse" / "dbt" / "models.yaml").read_text(encoding="utf-8"))


@dataclass
class Project:
    """An account that is synced again and again, and what a database then knows of it."""

    id: str
    account: Account
    settings: dict[str, Any]
    destination: Destination = field(default_factory=Destination)

    def __post_init__(self) -> None:
        zone, later = ZoneInfo(self.account.timezone), oracle.at_second(self.account.clock.now() + LATER)
        self.known = oracle.Known(self.id, zone, later, self.settings["deleted_rows"] == "mark")

    def sync(self) -> None:
        reading = messages(Sandbox(self.account), STREAMS, self.destination.state(), **self.settings)
        assert self.destination.take(reading)
        self.known.read(self.account)

    def tables(self) -> dict[str, list[Row]]:
        return {name: list(self.destination.rows.get(name, {}).values()) for name in STREAMS}


@dataclass
class World:
    projects: list[Project]
    databases: dict[str, str]

    def build(self) -> None:
        """In both databases anew."""
        flavours = {"1001": "destination", "1002": "postgres"}
        now = self.projects[0].known.now.isoformat()
        for kind, database in self.databases.items():
            for project in self.projects:
                flavour = "duckdb" if kind == "duckdb" else flavours[project.id]
                models.store(database, project.id, project.tables(), flavour)
            models.build(database, "--project", "1001,1002", "--now", now)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    accounts = [
        Account.generate(3, 150, clock=ManualClock(), timezone="Europe/Moscow"),
        Account.generate(4, 90, clock=ManualClock(), timezone="America/New_York"),
    ]
    for account in accounts:
        account.clock = ManualClock(NOW + 3600)
    modes = [{"deleted_rows": "mark"}, {"deleted_rows": "ignore"}]
    projects = [Project(str(1001 + n), account, modes[n]) for n, account in enumerate(accounts)]
    with ExitStack() as stack:
        databases = {
            "duckdb": str(tmp_path_factory.mktemp("models") / "crm.duckdb"),
            "postgres": stack.enter_context(postgres.server()),
        }
        yield World(projects, databases)


def work(account: Account, rng: Random) -> None:
    """What people do in some days: deals go on and come to an end, cards are deleted, restored and merged."""
    clock, leads = account.clock, account.tables["leads"]
    assert isinstance(clock, ManualClock)
    users = list(account.users)
    ids = rng.sample(sorted(leads.rows), 24)
    [pipeline, other] = account.pipelines[:2]
    steps: list[Callable[[], object]] = [
        lambda: writes.move_status(account, ids[0], pipeline["statuses"][2]["id"], pipeline["id"], by=users[1]),
        lambda: writes.move_status(account, ids[1], other["statuses"][1]["id"], other["id"], by=0),
        lambda: writes.win(account, ids[2], by=users[0]),
        lambda: writes.lose(account, ids[3], account.loss_reasons[1]["id"], by=users[1]),
        lambda: writes.lose(account, ids[4]),
        lambda: writes.reopen(account, ids[3]),
        lambda: writes.win(account, ids[0]),
        lambda: writes.edit(account, "leads", ids[5], price=777_000, by=users[1]),
        lambda: writes.edit(account, "leads", ids[5], responsible_user_id=users[1]),
        lambda: writes.edit(account, "leads", ids[6], responsible_user_id=users[0], price=5),
        lambda: writes.trash(account, "leads", ids[7], by=users[1]),
        lambda: writes.trash(account, "leads", ids[8]),
        lambda: writes.restore(account, "leads", ids[8]),
        lambda: writes.trash(account, "leads", ids[9]),
        lambda: writes.purge(account, "leads", ids[9]),
        lambda: writes.restore(account, "leads", min(account.trash["leads"])),
        lambda: writes.merge(account, "leads", ids[10], ids[11], by=users[1]),
        lambda: writes.merge(account, "contacts", *rng.sample(sorted(account.tables["contacts"].rows), 2)),
        lambda: writes.merge(account, "companies", *rng.sample(sorted(account.tables["companies"].rows), 2)),
        lambda: writes.trash(account, "contacts", min(account.tables["contacts"].rows)),
        lambda: writes.trash(account, "companies", min(account.tables["companies"].rows)),
        lambda: writes.add_note(account, "leads", ids[12], note_type="call_out", params={"duration": 61, "phone": "1"}),
        lambda: writes.add_note(account, "leads", ids[13], by=users[1]),
        lambda: writes.add_task(account, "leads", ids[14], responsible_user_id=users[1]),
        lambda: writes.complete_task(account, writes.add_task(account, "leads", ids[15]), by=users[1]),
        lambda: writes.delete_task(account, min(account.tables["tasks"].rows)),
        lambda: writes.create_lead(account, contacts=[max(account.tables["contacts"].rows)], price=100, by=users[1]),
    ]
    for step in steps:
        clock.advance(7_200 + rng.randrange(9_000))
        step()
    clock.advance(7_200)


STEPS = ("first sync", "edits, deletions, restores and merges")


@pytest.fixture(scope="module", params=STEPS)
def built(request: pytest.FixtureRequest, world: World) -> World:
    for number, project in enumerate(world.projects):
        if request.param == STEPS[1]:
            work(project.account, Random(number))
        project.sync()
    world.build()
    return world


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_every_mart_is_what_the_accounts_hold(built: World, kind: str) -> None:
    wanted = oracle.marts(*(project.known for project in built.projects))
    problems = []
    for name, rows in wanted.items():
        assert rows, f"nothing is wanted of {name}: the account has too little in it"
        found = models.query(built.databases[kind], f"SELECT * FROM amocrm_marts.{name}")
        problems += different(name, rows, found)
    assert not problems, "\n".join(problems)


def different(name: str, wanted: list[Row], found: list[Row]) -> list[str]:
    """The first few differences, in words; a row that is there twice is one."""
    key = MODELS[name].get("key") or sorted(wanted[0])
    want, got = counted(wanted), counted(found)
    missing, extra = (
        {tuple(dict(row)[c] for c in key): dict(row) for row in rows} for rows in (want - got, got - want)
    )
    told = []
    for own in sorted(missing.keys() | extra.keys(), key=str)[:4]:
        one, other = extra.get(own, {}), missing.get(own, {})
        values = {c: (one.get(c), other.get(c)) for c in {*one, *other} if one.get(c) != other.get(c)}
        told.append(f"{name} {own}: (got, wanted) {values}")
    return told


def counted(rows: list[Row]) -> Counter[frozenset[tuple[str, object]]]:
    return Counter(frozenset((column, models.plain(value)) for column, value in row.items()) for row in rows)


def test_the_report_reads_the_same_of_both(built: World) -> None:
    read = {}
    for kind, database in built.databases.items():
        with reading(database) as run:
            read[kind] = data.read(run)
    for name, table in read["duckdb"]["tables"].items():
        other = read["postgres"]["tables"][name]
        assert table["columns"] == other["columns"]
        assert sorted(map(repr, table["rows"])) == sorted(map(repr, other["rows"])), name
        assert table["rows"] or name == "plans"
    assert read["duckdb"]["periods"] == read["postgres"]["periods"]


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_when_people_work_is_what_the_accounts_hold(built: World, kind: str) -> None:
    """By the clocks of Moscow and New York, so that an hour or a day that moved is seen."""
    wanted = oracle.united(oracle.hours, [project.known for project in built.projects])
    with reading(built.databases[kind]) as run:
        read = data.read(run)
    shown = [row for row in wanted if row["month"] >= read["periods"][0]["first"]]
    assert {(row["project_id"], row["pipeline_id"] is None) for row in shown} == {
        (project.id, of_no_deal) for project in built.projects for of_no_deal in (True, False)
    }
    table = read["tables"]["hours"]
    found = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert counted(found) == counted(shown)
