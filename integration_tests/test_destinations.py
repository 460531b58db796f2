"""A sync into real databases: full, what changed, killed and resumed; row for row what the account holds."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import psycopg
import pytest

from amocrm_warehouse.sync.destination import LoadError
from amocrm_warehouse.sync.load_queue import Waiting
from amocrm_warehouse.sync.loader import EndedSync
from sandbox import OFF, Account, Fault, Faults, RealClock, Server, Tokens, writes
from sandbox.http import dumps
from source_amocrm.airbyte.broken_stdout import _Stdout
from source_amocrm.catalog_command import chosen
from source_amocrm.streams import STREAMS
from testing import comparison, expected, models, postgres
from testing.forked_sync import OF_FIFTEEN, eager, kill, start
from testing.leaks import clean
from testing.loads import loading, waiting
from testing.loads import table as made_table
from testing.schedules import FIFTEEN
from testing.warehouse import ROOT, execute, query, refused, stored, unanswered

PLAIN = {"character varying": "varchar", "timestamp with time zone": "timestamptz"}
"""The types that go by a shorter name."""
COLUMNS = {
    "deals": {
        "lead_id": "int", "name": "text", "sale": "number", "is_deleted": "bool", "updated_at": "time",
        "custom_fields": "json", "tags": "json", "contacts": "json",
    },
    "custom_fields_deals": {"value": "text", "enum": "int", "lead_updated_at": "time"},
    "contacts": {"phones": "json", "created_at": "time"},
    "events": {"event_id": "text", "value_after": "json", "created_at": "time"},
}  # fmt: skip
MAPPED = {
    "`integer`": "lead_id", "`number`": "sale", "`string`": "name", "`boolean`": "is_deleted",
    "`timestamp_with_timezone`, as `2022-05-31T12:00:16Z`": "updated_at", "`object`, `array`": "custom_fields",
}  # fmt: skip
"""A column of `deals` for each type of the data type map."""
REPLACED = "The personal_data settings have changed. Rows already loaded keep the old form until they change."


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    account = Account.generate(leads=300)
    for table in ("leads", "contacts", "companies"):
        next(iter(account.tables[table].rows.values()))["name"] = "what no database stores: \ufffd\ufffd"
    with Server(account, rate=OFF, faults=Faults(Fault("unstorable"))) as running:
        yield running


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    return path


def sync(config: Path, database: str, project: str, *options: str) -> dict[str, int]:
    """Rows read of each table."""
    process = start(config, database, project, *options)
    output = clean(process.communicate(timeout=600)[0])
    assert process.returncode == 0, output
    found = re.findall(rf"^amocrm_{project}_(\w+) +([\d,]+) +[\d,]+$", output, re.MULTILINE)
    return {table: int(count.replace(",", "")) for table, count in found}


def problems(
    account: Account, database: str, project: str, streams: Collection[str] = tuple(expected.KEYS)
) -> list[str]:
    """Where the tables of these streams differ from the account, in words."""
    return comparison.problems(account, stored(database, project, streams), streams=streams, forgets=True)


def edit(server: Server, count: int, random: Random) -> None:
    """Edits, and moves the account's clock on: a sync reads events that are a second old."""
    clock = server.account.clock
    assert isinstance(clock, RealClock)
    with server.account.lock:
        writes.random_edits(server.account, count, random)
        clock.shift += 2


def test_full_then_what_changed(server: Server, database: str, config: Path) -> None:
    read = sync(config, database, "1001")
    assert problems(server.account, database, "1001") == []
    assert read["deals"] >= 300

    edit(server, 40, Random(1))
    changed = sync(config, database, "1001")
    assert problems(server.account, database, "1001") == []
    assert changed["deals"] < read["deals"] / 3
    assert changed["events"] < read["events"] / 3


def types(database: str, table: str) -> dict[str, str]:
    rows = query(
        database,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'amocrm' "
        f"AND table_name = 'amocrm_1001_{table}'",
    )
    return {row["column_name"]: PLAIN.get(kind := str(row["data_type"]), kind) for row in rows}


def test_types_are_those_of_the_columns(database: str) -> None:
    """And of the tables that other tests store."""
    wanted = models.TYPES["postgres" if database.startswith("postgresql:") else "duckdb"]
    for table, columns in COLUMNS.items():
        found = types(database, table)
        assert {name: found[name] for name in columns} == {name: wanted[kind] for name, kind in columns.items()}


def test_the_data_type_map_is_of_the_types_that_are_written(database: str) -> None:
    page = (ROOT / "docs" / "amocrm.md").read_text(encoding="utf-8").partition("## Data type map")[2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    [_, airbyte, destination, *sync_writes], _, *rows = lines[: len(MAPPED) + 2]
    assert (airbyte, destination) == ("Airbyte", "Airbyte's PostgreSQL destination 3.x writes")
    here = sync_writes.index(f"`source-amocrm sync` writes into {'PostgreSQL' if '://' in database else 'DuckDB'}")
    found = types(database, "deals")
    written = {row[1]: row[3 + here].split("`")[1] for row in rows}
    assert written == {kind: found[column] for kind, column in MAPPED.items()}
    assert [row[2].split("`")[1] for row in rows] == [
        "bigint", "numeric(38,9)", "varchar", "boolean", "timestamptz", "jsonb",
    ]  # fmt: skip


def test_descriptions_of_columns_are_comments(database: str) -> None:
    comments = (
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'amocrm' AND table_name = 'amocrm_1001_deals' "
        "AND column_name = 'lead_id'"
        if "://" not in database
        else "SELECT col_description('amocrm.amocrm_1001_deals'::regclass, 1) AS comment"
    )
    assert query(database, comments) == [{"comment": "Unique id of the deal."}]


def test_goes_on_where_it_was_killed(server: Server, database: str, config: Path) -> None:
    with unanswered(server, "/contacts$", since=2):
        process = eager(config, database, "1002")
        deadline = time.monotonic() + 600
        while not _is_read(database, "1002", "deals") and time.monotonic() < deadline:
            time.sleep(0.5)
        kill(process, database)
    assert process.returncode == -signal.SIGKILL, process.communicate()
    read = sync(config, database, "1002", *OF_FIFTEEN)
    assert problems(server.account, database, "1002", FIFTEEN) == []
    assert read["deals"] < 300, "what was loaded before the kill is not read again"


def test_a_table_that_somebody_dropped_or_changed_is_read_anew(server: Server, database: str, config: Path) -> None:
    """A table that is read whole, one with a cursor, and one that lost a column."""
    execute(
        database,
        "DROP TABLE amocrm.amocrm_1002_users",
        "DROP TABLE amocrm.amocrm_1002_deals",
        "ALTER TABLE amocrm.amocrm_1002_contacts DROP COLUMN name",
        "ALTER TABLE amocrm.amocrm_1002_contacts ADD COLUMN mine INTEGER",
    )
    edit(server, 10, Random(2))
    sync(config, database, "1002", *OF_FIFTEEN)
    assert problems(server.account, database, "1002", FIFTEEN) == []


def _is_read(database: str, project: str, stream: str) -> bool:
    """Whether the database's state says that nothing of the stream is left to read."""
    kept = _look(database, f"SELECT state FROM amocrm.amocrm_{project}_state WHERE stream = '{stream}'")
    return any("pending" not in row["state"] for row in kept if row["state"])


def _count(database: str, table: str) -> int:
    """0 for a table that is not there."""
    return sum(int(row["rows"]) for row in _look(database, f"SELECT count(*) AS rows FROM amocrm.{table}"))


def _look(database: str, sql: str) -> list[dict[str, Any]]:
    """Rows of a copy of a DuckDB file, which one process has to itself; none if there is no such table.

    The newest rows are in its log alone.
    """
    if "://" not in database:
        copy = f"{database}.copy"
        for end in ("", ".wal"):
            Path(f"{copy}{end}").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{database}{end}", f"{copy}{end}")
        database = copy
    try:
        return query(database, sql)
    except (duckdb.Error, psycopg.Error):
        return []


@pytest.mark.parametrize("seed", range(int(os.environ.get("KILLS", "4")) // 4))
def test_kills_at_any_moment_lose_nothing(server: Server, database: str, tmp_path: Path, seed: int) -> None:
    """Four in a row, in an account that people work in, and then one sync that may end."""
    random = Random(seed)
    path, project = tmp_path / "config.json", f"3{seed:03}"
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    for _ in range(4):
        process = eager(path, database, project, PGCLIENTENCODING="WIN1251")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0.3, 10))
        if process.poll() is None:
            kill(process, database)
        assert process.returncode in (0, -signal.SIGKILL), process.communicate()[0]
        edit(server, 10, random)
    sync(path, database, project, *OF_FIFTEEN)
    assert problems(server.account, database, project, FIFTEEN) == []


def test_a_state_is_restored_from_the_database_alone(database: str, config: Path, tmp_path: Path) -> None:
    """As on another machine: nothing that the sync before has left on this one."""
    process = start(config, database, "1001", SOURCE_AMOCRM_HOME=str(tmp_path / "another machine"))
    said = clean(process.communicate(timeout=600)[0])
    assert process.returncode == 0, said
    assert REPLACED not in said
    [(read, there)] = re.findall(r"^amocrm_1001_deals +(\d+) +(\d+)$", said, re.MULTILINE)
    assert int(read) < 200 < 300 <= int(there)


def test_a_failed_stream_keeps_what_it_had(server: Server, database: str, config: Path) -> None:
    """And a sync that replaces personal data in another way than the one before says that older rows do not change."""
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "personal_data": "drop"}))
    refusal = Fault("403", "/users$")
    before = query(database, "SELECT * FROM amocrm.amocrm_1001_users ORDER BY user_id")
    server.sandbox.faults.faults.insert(0, refusal)
    try:
        process = start(config, database, "1001", "--streams", "users,groups,deals")
        said = clean(process.communicate(timeout=600)[0])
    finally:
        server.sandbox.faults.faults.remove(refusal)
    assert process.returncode == 1, said
    assert query(database, "SELECT * FROM amocrm.amocrm_1001_users ORDER BY user_id") == before
    [last] = query(
        database, "SELECT ended_well, failures FROM amocrm.amocrm_1001_syncs ORDER BY started_at DESC LIMIT 1"
    )
    assert not last["ended_well"]
    assert "Not read to the end: users." in last["failures"][0]
    assert last["failures"][0] in said
    assert f"{REPLACED} To rewrite them, sync this project once with --refresh all. Tables read before" in said


def test_every_sync_that_ended_has_a_row(database: str) -> None:
    rows = query(database, "SELECT * FROM amocrm.amocrm_1001_syncs ORDER BY started_at")
    assert [(row["ended_well"], row["failures"] == []) for row in rows] == [(True, True)] * 3 + [(False, False)]
    assert rows[0]["rows"] > rows[1]["rows"] > 0
    assert all(row["started_at"] <= row["ended_at"] for row in rows)
    assert all(row["requests"] > 0 for row in rows)
    assert {row["disk_free"] is None for row in rows} == {database.startswith("postgresql:")}


def test_there_is_one_state_of_each_stream(database: str) -> None:
    rows = query(database, "SELECT stream, state, columns FROM amocrm.amocrm_1001_state")
    assert sorted(row["stream"] for row in rows) == sorted(["", *expected.KEYS])
    [project] = [row["state"] for row in rows if not row["stream"]]
    assert sorted(project) == ["account_id", "history", "history_days", "keep_deleted", "subdomain", "version"]
    assert all(row["columns"] and row["state"] for row in rows if row["stream"])


def test_tables_of_another_account_are_left_alone(database: str, config: Path) -> None:
    other = {**json.loads(config.read_text(encoding="utf-8")), "account_domain": "other.amocrm.ru"}
    other["credentials"]["access_token"] = Tokens(Account(seed=2)).long_lived()
    config.write_text(json.dumps(other), encoding="utf-8")
    for project, streams in (("1001", "account"), ("1002", "deals")):
        said = refused("--config", str(config), "--to", database, "--project", project, "--streams", streams)
        assert said == (
            f"The tables amocrm_{project}_… in this database hold the account example, and the config is of other. "
            "Give each account its own --project, or its own database.\n"
        )


def test_an_account_that_has_the_subdomain_of_another_is_read_no_further(database: str, tmp_path: Path) -> None:
    config, of_users = tmp_path / "config.json", "SELECT * FROM amocrm.amocrm_1001_users ORDER BY user_id"
    of_syncs = "SELECT * FROM amocrm.amocrm_1001_syncs ORDER BY started_at"
    before, syncs = query(database, of_users), query(database, of_syncs)
    [held] = query(database, "SELECT account_id FROM amocrm.amocrm_1001_account")
    with Server(Account.generate(seed=2, leads=3), rate=OFF) as other:
        config.write_text(json.dumps(other.config()), encoding="utf-8")
        process = start(config, database, "1001", "--streams", "users,note_types")
        output = clean(process.communicate(timeout=600)[0])
    assert process.returncode == 2
    assert (
        f"The tables amocrm_1001_… in this database hold the account {held['account_id']}, and the config is of "
        f"{other.account.id}. Give each account its own --project, or its own database.\n"
    ) in output
    assert (query(database, of_users), query(database, of_syncs)) == (before, syncs)


def test_a_table_of_another_project_is_left_alone(database: str, config: Path) -> None:
    """The deals of the project 1001_custom_fields would be the custom_fields_deals of 1001."""
    given = ["--config", str(config), "--to", database, "--project", "1001_custom_fields", "--streams", "users,deals"]
    assert refused(*given) == (
        "The project 1001_custom_fields would write to amocrm_1001_custom_fields_deals, which the project 1001 has "
        "filled. Give one of them another --project; in a fleet it is the name of the account's config.\n"
    )


def test_a_server_that_lacks_letters_is_refused(database: str, config: Path) -> None:
    if "://" in database:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE DATABASE few ENCODING 'WIN1251' LOCALE 'C' TEMPLATE template0")
        assert refused(
            "--config", str(config), "--to", f"{database}/few".replace("/postgres/", "/"), "--project", "1"
        ) == (
            "The database cannot be opened: it keeps texts in WIN1251, which lacks letters and emoji that amoCRM has. "
            "Make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0\n"
        )


@pytest.mark.parametrize(
    "database",
    ["postgres://u:p4#ss@h/c", "postgres://u:p4[5]@h/c"],
)
def test_a_wrong_address_is_refused_without_a_word_of_its_password(database: str, config: Path) -> None:
    said = refused("--config", str(config), DB=database)
    assert said.startswith("The database is a DuckDB file, or postgresql://user@host:port/name, with the password in")
    assert "p4" not in said


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (
            "postgre://u:p4ss@h/crm",
            "There is no kind of database “postgre”. The nearest name is postgres; there are duckdb and postgresql.",
        ),
        (
            "ЖЖ://u:p4ss@h/crm",
            "There is no kind of database “жж”. A DuckDB file is duckdb:///file.duckdb; there are duckdb and "
            "postgresql.",
        ),
        (
            "clickhouse://u:p4ss@h/crm",
            "An account is read into a database of DuckDB or PostgreSQL, not into clickhouse. Its marts go on into "
            "Parquet files, which clickhouse or its tools read, by `source-amocrm publish --to s3://bucket/lake` "
            "(docs/publish.md); the account's tables by Airbyte's destination of that name "
            "(docs/guides/airbyte-ui.md).",
        ),
        (
            "mysql://u:p4ss@h/crm",
            "An account is read into a database of DuckDB or PostgreSQL, not into mysql. Its marts go on into another "
            "warehouse by `source-amocrm publish --to mysql://…` (docs/publish.md).",
        ),
        (
            "duckdb://crm.duckdb",
            "A DuckDB file is written duckdb:///file.duckdb, or duckdb:////folder/file.duckdb from the root.",
        ),
    ],
)
def test_another_kind_of_database_is_told_in_a_sentence(database: str, said: str, config: Path) -> None:
    assert refused("--config", str(config), DB=database) == f"{said}\n"


def test_a_file_of_another_kind_is_left_alone(config: Path) -> None:
    assert refused("--config", str(config), "--to", str(config)) == (
        f"The database {config} is there already and is no DuckDB file.\n"
    )
    assert refused("--config", str(config), "--to", f"duckdb:///{config.parent}").endswith(
        "is a folder; give the DuckDB file in it.\n"
    )


@pytest.mark.parametrize("project", ["a-b", "a__b", "_", "ж", "a" * 41])
def test_a_project_that_is_no_part_of_a_name_is_refused(project: str, config: Path, tmp_path: Path) -> None:
    said = refused("--config", str(config), "--to", str(tmp_path / "crm.duckdb"), "--project", project)
    assert said.startswith("The project id goes into the tables' names: letters, digits and single _")


@pytest.mark.parametrize("dataset", ["Crm", "a b", 'a"b', "ж", "pg_crm", "amocrm_marts"])
def test_a_dataset_that_is_no_schema_of_its_own_is_refused(dataset: str, config: Path, tmp_path: Path) -> None:
    given = ["--config", str(config), "--to", str(tmp_path / "crm.duckdb"), "--project", "1", "--dataset", dataset]
    assert refused(*given).startswith("The dataset is the schema of the tables: small letters, digits and single _")


@pytest.mark.parametrize("dataset", ["main", "attached", "select"])
def test_a_dataset_may_have_any_other_name(dataset: str, tmp_path: Path) -> None:
    """Of what DuckDB or SQL calls so, too."""
    address = f"duckdb:///{tmp_path}/{dataset}.duckdb"
    for states in ({}, {"deals": "1"}):
        with loading(address, "user", dataset) as loader:
            assert loader.states() == states
            loader.load([waiting(made_table(), [{"lead_id": 7}])], {"deals": "1"})
            assert loader.sizes(["deals"]) == {"deals": 1}


def test_a_project_whose_tables_have_longer_names_than_the_database_takes_is_refused(config: Path) -> None:
    server = "postgresql://nobody@127.0.0.1:1/none"
    assert refused("--config", str(config), "--to", server, "--project", "a" * 40) == (
        f"The name amocrm_{'a' * 40}_custom_fields_catalog_elements has 78 letters, and this database takes 63. Choose "
        "a project id with 15 letters less; in a fleet it is the name of the account's config.\n"
    )
    few = refused("--config", str(config), "--to", server, "--project", "a" * 40, "--streams", "users")
    assert few.startswith("The database cannot be opened: ")


def test_an_unknown_stream_is_named(config: Path, tmp_path: Path) -> None:
    said = refused(
        "--config", str(config), "--to", str(tmp_path / "crm.duckdb"), "--project", "1", "--streams", "users, deal"
    )
    assert said == "There is no stream “deal”: the nearest name is “deals”.\n"


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("custom_field_deals", "There is no stream “custom_field_deals”: the nearest name is “custom_fields_deals”."),
        ("ЖЖЖ", f"There is no stream “ЖЖЖ”: there are {', '.join(STREAMS)}."),
    ],
)
def test_the_nearest_name_is_said(stream: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        chosen([stream], [], list(STREAMS))


def test_ctrl_c_ends_it_with_a_sentence_and_keeps_what_was_read(server: Server, config: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "stopped.duckdb")
    with unanswered(server, "/contacts$"):
        process = start(config, database, "1003")
        next(line for line in process.stdout if "deals: 3" in line)
        process.send_signal(signal.SIGINT, group=True)
        said = clean(process.communicate(timeout=600)[0])
    assert process.returncode == 128 + signal.SIGINT
    assert said.endswith("Stopped. What was read is kept; the next run goes on from there.\n")
    assert "Traceback" not in said
    assert _count(database, "amocrm_1003_deals") >= 300


class InterruptedOnceWritten(_Stdout):
    """Ctrl-C comes between the write of the line of the deals and its return."""

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        written = super().write(data)
        if b" s  deals: " in bytes(data):
            os.kill(os.getpid(), signal.SIGINT)
        return written


def test_ctrl_c_within_a_line_does_not_write_it_twice(server: Server, config: Path, tmp_path: Path) -> None:
    broken_stdout = {"source_amocrm.airbyte.broken_stdout._Stdout": InterruptedOnceWritten}
    with unanswered(server, "/contacts$"):
        process = start(config, str(tmp_path / "stopped.duckdb"), "1004", constants=broken_stdout)
        said = clean(process.communicate(timeout=600)[0])
    assert process.returncode == 128 + signal.SIGINT
    assert re.search(
        r" s  deals: \d+ rows\n(?:.* s  loading .*\n)*"
        r"\nStopped\. What was read is kept; the next run goes on from there\.\n\Z",
        said,
    ), said
    assert said.count(" s  deals: ") == 1


def test_one_process_writes_at_a_time(server: Server, config: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "held.duckdb")
    with unanswered(server, "/contacts$"):
        process = start(config, database, "1")
        next(line for line in process.stdout if " rows" in line)
        said = refused("--config", str(config), "--to", database, "--project", "2")
        kill(process, database)
    assert process.returncode == -signal.SIGKILL
    assert re.fullmatch(
        rf"The database cannot be opened: {re.escape(database)} is open in python[\d.]* \(process {process.pid}\)\. "
        r"Close it there, or wait for its end\.\n",
        said,
    )
    few = start(config, database, "2", "--streams", "users")
    assert few.wait(600) == 0, "the lock of a process that was killed holds nobody back"
    few.communicate()


def test_one_process_writes_to_a_server_at_a_time_from_whatever_machine(
    server: Server, config: Path, tmp_path: Path
) -> None:
    with postgres.server() as url, unanswered(server, "/contacts$"):
        process = start(config, url, "1")
        next(line for line in process.stdout if " rows" in line)
        options = ["--config", str(config), "--to", url, "--project", "1"]
        said = refused(*options, SOURCE_AMOCRM_HOME=str(tmp_path / "another machine"))
        kill(process, url)
        assert process.returncode == -signal.SIGKILL
        assert said.startswith("Another sync writes to these tables: a connection from 127.0.0.1, since 2"), said
        few = start(config, url, "1", "--streams", "users")
        assert few.wait(600) == 0
        few.communicate()


def test_a_row_tells_which_columns_cannot_hold_what_amocrm_sent(tmp_path: Path) -> None:
    account = Account.generate(leads=5)
    own = min(account.tables["leads"].rows)
    account.raw["leads", own] = dumps({**account.row("leads", own), "closed_at": "soon"})
    path, database = tmp_path / "config.json", str(tmp_path / "crm.duckdb")
    with Server(account, rate=OFF) as server:
        path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
        process = start(path, database, "1", "--streams", "deals")
        said = process.communicate(timeout=600)[0]
    assert process.returncode == 0, said
    rows = query(database, "SELECT lead_id, closed_at, _changes FROM amocrm.amocrm_1_deals WHERE _changes IS NOT NULL")
    changes = [{"field": "closed_at", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]
    assert rows == [{"lead_id": own, "closed_at": None, "_changes": changes}]


def test_large_json_is_taken(empty: str) -> None:
    random = Random(1)
    texts = {own: random.randbytes(15_000_000 if own == 7 else 60_000).hex() for own in range(200)}
    raw = made_table({"raw": {"type": ["null", "object"]}})
    with loading(empty) as loader:
        loader.load([waiting(raw, [{"lead_id": own, "raw": {"text": text}} for own, text in texts.items()])], {})
    loaded = query(empty, "SELECT lead_id, raw FROM amocrm.amocrm_1_deals")
    assert {row["lead_id"]: row["raw"]["text"] for row in loaded} == texts


def test_five_hundred_columns_are_taken_sync_after_sync(empty: str) -> None:
    """As of an account with own fields as columns and raw records: each sync changes a part of the rows."""
    texts = {f"cf_{number}_field": {"type": ["null", "string"]} for number in range(250)}
    numbers = {f"cf_{number}_sum": {"type": ["null", "number"]} for number in range(250, 500)}
    wide = made_table({**texts, **numbers, "raw": {"type": ["null", "object"]}})
    random, held = Random(7), dict[int, int]()
    for number in range(10):
        changed = [*range(400)] if number == 0 else random.sample(range(400 + 10 * number), 60)
        held.update(dict.fromkeys(changed, number))
        rows = [
            {
                "lead_id": own,
                **{name: f"{number} {own} {name} {'x' * random.randrange(60)}" for name in texts},
                **dict.fromkeys(numbers, number),
                "raw": {"text": random.randbytes(1_500).hex()},
            }
            for own in changed
        ]
        batches = [wide.batch(rows[start : start + 100], 0) for start in range(0, len(rows), 100)]
        with loading(empty) as loader:
            loader.load([Waiting(wide, batches, complete=True)], {"deals": f'{{"number": {number}}}'})
    found = query(empty, "SELECT lead_id, cf_499_sum FROM amocrm.amocrm_1_deals")
    assert {row["lead_id"]: row["cf_499_sum"] for row in found} == held
    assert len(found) == len(held)


def test_a_sync_that_the_database_did_not_take_has_not_ended_well(empty: str) -> None:
    now = datetime.now(timezone.utc)
    with loading(empty) as loader:
        loader.load([waiting(made_table(), [{"lead_id": 7}])], {})
        loader.end(EndedSync(now, now, True, 1, "[]", "{}"))
    execute(empty, "ALTER TABLE amocrm.amocrm_1_deals ALTER lead_id TYPE SMALLINT")
    with (
        loading(empty) as loader,
        pytest.raises(
            LoadError,
            match=r"^The database did not take the rows of amocrm_1_deals: .+\. What it took before is kept; the next",
        ),
    ):
        loader.load([waiting(made_table(), [{"lead_id": 2**40}])], {})
    assert _count(empty, "amocrm_1_syncs") == 1


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file "base/5/16385": no space' USING ERRCODE = 'disk_full'; END $$
"""


def test_a_full_disk_of_the_server_is_told_and_no_state_is_ahead_of_the_rows() -> None:
    with postgres.server() as url:
        for number, moment in enumerate(("before", "full", "after")):
            rows = [waiting(made_table(), [{"lead_id": number}])]
            with loading(url) as loader:
                states = loader.states()
                if moment == "full":
                    held = "amocrm.amocrm_1_deals"
                    execute(url, FULL, f"CREATE TRIGGER t BEFORE INSERT ON {held} EXECUTE FUNCTION full_disk()")
                    with pytest.raises(
                        LoadError, match=r"^The disk of the database is full: could not .+: no space\. Make"
                    ):
                        loader.load(rows, {"deals": "full"})
                    execute(url, f"DROP TRIGGER t ON {held}")
                else:
                    loader.load(rows, {"deals": f'{{"at": "{moment}"}}'})
        assert states == {"deals": '{"at": "before"}'}
        assert query(url, "SELECT lead_id FROM amocrm.amocrm_1_deals ORDER BY 1") == [{"lead_id": 0}, {"lead_id": 2}]


def test_a_sync_that_was_killed_while_it_made_a_table_again_makes_it_the_next_time(empty: str) -> None:
    with loading(empty) as loader:
        rows = [waiting(made_table(stream=name), [{"lead_id": 7}]) for name in ("deals", "users")]
        loader.load(rows, {"deals": "{}", "users": "1"})
    execute(empty, "DROP TABLE amocrm.amocrm_1_deals")
    for _ in range(2):  # the first one is killed before it reads any deal
        with loading(empty) as loader:
            assert loader.states() == {"users": "1"}
            loader.load([waiting(made_table(stream="users"), [])], {})
    with loading(empty) as loader:
        loader.load([waiting(made_table(), [])], {})
    with loading(empty) as loader:  # one that was killed once the table was there, and no state covered it
        assert loader.states() == {"users": "1"}


@pytest.fixture(params=["duckdb", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "duckdb":
        yield f"{tmp_path}/crm.duckdb"
    else:
        with postgres.server() as url:
            yield url


def test_without_its_table_of_states_a_project_is_read_anew(empty: str) -> None:
    for project in ("1", "2"):
        with loading(empty, project) as loader:
            loader.load([waiting(made_table(), [{"lead_id": 7}])], {"deals": "1"})
    execute(empty, "DROP TABLE amocrm.amocrm_1_state")
    with loading(empty, "1") as loader:
        assert loader.states() == {}
        loader.check_tables(["deals"])
        loader.load([waiting(made_table(), [{"lead_id": 8}])], {"deals": "2"})
    for project, state, rows in (("1", "2", [7, 8]), ("2", "1", [7])):
        with loading(empty, project) as loader:
            assert loader.states() == {"deals": state}
        found = query(empty, f"SELECT lead_id FROM amocrm.amocrm_{project}_deals ORDER BY 1")
        assert [row["lead_id"] for row in found] == rows


def test_first_syncs_of_several_accounts_at_once(config: Path) -> None:
    """Each finds a database without a schema."""
    with postgres.server() as url:
        processes = [start(config, url, f"200{number}", "--streams", "users,deals") for number in range(3)]
        said = [process.communicate(timeout=600)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 3, said
        assert [_count(url, f"amocrm_200{number}_users") for number in range(3)] == [7] * 3


def test_tables_of_two_projects_stand_side_by_side(database: str) -> None:
    rows = query(
        database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'amocrm' AND "
        "(table_name LIKE 'amocrm_1001_%' OR table_name LIKE 'amocrm_1002_%')"
    )  # fmt: skip
    tables = {"1001": expected.KEYS, "1002": FIFTEEN}
    assert {row["table_name"] for row in rows} == {
        f"amocrm_{project}_{table}"
        for project, names in tables.items()
        for table in (*names, "forgotten", "names", "state", "syncs")
    }
