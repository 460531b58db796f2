"""Accounts with little in them, tables of other shapes, and what is said where nothing can be built."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from amocrm_warehouse.assistant.tools import TOOLS
from amocrm_warehouse.database import reading
from amocrm_warehouse.plans_and_costs import read_plans
from amocrm_warehouse.projects import projects_in
from amocrm_warehouse.report import page_data, this_month, workbook
from amocrm_warehouse.report.answers import answer
from amocrm_warehouse.report.choice import last_months
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.report_words import LANGUAGES, Words
from docs import formulas, semantic_layer
from docs.describe_models import SCHEMA, columns, pages
from docs.describe_models import described as texts_of
from docs.describe_models import models as described
from sandbox import Account, ManualClock, Sandbox, Switches, writes
from testing import expected, forked, models, postgres
from testing.assistant import ask
from testing.combinations import one_in
from testing.connector import messages
from testing.destination import Destination, Key, Row
from testing.models import DEALS, LATE_COLUMNS, MARTS
from testing.sheets import sheets, tables_of

PACKAGE = SCHEMA.parents[1]


PROJECTS = ["1001", "1002", "1003", "2001", "2002", "2003", "3001", "3002", "3003", "3004", "3005", "4001"]
CARDS = {"deals": "leads", "contacts": "contacts", "companies": "companies", "customers": "customers"}
ID = {"deals": "deal_id", "contacts": "contact_id", "companies": "company_id", "customers": "customer_id"}
STREAMS = ["account", "statuses", "users", *CARDS, "deal_contacts", "deal_statuses", "deleted_entities", "events"]
NEXT_SYNC = 3_600


ANNA, IVAN = 100_001, 100_002


def oddly_dated() -> dict[str, list[Row]]:
    """An account whose integration dates deals in days to come, or does not say when they were closed."""

    def deal(own: int, created: str, status: int, **others: Any) -> Row:
        return {"lead_id": own, "created_at": created, "updated_at": "2026-10-31T00:00:00Z", "pipeline_id": 1,
                "status_id": status, "responsible_user_id": IVAN, **others}  # fmt: skip

    def move(own: int, moment: str) -> Row:
        return {"note_id": f"{own}", "lead_id": own, "created_at": moment, "pipeline_id_old": 1, "status_old": 11,
                "pipeline_id_new": 1, "status_new": 142}  # fmt: skip

    def call(own: int, contact: int, clock: str, direction: str, duration: int) -> Row:
        return {"note_id": own, "element_type": 1, "element_id": contact, "created_at": f"2026-10-20T{clock}:00Z",
                "direction": direction, "duration": duration, "responsible_user_id": IVAN}  # fmt: skip

    return {
        "account": [{"account_id": 1, "name": "Oddly dated"}],
        "users": [{"user_id": ANNA, "name": "Анна"}, {"user_id": IVAN, "name": "Иван"}],
        "statuses": [{"pipeline_id": 1, "status_id": status, "status_sort": status} for status in (11, 142, 143)],
        "deals": [
            deal(1, "2026-10-01T00:00:00Z", 142, sale=300),
            deal(2, "2026-10-01T00:00:00Z", 142, sale=1000, closed_at="2026-10-31T21:00:00Z"),
            deal(3, "2026-11-20T00:00:00Z", 11),
            deal(4, "2026-12-05T00:00:00Z", 11),
        ],
        "deal_statuses": [move(1, "2026-10-31T20:00:00Z"), move(2, "2026-10-31T21:00:00Z")],
        "deal_responsible_changes": [
            {"event_id": "1", "lead_id": 1, "created_at": "2026-10-31T22:00:00Z", "responsible_user_id_old": ANNA,
             "responsible_user_id_new": IVAN},
        ],
        "deleted_entities": [
            {"event_id": "2", "entity_type": "lead", "entity_id": 4, "created_at": "2026-10-20T00:00:00Z",
             "deleted_at": "2026-10-20T00:00:00Z"},
        ],
        "tasks": [],
        "calls": [
            call(1, 50, "10:00", "in", 0), call(2, 50, "10:30", "out", 20), call(3, 60, "10:00", "in", 0),
            call(4, 60, "11:30", "out", 20),
        ],
    }  # fmt: skip


def store_with_moments(database: str, small: dict[str, list[Row]]) -> None:
    """2001 without moments, 2002 with those of Airbyte, 2003 with syncs, the last of which broke off."""
    for project in ("2001", "2002", "2003"):
        models.store(database, project, small, "duckdb")
    with closing(duckdb.connect(database)) as connection:
        for name in DEALS:
            connection.execute(f"ALTER TABLE amocrm.amocrm_2002_{name} ADD COLUMN _airbyte_extracted_at TIMESTAMP")
            connection.execute(f"UPDATE amocrm.amocrm_2002_{name} SET _airbyte_extracted_at = '2026-01-04 10:00:00'")
        deals = "amocrm.amocrm_2001_deals"
        connection.execute(f"ALTER TABLE {deals} ADD COLUMN _changes JSON")
        connection.execute(f'UPDATE {deals} SET _changes = \'[{{"field": "score"}}]\' WHERE lead_id % 3 = 0')
        connection.execute(
            f"UPDATE {deals} SET created_at = '2027-02-25', updated_at = '2027-02-25' WHERE lead_id % 5 = 0"
        )
    well: list[tuple[str, str, list[str]]] = [(f"2026-01-0{day} 09:00", f"2026-01-0{day} 10:00", []) for day in (5, 6)]
    models.store_syncs(database, "2003", [*well, ("2026-01-07 09:00", "2026-01-07 10:00", ["deals: refused"])])


@dataclass
class SilentlyGone:
    """An account some of whose cards were merged or purged between two syncs and left no trace.

    `old`: the cards that only the first of the two read. `gone`: those that are not there.
    """

    tables: dict[str, dict[Key, Row]]
    old: dict[str, list[int]]
    gone: dict[str, set[int]]

    def store(self, database: str) -> None:
        """3002 has no list of what is there, that of 3003 is empty, and of 3004 it is not known when rows came."""
        self._store(database, "3001", self.tables)
        self._store(database, "3002", {name: rows for name, rows in self.tables.items() if name != "live_entities"})
        self._store(database, "3003", {**self.tables, "live_entities": {}})
        self._store(database, "3004", self.tables, without=["read_at"])
        self._store(database, "3005", self.damaged())

    def damaged(self) -> dict[str, dict[Key, Row]]:
        """The tables without two contacts that are there, without companies, and with a live deal marked as deleted."""
        dated = {name: [(self.tables[name][own,], own) for own in self.old[name]] for name in ("contacts", "deals")}
        live = {
            name: sorted(
                (row["updated_at"], own) for row, own in rows if own not in self.gone[name] and not row["is_deleted"]
            )
            for name, rows in dated.items()
        }
        lost = {own for _, own in live["contacts"][3:5]}
        contacts = {key: row for key, row in self.tables["contacts"].items() if key[0] not in lost}
        _, deal = live["deals"][3]
        deals = {**self.tables["deals"], (deal,): {**self.tables["deals"][deal,], "is_deleted": True}}
        return {**self.tables, "contacts": contacts, "companies": {}, "deals": deals}

    def _store(
        self, database: str, project: str, tables: Mapping[str, Mapping[Key, Row]], without: Collection[str] = ()
    ) -> None:
        models.store(database, project, {name: rows.values() for name, rows in tables.items()}, "duckdb", without)


def sync(account: Account, destination: Destination) -> None:
    assert destination.take(messages(Sandbox(account), [*STREAMS, "live_entities"], destination.state()))


@pytest.fixture(scope="module")
def silently_gone() -> SilentlyGone:
    clock = ManualClock()
    account = Account.generate(5, 150, clock=clock, switches=Switches(merged_carries="survivor"))
    destination = Destination()
    sync(account, destination)
    before = {name: dict(destination.rows[name]) for name in CARDS}
    clock.advance(NEXT_SYNC)

    gone = {}
    for name, kind in CARDS.items():
        ids = sorted(account.tables[kind].rows)
        assert len(ids) > 4, kind
        first, second, third, trashed, edited = ids[:5]
        if kind == "customers":
            writes.vanish(account, kind, second)
        else:
            writes.merge(account, kind, first, second)
        writes.vanish(account, kind, third)
        writes.trash(account, kind, trashed)
        writes.edit(account, kind, edited, name="edited")
        gone[name] = {second, third}
    clock.advance(NEXT_SYNC)
    sync(account, destination)
    writes.create_lead(account)
    late = writes.create_lead(account)
    writes.vanish(account, "leads", late)

    tables = {name: destination.rows.get(name, {}) for name in [*STREAMS, "live_entities"]}
    old = {name: [own for (own,), row in tables[name].items() if before[name].get((own,)) is row] for name in CARDS}
    assert all(gone[name] <= set(old[name]) for name in CARDS)
    return SilentlyGone(tables, old, gone)


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    return expected.tables(Account.generate(7, 60, clock=ManualClock()))


@pytest.fixture(scope="module")
def duckdb_file(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, list[Row]], silently_gone: SilentlyGone
) -> str:
    """1001 has no deal; 1002 is a small sync of an older version, with a plan; 1003 has but deals, stages and talks.

    In 2001 and on it is known when rows came. From 3001 on cards left without a trace. 4001 is oddly dated. The file of
    plans is of two of them, and of one that is not there.
    """
    folder = tmp_path_factory.mktemp("little")
    database = str(folder / "crm.duckdb")
    none_of_it = {name: [] if name.startswith("deal") else rows for name, rows in tables.items() if name in DEALS}
    models.store(database, "1001", none_of_it, "duckdb")
    small = {name: rows for name, rows in tables.items() if name in DEALS}
    models.store(database, "1002", small, "duckdb", without=LATE_COLUMNS)
    models.store(database, "1003", {name: tables[name] for name in ("deals", "statuses", "talks")}, "duckdb")
    models.store(database, "1003_deal", {"contacts": tables["contacts"]}, "duckdb")
    store_with_moments(database, small)
    silently_gone.store(database)
    models.store(database, "4001", oddly_dated(), "duckdb")
    plans = folder / "plans.csv"
    user = tables["users"][0]["user_id"]
    lines = [f"1002,2020-02-01,{user},1000.50", f"4001,2026-11-01,{ANNA},600", f"9999,2026-11-01,{ANNA},5"]
    plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines, ""]), encoding="utf-8")
    given = ["--plans", str(plans), "--time-zone", "Asia/Tokyo", "--now", "2026-11-01T00:00:00"]
    said = models.build(database, "--project", ",".join(PROJECTS), *given)
    count = len(described()) - 1
    place = f"{database}, the marts in the schema amocrm_marts"
    assert said == f"{count} models of the projects {', '.join(PROJECTS)} are in {place}.\n"
    return database


def test_every_mart_is_there(duckdb_file: str) -> None:
    here = "WHERE project_id IN ('1001', '1002', '1003')"
    with models.asking(duckdb_file) as ask:
        counts = {name: len(ask(f"SELECT * FROM amocrm_marts.{name} {here}")) for name in MARTS}
    assert counts["deals"] > 50
    assert {name for name, count in counts.items() if not count} == {
        "calls", "capped_deals", "contacts", "companies", "customers_ltv", "deal_tags", "duplicates_and_merges",
        "entity_fields", "goods_sold", "mass_change_cards", "mass_changes", "name_changes", "own_fields", "tasks_open",
        "watch",
    }  # fmt: skip
    of = models.query(duckdb_file, f"SELECT DISTINCT project_id FROM amocrm_marts.deals {here} ORDER BY 1")
    assert of == [{"project_id": "1002"}, {"project_id": "1003"}]


def test_a_table_of_another_project_is_not_taken(duckdb_file: str) -> None:
    """The contacts of 1003_deal have the name of the deal_contacts of 1003."""
    there = "SELECT source_table FROM amocrm_marts.freshness WHERE project_id = '1003' AND is_there"
    assert {row["source_table"] for row in models.query(duckdb_file, there)} == {"deals", "statuses", "talks"}


def test_without_messages_nobody_knows_who_waits(duckdb_file: str, tables: dict[str, list[Row]]) -> None:
    talks = "SELECT * FROM amocrm_marts.conversations WHERE project_id = '1003' ORDER BY talk_id"
    rows = models.query(duckdb_file, talks)
    assert [row["talk_id"] for row in rows] == [row["talk_id"] for row in tables["talks"]]
    assert {(row["messages_in"], row["is_unanswered"], row["longest_wait_seconds"]) for row in rows} == {(None,) * 3}


def test_without_events_nobody_knows_since_when(duckdb_file: str, tables: dict[str, list[Row]]) -> None:
    since = "SELECT deal_id, in_stage_since_local FROM amocrm_marts.deals WHERE project_id = '1003'"
    assert {row["deal_id"]: row["in_stage_since_local"] for row in models.query(duckdb_file, since)} == {
        row["lead_id"]: None for row in tables["deals"]
    }
    history = "SELECT DISTINCT project_id FROM amocrm_marts.deal_history WHERE project_id < '2'"
    assert models.query(duckdb_file, history) == [{"project_id": "1002"}]


def test_what_was_not_read_is_told(duckdb_file: str) -> None:
    rows = models.query(duckdb_file, "SELECT * FROM amocrm_marts.freshness WHERE project_id = '1002'")
    there = {row["source_table"]: row["is_there"] for row in rows}
    assert {name for name, known in there.items() if known} == DEALS
    assert there.keys() == {row["source_table"] for row in rows if row["is_used"] or row["is_there"]}
    assert {row["synced_at"] for row in rows} == {None}


def test_every_table_of_the_connector_is_known() -> None:
    lists = (PACKAGE / "macros" / "tables.sql").read_text(encoding="utf-8")
    used, other, whole = (set(re.findall(r'"(\w+)"', text)) for text in lists.split("{% macro ")[1:4])
    assert used | other == {path.stem for path in models.SCHEMAS.glob("*.json")}
    assert whole < used
    sources = [path.read_text(encoding="utf-8") for path in (PACKAGE / "models" / "staging").glob("*.sql")]
    assert used | {"names"} == {name for text in sources for name in re.findall(r'(?:raw\(|: \()"(\w+)"', text)}


def test_as_of_when_the_data_is(duckdb_file: str, tables: dict[str, list[Row]]) -> None:
    """Airbyte tells when rows came; a sync that broke off before a list leaves that as it was."""
    rows = models.query(
        duckdb_file,
        "SELECT * FROM amocrm_marts.freshness WHERE source_table = 'deals' AND project_id IN ('2001', '2002', '2003') "
        "ORDER BY project_id",
    )
    assert [(row["read_at"], row["synced_at"]) for row in rows] == [
        (None, None),
        ("2026-01-04 10:00:00", "2026-01-04 10:00:00"),
        (None, "2026-01-06 10:00:00"),
    ]
    assert all(row["newest_at"] < "2026-11-01 00:00:00" for row in rows)
    assert {(row["row_count"], row["deleted_count"]) for row in rows} == {(len(tables["deals"]), 0)}
    changed = sum(row["lead_id"] % 3 == 0 for row in tables["deals"])
    assert [row["rows_with_changes"] for row in rows] == [changed, None, None]


def test_a_silent_merge_and_a_silent_purge(duckdb_file: str, silently_gone: SilentlyGone) -> None:
    """What left without a trace is in no model once it was missed in a list of what is there, and only then."""
    with models.asking(duckdb_file) as ask:
        for name in CARDS:
            mart, key = {"customers": "customers_ltv"}.get(name, name), ID[name]
            found = {
                project: {
                    int(row[key]) for row in ask(f"SELECT * FROM amocrm_marts.{mart} WHERE project_id = '{project}'")
                }
                for project in ("3001", "3002", "3003", "3004")
            }
            everything = {own for (own,) in silently_gone.tables[name]}
            if name == "customers":
                everything -= {own for (own,), row in silently_gone.tables[name].items() if row["is_deleted"]}
            assert found["3001"] == everything - silently_gone.gone[name], name
            assert found["3002"] == found["3003"] == found["3004"] == everything, name


def test_ids_are_compared_with_the_last_list_without_a_request(duckdb_file: str, silently_gone: SilentlyGone) -> None:
    asked = (
        "SELECT project_id, source_table, listed_missing, listed_extra FROM amocrm_marts.completeness "
        "WHERE listed IS NOT NULL"
    )
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in models.query(duckdb_file, asked):
        found.setdefault(row["project_id"], {})[row["source_table"]] = (row["listed_missing"], row["listed_extra"])
    extra = {name: len(ids) for name, ids in silently_gone.gone.items()}
    listed = silently_gone.tables["live_entities"].values()
    companies = sum(row["entity_type"] == "companies" for row in listed)
    assert found == {
        "3001": {name: (0, extra[name]) for name in CARDS},
        "3004": dict.fromkeys(CARDS, (0, None)),
        "3005": {
            "deals": (1, extra["deals"]), "contacts": (2, extra["contacts"]), "companies": (companies, 0),
            "customers": (0, extra["customers"]),
        },
    }  # fmt: skip


def test_the_time_zone_may_be_given(duckdb_file: str) -> None:
    [row] = models.query(
        duckdb_file, "SELECT min(created_at_local - created_at) = INTERVAL 9 hours AS nine FROM amocrm_marts.deals"
    )
    assert row["nine"] is True


def test_plan_and_fact(duckdb_file: str, tables: dict[str, list[Row]]) -> None:
    """Plans of a project that is not united do not count, whatever the file of plans has."""
    rows = models.query(duckdb_file, "SELECT * FROM amocrm_marts.sales_plan WHERE plan IS NOT NULL ORDER BY project_id")
    user = tables["users"][0]
    assert rows == [
        {"project_id": "1002", "month": "2020-02-01", "responsible_user_id": user["user_id"], "plan": 1000.5}
        | {"plan_so_far": 1000.5}
        | {"responsible_name": user["name"], "won": 0, "won_budget": 0, "percent_of_plan": 0, "currency": "RUB"},
        {"project_id": "4001", "month": "2026-11-01", "responsible_user_id": ANNA, "plan": 600}
        | {"plan_so_far": 0}
        | {"responsible_name": "Анна", "won": 1, "won_budget": 300, "percent_of_plan": 50, "currency": None},
    ]


def test_of_a_deal_whose_tasks_were_not_read_nobody_knows_that_it_has_none(duckdb_file: str) -> None:
    asked = "SELECT DISTINCT project_id FROM amocrm_marts.today WHERE reason = 'no_task'"
    assert models.query(duckdb_file, asked) == [{"project_id": "4001"}]


def test_what_nobody_has_read_is_null_in_the_marts_and_not_zero(duckdb_file: str, tables: dict[str, list[Row]]) -> None:
    """That no call back is known within the hour says nothing as long as the messages were not read."""
    counts = (
        "calls_in", "calls_out", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done", "tasks_due",
        "tasks_late", "deals_created", "first_responses", "response_seconds", "response_working_seconds",
    )  # fmt: skip
    sums = ", ".join(f"cast(sum({count}) as bigint) AS {count}" for count in counts)
    of = f"SELECT {sums} FROM amocrm_marts.manager_activity WHERE project_id = "
    moves = sum(bool(row["created_by"]) for row in tables["deal_statuses"])
    created = sum(bool(row["created_by"]) for row in tables["deals"] if not row["is_deleted"])
    unknown = dict.fromkeys(counts)
    assert models.query(duckdb_file, f"{of}'1002'") == [{**unknown, "stage_moves": moves, "deals_created": created}]
    assert models.query(duckdb_file, f"{of}'4001'") == [
        {**unknown, "calls_in": 2, "calls_out": 2, "talk_seconds": 40, "stage_moves": 0, "tasks_done": 0}
        | {"tasks_due": 0, "tasks_late": 0, "deals_created": 0}
    ]
    back = "SELECT note_id, is_called_back_in_hour AS back FROM amocrm_marts.calls WHERE project_id = '4001' ORDER BY 1"
    assert [(row["note_id"], row["back"]) for row in models.query(duckdb_file, back)] == [
        (1, True), (2, None), (3, None), (4, None),
    ]  # fmt: skip
    bought = "SELECT DISTINCT purchases, purchases_sum FROM amocrm_marts.customers_ltv WHERE project_id = '3001'"
    assert models.query(duckdb_file, bought) == [{"purchases": None, "purchases_sum": None}]


def test_of_managers_whose_tasks_were_not_read_nobody_knows_what_is_overdue(duckdb_file: str, tmp_path: Path) -> None:
    """Nor in all: the column of the workbook has no total then."""
    with reading(duckdb_file) as run:
        choices = {project: last_months(run, 120).of(project) for project in ("1003", "4001")}
        found = {project: answer(run, "managers", choice).dicts() for project, choice in choices.items()}
        workbook.write(tmp_path / "crm.xlsx", run, choices["1003"], Words("en"))
    assert {project: {row["overdue"] is None for row in rows} for project, rows in found.items()} == {
        "1003": {True}, "4001": {False},
    }  # fmt: skip
    assert {row["overdue"] for row in tables_of(tmp_path / "crm.xlsx")["managers"]} == {None}


def test_the_workbook_leaves_empty_what_tables_that_were_not_read_would_tell(
    duckdb_file: str, tables: dict[str, list[Row]], tmp_path: Path
) -> None:
    """No zero, and no list of forgotten deals or of speeds; below each sheet stands which tables were not read."""
    with reading(duckdb_file) as run:
        choice = last_months(run, 120)
        two = replace(choice, days={project: choice.days[project] for project in ("1002", "1003")})
        workbook.write(tmp_path / "one.xlsx", run, choice.of("1003"), Words("en"))
        workbook.write(tmp_path / "two.xlsx", run, two, Words("ru"))
    told, shown = tables_of(tmp_path / "one.xlsx"), sheets(tmp_path / "one.xlsx")
    assert len(told["managers"]) > 3
    assert {row["stale"] for row in told["managers"]} == {None}
    assert (told["speed"], told["stale"], told["work"]) == ([], [], [])
    of_all = "calls, deal_statuses, events, messages, notes, tasks"
    unread = {
        "queue": "calls, deal_statuses, messages, tasks", "today": "calls, deal_statuses, messages, tasks",
        "forecast": "deal_statuses", "managers": of_all, "funnel": "deal_statuses", "speed": "calls, messages",
        "calls": "calls, messages", "goods": "customer_transactions, deal_catalog_elements", "stale": of_all,
        "talks": "messages", "work": "calls, deal_statuses, messages, notes, tasks",
    }  # fmt: skip
    assert {name: rows[-1][0] for name, rows in shown.items() if rows and str(rows[-1][0]).startswith("Not read")} == {
        Words("en")(f"{name}.title"): f"Not read, so what they tell is left out or empty here, and not zero: {of}"
        for name, of in unread.items()
    }
    assert sheets(tmp_path / "two.xlsx")["Забытые сделки"][-1][0] == (
        "Не прочитано, поэтому то, что по этим таблицам видно, здесь пропущено или пусто, а не ноль: "
        f"{tables['account'][0]['name']} (1002): calls, events, messages, notes, tasks; 1003: {of_all}"
    )


def test_the_assistant_counts_nothing_from_tables_that_were_not_read(duckdb_file: str) -> None:
    """No zero, no advice: null where a number is known by a table that is not there, and not_read names the table."""
    tools = ("incoming", "queue", "sales", "activity")
    of = {"project": "1003", "limit": 500, "kilobytes": 400}
    days = {"period": "all"}
    asked = [(name, of | (days if TOOLS[name].dated else {})) for name in tools]
    found = dict(zip(tools, ask(duckdb_file, *asked), strict=True))
    unread = {name: {one["table"] for one in answer["covers"]["not_read"]} for name, answer in found.items()}
    for name in ("sales", "queue"):
        assert {"calls", "messages", "notes", "tasks", "deal_statuses", "events"} <= unread[name], name
    incoming = found["incoming"]["managers"]
    assert sum(row["new_deals"] for row in incoming) > 50
    counts = ("touched", "first_touch", "untouched_and_open", "talks", "calls_in", "waiting_now", "missed_percent")
    assert {row[count] for row in incoming for count in counts} == {None}
    known = [row["stale"] for name in ("managers", "teams") for row in found["sales"][name]]
    assert (len(known) > 3, set(known)) == (True, {None})
    dead = [row[name] for part in ("dead", "total") for row in found["queue"][part] for name in ("dead", "dead_budget")]
    assert dead == [None] * 4
    assert [row["first_touch"] for row in found["sales"]["total"]] == [None]
    sentence = "It is not known: these tables were not read: {} of 1003. Read them, and build the models anew."
    speed, stale = (found[name]["covers"]["missing"] for name in ("incoming", "queue"))
    assert speed == {"speed": sentence.format("calls, messages")}
    assert stale == {"stale": sentence.format("calls, messages, notes, tasks, deal_statuses, events")}
    with reading(duckdb_file) as run:
        said = digest(run, last_months(run).of("1003"), Words("en"))
    lacking = "Cards in the queue: –; deals to clean up: –, for –. Not read: calls, deal_statuses, messages, tasks"
    assert said.splitlines()[-1] == lacking


def test_the_page_begins_with_the_first_plan_where_no_deal_is_older(duckdb_file: str) -> None:
    with reading(duckdb_file) as run:
        assert page_data.read(run, most_months=1_000)["since"] == "2020-02-01"


def test_a_deal_without_a_date_of_closing_was_sold_by_who_had_it_when_it_was_moved(duckdb_file: str) -> None:
    sold = "SELECT deal_id, closer_name, closer_as_of FROM amocrm_marts.deals WHERE project_id = '4001' AND deal_id < 3"
    assert models.query(duckdb_file, f"{sold} ORDER BY 1") == [
        {"deal_id": 1, "closer_name": "Анна", "closer_as_of": "closing"},
        {"deal_id": 2, "closer_name": "Иван", "closer_as_of": "closing"},
    ]


def test_nothing_lasts_less_than_no_time_or_is_told_of_days_to_come(duckdb_file: str) -> None:
    of = "WHERE project_id = '4001'"
    with models.asking(duckdb_file) as ask:
        stays = ask(f"SELECT from_at, to_at, seconds FROM amocrm_marts.deal_stage_history {of} AND deal_id = 4")
        daily = ask(f"SELECT day, deals FROM amocrm_marts.pipeline_daily {of}")
        waiting = ask(f"SELECT item_id, days FROM amocrm_marts.today {of}")
    gone = "2026-10-20 00:00:00"
    assert stays == [{"from_at": gone, "to_at": gone, "seconds": 0}]
    assert {row["day"]: row["deals"] for row in daily} == {
        **{f"2026-10-{day:02}": 2 for day in range(1, 32)}, "2026-11-01": 0
    }  # fmt: skip
    assert waiting == [{"item_id": 3, "days": None}]


def test_the_digest_holds_a_plan_against_those_who_have_it_and_names_no_reason_of_nothing(duckdb_file: str) -> None:
    with reading(duckdb_file) as run:
        said = {words.language: digest(run, last_months(run).of("4001"), words).splitlines()
                for words in map(Words, LANGUAGES)}  # fmt: skip
    assert said["en"][2:7] == [
        "This month: 2 won for 1,300; in as many days of work before (2026-10-01 – 2026-10-01): 0",
        "Plan of the month: 600, done 50%: those who have a plan sold 300; needed a day from today: 14",
        "Forecast of November 2026: too little is known to tell",
        "Forecast of December 2026: too little is known to tell", "How such forecasts did: too little is known to tell",
    ]  # fmt: skip
    assert [lines[12] for lines in said.values()] == ["Lost this month: 0", "Проиграно в этом месяце: 0"]


def test_a_plan_that_is_met_asks_for_nothing_more_and_nobody_is_no_best(
    duckdb_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = this_month.this_month

    def met(*given: Any) -> this_month.ThisMonth:
        found = made(*given)
        return replace(found, figures=found.figures | {"plan": Decimal(200)})

    monkeypatch.setattr(this_month, "this_month", met)
    with reading(duckdb_file) as run:
        said = digest(run, last_months(run), Words("en"))
    assert "Plan of the month: 200, done 150%: those who have a plan sold 300; it is met" in said.splitlines()
    assert "Most this month: nobody has sold yet" in said.splitlines()
    assert "–, –" not in said


def test_an_account_whose_syncs_have_all_failed_is_told_so(tmp_path: Path) -> None:
    file = str(tmp_path / "crm.duckdb")
    models.store(file, "1", {"deals": [], "users": []}, "duckdb")
    models.store_syncs(file, "1", [("2026-01-01 09:00", "2026-01-01 09:01", ["The token is not valid."])])
    models.build(file, "--now", "2026-01-01T18:00:00")
    with reading(file) as run:
        said = digest(run, last_months(run), Words("en")).splitlines()[0]
    assert said.endswith("Built 2026-01-01, 18:00; no sync of this account has ended well yet")


TYPES = {
    "BIGINT": "bigint", "BOOLEAN": "boolean", "DATE": "date", "DECIMAL(38,2)": "numeric(38, 2)",
    "DECIMAL(38,9)": "numeric(38, 9)", "DOUBLE": "double precision", "INTEGER": "integer", "TIMESTAMP": "timestamp",
    "VARCHAR": "text", "VARCHAR[]": "text[]",
}  # fmt: skip
"""DuckDB's words for the types of the marts."""


def test_every_column_is_described_in_the_database(duckdb_file: str) -> None:
    rows = models.query(
        duckdb_file,
        "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name IN ('amocrm_marts', 'amocrm_staging') AND table_name <> 'plans' "
        "ORDER BY table_name, column_index",
    )
    told: dict[str, list[str]] = {}
    descriptions = {name: texts_of(model, columns()) for name, model in described().items()}
    for row in rows:
        told.setdefault(row["table_name"], []).append(row["column_name"])
        column = descriptions[row["table_name"]][row["column_name"]]
        assert row["comment"] == column.description, row
        if row["schema_name"] == "amocrm_marts":
            assert TYPES[row["data_type"]] == column.type, row
    assert told == {name: model["columns"] for name, model in described().items() if name != "plans"}


@pytest.mark.parametrize("kind", one_in(2, ("duckdb", "postgres")))
def test_a_mart_with_a_column_of_another_type_is_not_built(kind: str, tmp_path: Path) -> None:
    package = shutil.copytree(PACKAGE, tmp_path / "dbt")
    mart = package / "models" / "marts" / "amocrm__deal_tags.sql"
    text = mart.read_text(encoding="utf-8")
    mart.write_text(text.replace("tags.tag_id,", "cast(tags.tag_id as text) as tag_id,"), encoding="utf-8")
    with postgres.server() if kind == "postgres" else nullcontext(str(tmp_path / "crm.duckdb")) as database:
        models.store(database, "1", {"deals": [], "users": []}, "destination" if kind == "postgres" else kind)
        models.build(database)
        changed = {"amocrm_warehouse.models_command.PACKAGE": package}
        done = forked.run(["models", "--quiet"], {"DB": database}, changed)
        types = {"duckdb": ("VARCHAR", "BIGINT"), "postgres": ("TEXT", "LONGINTEGER")}[kind]
        assert done.returncode == 2
        assert done.stderr == (
            "These models or their tests failed: deal_tags. The first says: "
            f"tag_id is {types[0]}, and its contract says {types[1]}.\n"
        )
        assert models.query(database, "SELECT tag_id + 1 AS next FROM amocrm_marts.deal_tags") == []


def test_what_dbt_and_the_page_say_is_of_one_source() -> None:
    for path, text in {**pages(), semantic_layer.PAGE: semantic_layer.text(), formulas.PAGE: formulas.page()}.items():
        assert path.read_text(encoding="utf-8") == text, f"make docs writes {path.name} anew"
    known = {column for model in described().values() for column in model["columns"]}
    assert known == columns().keys()
    assert yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["version"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--project", "1001,77"],
            "There are no tables of the project 77 in the schema amocrm of this database: read the account first "
            "(source-amocrm sync --project 77), or name another project or schema. There are: 1001, 1002, 1003, 2001, "
            "2002, 2003, 3001, 3002, 3003, 3004, 3005, 4001.",
        ),
        (
            ["--time-zone", "Europe/Moskow"],
            "The time zone Europe/Moskow is not known: write its name as in Europe/Moscow, or leave it out, and the "
            "account's own is taken.",
        ),
        (
            ["--working-hours", "1-5 18:00-9:00"],
            "The working hours “1-5 18:00-9:00” are not known: write days from 1, which is Monday, to 7 and hours, as "
            "in 1-5 09:00-18:00, 6 10:00-15:00.",
        ),
        (["--project", ","], "No project is named: give the ids in the tables' prefixes, as in --project 1001."),
    ],
)
def test_one_sentence_instead_of_models(duckdb_file: str, arguments: list[str], sentence: str) -> None:
    assert refused(duckdb_file, *arguments) == sentence


COLUMNS = "project_id,month,responsible_user_id,plan"


@pytest.mark.parametrize(
    ("plans", "sentence"),
    [
        ("month,plan\n", f"The first line of {{path}} must name the columns {COLUMNS}; it has month,plan."),
        (
            f"{COLUMNS}\n1001,2026-01-15,1,5\n",
            "Line 2 of {path}: month must be the first day of a month, as 2026-01-01, and is “2026-01-15”.",
        ),
        (
            f"{COLUMNS}\n1001,2026-01-01,1,many\n",
            "Line 2 of {path}: plan must be a number, zero or more, and is “many”.",
        ),
    ],
)
def test_one_sentence_about_a_file_of_plans(tmp_path: Path, plans: str, sentence: str) -> None:
    path = tmp_path / "plans.csv"
    path.write_text(plans, encoding="utf-8")
    assert refused(str(tmp_path / "no.duckdb"), "--plans", str(path)) == sentence.format(path=path)


EXCEL = COLUMNS.replace(",", ";")
LINES = [["1001", "2026-01-01", "7", "1000000.50"], ["1001", "2026-02-01", "7", "5"]]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (f"{COLUMNS}\n1001,2026-01-01,7,1000000.50\n1001,2026-02-01,7,5\n", "utf-8"),
        (f"{EXCEL}\r\n1001;01.01.2026;7;1 000 000,50\r\n1001;1.2.2026;7;5\r\n;;;\r\n", "cp1251"),
        (f"{EXCEL}\n1001;01.01.2026;7;1\u00a0000\u00a0000,50\n1001;01.02.2026;7;5\n", "cp1251"),
        (f"{EXCEL}\n1001;2026-01-01;7;1000000,50\n1001;2026-02-01;7;5\n".replace(";", "\t"), "utf-16"),
        (f"{COLUMNS}\n1001,2026-01-01,7,1000000.50\n1001,2026-02-01,7,5\n", "utf-8-sig"),
    ],
)  # fmt: skip
def test_a_plan_is_read_as_a_spreadsheet_saves_it(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "plans.csv"
    path.write_bytes(text.encode(encoding))
    assert read_plans(path) == LINES


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "месяц;план\n",
            f"The first line of {{path}} must name the columns {COLUMNS}; it has месяц,план, separated by a semicolon.",
        ),
        (
            f"{COLUMNS}\n1,2026-01-01,7,5\n1,2026-01-01,7,6\n",
            "Line 3 of {path} plans the same month of the same user as line 2.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plan_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "plans.csv"
    path.write_bytes(text.encode("cp1251"))
    with pytest.raises(ValueError, match=r"The first line|Line 3") as caught:
        read_plans(path)
    assert str(caught.value) == sentence.format(path=path)


def test_one_sentence_about_the_database(tmp_path: Path) -> None:
    path = tmp_path / "no.duckdb"
    assert refused(str(path)) == (f"There is no DuckDB file {path}. Read an account into it first: source-amocrm sync.")
    (tmp_path / "now.duckdb").touch()
    assert refused(str(path)) == (
        f"There is no DuckDB file {path}. Did you mean now.duckdb? If not, read an account into it first: "
        "source-amocrm sync."
    )
    said = refused("postgresql://postgres@127.0.0.1:1/none")
    assert said.startswith("The database cannot be opened: ")
    assert "port 1 failed: Connection refused" in said


def refused(database: str, *arguments: str) -> str:
    done = models.run(database, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.rstrip("\n")


def test_the_projects_that_are_there_are_found_by_their_tables() -> None:
    names = [
        *("amocrm.amocrm_1001_custom_fields_deals", "amocrm.amocrm_acme_ltd_customer_statuses", "amocrm.deals"),
        *("amocrm.amocrm_7_syncs", "amocrm.amocrm_account", "public.amocrm_9_deals", "amocrm.amocrm_9"),
    ]
    assert projects_in(names, "amocrm") == ["1001", "acme_ltd"]
    names = [f"amocrm.amocrm_my_deal_{stream}" for stream in ("contacts", "deals", "tags", "users")]
    assert projects_in(names, "amocrm") == ["my_deal"]
    assert projects_in([*names, "amocrm.amocrm_my_users"], "amocrm") == ["my", "my_deal"]


def test_models_refer_to_the_same_models_whatever_the_settings_say(tmp_path: Path) -> None:
    """dbt parses the package once for all of them."""
    settings: list[dict[str, Any]] = [
        {"projects": ["1001"], "by": "Город", "fields": ["Город"]},
        {
            "projects": ["7", "8"], "by": "Бюджет", "fields": ["x", "5"], "raw_schema": "crm",
            "now": "2026-01-31T00:00:00", "time_zone": "Asia/Tokyo", "working_hours": "1-7 00:00-24:00",
        },
    ]  # fmt: skip
    found = []
    for number, variables in enumerate(settings):
        target = tmp_path / f"{number}"
        environment = {"AMOCRM_DUCKDB": str(tmp_path / f"{number}.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        command: list[str | Path] = ["parse", "--no-partial-parse", "--log-level-file", "none", "--target-path", target]
        command += ["--project-dir", PACKAGE, "--profiles-dir", PACKAGE, "--vars", json.dumps(variables)]
        done = forked.run(command, environment, program=forked.DBT)
        assert done.returncode == 0, done.stdout
        nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
        found.append({name: sorted(node["depends_on"].get("nodes", [])) for name, node in nodes.items()})
    assert found[0] == found[1]
    assert found[0]["model.amocrm.amocrm__deals"] != []
