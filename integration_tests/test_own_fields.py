"""Custom fields in the marts are what the accounts' own store says, whatever is renamed, deleted or merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import duckdb
import psycopg
import pytest

from amocrm_warehouse.database import reading
from amocrm_warehouse.report import page_data
from sandbox import NOW, Account, ManualClock, Sandbox, writes
from testing import models, postgres
from testing.connector import messages
from testing.destination import Destination
from testing.expected.marts.own_fields import OwnFields, grouped_by
from testing.models import Row

VALUES = ["custom_fields_deals", "custom_fields_contacts", "custom_fields_companies", "custom_fields_customers"]
CARDS = ["deals", "contacts", "companies", "customers"]
STREAMS = ["account", "statuses", "deal_statuses", "events", "deleted_entities", "custom_fields", *CARDS, *VALUES]
MARTS = {"deal": ("deals", "deal_id"), "contact": ("contacts", "contact_id"), "company": ("companies", "company_id"),
         "customer": ("customers_ltv", "customer_id")}  # fmt: skip
OWN, DAY = 60, 86_400
RATHER_ODD = {
    "numeric": ["1,5", "9" * 40, "-0.5", "1e5", "0.1234567895", "000000000000000000000000000000000012", "12.", "many"],
    "monetary": ["99999999999999999999999999.99", "-1"],
    "date": ["2026-02-31", "0000-01-01", "tomorrow"],
    "date_time": ["2026-02-31T10:00:00Z", "2026-02-28T24:00:00Z", "2026-02-28T10:00:00Z"],
    "text": ["", "it's", 'a "b", c', "\\ % {{ x }}"],
}
"""Values that integrations write, some of which a field of that type cannot hold."""


@dataclass
class Project:
    account: Account
    known: OwnFields
    streams: list[str]
    destination: Destination = field(default_factory=Destination)

    def sync(self) -> None:
        mode = "mark" if self.known.marks else "ignore"
        reading = messages(Sandbox(self.account), self.streams, self.destination.state(), deleted_rows=mode)
        before = self.readings()
        assert self.destination.take(reading)
        self.known.read(self.account, again={card for card, at in self.readings().items() if at != before.get(card)})

    def readings(self) -> dict[tuple[str, int], str]:
        """Returns the moment of the last reading of each card."""
        return {
            (entity, key[0]): row["read_at"]
            for stream, entity in zip(CARDS, MARTS, strict=True)
            for key, row in self.destination.rows.get(stream, {}).items()
        }

    def tables(self) -> dict[str, list[Row]]:
        return {name: list(self.destination.rows.get(name, {}).values()) for name in self.streams}


@dataclass
class World:
    projects: list[Project]
    databases: dict[str, str]
    ids = ("1001", "1002", "1003", "1004")

    def build(self, *options: str) -> None:
        """1003 is another project with the ids of 1002; of 1004 no table of custom fields was read."""
        first, second = (project.tables() for project in self.projects)
        for kind, database in self.databases.items():
            flavour = kind
            models.store(database, "1001", first, flavour)
            models.store(database, "1002", second, flavour)
            models.store(database, "1003", second, flavour)
            models.store(database, "1004", {name: first[name] for name in ("deals", "contacts", "statuses")}, flavour)
            models.build(database, "--project", ",".join(self.ids), *options)

    def known(self) -> dict[str, OwnFields]:
        first, second = (project.known for project in self.projects)
        return {"1001": first, "1002": second, "1003": replace(second, project="1003")}

    def columns(self, known: dict[str, OwnFields]) -> dict[tuple[str, str, int], str]:
        """By project, entity and field; of two fields of one name and id the later project's has the project in it."""
        found: dict[tuple[str, str, int], str] = {}
        for project, own in known.items():
            taken = {(entity, name) for (_, entity, _), name in found.items()}
            named = own.columns(taken)
            found |= {(project, entity, own_id): name for (entity, own_id), name in named.items()}
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    accounts = [
        Account.generate(3, 70, clock=ManualClock(), timezone="Europe/Moscow", own_fields=OWN),
        Account.generate(4, 40, clock=ManualClock(), timezone="America/New_York", own_fields=7),
    ]
    for account in accounts:
        account.clock = ManualClock(NOW + 3_600)
        odd(account)
        account.clock = ManualClock(NOW + 3 * 3_600)
    projects = [
        Project(accounts[0], OwnFields("1001", ZoneInfo("Europe/Moscow"), True), STREAMS),
        Project(
            accounts[1],
            OwnFields("1002", ZoneInfo("America/New_York"), False, listed=False),
            [name for name in STREAMS if name != "custom_fields"],
        ),
    ]
    with ExitStack() as stack:
        databases = {
            "duckdb": str(tmp_path_factory.mktemp("fields") / "crm.duckdb"),
            "postgres": stack.enter_context(postgres.server()),
        }
        yield World(projects, databases)


def odd(account: Account) -> None:
    """Values that are not of their field's type, and fields of a type that nobody has heard of."""
    leads = iter(sorted(account.tables["leads"].rows))
    for kind, texts in RATHER_ODD.items():
        own = next(f["id"] for f in account.fields["leads"] if f["type"] == kind)
        for text in texts:
            writes.set_field(account, "leads", next(leads), own, [{"value": text}])
    unheard = {**account.fields["leads"][0], "id": account.next_id("fields"), "type": "super_new", "name": "Novelty"}
    account.fields["leads"].append(unheard)
    writes.set_field(
        account, "leads", next(leads), unheard["id"], [{"value": "one"}, {"value": None}, {"value": "two"}]
    )


def work(account: Account, rng: Random) -> None:
    """Fields and options are renamed and deleted, cards edited, trashed, restored and merged."""
    leads, contacts = account.tables["leads"], account.tables["contacts"]
    ids = rng.sample(sorted(leads.rows), 12)
    by_type: dict[str, list[Row]] = {}
    for own in account.fields["leads"]:
        by_type.setdefault(own["type"], []).append(own)
    select, several = by_type["select"][-1], by_type["multiselect"][-1]
    steps: list[Callable[[], object]] = [
        lambda: writes.rename_field(account, "leads", by_type["text"][-1]["id"], "Переименовано"),
        lambda: writes.rename_field(account, "leads", select["id"], "Направление сделки"),
        lambda: writes.rename_option(account, "leads", select["id"], select["enums"][0]["id"], "Наш сайт"),
        lambda: writes.remove_option(account, "leads", select["id"], select["enums"][1]["id"], kept_by_cards=True),
        lambda: writes.remove_option(account, "leads", several["id"], several["enums"][0]["id"], kept_by_cards=False),
        lambda: writes.rename_option(account, "leads", several["id"], several["enums"][1]["id"], "Привоз"),
        lambda: writes.remove_field(account, "leads", by_type["numeric"][-1]["id"]),
        lambda: writes.remove_field(account, "contacts", account.fields["contacts"][-1]["id"]),
        *(partial(writes.touch, account, "leads", own) for own in ids[:3]),
        lambda: writes.set_field(account, "leads", ids[3], by_type["numeric"][0]["id"], [{"value": "77.5"}]),
        lambda: writes.set_field(account, "leads", ids[4], by_type["checkbox"][0]["id"], None),
        lambda: writes.trash(account, "leads", ids[5]),
        lambda: writes.trash(account, "leads", ids[6]),
        lambda: writes.restore(account, "leads", ids[6]),
        lambda: writes.merge(account, "leads", ids[7], ids[8]),
        lambda: writes.merge(account, "contacts", *rng.sample(sorted(contacts.rows), 2)),
        lambda: writes.trash(account, "companies", min(account.tables["companies"].rows)),
        lambda: writes.create_lead(account),
    ]
    for step in steps:
        cast(ManualClock, account.clock).advance(3_600)
        step()
    cast(ManualClock, account.clock).advance(DAY)


STEPS = ("first sync", "renames, deletions and merges")


@pytest.fixture(scope="module", params=STEPS)
def built(request: pytest.FixtureRequest, world: World) -> World:
    for number, project in enumerate(world.projects):
        if request.param == STEPS[1]:
            work(project.account, Random(number))
        project.sync()
    world.build()
    return world


def rows_of(database: str, sql: str) -> list[Row]:
    """As the database's driver gives them: numbers exact, arrays as lists."""
    if database.startswith("postgresql:"):
        with psycopg.connect(database) as connection:
            cursor = connection.execute(cast(Any, sql))
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]
    with closing(duckdb.connect(database, read_only=True)) as opened:
        result = opened.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_each_cell_is_what_the_account_holds(built: World, kind: str) -> None:
    known = built.known()
    columns = built.columns(known)
    problems, compared, filled = [], 0, Counter[str]()
    for entity, (mart, key) in MARTS.items():
        rows = rows_of(built.databases[kind], f"SELECT * FROM amocrm_marts.{mart}")
        named = {name: (project, own) for (project, of, own), name in columns.items() if of == entity}
        assert {name for name in rows[0] if name.startswith("cf_")} == named.keys(), mart
        assert {row["project_id"] for row in rows} >= known.keys()
        wanted: dict[str, dict[int, dict[int, Any]]] = {project: own.wide(entity) for project, own in known.items()}
        for row in rows:
            for name, (project, own) in named.items():
                want = wanted[project].get(row[key], {}).get(own) if project == row["project_id"] else None
                compared += 1
                if (got := row[name]) != want or type(got) is not type(want):
                    problems.append(f"{mart} {row['project_id']} {row[key]} {name}: got {got!r}, wanted {want!r}")
                elif got is not None:
                    filled[known[project].fields[entity, own]["type"]] += 1
    assert not problems, "\n".join(problems[:20])
    assert compared > 20_000
    assert len(filled) == 27, filled


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_each_value_is_a_row_of_entity_fields(built: World, kind: str) -> None:
    wanted = [row for own in built.known().values() for row in own.entity_fields()]
    found = rows_of(built.databases[kind], "SELECT * FROM amocrm_marts.entity_fields")
    assert wanted[0].keys() == found[0].keys()
    want, got = (Counter(tuple(row[name] for name in wanted[0]) for row in rows) for rows in (wanted, found))
    assert (list(want - got)[:5], list(got - want)[:5]) == ([], [])


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_field_is_told_with_its_column_and_its_names(built: World, kind: str) -> None:
    known = built.known()
    columns = built.columns(known)
    wanted = {
        (project, entity, own): (told["name"], told["first"], columns[project, entity, own], told["is_deleted"])
        for project, each in known.items()
        for (entity, own), told in each.fields.items()
    }
    found = rows_of(built.databases[kind], "SELECT * FROM amocrm_marts.own_fields")
    names = ("name", "name_at_first", "column_name", "is_deleted_field")
    assert {
        (row["project_id"], row["entity_type"], row["custom_field_id"]): tuple(row[name] for name in names)
        for row in found
    } == wanted


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_the_database_says_what_a_column_is(built: World, kind: str) -> None:
    [own] = [
        f for f in built.projects[0].account.fields["leads"] if f["name"] == "Объём (м³)" and f["type"] == "select"
    ]
    column = f"cf_{own['id']}_obem_m3"
    duck = f"SELECT comment FROM duckdb_columns() WHERE schema_name = 'amocrm_marts' AND column_name = '{column}'"
    number = "(SELECT attnum FROM pg_attribute WHERE attrelid = 'amocrm_marts.deals'::regclass AND attname = "
    here = f"SELECT col_description('amocrm_marts.deals'::regclass, {number}'{column}')) AS comment"
    [row] = rows_of(built.databases[kind], duck if kind == "duckdb" else here)
    assert row["comment"] == f"Объём (м³) · select, {own['id']}"


ASKED = ("--by", "услуги", "--fields", "Направление, utm_source ,PHONE")
COUNTS = ("cohort_deals", "reached", "lost", "deals_in_stage")


def test_marts_by_one_field_and_columns_of_some(world: World) -> None:
    """The text of a multiselect is one group, and the groups of a table add up to what it was without them."""
    if not world.projects[0].known.cells:
        for project in world.projects:
            project.sync()
        world.build()
    known = world.known()
    before = {
        kind: rows_of(database, "SELECT * FROM amocrm_marts.funnel") for kind, database in world.databases.items()
    }
    world.build(*ASKED)
    groups = grouped_by(known.values(), "Услуги")
    assert len(set(groups.values())) > 4
    columns = world.columns(known)
    for kind, database in world.databases.items():
        deals = {
            (row["project_id"], row["deal_id"]): row
            for row in rows_of(database, "SELECT * FROM amocrm_marts.deals")
            if not row["is_deleted"]
        }
        assert {own: row["by_value"] for own, row in deals.items()} == {own: groups.get(own) for own in deals}
        for mart, wanted in {
            "attribution": Counter((own[0], groups.get(own)) for own in deals),
            "sales": Counter((own[0], groups.get(own)) for own, row in deals.items() if row["stage_kind"] == "won"),
        }.items():
            counted = "sum(deals)" if mart == "attribution" else "sum(won)"
            rows = rows_of(
                database, f"SELECT project_id, by_value, {counted} AS n FROM amocrm_marts.{mart} GROUP BY 1, 2"
            )
            assert Counter({(row["project_id"], row["by_value"]): int(row["n"]) for row in rows}) == wanted, mart
        lost = rows_of(database, "SELECT project_id, deal_id, by_value FROM amocrm_marts.lost_deals")
        assert lost
        assert all(row["by_value"] == groups.get((row["project_id"], row["deal_id"])) for row in lost)
        assert funnel_of(before[kind]) == funnel_of(rows_of(database, "SELECT * FROM amocrm_marts.funnel"))
        with reading(database) as run:
            page = page_data.read(run)
        assert page["by"] == "Услуги"
        for column, names in {
            "by_value": set(groups.values()),
            "source": {row["source_name"] or row["utm_source"] for row in deals.values()},
        }.items():
            cells = page["tables"]["deals"][column]
            told = set(cells if isinstance(cells, list) else cells["of"]) - {None, True}
            assert told
            assert told <= {text[:80] for text in names if text}, column
        cohorts = rows_of(
            database,
            "SELECT project_id, by_value, sum(cohort_deals) AS n FROM (SELECT DISTINCT project_id, by_value, "
            "cohort_month, pipeline_id, cohort_deals FROM amocrm_marts.funnel) AS cohorts GROUP BY 1, 2",
        )
        stays = rows_of(
            database, "SELECT DISTINCT project_id, deal_id, pipeline_id FROM amocrm_marts.deal_stage_history"
        )
        were_there = [
            (row["project_id"], row["deal_id"]) for row in stays if (row["project_id"], row["deal_id"]) in deals
        ]
        assert Counter({(row["project_id"], row["by_value"]): int(row["n"]) for row in cohorts}) == Counter(
            (own[0], groups.get(own)) for own in were_there
        )
        chosen = {
            columns[project, entity, own]
            for project, each in known.items()
            for (entity, own), told in each.fields.items()
            if "Направление" in (told["name"], told["first"]) or told["code"] in ("UTM_SOURCE", "PHONE")
        }
        found = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'amocrm_marts' "
        assert {row["column_name"] for row in rows_of(database, found + "AND column_name LIKE 'cf%'")} == chosen


def funnel_of(rows: list[Row]) -> dict[tuple[Any, ...], Counter[str]]:
    """By project, month, pipeline and stage, what its rows add up to."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for row in rows:
        stage = (row["project_id"], row["cohort_month"], row["pipeline_id"], row["status_id"])
        found.setdefault(stage, Counter()).update({name: int(row[name] or 0) for name in COUNTS})
    return found


def test_a_field_that_cannot_be_meant_is_told_in_a_sentence(world: World) -> None:
    account = world.projects[0].account
    models.store(world.databases["duckdb"], "1001", world.projects[0].tables(), "duckdb")
    same = [str(f["id"]) for f in account.fields["leads"] if f["name"] == "№ 7"]
    several = f"Several fields of deals of the project 1001 are named “№ 7”: name one by its id, {' or '.join(same)}."
    for options, sentence in (
        (("--by", "№ 7"), several),
        (("--by", "PHONE"), "There is no field of deals “PHONE”. "),
        (("--fields", "PHONE,Moon"), "There is no field “Moon”. "),
    ):
        done = models.run(world.databases["duckdb"], "--project", "1001", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(sentence), done.stderr
        assert done.stderr.count("\n") == 1
