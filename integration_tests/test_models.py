"""The marts are what the accounts' own store says, in DuckDB and PostgreSQL, after two syncs and work between them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
import pytest
from selenium import webdriver

from amocrm_warehouse.assistant import assistant_queries, bounded_select
from amocrm_warehouse.assistant.tool_arguments import chosen as chosen_by
from amocrm_warehouse.assistant.tools import TOOLS
from amocrm_warehouse.dashboards.rows_of_marts import datasets, definitions
from amocrm_warehouse.database import reading
from amocrm_warehouse.publish.published_tables import opened_source
from amocrm_warehouse.report import metrics, page_data, workbook
from amocrm_warehouse.report.answers import ANSWERS, select
from amocrm_warehouse.report.choice import Choice, last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.like_with_like import percents
from amocrm_warehouse.report.metrics import METRICS, ROWS, base
from amocrm_warehouse.report.page_queries import QUERIES
from amocrm_warehouse.report.report_words import Words
from sandbox import NOW, Account, ManualClock, Sandbox, Switches, writes
from testing import metric_numbers, models, postgres, report_page
from testing.assistant import ATTACKS, ask, ask_by_http, ask_by_stdio, serving
from testing.assistant_numbers import check_assistant
from testing.combinations import one_in
from testing.connector import messages
from testing.destination import Destination
from testing.expected import marts as oracle
from testing.expected.marts import page as expected_page
from testing.guides import block
from testing.models import Row, different
from testing.report_numbers import check_answers, check_numbers, choose, digest_lines, of_fourteen_digits, plain, same
from testing.report_page import Report
from testing.sheets import tables_of
from testing.warehouse import ROOT

STREAMS = [
    "account", "users", "groups", "statuses", "loss_reasons", "task_types", "deleted_entities", "deals", "contacts",
    "companies", "customers", "custom_fields_deals", "custom_fields_contacts", "custom_fields_companies",
    "deal_contacts", "deal_companies", "deal_tags", "contact_tags", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "events", "tasks", "notes", "calls", "messages", "customer_transactions",
    "talks", "deal_field_changes", "contact_field_changes", "company_field_changes", "customer_field_changes",
    "custom_fields_customers", "contact_responsible_changes", "company_responsible_changes",
    "customer_responsible_changes", "live_entities", "catalog_elements", "custom_fields_catalog_elements",
    "deal_catalog_elements",
]  # fmt: skip
MASS: dict[str, Any] = {"mass_value_before": "empty"}
"""The events of mass changes do not tell the values before."""
LATER = 10 * 86_400
"""Seconds from the first sync to the moment as of which the models are built."""


@dataclass
class Project:
    """An account that is synced again and again, and what a database then knows of it."""

    id: str
    account: Account
    settings: dict[str, Any]
    is_synced: bool = True
    """Whether the connector reads it, or its tables are those that a sync would leave behind."""
    absent: frozenset[str] = frozenset()
    """Tables that are not read."""
    currency: str | None = None
    """Another than that of the sandbox."""
    destination: Destination = field(default_factory=Destination)

    def __post_init__(self) -> None:
        zone, later = ZoneInfo(self.account.timezone), oracle.at_second(self.account.clock.now() + LATER)
        marks, texts = self.settings["deleted_rows"] == "mark", self.settings.get("chat_texts", False)
        present = frozenset(STREAMS) - self.absent
        self.known = oracle.Known(self.id, zone, later, marks, self.absent, texts=texts, present=present)

    def sync(self) -> None:
        if self.is_synced:
            reading = messages(Sandbox(self.account), STREAMS, self.destination.state(), **self.settings)
            assert self.destination.take(reading)
        self.known.read(self.account)
        for key, row in self.destination.rows.get("live_entities", {}).items():  # a list begins before it is read
            if key in self.known.rows["live_entities"]:
                self.known.rows["live_entities"][key]["listed_at"] = row["listed_at"]
        if self.currency:
            for rows in (self.destination.rows, self.known.rows):
                for row in rows.get("account", {}).values():
                    row["currency"], row["invoices_settings"] = self.currency, {"lang": "en", "currency": "EUR"}

    def tables(self) -> dict[str, list[Row]]:
        rows = self.destination.rows if self.is_synced else self.known.rows
        found = {name: list(rows.get(name, {}).values()) for name in STREAMS if name not in self.absent}
        kept = {"syncs": self.known.syncs, "verifications": self.known.verifications}
        return found | {name: own for name, own in kept.items() if own}

    def verify(self) -> None:
        """Keeps two syncs, the second without the tasks, and two verifications, the second of deals alone."""
        now = self.known.now
        moments = [f"{now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (9, 8, 7, 6)]
        tables = {name: len(rows) for name, rows in self.known.rows.items() if name in self.known.present}
        rest = {name: 3 for name in tables if name != "tasks"}
        self.known.syncs = [
            {"started_at": moments[0], "ended_at": moments[0], "ended_well": True, "failures": [], "tables": tables},
            {"started_at": moments[1], "ended_at": moments[1], "ended_well": False, "failures": ["-"], "tables": rest},
        ]
        self.known.synced_at = now - timedelta(hours=9)
        equal = {"looked_at": 10, "is_whole": True, "sampled": 5, "changed_since": 1, "rows_in_account": 10,
                 "rows_in_database": 10, "missing": 0, "extra": 0, "stale": 0, "unequal": 0}  # fmt: skip
        bad = {"missing": 1, "extra": 2, "stale": 3, "unequal": 4, "unequal_columns": "name 3, sale 1"}
        failed = {"looked_at": 0, "is_whole": False, "failure": "amoCRM refused the list."}
        self.known.verifications = [
            *({"source_table": name, "verified_at": moments[2], **equal} for name in ("deals", "users")),
            {"source_table": "tasks", "verified_at": moments[2], **failed},
            {"source_table": "deals", "verified_at": moments[3], **equal, **bad},
        ]


@dataclass
class World:
    projects: list[Project]
    databases: dict[str, str]

    def build(self) -> None:
        """In both databases anew."""
        now = self.projects[0].known.now.isoformat()
        names = ",".join(project.id for project in self.projects)
        for kind, database in self.databases.items():
            for number, project in enumerate(self.projects):
                flavour = "duckdb" if kind == "duckdb" else ("destination", "postgres", "texts")[number % 3]
                models.store(database, project.id, project.tables(), flavour)
            models.build(database, "--project", names, "--now", now, "--working-hours", "1-5 9:00-18:00, 6 10:00-14:30")


EVENTS = frozenset({"events", "deal_statuses", *(name for name in STREAMS if name.endswith("_changes"))})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """1001 and 1002 were read whole, in two currencies, one of which has no kopecks. Of the others something was not,
    and c6 has no deal. In PostgreSQL the times and numbers of 1003 and c6 are texts.
    """
    accounts = [
        Account.generate(3, 150, clock=ManualClock(), timezone="Europe/Moscow", switches=Switches(**MASS)),
        Account.generate(4, 90, clock=ManualClock(), timezone="America/New_York", switches=Switches(**MASS)),
        *(Account.generate(seed, 60, clock=ManualClock()) for seed in (5, 6, 7)),
        Account.generate(8, 1, clock=ManualClock()),
    ]
    for account in accounts:
        account.clock = ManualClock(NOW + 3600)
    for lead in list(accounts[5].tables["leads"].rows):
        writes.vanish(accounts[5], "leads", lead)
    marked, ignored = {"deleted_rows": "mark", "chat_texts": True}, {"deleted_rows": "ignore"}
    projects = [
        Project("1001", accounts[0], marked),
        Project("1002", accounts[1], ignored, currency="JPY"),
        Project("1003", accounts[2], marked, False, frozenset({"statuses", "users", "talks"})),
        Project("1004", accounts[3], ignored, False, EVENTS),
        Project("1005", accounts[4], marked, False, frozenset({"account", "deal_sale_changes", "groups"})),
        Project("c6", accounts[5], marked, False),
    ]
    projects[4].known.zone = ZoneInfo("UTC")
    named = {one.id: one.account.name for one in projects if "account" not in one.absent}
    for project in projects:
        project.known.others = frozenset(name for one, name in named.items() if one != project.id)
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
    ids = rng.sample(sorted(leads.rows), 44)
    [pipeline, other] = account.pipelines[:2]
    contacts = account.tables["contacts"].rows
    main = next(lead for lead in sorted(leads.rows) if account.main_contact("leads", lead))
    steps: list[Callable[[], object]] = [
        lambda: writes.move_status(account, ids[0], pipeline["statuses"][2]["id"], pipeline["id"], by=users[1]),
        lambda: writes.move_status(account, ids[1], other["statuses"][1]["id"], other["id"], by=0),
        lambda: writes.win(account, ids[2], by=users[0]),
        lambda: writes.lose(account, ids[3], account.loss_reasons[1]["id"], by=users[1]),
        lambda: writes.lose(account, ids[4]),
        lambda: writes.rename_status(account, pipeline["id"], pipeline["statuses"][1]["id"], "Called otherwise now"),
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
        lambda: writes.merge(account, "contacts", *rng.sample(sorted(contacts), 2)),
        lambda: writes.merge(account, "companies", *rng.sample(sorted(account.tables["companies"].rows), 2)),
        lambda: writes.trash(account, "contacts", min(contacts)),
        lambda: writes.trash(account, "companies", min(account.tables["companies"].rows)),
        lambda: writes.add_note(account, "leads", ids[12], note_type="call_out", params={"duration": 61, "phone": "1"}),
        lambda: writes.add_note(account, "leads", ids[13], by=users[1]),
        lambda: writes.add_task(account, "leads", ids[14], responsible_user_id=users[1]),
        lambda: writes.complete_task(account, writes.add_task(account, "leads", ids[15]), by=users[1]),
        lambda: writes.delete_task(account, min(account.tables["tasks"].rows)),
        lambda: writes.create_lead(account, contacts=[max(contacts)], price=100, by=users[1]),
        # sold by one, then another's
        lambda: writes.win(account, ids[16], by=users[0]),
        lambda: writes.edit(account, "leads", ids[16], responsible_user_id=users[1]),
        # won, opened again, and won by a move into the other pipeline
        lambda: writes.win(account, ids[17]),
        lambda: writes.reopen(account, ids[17]),
        lambda: writes.move_status(account, ids[17], 142, other["id"]),
        # lost into another pipeline, and from lost to lost
        lambda: writes.move_status(account, ids[18], 143, other["id"]),
        lambda: writes.lose(account, ids[19]),
        lambda: writes.move_status(account, ids[19], 143, _other(account, ids[19])),
        lambda: writes.create_lead(account, status_id=143, closed_at=clock.now()),
        # dated by an integration: created after its changes, and closed before it was created
        lambda: writes.move_status(account, ids[20], pipeline["statuses"][2]["id"], pipeline["id"]),
        lambda: writes.edit(account, "leads", ids[20], created_at=clock.now() + 86_400),
        lambda: writes.win(account, ids[21]),
        lambda: writes.edit(account, "leads", ids[21], closed_at=leads.rows[ids[21]]["created_at"] - 86_400),
        # a robot greets, a person calls; and who calls is somebody who is no user
        lambda: writes.create_lead(account, contacts=[max(contacts)]),
        lambda: _said(account, max(leads.rows), "sms_out", by=0),
        lambda: _said(account, max(leads.rows), "call_out", by=users[0], call_responsible="Василий"),
        lambda: _said(account, max(leads.rows), "call_in", by=0, call_responsible=3_822_938),
        lambda: _said(account, max(leads.rows), "call_out", by=0),
        lambda: _said(account, max(leads.rows), "call_out", by=users[0], call_responsible="101"),
        lambda: writes.add_note(account, "contacts", account.main_contact("leads", main) or 0, by=users[0]),
        lambda: writes.add_task(
            account, "leads", ids[22], responsible_user_id=users[0], complete_till=clock.now() + 9**9
        ),
        lambda: writes.mass_edit(account, "leads", ids[23:26]),
        # a card number, nines, and ten times 2^53 typed into budgets
        lambda: [writes.edit(account, "leads", lead, price=2**53, responsible_user_id=users[0]) for lead in ids[26:36]],
        lambda: [writes.win(account, lead, by=users[0]) for lead in ids[26:31]],
        lambda: writes.edit(account, "leads", ids[36], price=99_999_999_999_999_999),
        lambda: writes.edit(account, "leads", ids[37], price=4_276_123_456_789_012, responsible_user_id=users[0]),
        lambda: writes.win(account, ids[37]),
        lambda: writes.edit(account, "leads", ids[38], price=1234.5),
        *(partial(talk, account, own, rng) for own in account.talks[:3]),
        lambda: writes.random_edits(account, 120, rng, writes.ORDINARY),
        # whole lists of deals go to somebody else, some of them closed before, and into another stage
        lambda: writes.mass_edit(account, "leads", sorted(leads.rows)[::3], responsible_user_id=users[2]),
        lambda: writes.mass_edit(account, "contacts", sorted(contacts)[::5], responsible_user_id=users[2], name="Все"),
        lambda: writes.mass_edit(
            account,
            "leads",
            sorted(leads.rows)[1::5],
            status_id=pipeline["statuses"][2]["id"],
            name="Все",
            pipeline_id=pipeline["id"],
            closed_at=None,
        ),
        # trashed and restored within one second
        lambda: [write(account, "leads", lead) for lead in ids[39:40] for write in (writes.trash, writes.restore)],
        lambda: writes.remove_user(account, users[1]),
    ]
    for step in steps:
        clock.advance(7_200 + rng.randrange(9_000))
        step()
    clock.advance(7_200)


def talk(account: Account, own: dict[str, Any], rng: Random) -> None:
    """What is written in a talk: by its client, by people and by robots, some of it in one second or over a night."""
    users = list(account.users)
    for number in range(rng.randrange(1, 8)):
        writes.chat(account, own, f"{number}", by=rng.choice((None, None, 0, *users)))
        account.clock.advance(rng.choice((0, 0, 40, 3_000, 30_000)))  # type: ignore[attr-defined]


def _other(account: Account, lead: int) -> int:
    """A pipeline in which the deal is not."""
    own = account.row("leads", lead)["pipeline_id"]
    return int(next(pipeline["id"] for pipeline in account.pipelines if pipeline["id"] != own))


def _said(account: Account, lead: int, kind: str, by: int, **params: Any) -> None:
    account.clock.advance(30)  # type: ignore[attr-defined]
    writes.add_note(account, "leads", lead, note_type=kind, params={"phone": "1", "duration": 5, **params}, by=by)


@pytest.fixture(scope="module")
def built(world: World) -> World:
    for number, project in enumerate(world.projects):
        project.sync()
        if number < 5:
            work(project.account, Random(number))
            project.sync()
    for project in world.projects[:2]:
        project.verify()
    world.build()
    return world


LEAST = {"capped_deals": 3, "mass_changes": 3}
"""In how many accounts a mart has rows, if not four: 1004 has no forecast and no events, 1005 no budget above its cap,
1003 no list of twenty cards, c6 no deal."""


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_every_mart_is_what_the_accounts_hold(built: World, kind: str) -> None:
    wanted = oracle.marts(*(project.known for project in built.projects))
    problems = []
    with models.asking(built.databases[kind]) as ask:
        held = {name: ask(f"SELECT * FROM amocrm_marts.{name}") for name in wanted}
    for name, rows in wanted.items():
        of = {row["project_id"] for row in rows}
        assert len(of) >= LEAST.get(name, 4), f"nothing is wanted of {name} in too many accounts: {of}"
        read = held[name]
        found = [{c: value for c, value in row.items() if not c.startswith("cf_")} for row in read]
        for row in found if name == "entity_history" else ():
            if row["field"] == "budget":
                assert re.fullmatch(r"-?\d+\.\d\d", row["value"])
                row["value"] = float(row["value"])
        problems += different(name, rows, found)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_the_sql_of_each_metric_on_the_page_counts_as_the_role_of_a_bi_tool(built: World, kind: str) -> None:
    """The role of docs/security.md, which sees the marts alone; by account and month."""
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \*\*`(\w+)`\*\* \|.*\| `([^`]+)` \|$", page, re.MULTILINE))
    assert listed.keys() == METRICS.keys()
    database = built.databases[kind]
    if kind == "postgres":
        grants = block("security.md", "-- a superuser, or a role with CREATEROLE\nCREATE ROLE bi")
        with psycopg.connect(database, autocommit=True) as connection:
            for statement in filter(None, map(str.strip, grants.split(";"))):
                connection.execute(cast(Any, statement.replace("DATABASE crm", "DATABASE postgres")))
        database = database.replace("postgres@", "bi@")
    rows = metric_numbers.rows_of(*(project.known for project in built.projects))
    with models.asking(database) as ask:
        for name, sql in listed.items():
            metric = base(METRICS[name])
            month = f"date_trunc('month', {metrics.column(metric.of, metric.day)})" if metric.day else "null"
            found = ask(
                f"SELECT project_id, cast({month} AS date) AS month, {sql} AS value FROM amocrm_marts.{metric.of} "
                f"WHERE {ROWS.get(metric.of, {}).get('where', 'true')} GROUP BY 1, 2"
            )
            wanted = metric_numbers.numbers(name, rows, partial(by_month, day=metric.day))
            told = {(row["project_id"], row["month"]): float(row["value"]) for row in found if row["value"]}
            assert told == pytest.approx(wanted, rel=1e-13, abs=5e-5), name  # asked to four places
            assert wanted or name in NOTHING_OF, name


NOTHING_OF = {"dead", "dead_budget", "called_back", "back_after", "back_within_hour"}
"""Metrics that are zero in all accounts of the world: nobody calls back."""


def by_month(row: Row, day: str | None) -> tuple[str, str | None]:
    return row["project_id"], f"{row[day]:%Y-%m}-01" if day and row[day] else None


def test_each_chart_of_the_dashboards_counts_alike_in_both_databases(built: World) -> None:
    """Of the marts alone, which are all that a BI tool sees."""
    found: dict[str, list[Any]] = {}
    for kind, database in built.databases.items():
        with models.asking(database) as ask:
            for dashboard in definitions()["dashboards"].values():
                for chart in dashboard["charts"]:
                    rows = ask(sql_of(chart))
                    found.setdefault(kind, []).append(models.counted(rows))
    different = [one != other for one, other in zip(found["duckdb"], found["postgres"], strict=True)]
    assert not any(different), different
    assert sum(sum(one.values()) for one in found["duckdb"]) > 1_000


def sql_of(chart: Row) -> str:
    dataset = datasets()[chart["of"]]
    shown = [*chart.get("by", ()), *chart.get("columns", ()), *filter(None, map(chart.get, ("x", "series")))]
    counted = [f"{dataset.measures[name].sql} AS {name}" for name in chart.get("metrics", ())]
    rows = dataset.sql("amocrm_marts")
    assert "amocrm_staging" not in rows
    groups = f"GROUP BY {', '.join(shown)}" if counted and shown else ""
    where = chart.get("where", "true")
    return f"SELECT {', '.join([*shown, *counted])} FROM ({rows}) AS chart WHERE {where} {groups}"


def test_each_mart_of_postgresql_has_an_index_by_the_account_and_its_days(built: World) -> None:
    listed = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'amocrm_marts'"
    found: dict[str, set[str]] = {}
    for row in models.query(built.databases["postgres"], listed):
        found.setdefault(row["tablename"], set()).add(row["indexdef"].partition("(")[2].rstrip(")"))
    assert found.keys() == set(models.MARTS)
    assert found["deals"] == {"project_id, created_at_local", "project_id, ended_at_local"}
    assert found["manager_activity"] == {"project_id, day"}
    assert found["own_fields"] == {"project_id"}


def test_the_report_reads_the_same_of_both(built: World) -> None:
    read = {}
    for kind, database in built.databases.items():
        with reading(database) as run:
            read[kind] = page_data.read(run)
    for name, table in read["duckdb"]["tables"].items():
        assert table == read["postgres"]["tables"][name], name
        assert any(table.values()) or name in ("callbacks", "plans", "unlisted")  # nobody called back
    assert read["duckdb"] == read["postgres"]


def test_publish_takes_the_same_types_and_rows_out_of_both(built: World, tmp_path: Path) -> None:
    unequal = []
    with ExitStack() as stack:
        sources = [stack.enter_context(opened_source(database, "amocrm")) for database in built.databases.values()]
        for project in ("1001", "1004"):
            for pair in zip(*(one.tables(project, ["marts"], "amocrm", "ru") for one in sources), strict=True):
                for here, there in zip(*(table.columns for table in pair), strict=True):
                    if (here.name, here.type, here.description) != (there.name, there.type, there.description):
                        unequal.append((project, pair[0].name, here, there))
                rows = [in_order(source.batches(table, tmp_path)) for source, table in zip(sources, pair, strict=True)]
                if rows[0] != rows[1]:
                    unequal.append((project, pair[0].name, *(set(rows[0]) ^ set(rows[1]))))
    assert unequal == []


def in_order(batches: Iterator[Any]) -> list[str]:
    """The rows as texts, doubles to the digits that both databases agree on, lists without PostgreSQL's spaces."""
    as_text = {float: "{:.9g}".format, str: lambda text: text.replace('", "', '","')}
    rows = [row for batch in batches for row in batch.to_pylist()]
    return sorted(str([as_text.get(type(value), str)(value) for value in row.values()]) for row in rows)


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_when_people_work_is_what_the_accounts_hold(built: World, kind: str) -> None:
    """By the clocks of Moscow and New York, so that an hour or a day that moved is seen."""
    wanted: Counter[tuple[Any, ...]] = Counter()
    for project in built.projects:
        for pipeline, who, moment in oracle.touches(project.known):
            person = who if isinstance(who, int) else None  # somebody known by name alone has no id
            own = (project.id, pipeline, f"{moment:%Y-%m}-01", person, 24 * moment.weekday() + moment.hour)
            wanted[own] += 1
    with reading(built.databases[kind]) as run:
        _, rows = run(QUERIES["hours"].format(since="1970-01-01"))
    assert {tuple(map(str, row)) for row in rows} == {tuple(map(str, (*own, count))) for own, count in wanted.items()}
    assert len({row[0] for row in rows}) == len(built.projects)


def test_each_number_of_the_report_is_the_accounts(built: World, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Also of accounts without stages, events, `account` or any deal, with removed users and absurd budgets."""
    path = tmp_path / "report.html"
    report_page.write(built.databases["duckdb"], path)
    page = Report(browser)
    page.open(path)
    assert "" not in page.options("scope")  # roubles, yen, and a currency that nobody knows
    known = {project.id: project.known for project in built.projects}
    for project in known:
        for kind in ("all", "quarter"):
            check_numbers(page, choose(page, known, project, kind))


@pytest.mark.parametrize("kind", one_in(2, ("duckdb", "postgres")))
def test_workbook_digest_and_assistant_tell_what_the_accounts_hold(built: World, kind: str, tmp_path: Path) -> None:
    """With deleted deals, removed users, renamed stages, several pipelines and months without sales.

    The assistant is asked about three of the accounts in each database: the marts are the same in both.
    """
    database, language = built.databases[kind], {"duckdb": "ru", "postgres": "en"}[kind]
    with reading(database) as run:
        chosen = last_months(run)
        workbook.write(tmp_path / "all.xlsx", run, chosen, Words(language))
        lines = digest(run, chosen, Words(language)).split("\n\n")
    told = tables_of(tmp_path / "all.xlsx", language)
    for number, project in enumerate(built.projects):
        choice = expected_page.Choice((project.known,), chosen.since, chosen.until)
        own = {name: [row for row in rows if row["project_id"] == project.id] for name, rows in told.items()}
        check_answers(own, choice)
        wanted = digest_lines(project.known, language=language)
        # a line about mass changes may come after these
        assert of_fourteen_digits(lines[number].splitlines()[: len(wanted)]) == of_fourteen_digits(wanted)
        if number % 2 == (kind == "postgres"):
            check_assistant(database, project.known, choice)
    first = built.projects[0].known
    assert any(row["is_deleted"] for row in first.all("deals"))
    assert {row["responsible_user_id"] for row in first.all("deals")} - set(first.by("users", "user_id")) - {None}
    assert len({row["pipeline_id"] for row in first.all("deals")}) > 2
    months = expected_page.money_by(
        expected_page.Choice((first,), chosen.since, chosen.until), lambda day: f"{day:%Y-%m}"
    )
    assert any(not row[1] for row in months)


SAME: dict[str, dict[str, Any]] = {
    "twelve months": {"period": "last_12_months"}, "the month before": {"period": "last_month"},
    "this month, which has just begun": {"period": "this_month"},
    "a pipeline": {"period": "last_12_months", "pipeline": 0}, "a manager": {"period": "last_quarter", "manager": 0},
}  # fmt: skip
"""Arguments of the assistant; a 0 stands for the one with the most deals."""
IN_PAGE = {"last_12_months": "last12", "last_month": "2026-09", "this_month": "2026-10", "last_quarter": "2026-Q3"}


@pytest.mark.parametrize("kind", one_in(2, ("duckdb", "postgres")))
def test_page_workbook_digest_and_assistant_give_the_same_number(
    built: World, kind: str, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    """For the same question, in five choices: figures and managers, held against the account's own store."""
    database, known = built.databases[kind], built.projects[0].known
    most = Counter((row["pipeline_id"], row["responsible_user_id"]) for row in known.all("deals")).most_common(1)[0][0]
    ids = dict(zip(("pipeline", "manager"), most, strict=True))
    asked = [{"project": "1001", **{name: ids.get(name, value) for name, value in of.items()}} for of in SAME.values()]
    calls = [(tool, one) for one in asked for tool in ("sales",)]
    answers = iter(ask(database, *calls))
    report_page.write(database, tmp_path / "report.html")
    page = Report(browser)
    page.open(tmp_path / "report.html")
    for number, one in enumerate(asked):
        with reading(database) as run:
            chosen = chosen_by(run, {name: str(value) for name, value in one.items()}).choice
            workbook.write(tmp_path / f"{number}.xlsx", run, chosen, Words("en"))
            said = digest(run, chosen, Words("en")) if one["period"] == "this_month" else None
        scope = f"1001/{one['pipeline']}" if "pipeline" in one else "1001"
        page.choose(scope, IN_PAGE[one["period"]], *([f"1001/{one['manager']}"] if "manager" in one else []))
        users = frozenset({one["manager"]}) if "manager" in one else None
        choice = expected_page.Choice((known,), chosen.since, chosen.until, one.get("pipeline"), users)
        answer = next(answers)
        figures, total = expected_page.figures(choice), answer["total"][0]
        assert plain(page.figures()) == plain(figures), one
        for name in ("created", "won", "won_budget", "days_to_win", "live"):
            assert plain(total[name]) == plain(figures[name]), (one, name)
        assert total["rate_percent"] == (None if figures["rate"] is None else float(percents(figures["rate"])))
        sheets = tables_of(tmp_path / f"{number}.xlsx")
        assert plain([sum(row[name] for row in sheets["money"]) for name in ("won", "won_budget")]) == plain(
            [figures["won"], figures["won_budget"]]
        )
        wanted = [[row[0], row[1], row[2]] for row in expected_page.managers(choice) if any(row[1:3])]
        told = answer["managers"]
        in_page = [row for table in page.sections()["managers"]["tables"][:1] for row in table]
        for rows in (
            [[row["manager"], row["won"], row["won_budget"]] for row in told if row["won"]],
            [[row["manager"], row["won"], row["won_budget"]] for row in sheets["managers"] if row["won"]],
            [row[:3] for row in in_page if report_page.number(row[1])],
        ):
            assert same(rows, wanted)
        if said:
            money = Words("en").money(figures["won_budget"], "RUB")
            month = f"This month: {figures['won']} won for {money}"  # after the month that has ended, in its first days
            assert [line for line in said.splitlines()[1:3] if line.startswith(month)]


MONTH_ENDS = {
    "a month": (date(2026, 8, 1), date(2026, 8, 31)), "a last day": (date(2026, 8, 31), date(2026, 8, 31)),
    "two ends": (date(2026, 6, 30), date(2026, 9, 30)),
}  # fmt: skip


@pytest.mark.parametrize("name", MONTH_ENDS)
def test_every_query_counts_the_same_days_in_both_databases(built: World, name: str) -> None:
    """DuckDB simplifies comparisons of truncated dates wrongly: at a month's end it counted a day too many."""
    since, until = MONTH_ENDS[name]
    found: dict[str, dict[str, list[str]]] = {}
    for kind, database in built.databases.items():
        with reading(database) as run:
            days = {project: replace(of, since=since, until=until) for project, of in last_months(run).days.items()}
            [[built_at, deal]] = run(
                "select max(built_at), min(deal_id) from amocrm_marts.freshness, amocrm_marts.deals"
            )[1]
            others = {"deal": deal, "at": None, "state": "won"}
            page = {"since": since, "built_at": built_at, "tenth": "8640.0", "by": "deals.utm_source"}
            found[kind] = {
                query: as_texts(select(run, sql, Choice(days), **others).rows)
                for query, sql in (ANSWERS | assistant_queries.QUERIES).items()
            } | {f"page.{query}": as_texts(run(sql.format_map(page))[1]) for query, sql in QUERIES.items()}
    for query, rows in found["duckdb"].items():
        assert rows == found["postgres"][query], query
    assert since == until or len(found["duckdb"]["work"]) > 1


def as_texts(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(str([models.plain(value) for value in row]) for row in rows)


def test_money_of_several_currencies_is_never_added_up(built: World) -> None:
    """Roubles of four accounts, yen, and a currency that nobody knows: a sum and an order for each."""
    overview, cards, managers, reasons, plan = ask(
        built.databases["duckdb"],
        *((name, {"limit": 500, "kilobytes": 400})
          for name in ("sales", "queue", "sales", "funnel", "compare_periods")),
    )  # fmt: skip
    assert overview["covers"]["currency"] == ["RUB", "JPY", "unknown (1005)"]
    assert (
        overview["covers"]["currencies"]
        == "Sums are by currency; lists by money are ordered within one. Never add them up."
    )
    known = {project.id: project.known for project in built.projects}
    purses = {"JPY": ["1002"], "RUB": ["1001", "1003", "1004", "c6"], None: ["1005"]}
    with reading(built.databases["duckdb"]) as run:
        days = last_months(run)
    assert {row["currency"] for row in overview["total"]} == purses.keys()
    for row in overview["total"]:
        accounts = tuple(known[project] for project in purses[row["currency"]])
        choice = expected_page.Choice(accounts, days.since, days.until)
        wanted = expected_page.figures(choice) | {"open": len(choice.open())}
        for figure in ("created", "won", "won_budget", "open", "live"):
            assert plain(row[figure]) == plain(wanted.get(figure)), (row["currency"], figure)
    for rows, column in (
        (cards["cards"], "budget"),
        (managers["managers"], "won_budget"),
        (reasons["reasons"], "deals"),
    ):
        assert {row["currency"] for row in rows} == purses.keys()
        for _, own in groupby(rows, key=lambda row: row["currency"]):
            amounts = [row[column] or 0 for row in own]
            assert amounts == sorted(amounts, reverse=True)
        assert len(list(groupby(row["currency"] for row in rows))) == len(purses)
    assert {row["currency"] for row in plan["figures"]} == purses.keys()
    assert [row["currency"] for row in plan["managers"][:1]] == ["JPY"]


@pytest.mark.at_length
def test_an_answer_has_at_most_20_kilobytes(built: World) -> None:
    tools = [name for name in TOOLS if not TOOLS[name].needs]
    answers = ask(built.databases["duckdb"], *((name, {"limit": 500}) for name in tools))
    sizes = {name: len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())
             for name, answer in zip(tools, answers, strict=True)}  # fmt: skip
    assert max(sizes.values()) <= 20_000
    assert sizes["queue"] > 19_000
    [more] = ask(built.databases["duckdb"], ("queue", {"limit": 500, "kilobytes": 400}))
    assert len(more["cards"]) > len(dict(zip(tools, answers, strict=True))["queue"]["cards"])


READER = """
    create role reader login; grant usage on schema amocrm_marts, amocrm_staging to reader;
    grant select on all tables in schema amocrm_marts, amocrm_staging to reader
"""
ATTACKS_ON_POSTGRESQL = [
    "select pg_read_file('/etc/passwd')", "select lo_import('/etc/passwd')", "select * from pg_authid",
    "select set_config('role', 'postgres', true), pg_read_file('/etc/passwd')",
    "select * from amocrm.amocrm_1001_deals",
    "select set_config('transaction_read_only', 'off', true)", "create table amocrm_marts.x (y int)",
    "select * into amocrm_marts.x from amocrm_marts.deals", "copy amocrm_marts.deals to program 'cat'",
    "do $$ begin delete from amocrm_marts.deals; end $$", "select lo_create(7)", "select pg_sleep(600)",
]  # fmt: skip
ALL_THAT_IS_THERE = "select (select md5(string_agg(deals::text, '' order by deals::text)) from amocrm_marts.deals), " \
    "(select count(*) from pg_class), (select count(*) from pg_largeobject_metadata)"  # fmt: skip


@pytest.mark.at_length
def test_the_assistant_reads_postgresql_alone(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By stdio and by HTTP; and what it is asked for in SQL changes nothing, reads no file and comes to an end."""
    owner = built.databases["postgres"]
    with psycopg.connect(owner) as connection:
        connection.execute(READER)
    reader = owner.replace("postgres@", "reader@")
    [directly] = ask(reader, ("queue", {"project": "1001", "kilobytes": 40}))
    assert re.fullmatch(r"20 of \d\d+", directly["covers"]["rows"]["cards"])
    [before] = models.query(owner, ALL_THAT_IS_THERE)
    for attack, answer in zip(
        attacks := [*ATTACKS, *ATTACKS_ON_POSTGRESQL], ask(reader, *(("sql", {"select": one}) for one in attacks)),
        strict=True,
    ):  # fmt: skip
        assert isinstance(answer, str), (attack, answer)
        assert "root:" not in answer
    [some, mighty] = ask(reader, ("sql", {"select": "select deal_id from amocrm_marts.deals", "limit": 3})) + ask(
        owner, ("sql", {"select": "select 1 as one"})
    )
    assert (len(some["rows"]), some["covers"]["rows"]) == (3, {"rows": "3 of more"})
    [none] = ask(reader, ("sql", {"select": "select * from amocrm_marts.nope"}))
    assert none == "There is no table amocrm_marts.nope here. sql without a select lists the tables."
    assert "--sql takes a PostgreSQL user who can only read. This one is, or can become, " in mighty
    monkeypatch.setattr(bounded_select, "SECONDS", 0.5)
    [late] = ask(
        reader,
        ("sql", {"select": "with recursive n(i) as (select 1 union all select i from n) select count(*) from n"}),
    )
    assert late == bounded_select.TOO_MUCH
    assert models.query(owner, ALL_THAT_IS_THERE) == [before]
    [answer] = ask(reader, ("plan", {}))
    assert ask_by_stdio(reader, "plan") == answer
    with serving(reader) as address:
        assert ask_by_http(address, "plan") == answer
