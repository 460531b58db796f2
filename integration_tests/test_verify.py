"""`source-amocrm verify` finds every damage done to the tables, and nothing else, while people work in the account."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import duckdb
import psycopg
import pytest
from selenium import webdriver

from amocrm_warehouse.verify.findings import Verification
from amocrm_warehouse.verify.rows_looked_at import NO_ORDER
from amocrm_warehouse.verify.verify_command import verify
from sandbox import OFF, Account, Fault, RealClock, Server, writes
from testing import forked
from testing.report_page import Report
from testing.warehouse import copied, query, unanswered

PROJECT = "1001"
MOST_WRITES = 60


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Server]:  # noqa: ARG001 - an account for each database
    account = Account.generate(leads=120)
    for kind in ("leads", "contacts", "companies"):
        writes.removal.trash(account, kind, _ids(account, kind)[-1])
    assert isinstance(account.clock, RealClock)
    account.clock.shift += 10  # a sync reads events that are a second old
    with Server(account, rate=OFF) as running:
        yield running


@pytest.fixture(scope="module")
def config(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.json"
    settings = {"requests_per_second": 50, "lookback_window": "PT5S"}  # so long does `verify` wait for late events
    path.write_text(json.dumps({**server.config(), **settings}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def synced(config: Path, database: str) -> str:
    """The database after the first sync of the account."""
    sync(config, database)
    return database


@pytest.fixture
def crm(synced: str, tmp_path: Path) -> str:
    """A copy of it, which a test may damage."""
    return copied(synced, tmp_path)


def _ids(account: Account, kind: str) -> list[int]:
    return [row_id for _, row_id in account.tables[kind].index("id")]


def sync(config: Path, database: str, *options: str) -> None:
    done = forked.run(["sync", "--config", config, "--project", PROJECT, *options], {"DB": database})
    assert done.returncode == 0, done.stdout + done.stderr


def change(database: str, *statements: str) -> None:
    """Runs statements, in which {deals} stands for the table of deals."""
    names = {name: f"amocrm.amocrm_{PROJECT}_{name}" for name in TABLES}
    if database.startswith("postgresql:"):
        with psycopg.connect(database) as connection:
            for statement in statements:
                connection.execute(cast(Any, statement.format(**names)))
        return
    with closing(duckdb.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement.format(**names))


TABLES = ("deals", "contacts", "companies", "tasks", "notes", "users", "events", "deal_contacts", "custom_fields_deals",
          "tags", "pipelines", "account")  # fmt: skip


def differences(found: Verification) -> dict[str, dict[str, Any]]:
    """Returns the numbers of differences that are not 0, of the tables that differ."""
    kinds = ("missing", "extra", "stale", "unequal")
    tables = found.as_json()["tables"]
    return {
        name: {kind: numbers[kind] for kind in kinds if numbers[kind]}
        for name, numbers in tables.items()
        if any(numbers[kind] for kind in kinds)
    }


@contextmanager
def people_at_work(account: Account, seed: int) -> Iterator[None]:
    """Lets people make five writes a second in the block, and no more than leave most cards alone."""
    done = threading.Event()

    def work() -> None:
        random = Random(seed)
        for _ in range(MOST_WRITES):
            if done.wait(0.2):
                return
            writes.random_edits(account, 1, random)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        assert isinstance(account.clock, RealClock)
        account.clock.shift += 10  # a sync reads events that are a second old


@contextmanager
def silently_created(account: Account) -> Iterator[int]:
    """Yields a deal that was created before the last minute, of which no event tells: only the list shows it."""
    with account.lock:
        deal, before = account.next_id("leads"), account.clock.now() - 60
        like = account.row("leads", _ids(account, "leads")[3])
        account.tables["leads"].put(deal, {**like, "id": deal, "created_at": before, "updated_at": before})
    yield deal
    with account.lock:
        account.tables["leads"].remove(deal)


def waiting(found: Verification) -> dict[str, int]:
    return {name: one.waiting for name, one in found.tables.items() if one.waiting}


def test_the_row_that_the_syncs_walk_never_met_is_missing(server: Server, config: Path, crm: str) -> None:
    with silently_created(server.account) as hidden:
        server.account.switches.hidden_by_date = frozenset({hidden})
        found = verify(config, crm, PROJECT, kept=False)
        assert differences(found) == {"deals": {"missing": 1}}
        assert found.exit_code == 1
        assert found.tables["deals"].examples == {"missing": [str(hidden)]}
        assert "fault of the connector" in found.advice()[0]

        server.account.switches.hidden_by_date = frozenset()
        with server.account.lock:
            writes.edit(server.account, "leads", hidden, name="seen now")
        found = verify(config, crm, PROJECT, kept=False)
        assert (differences(found), found.exit_code) == ({}, 0)
        looked_at = sum(finding.looked_at for finding in found.tables.values())
        assert found.sentence() == f"All {looked_at:,} rows looked at are equal; 1 table of 61 was looked at in part."


def test_every_damage_is_found_and_nothing_else_while_people_work(server: Server, config: Path, crm: str) -> None:
    leads, contacts = _ids(server.account, "leads"), _ids(server.account, "contacts")
    linked = next(i for i in leads[20:] if server.account.linked("leads", i, "contacts"))
    filled = next(i for i in leads[30:] if i != linked and server.account.row("leads", i)["custom_fields_values"])
    [[fields]] = [tuple(row.values()) for row in query(
        crm, f"SELECT count(*) FROM amocrm.amocrm_{PROJECT}_custom_fields_deals WHERE lead_id = {filled}"
    )]  # fmt: skip
    sync(config, crm)
    [[dead]] = [tuple(row.values()) for row in query(
        crm, f"SELECT count(*) FROM amocrm.amocrm_{PROJECT}_contacts WHERE is_deleted"
    )]  # fmt: skip
    change(
        crm,
        f"DELETE FROM {{deals}} WHERE lead_id IN ({leads[5]}, {leads[6]})",
        f"UPDATE {{deals}} SET name = 'wrong' WHERE lead_id = {leads[7]}",  # text
        f"UPDATE {{deals}} SET sale = sale + 1 WHERE lead_id = {leads[8]}",  # number
        f"UPDATE {{deals}} SET pipeline_id = 1 WHERE lead_id = {leads[9]}",  # integer
        f"UPDATE {{deals}} SET created_at = created_at + INTERVAL '1' DAY WHERE lead_id = {leads[10]}",  # time
        f"UPDATE {{deals}} SET tags = '[7]' WHERE lead_id = {leads[11]}",  # json
        f"UPDATE {{deals}} SET updated_at = updated_at - INTERVAL '1' DAY, name = 'old' WHERE lead_id = {leads[12]}",
        "UPDATE {contacts} SET is_deleted = false WHERE is_deleted",
        f"UPDATE {{contacts}} SET is_deleted = true WHERE contact_id = {contacts[5]}",
        "DELETE FROM {companies} WHERE is_deleted",
        "DELETE FROM {tasks}",
        f"DELETE FROM {{deal_contacts}} WHERE lead_id = {linked}",
        f"UPDATE {{custom_fields_deals}} SET value = 'wrong' WHERE lead_id = {filled}",
        "UPDATE {users} SET name = 'wrong' WHERE user_id = (SELECT min(user_id) FROM {users})",
        "DELETE FROM {events} WHERE event_id = (SELECT min(event_id) FROM {events})",
    )
    wanted = {
        "deals": 8,
        "contacts": dead + 1,
        "companies": 1,
        "tasks": len(server.account.tables["tasks"].rows),
        "deal_contacts": len(server.account.linked("leads", linked, "contacts")),
        "custom_fields_deals": fields,
        "users": 1,
        "events": 1,
    }
    found = verify(config, crm, PROJECT, kept=False, no_sync=True)
    assert (waiting(found), found.exit_code) == (wanted, 3)

    with people_at_work(server.account, seed=5):
        found = verify(config, crm, PROJECT, kept=False)
    # a sync mends a list that is read whole, and what lies within its look-back
    assert {"deals", "contacts", "tasks", "events"} <= differences(found).keys() <= wanted.keys() - {"users"}
    assert found.exit_code == 1
    unequal = found.as_json()["tables"]["deals"]["unequal"].keys()
    assert unequal <= {"created_at", "name", "pipeline_id", "sale", "tags"}


def test_a_row_that_is_there_twice_a_table_and_a_column_that_are_gone_are_found(
    server: Server, config: Path, crm: str
) -> None:
    """Whatever a table is compared by: IDs and dates, pages, windows, drawn cards or whole."""
    sync(config, crm)
    cards = (server.account.row("leads", one) for one in _ids(server.account, "leads"))
    deal = next(one["id"] for one in cards if one["custom_fields_values"])
    first = {"tasks": "task_id", "notes": "note_id", "events": "event_id", "users": "user_id"}
    change(
        crm,
        f"INSERT INTO {{deals}} SELECT * FROM {{deals}} WHERE lead_id = {deal}",
        f"INSERT INTO {{custom_fields_deals}} SELECT * FROM {{custom_fields_deals}} WHERE lead_id = {deal} "
        "ORDER BY read_at DESC LIMIT 1",  # of the newest reading
        *(
            f"INSERT INTO {{{name}}} SELECT * FROM {{{name}}} WHERE {key} = (SELECT min({key}) FROM {{{name}}})"
            for name, key in first.items()
        ),
        "DROP TABLE {tags}",
        "ALTER TABLE {pipelines} DROP COLUMN name",
        "ALTER TABLE {contacts} DROP COLUMN first_name",
    )
    found = verify(config, crm, PROJECT, kept=False, no_sync=True)
    assert waiting(found) == dict.fromkeys(("deals", "custom_fields_deals", *first, "pipelines", "contacts"), 1)
    assert {name: found.tables[name].failure for name in found.failed} == {
        "tags": "the table is not there, though a sync has filled it. The next sync makes it anew."
    }
    assert found.exit_code == 3
    for name, live in (("deals", "NOT is_deleted"), ("users", "true")):
        [rows] = query(crm, f"SELECT count(*) AS rows FROM amocrm.amocrm_{PROJECT}_{name} WHERE {live}")
        assert found.tables[name].database == rows["rows"]

    found = verify(config, crm, PROJECT, kept=False)
    assert not found.failed
    assert {"tags", "pipelines", "users"}.isdisjoint(differences(found)), "a sync reads these lists whole"
    assert found.tables["deals"].examples == {"twice": [str(deal)]}


def test_the_config_of_another_account_is_refused(server: Server, config: Path, crm: str) -> None:
    change(crm, "UPDATE {account} SET account_id = 7")
    with pytest.raises(ValueError, match="hold the account 7") as caught:
        verify(config, crm, PROJECT, kept=False, no_sync=True)
    assert str(caught.value) == (
        f"The tables amocrm_{PROJECT}_… hold the account 7, and the config is of the account {server.account.id}. Give "
        "that account's --config, or the --project of this one."
    )


def test_what_is_made_of_some_notes_is_not_counted_by_the_accounts_number_of_notes(
    server: Server, config: Path, crm: str
) -> None:
    sync(config, crm)
    notes = sum(len(table.rows) for name, table in server.account.tables.items() if name.endswith("/notes"))
    for requests in (40, 500):
        tables = verify(config, crm, PROJECT, kept=False, no_sync=True, requests=requests).tables
        assert tables["notes"].account == notes
        for name in ("calls", "messages"):
            assert tables[name].account in (None, tables[name].database), name
            assert tables[name].extent in (
                f"all {tables[name].database}", f"{tables[name].looked_at} of {tables[name].database}"
            ), name  # fmt: skip


def test_a_list_that_amocrm_gives_in_no_order_is_named_and_not_said_to_be_equal(
    server: Server, config: Path, crm: str
) -> None:
    switches, faults = server.account.switches, server.sandbox.faults
    sync(config, crm)
    change(crm, "DELETE FROM {tasks}")
    server.account.switches = replace(switches, default_order="unordered")
    faults.add(Fault("ignored_order", "^/api/v4/tasks$"))
    try:
        found = verify(config, crm, PROJECT, kept=False, no_sync=True)
    finally:
        server.account.switches = switches
        faults.clear()
    assert found.tables["tasks"].extent == f"not looked at: {NO_ORDER}"
    assert found.exit_code == 2
    assert found.tables["deals"].extent.startswith("all ")


def test_the_command_says_it_in_a_table_and_in_a_file_and_keeps_it(config: Path, crm: str, tmp_path: Path) -> None:
    change(crm, "DELETE FROM {deals} WHERE NOT is_deleted")
    before = tables_in(crm)
    file = tmp_path / "verified.json"
    options = ["verify", "--config", str(config), "--project", PROJECT, "--json", str(file)]
    done = forked.run(options, {"DB": crm})
    assert done.returncode == 1, done.stderr
    assert " rows\n" not in done.stderr, "what a sync within brings is not told table by table"
    first, _, heading, *_ = done.stdout.splitlines()
    assert " differences in " in first
    assert heading.split("  ")[0] == "table"
    assert [*filter(None, map(str.strip, heading.split("  ")))] == [
        "table", "looked at", "missing", "extra", "stale", "unequal", "in every column", "changed since"
    ]  # fmt: skip
    assert "not kept" not in done.stdout
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert set(numbers["tables"]["deals"]) == {
        "account", "database", "looked_at", "missing", "extra", "stale", "changed_since", "sampled", "unequal",
        "limits", "uncounted", "changing", "waiting",
    }  # fmt: skip

    assert tables_in(crm) - before == {f"amocrm_{PROJECT}_verifications"}
    kept = {row["source_table"]: row for row in query(crm, f"SELECT * FROM amocrm.amocrm_{PROJECT}_verifications")}
    assert kept.keys() == numbers["tables"].keys()
    seconds = len("2026-12-01T10:28:02")  # the file has whole seconds
    moments = {(row["verified_at"][:seconds], row["synced_at"][:seconds]) for row in kept.values()}
    assert moments == {(numbers["verified_at"][:seconds], numbers["synced_at"][:seconds])}
    for stream, found in numbers["tables"].items():
        row = kept[stream]
        assert row["unequal_columns"] == (", ".join(f"{name} {n}" for name, n in found["unequal"].items()) or None)
        assert row["unequal"] == sum(found["unequal"].values())
        same = {"account": "rows_in_account", "database": "rows_in_database"}
        for number in found.keys() - {"unequal", "limits", "uncounted", "changing", "waiting"}:
            assert row[same.get(number, number)] == found[number], (stream, number)
    [held] = query(crm, f"SELECT count(*) AS deals FROM amocrm.amocrm_{PROJECT}_deals WHERE NOT is_deleted")
    assert 0 < kept["deals"]["missing"] == kept["deals"]["rows_in_account"] - held["deals"]
    assert len([name for name, row in kept.items() if not row["is_whole"]]) == 1


def tables_in(database: str) -> set[str]:
    listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'amocrm'"
    return {row["table_name"] for row in query(database, listed)}


def test_who_may_only_read_gets_the_result_and_one_sentence(config: Path, crm: str) -> None:
    if not crm.startswith("postgresql:"):
        pytest.skip("a DuckDB file has no users")
    sync(config, crm)
    before = tables_in(crm)
    with psycopg.connect(crm, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA amocrm TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA amocrm TO reader")
    done = forked.run(
        ["verify", "--no-sync", "--config", str(config), "--project", PROJECT],
        {"DB": crm.replace("postgres@", "reader@")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.endswith(" rows looked at are equal; 1 table of 61 was looked at in part.")
    assert last == (
        "The result was not kept: This PostgreSQL user may not create the tables. Let the owner of the database run "
        "GRANT USAGE, CREATE ON SCHEMA amocrm TO reader; and run again."
    )
    assert tables_in(crm) == before


def test_a_refresh_that_is_killed_leaves_the_rows_and_the_next_sync_ends_it(
    server: Server, config: Path, crm: str
) -> None:
    change(
        crm, "DELETE FROM {contacts}", "DELETE FROM {tasks}", "UPDATE {deals} SET name = 'wrong'",
        "DELETE FROM {events} WHERE event_id = (SELECT min(event_id) FROM {events})",
    )  # fmt: skip
    refresh = [
        "sync",
        "--config",
        str(config),
        "--project",
        PROJECT,
        "--refresh",
        "deals,contacts,companies,tasks,events",
    ]
    count = f"SELECT count(*) AS rows FROM amocrm.amocrm_{PROJECT}_deals"
    before = query(crm, count)
    met = len(server.sandbox.log)
    with unanswered(server, "/api/v4/leads"):
        process = forked.Forked(refresh, {"DB": crm})
        while not any(line.path == "/api/v4/leads" for line in server.sandbox.log[met:]):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.communicate()
    assert query(crm, count) == before

    sync(config, crm)
    assert differences(verify(config, crm, PROJECT, kept=False)) == {}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--refresh", "deal"], "There is no stream “deal”: the nearest name is “deals”.\n"),
        (
            ["--refresh", "deals,users", "--without", "deals"],
            "This sync leaves out deals, which --refresh names. Name it in --streams, too, and not in --without.\n",
        ),
    ],
)
def test_what_cannot_be_refreshed_is_refused(config: Path, tmp_path: Path, options: list[str], sentence: str) -> None:
    file = tmp_path / "new.duckdb"
    done = forked.run(["sync", "--config", config, "--project", PROJECT, *options], {"DB": f"duckdb:///{file}"})
    assert (done.returncode, done.stderr) == (2, sentence)
    assert not file.exists()


def test_without_an_ended_sync_there_is_nothing_to_verify(config: Path, crm: str, tmp_path: Path) -> None:
    """A first sync that was stopped has left a part of the rows, which are no fault of the connector."""
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    change(crm, f"DROP TABLE amocrm.amocrm_{PROJECT}_syncs")
    for database in (str(path), crm):
        with pytest.raises(
            ValueError, match="No sync into the tables amocrm_1001_… of the schema amocrm has ended yet"
        ):
            verify(config, database, PROJECT)


def test_a_report_of_a_first_sync_that_has_not_ended_says_so(
    browser: webdriver.Chrome, crm: str, tmp_path: Path
) -> None:
    change(crm, f"DROP TABLE amocrm.amocrm_{PROJECT}_syncs")
    page = tmp_path / "report.html"
    done = forked.run(["report", "--digest", "--out", page, "--language", "ru", "--quiet"], {"DB": crm})
    told = (
        "The first sync of 1001 has not ended: its numbers are those of a part of the account. Run source-amocrm sync "
        "to its end, and build anew."
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, told)
    assert done.stdout.splitlines()[0].startswith("Первая синхронизация 1001 не закончилась: ")
    shown = Report(browser)
    shown.open(page, "ru")
    cautions = shown.script("return [...document.querySelectorAll('.caution')].map((one) => one.textContent)")
    assert cautions == [done.stdout.splitlines()[0]]
    assert query(crm, "SELECT DISTINCT synced_at FROM amocrm_marts.freshness") == [{"synced_at": None}]


def test_a_duckdb_file_may_have_the_name_of_the_schema(config: Path, synced: str, tmp_path: Path) -> None:
    """`sync` makes such a file by default: amocrm.duckdb."""
    if synced.startswith("postgresql:"):
        pytest.skip("PostgreSQL has no files")
    path = shutil.copy(synced, tmp_path / "amocrm.duckdb")
    found = verify(config, str(path), PROJECT, kept=False)
    assert (differences(found), found.exit_code) == ({}, 0)
