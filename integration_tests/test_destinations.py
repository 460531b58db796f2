"""PyAirbyte into real databases: full, what changed, killed and resumed; row for row what the account holds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, cast

import duckdb
import psycopg
import pytest

from demo.sync import check_names
from source_amocrm.streams import STREAMS

from . import comparison, expected, models, postgres
from .leaks import clean
from .pyairbyte import PYTHON, ROOT, refused, start, unanswered
from .sandbox import OFF, Account, Fault, Faults, Server, Tokens, writes

Row = dict[str, Any]
Query = Callable[[str], list[Row]]

PLAIN = {"character varying": "varchar", "timestamp without time zone": "timestamp"}
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


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "duckdb":
        yield str(tmp_path_factory.mktemp("duckdb") / "amocrm.duckdb")
        return
    with postgres.server() as url:
        yield url


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
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    return path


def sync(config: Path, database: str, project: str) -> dict[str, int]:
    """Rows read of each table."""
    process = start(config, database, project)
    output = clean(process.communicate(timeout=300)[0])
    assert process.returncode == 0, output
    found = re.findall(rf"^amocrm_{project}_(\w+) +([\d,]+) +[\d,]+$", output, re.MULTILINE)
    return {table: int(count.replace(",", "")) for table, count in found}


def query(database: str, sql: str) -> list[Row]:
    if database.startswith("postgresql:"):
        with psycopg.connect(database) as connection:
            cursor = connection.execute(cast(Any, sql))
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, map(plain, row), strict=True)) for row in cursor]
    with closing(duckdb.connect(database, read_only=True)) as connection:
        result = connection.execute(sql)
        json_columns = {column[0] for column in result.description or () if str(column[1]) == "JSON"}
        names = [column[0] for column in result.description or ()]
        return [
            {
                n: json.loads(v) if n in json_columns and v is not None else plain(v)
                for n, v in zip(names, row, strict=True)
            }
            for row in result.fetchall()
        ]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def stored(database: str, project: str) -> dict[str, dict[tuple[Any, ...], Row]]:
    """Every table's rows by key; a key that is there twice fails."""
    tables: dict[str, dict[tuple[Any, ...], Row]] = {}
    for name, key in expected.KEYS.items():
        rows = query(database, f"SELECT * FROM amocrm_{project}_{name}")
        tables[name] = {tuple(row[column] for column in key): row for row in rows}
        assert len(tables[name]) == len(rows), f"{name} holds a key twice"
    return tables


def problems(account: Account, database: str, project: str) -> list[str]:
    """Where the tables differ from the account, in words."""
    return comparison.problems(account, stored(database, project))


def test_full_then_what_changed(server: Server, database: str, config: Path) -> None:
    read = sync(config, database, "1001")
    assert problems(server.account, database, "1001") == []
    assert read["deals"] >= 300

    with server.account.lock:
        writes.random_edits(server.account, 40, Random(1))
    changed = sync(config, database, "1001")
    assert problems(server.account, database, "1001") == []
    assert changed["deals"] < read["deals"] / 3
    assert changed["events"] < read["events"] / 3


def types(database: str, table: str) -> dict[str, str]:
    rows = query(
        database,
        f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'amocrm_1001_{table}'",
    )
    return {row["column_name"]: PLAIN.get(kind := str(row["data_type"]), kind) for row in rows}


def test_types_are_those_of_the_columns(database: str) -> None:
    """And of the tables that other tests store."""
    wanted = models.TYPES["make sync" if database.startswith("postgresql:") else "duckdb"]
    for table, columns in COLUMNS.items():
        found = types(database, table)
        assert {name: found[name] for name in columns} == {name: wanted[kind] for name, kind in columns.items()}


def test_the_data_type_map_is_of_the_types_that_are_written(database: str) -> None:
    page = (ROOT / "docs" / "amocrm.md").read_text(encoding="utf-8").partition("## Data type map")[2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    [_, airbyte, destination, *sync_writes], _, *rows = lines[: len(MAPPED) + 2]
    assert (airbyte, destination) == ("Airbyte", "Airbyte's PostgreSQL destination 3.x writes")
    here = sync_writes.index(f"`make sync` writes into {'PostgreSQL' if '://' in database else 'DuckDB'}")
    found = types(database, "deals")
    written = {row[1]: row[3 + here].split("`")[1] for row in rows}
    assert written == {kind: found[column] for kind, column in MAPPED.items()}
    assert [row[2].split("`")[1] for row in rows] == [
        "bigint", "numeric(38,9)", "varchar", "boolean", "timestamptz", "jsonb",
    ]  # fmt: skip


def test_goes_on_where_it_was_killed(server: Server, database: str, config: Path) -> None:
    with unanswered(server, "/contacts$", since=2), unanswered(server, "/notes$", since=2):
        process = start(config, database, "1002")
        assert process.stdout is not None
        for line in process.stdout:
            if re.search(r" s  deals: [\d,]+ rows", line):
                break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    read = sync(config, database, "1002")
    assert problems(server.account, database, "1002") == []
    assert read["deals"] < 300, "what was written before the kill is not read again"


def test_tables_of_another_account_are_left_alone(database: str, config: Path) -> None:
    other = {**json.loads(config.read_text(encoding="utf-8")), "account_domain": "other.amocrm.ru"}
    other["credentials"]["access_token"] = Tokens(Account(seed=2)).long_lived()
    config.write_text(json.dumps(other), encoding="utf-8")
    assert refused("--config", str(config), "--db", database, "--project", "1001") == (
        "The tables amocrm_1001_… in this database hold the account example, and the config is of other. Give each "
        "account its own PROJECT, or its own DB.\n"
    )


@pytest.mark.parametrize(
    "database",
    ["mysql://u:p4ss@h/crm", "postgresql+psycopg2://u:p4ss@h/crm", "postgres://u:p4#ss@h/c", "postgres://u:p4[5]@h/c"],
)
def test_another_kind_of_database_is_refused_without_a_word_of_its_password(database: str, config: Path) -> None:
    said = refused("--config", str(config), "--db", database)
    assert said.startswith("The database is a DuckDB file, or postgresql://user@host:port/name, with the password in")
    assert "p4" not in said


def test_a_file_of_another_kind_is_left_alone(config: Path) -> None:
    assert refused("--config", str(config), "--db", str(config)) == (
        f"The database {config} is there already and is no DuckDB file.\n"
    )
    assert refused("--config", str(config), "--db", str(config.parent)).endswith(
        "is a folder; give the DuckDB file in it.\n"
    )


def test_an_unknown_stream_is_named(config: Path, tmp_path: Path) -> None:
    said = refused(
        "--config", str(config), "--db", str(tmp_path / "crm.duckdb"), "--project", "1", "--streams", "users, deal"
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
        check_names([stream], list(STREAMS))


def test_ctrl_c_ends_it_with_a_sentence(server: Server, config: Path, tmp_path: Path) -> None:
    with unanswered(server, "/contacts$"):
        process = start(config, str(tmp_path / "stopped.duckdb"), "1003")
        assert process.stdout is not None
        next(line for line in process.stdout if " rows" in line)
        os.killpg(process.pid, signal.SIGINT)
        said = clean(process.communicate(timeout=60)[0])
    assert process.returncode != 0
    assert said.endswith("Stopped. What was read is kept; the next run goes on from there.\n")
    assert "Traceback" not in said


STOPPED = """
import os, signal, sys, time
from types import SimpleNamespace
from demo import sync
import airbyte as ab

class Source:
    def get_available_streams(self): return []
    def select_streams(self, _): pass
    def get_selected_streams(self): return []
    def read(self, cache, **_):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            %s

ab.get_source = lambda *_, **__: Source()
sys.exit(sync.main(["--config", sys.argv[1], "--db", sys.argv[2]]))
"""


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(
            "raise ab.exceptions.AirbyteConnectorFailedError", id="PyAirbyte, of a connector that ended first"
        ),
        pytest.param("cache._seen(SimpleNamespace(log=None))", id="a database took it for a failure of its own"),
    ],
)
def test_ctrl_c_that_is_met_by_others_is_told_as_such(then: str, config: Path, tmp_path: Path) -> None:
    command = [str(PYTHON), "-c", STOPPED % then, str(config), str(tmp_path / "stopped.duckdb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGINT, "")
    assert done.stderr == "\nStopped. What was read is kept; the next run goes on from there.\n"


ONE_OF_TWO = """
import sys
from pathlib import Path
from demo.tables import half_filled, open_database

one, other = (open_database(sys.argv[1], project, Path(sys.argv[2])) for project in ("1001", "1002"))
for cache in (one, other):
    cache.execute_sql(f"CREATE TABLE {half_filled(cache.table_prefix)}deals_01abcdefg (number int)")
one.drop_leftovers()
left = [name for name in other.processor._get_tables_list() if name.startswith("loading_")]
assert left == [f"{half_filled('amocrm_1002_')}deals_01abcdefg"], left
other.drop_leftovers()
for cache in (one, other):
    print(*sorted(stream.stream.name for stream in cache._catalog_backend._fetch_streams_info()))
"""


def test_accounts_in_one_database_do_not_meet(database: str, tmp_path: Path) -> None:
    """Half-filled tables of one are not taken for leftovers by the other, and what is remembered is asked for apart."""
    command = [str(PYTHON), "-c", ONE_OF_TWO, database, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [" ".join(sorted(expected.KEYS))] * 2


FIRST_AT_ONCE = """
import os, sys
from pathlib import Path
from demo.tables import open_database

gate, start = os.pipe()
children = []
for number in range(6):
    children.append(os.fork())
    if children[-1] == 0:
        os.close(start)
        os.read(gate, 1)
        open_database(sys.argv[1], f"200{number}", Path(sys.argv[2]))
        os._exit(0)
os.close(start)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_first_syncs_of_several_accounts_at_once(tmp_path: Path) -> None:
    """Each finds a database without the tables in which PyAirbyte remembers streams and states."""
    with postgres.server() as url:
        command = [str(PYTHON), "-c", FIRST_AT_ONCE, url, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0, 0, 0]\n", "")


def test_tables_of_two_projects_stand_side_by_side(database: str) -> None:
    rows = query(database, "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'amocrm%'")
    names = {row["table_name"] for row in rows}
    assert names == {f"amocrm_{project}_{table}" for project in ("1001", "1002") for table in expected.KEYS}
