"""`source-amocrm publish` into PostgreSQL: an account's rows are replaced together, and nothing else is touched."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg
import psycopg2
import pytest

from amocrm_warehouse.publish.sql_warehouse import _failed as failed
from amocrm_warehouse.publish.sql_warehouse import _put as put
from amocrm_warehouse.publish.table_lock import one_writer
from testing import postgres, small_marts
from testing.publishing import killed, publish, publish_together, refused, run
from testing.small_marts import DEALS, RAW

Row = tuple[Any, ...]
DEALS_SQL = (
    "SELECT deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note FROM {}.deals "
    "WHERE project_id = '{}' ORDER BY 1"
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def fetch(warehouse: str, sql: str) -> list[Row]:
    with psycopg.connect(warehouse) as connection:
        return connection.execute(cast(Any, sql)).fetchall()


def execute(warehouse: str, *statements: str) -> None:
    with psycopg.connect(warehouse, autocommit=True) as connection:
        for statement in statements:
            connection.execute(cast(Any, statement))


def deals(warehouse: str, project: str, schema: str = "amocrm_marts") -> list[Row]:
    return fetch(warehouse, DEALS_SQL.format(schema, project))


def test_every_value_arrives_as_it_is(source: str, tmp_path: Path, warehouse: str) -> None:
    """Also out of a DuckDB file that has the name of the schema."""
    said = publish(
        shutil.copy(source, str(tmp_path / "amocrm.duckdb")), warehouse, "--schema", "values", "--only", "marts,tables"
    )
    assert said == "".join(f"{name}: 6 rows of 4 tables are in {warehouse}.\n" for name in ("1001", "1002"))
    assert deals(warehouse, "1001", "values_marts") == deals(warehouse, "1002", "values_marts") == DEALS
    users = fetch(
        warehouse, "SELECT user_id, rights, _airbyte_extracted_at FROM values.users WHERE project_id = '1001'"
    )
    assert users == [(number, json.loads(rights), at) for number, rights, at in RAW]
    kinds = fetch(
        warehouse,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'values_marts.deals'::regclass AND attnum > 0 ORDER BY attnum",
    )
    assert dict(kinds) == {
        "project_id": "character varying(64)", "deal_id": "bigint", "name": "character varying",
        "budget": "numeric(38,2)", "is_deleted": "boolean", "day": "date",
        "seen_at": "timestamp without time zone",
        "labels": "jsonb", "chance": "double precision", "note": "character varying",
    }  # fmt: skip


def test_all_batches_of_a_table_arrive(tmp_path: Path, warehouse: str) -> None:
    """Also if tables of several batches stand beside each other."""
    source = str(tmp_path / "large.duckdb")
    small_marts.build(source, ["1001"], stages=9_000)
    with closing(duckdb.connect(source)) as connection:
        connection.execute("CREATE OR REPLACE TABLE amocrm_marts.freshness AS FROM amocrm_marts.funnel")
        connection.execute("ALTER TABLE amocrm_marts.freshness ADD COLUMN built_at timestamp DEFAULT '2026-01-01'")
    small_batches = {"amocrm_warehouse.publish.published_tables.ROWS": 2_048}
    publish(source, warehouse, "--schema", "large", constants=small_batches)
    for table in ("funnel", "freshness"):
        numbers = fetch(warehouse, f"SELECT count(*), min(status_id), max(status_id) FROM large_marts.{table}")
        assert numbers == [(9_000, 142, 9_141)]


def test_the_same_leaves_postgresql(warehouse: str, source: str) -> None:
    """An account out of PostgreSQL fits into the tables that an account out of DuckDB has made."""
    execute(warehouse, "CREATE DATABASE built")
    built = warehouse.replace("/postgres", "/built").replace("postgresql://built@", "postgresql://postgres@")
    small_marts.build(built, ["1003"])
    publish(source, warehouse, "--schema", "two", "--only", "marts,tables", "--project", "1001")
    publish(built, warehouse, "--schema", "two", "--only", "marts,tables")
    assert deals(warehouse, "1003", "two_marts") == deals(warehouse, "1001", "two_marts") == DEALS
    users = "SELECT project_id, user_id, rights, _airbyte_extracted_at FROM two.users ORDER BY 1"
    assert fetch(warehouse, users) == [(name, 7, {"a": [1, "ж"]}, RAW[0][2]) for name in ("1001", "1003")]


def test_descriptions_of_columns_are_comments_in_the_language_that_is_asked_for(source: str, warehouse: str) -> None:
    comments = (
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'words_marts.deals'"
        "::regclass AND attnum BETWEEN 2 AND 3 ORDER BY attnum"
    )
    publish(source, warehouse, "--schema", "words", "--project", "1001")
    assert fetch(warehouse, comments) == [("deal_id", "Id of the deal."), ("name", "Name.")]
    publish(source, warehouse, "--schema", "words", "--project", "1001", "--language", "ru")
    assert fetch(warehouse, comments) == [("deal_id", "ID сделки."), ("name", "Название.")]


def test_one_account_is_replaced_and_the_others_stay(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "one")
    small_marts.build(source, ["1001", "1002"], deals=DEALS[:1])
    publish(source, warehouse, "--schema", "one", "--project", "1002", "--only", "deals")
    assert deals(warehouse, "1001", "one_marts") == DEALS
    assert deals(warehouse, "1002", "one_marts") == DEALS[:1]
    assert fetch(warehouse, "SELECT project_id, reached FROM one_marts.funnel ORDER BY 1") == [("1001", 3), ("1002", 3)]
    small_marts.build(source, ["1001", "1002"], deals=[])
    publish(source, warehouse, "--schema", "one", "--project", "1001", "--only", "deals")
    assert deals(warehouse, "1001", "one_marts") == []
    assert deals(warehouse, "1002", "one_marts") == DEALS[:1]


def test_a_new_column_is_added_and_one_that_is_gone_stays_null(source: str, warehouse: str) -> None:
    """And a column of another type is refused before anything changes."""
    publish(source, warehouse, "--schema", "wide", "--only", "deals")
    small_marts.build(source, ["1001"], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, warehouse, "--schema", "wide", "--only", "deals")
    sizes = "SELECT project_id, cf_1_size::text FROM wide_marts.deals WHERE deal_id = 1 ORDER BY 1"
    assert fetch(warehouse, sizes) == [("1001", "1.500000000"), ("1002", None)]
    small_marts.build(source, ["1001"], deals=[], extra=", cf_1_size varchar")
    assert refused(source, warehouse, "--schema", "wide") == (
        "The column cf_1_size of wide_marts.deals is text here and decimal(38,9) in the warehouse. Drop the table "
        "wide_marts.deals there and publish every account again, or leave this table out with --only.\n"
    )
    small_marts.build(source, ["1001"])
    publish(source, warehouse, "--schema", "wide", "--only", "deals")
    assert fetch(warehouse, sizes) == [("1001", None), ("1002", None)]
    assert deals(warehouse, "1001", "wide_marts") == deals(warehouse, "1002", "wide_marts") == DEALS


def test_a_column_whose_type_somebody_changed_is_named_before_anything_is_written(source: str, warehouse: str) -> None:
    """And it is made again, in the type of here, once its table is dropped as the message says."""
    publish(source, warehouse, "--schema", "typed")
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    for kind, there in (("text", "text"), ("bigint USING 1", "bigint"), ("numeric(38,4)", "decimal(38,4)")):
        execute(warehouse, f"ALTER TABLE typed_marts.deals ALTER COLUMN budget TYPE {kind}")
        assert refused(source, warehouse, "--schema", "typed") == (
            f"The column budget of typed_marts.deals is decimal(38,2) here and {there} in the warehouse. Drop the "
            "table typed_marts.deals there and publish every account again, or leave this table out with --only.\n"
        )
    execute(warehouse, "ALTER TABLE typed_marts.deals ALTER COLUMN budget TYPE numeric(38,2)",
            "ALTER TABLE typed_marts.freshness ALTER COLUMN built_at TYPE timestamptz")  # fmt: skip
    assert refused(source, warehouse, "--schema", "typed").startswith(
        "The column built_at of typed_marts.freshness is timestamp without time zone here and timestamp with time zone "
    )
    execute(warehouse, "ALTER TABLE typed_marts.freshness ALTER COLUMN built_at TYPE timestamp")
    count = "SELECT count(*) FROM typed_marts.deals WHERE project_id = '1001'"
    assert fetch(warehouse, count) == [(len(DEALS),)]
    publish(source, warehouse, "--schema", "typed", "--only", "funnel")
    execute(warehouse, "DROP TABLE typed_marts.deals")
    publish(source, warehouse, "--schema", "typed")
    assert deals(warehouse, "1001", "typed_marts") == DEALS[:1]
    small_marts.build(source, ["1001"], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, warehouse, "--schema", "typed", "--only", "deals")
    small_marts.build(source, ["1001"], extra=", cf_1_size varchar default 'large'")
    execute(warehouse, "DROP TABLE typed_marts.deals")
    publish(source, warehouse, "--schema", "typed", "--only", "deals")
    assert fetch(warehouse, "SELECT DISTINCT cf_1_size FROM typed_marts.deals") == [("large",)]


def test_a_table_that_something_else_has_made_is_left_alone(source: str, warehouse: str) -> None:
    execute(warehouse, "CREATE SCHEMA own_marts", "CREATE TABLE own_marts.deals (mine int)")
    sentence = (
        "Something else has made own_marts.deals in this warehouse, and publish leaves it alone. Name another schema "
        "with --schema.\n"
    )
    assert refused(source, warehouse, "--schema", "own") == sentence
    execute(warehouse, "DROP TABLE own_marts.deals", "CREATE TABLE own_marts.deals (LIKE two_marts.deals)")
    execute(warehouse, "INSERT INTO own_marts.deals SELECT * FROM two_marts.deals LIMIT 1")
    assert refused(source, warehouse, "--schema", "own") == sentence
    assert fetch(warehouse, "SELECT count(*) FROM own_marts.deals") == [(1,)]
    assert fetch(warehouse, "SELECT tablename FROM pg_tables WHERE schemaname LIKE 'own%'") == [("deals",)]


def test_a_table_that_somebody_dropped_is_made_again(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "dropped", "--project", "1001")
    execute(warehouse, "DROP TABLE dropped_marts.deals", "ALTER TABLE dropped_marts.funnel DROP COLUMN reached")
    publish(source, warehouse, "--schema", "dropped", "--project", "1001")
    assert deals(warehouse, "1001", "dropped_marts") == DEALS
    assert fetch(warehouse, "SELECT * FROM dropped_marts.funnel") == [("1001", 142, 3)]


def test_rows_that_do_not_arrive_undo_the_publish(source: str, warehouse: str) -> None:
    """As if a trigger of the warehouse drops rows."""
    publish(source, warehouse, "--schema", "lossy", "--project", "1001")
    execute(
        warehouse,
        "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER lossy BEFORE INSERT ON lossy_marts.funnel FOR EACH ROW EXECUTE FUNCTION drop_row()",
    )
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    assert refused(source, warehouse, "--schema", "lossy", "--project", "1001") == (
        "Of the 1 rows of lossy_marts.funnel 0 arrived. The warehouse is as before: run again.\n"
    )
    assert deals(warehouse, "1001", "lossy_marts") == DEALS


@pytest.mark.parametrize(
    ("table", "written", "column"),
    [
        ("amocrm_marts.deals", r"labels = ['\u0000', 'a' || chr(0)]", "labels of nul_marts.deals"),
        ("amocrm_marts.deals", r"note = '\u0000', name = 'a' || chr(0)", "name of nul_marts.deals"),
        ("amocrm.amocrm_1001_users", r"""rights = '{"a": "\\\u0000\u0000"}'""", "rights of nul.users"),
    ],
)
def test_a_text_that_postgresql_cannot_store_is_named(
    source: str, warehouse: str, table: str, written: str, column: str
) -> None:
    publish(source, warehouse, "--schema", "nul", "--project", "1001")
    with closing(duckdb.connect(source)) as connection:
        connection.execute(f"UPDATE {table} SET {written}")
    assert refused(source, warehouse, "--schema", "nul", "--project", "1001", "--only", "marts,tables") == (
        f"The column {column} holds a text with NUL (\\u0000), which PostgreSQL cannot store. A sync writes � instead, "
        "so something else wrote this text. Replace NUL in the database that is published, or leave this table out "
        "with --only. The warehouse is as before.\n"
    )
    assert deals(warehouse, "1001", "nul_marts") == DEALS


def killed_after_first(*all_of_them: Any) -> None:
    put(*all_of_them)
    killed()


def killed_before_commit(warehouse: Any, project: str, table: Any, *rest: Any) -> int:
    count = put(warehouse, project, table, *rest)
    if table.name == "funnel":
        killed()
    return count


def test_killed_anywhere_it_changes_nothing_and_the_next_run_ends_right(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "killed", "--project", "1001")
    small_marts.build(source, ["1001"], deals=DEALS[:2], extra=", cf_1_size decimal(38,9) default 1.5")
    for function, instead in (
        ("postgres_warehouse.literal", killed),  # while the tables are made
        ("sql_warehouse._put", killed),  # nothing is replaced
        ("sql_warehouse._put", killed_after_first),  # between two tables
        ("sql_warehouse._put", killed_before_commit),
    ):
        dead = run(source, warehouse, "--schema", "killed", constants={f"amocrm_warehouse.publish.{function}": instead})
        assert dead.returncode == -signal.SIGKILL, dead.stderr
        assert deals(warehouse, "1001", "killed_marts") == DEALS
        while fetch(warehouse, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
            time.sleep(0.05)  # the server ends the session of a killed client when it has noticed
    publish(source, warehouse, "--schema", "killed")
    assert deals(warehouse, "1001", "killed_marts") == DEALS[:2]
    assert fetch(warehouse, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'killed%'") == [("killed_marts",)]


def test_a_reader_sees_the_rows_before_or_the_rows_after_in_all_tables(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "read", "--project", "1001")
    seen, done = set[Row](), threading.Event()

    def read() -> None:
        with psycopg.connect(warehouse, autocommit=True) as connection:
            while not done.is_set():
                seen.update(
                    connection.execute(
                        "SELECT (SELECT count(*) FROM read_marts.deals), (SELECT max(reached) FROM read_marts.funnel)"
                    ).fetchall()
                )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for count in (1, 2):
            small_marts.build(source, ["1001"], deals=DEALS[:count])
            publish(source, warehouse, "--schema", "read", "--project", "1001")
    finally:
        done.set()
        reader.join()
    assert {(3, 3), (2, 2)} <= seen <= {(3, 3), (1, 1), (2, 2)}


def test_accounts_publish_into_one_warehouse_at_the_same_time(warehouse: str, tmp_path: Path) -> None:
    """The first ones of all, which make the tables."""
    names = ["1001", "1002", "1003"]
    publish_together(warehouse, "many", names, tmp_path)
    assert [deals(warehouse, name, "many_marts") for name in names] == [DEALS] * 3
    sizes = "SELECT project_id, cf_0_size, cf_1_size, cf_2_size FROM many_marts.deals WHERE deal_id = 1 ORDER BY 1"
    assert fetch(warehouse, sizes) == [("1001", 0, None, None), ("1002", None, 1, None), ("1003", None, None, 2)]


def test_an_account_is_published_by_one_process_at_a_time(source: str, warehouse: str) -> None:
    with psycopg.connect(warehouse) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('source-amocrm'), hashtext('publish lock 1001'))")
        said = refused(source, warehouse, "--schema", "lock", "--project", "1001")
    assert said.startswith("Another publish writes to these tables: a connection from 127.0.0.1, since 2"), said
    assert said.endswith(". One writes at a time; wait for its end.\n")
    with one_writer(warehouse, "lock", "1001"):
        said = refused(source, warehouse, "--schema", "lock", "--project", "1001")
    assert said.startswith(f"Another publish writes to these tables ({warehouse}): process {os.getpid()} of "), said


def test_what_cannot_be_is_told_in_a_sentence(source: str, warehouse: str, tmp_path: Path) -> None:
    execute(warehouse, "CREATE ROLE reader LOGIN", "CREATE SCHEMA rights_marts")
    assert refused(source, warehouse.replace("postgres@", "reader@"), "--schema", "rights") == (
        "This PostgreSQL user may not create the tables. Let the owner of the database run GRANT USAGE, CREATE ON "
        "SCHEMA rights_marts TO reader; and run again.\n"
    )
    execute(warehouse, "GRANT USAGE, CREATE ON SCHEMA rights_marts TO reader")
    publish(source, warehouse.replace("postgres@", "reader@"), "--schema", "rights")
    assert refused(source, warehouse.replace("postgres@", "reader@"), "--schema", "rights", "--only", "tables") == (
        "This PostgreSQL user may not create the tables. Let the owner of the database run GRANT CREATE ON DATABASE "
        "postgres TO reader; and run again.\n"
    )
    assert refused(source, warehouse.replace("postgres@", "nobody:s3cretPass@")) == (
        'The warehouse did not take the tables: role "nobody" does not exist. Correct the user in --to, or create it '
        '(CREATE ROLE "nobody" LOGIN PASSWORD …). Its tables are as before.\n'
    )
    assert "Start the server, or correct the host and the port in --to." in refused(
        source, "postgresql://u@127.0.0.1:1/x"
    )
    assert refused(source, warehouse, "--project", "1001,7") == (
        "There is no project 7 in this database. There are: 1001, 1002.\n"
    )
    with closing(duckdb.connect(source)) as connection:
        connection.execute("CREATE TABLE amocrm.amocrm_7_account (account_id int)")
    assert refused(source, warehouse, "--project", "1001,7,8") == (
        "The marts do not have the project 7 yet. Build them with it: source-amocrm models.\n"
    )
    assert refused(source, warehouse, "--only", "deal") == "There is no mart “deal”: the nearest name is “deals”.\n"
    assert refused(source, warehouse, "--schema", "A") == (
        "The schema “A” goes into names of schemas: small letters, digits and single _ between them, 20 at most.\n"
    )
    assert refused(str(tmp_path / "none.duckdb"), warehouse).startswith("There is no DuckDB file ")
    small_marts.build(str(tmp_path / "odd.duckdb"), ["a/b"])
    assert refused(str(tmp_path / "odd.duckdb"), warehouse) == (
        "The project a/b goes into names of schemas and folders: letters, digits, _ and - only, 64 at most.\n"
    )
    assert refused(source, "") == (
        "Name the warehouse: --to postgresql://user@host:port/name, or PUBLISH_TO in the environment.\n"
    )
    with closing(duckdb.connect(source)) as connection:
        connection.execute("DROP SCHEMA amocrm_marts CASCADE")
    assert refused(source, warehouse) == (
        "There are no marts in this database. Build them first: source-amocrm models.\n"
    )
    with closing(duckdb.connect(source)) as connection:
        connection.execute("DROP SCHEMA amocrm CASCADE")
    assert refused(source, warehouse) == (
        "No account was read into this database. Read it first: source-amocrm sync.\n"
    )


def test_a_disk_that_is_full_is_told_in_a_sentence(tmp_path: Path) -> None:
    disk_full = type("DiskFull", (psycopg2.OperationalError,), {"pgcode": "53100"})("could not extend file")
    assert str(failed(disk_full, tmp_path)).startswith(
        "The disk of the warehouse is full: could not extend file. Make ro"
    )
    full = OSError(errno.ENOSPC, "No space left on device")
    for error in (full, duckdb.IOException('Could not write file "x.csv": No space left on device')):
        said = str(failed(error, tmp_path))
        assert said.startswith(f"Rows under way cannot be kept in {tmp_path}: No space left on device. Make room there")
