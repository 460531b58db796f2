"""`source-amocrm publish` into MariaDB: as into PostgreSQL, a schema being a database."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from amocrm_warehouse.publish.sql_warehouse import _put as put
from amocrm_warehouse.publish.warehouse_address import warehouse as warehouse_of
from testing import mariadb, small_marts
from testing.publishing import killed, publish, publish_together, refused, run
from testing.small_marts import DEALS

pytestmark = pytest.mark.at_length

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[str]:
    with mariadb.server() as url:
        yield url


def opened(warehouse: str) -> Any:
    port = int(warehouse.rpartition(":")[2].partition("/")[0])
    return closing(pymysql.connect(host="127.0.0.1", port=port, user="root", charset="utf8mb4", autocommit=True))


def fetch(warehouse: str, sql: str) -> list[Row]:
    with opened(warehouse) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def deals(warehouse: str, project: str, schema: str) -> list[Row]:
    """The rows as small_marts has them: MariaDB keeps booleans as numbers and lists as JSON."""
    rows = fetch(
        warehouse,
        f"SELECT deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note FROM {schema}.deals "
        f"WHERE project_id = '{project}' ORDER BY 1",
    )
    return [
        (*row[:3], None if row[3] is None else bool(row[3]), *row[4:6], row[6] and json.loads(row[6]), *row[7:])
        for row in rows
    ]


def test_every_value_arrives_as_it_is(source: str, warehouse: str) -> None:
    said = publish(source, warehouse, "--schema", "vals", "--only", "deals,tables", "--project", "1001")
    assert said == f"1001: 4 rows of 2 tables are in {warehouse}.\n"
    assert deals(warehouse, "1001", "vals_marts") == DEALS
    [(number, rights, at)] = fetch(
        warehouse, "SELECT user_id, rights, _airbyte_extracted_at FROM vals.users WHERE project_id = '1001'"
    )
    assert (number, json.loads(rights), f"{at}") == (7, {"a": [1, "ж"]}, "2026-02-28 21:00:00")
    kinds = fetch(
        warehouse,
        "SELECT column_name, column_type, column_comment FROM information_schema.columns "
        "WHERE table_schema = 'vals_marts' AND table_name = 'deals'",
    )
    assert {name: kind for name, kind, _ in kinds} == {
        "project_id": "varchar(64)", "deal_id": "bigint(20)", "name": "longtext", "budget": "decimal(38,2)",
        "is_deleted": "tinyint(1)", "day": "date", "seen_at": "datetime(6)", "labels": "longtext", "chance": "double",
        "note": "longtext", "_row": "bigint(20) unsigned",
    }  # fmt: skip
    [first, *_] = fetch(warehouse, "SELECT * FROM vals_marts.deals")
    assert len(first) == len(kinds) - 1  # none shows the column that only makes the key unique
    keys = fetch(
        warehouse,
        "SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = 'vals_marts' "
        "AND table_name = 'deals' ORDER BY seq_in_index",
    )
    assert keys == [("PRIMARY", "project_id"), ("PRIMARY", "_row")]
    assert {name: comment for name, _, comment in kinds if comment} == {"deal_id": "Id of the deal.", "name": "Name."}


def test_one_account_is_replaced_and_the_others_stay(source: str, warehouse: str) -> None:
    """Also a new column is added, a column that is gone stays null, and an account without rows has none."""
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    small_marts.build(source, ["1001"], deals=DEALS[:1], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    assert deals(warehouse, "1001", "one_marts") == DEALS[:1]
    assert deals(warehouse, "1002", "one_marts") == DEALS
    sizes = "SELECT project_id, CAST(cf_1_size AS CHAR) FROM one_marts.deals WHERE deal_id = 1 ORDER BY 1"
    assert fetch(warehouse, sizes) == [("1001", "1.500000000"), ("1002", None)]
    small_marts.build(source, ["1001"], deals=[])
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    assert fetch(warehouse, sizes) == [("1002", None)]
    small_marts.build(source, ["1001"], extra=", cf_1_size varchar")
    assert refused(source, warehouse, "--schema", "one").startswith(
        "The column cf_1_size of one_marts.deals is text here and decimal(38,9) in the warehouse. Drop the table "
    )


def test_a_column_whose_type_somebody_changed_is_named_before_anything_is_written(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "typed")
    small_marts.build(source, ["1001"], deals=DEALS[:1])
    for kind, there in (("text", "text"), ("double", "double"), ("decimal(38,4)", "decimal(38,4)")):
        fetch(warehouse, f"ALTER TABLE typed_marts.deals MODIFY budget {kind}")
        assert refused(source, warehouse, "--schema", "typed") == (
            f"The column budget of typed_marts.deals is decimal(38,2) here and {there} in the warehouse. Drop the "
            "table typed_marts.deals there and publish every account again, or leave this table out with --only.\n"
        )
    assert fetch(warehouse, "SELECT count(*) FROM typed_marts.deals WHERE project_id = '1001'") == [(len(DEALS),)]


def killed_after_first(*all_of_them: Any) -> None:
    put(*all_of_them)
    killed()


def test_killed_anywhere_it_changes_nothing_and_the_next_run_ends_right(source: str, warehouse: str) -> None:
    """And a reader sees the rows before or the rows after, in all tables."""
    publish(source, warehouse, "--schema", "dead", "--project", "1001")
    small_marts.build(source, ["1001"], deals=DEALS[:2], extra=", cf_1_size decimal(38,9) default 1.5")
    found, done = set[Row](), threading.Event()
    both = "SELECT (SELECT count(*) FROM dead_marts.deals), (SELECT max(reached) FROM dead_marts.funnel)"

    def read() -> None:
        with opened(warehouse) as connection, connection.cursor() as cursor:
            while not done.is_set():
                cursor.execute(both)
                found.update(cursor.fetchall())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for instead in (killed, killed_after_first):
            constants = {"amocrm_warehouse.publish.sql_warehouse._put": instead}
            dead = run(source, warehouse, "--schema", "dead", constants=constants)
            assert dead.returncode == -signal.SIGKILL, dead.stderr
            assert deals(warehouse, "1001", "dead_marts") == DEALS
            # the server ends the session of a killed client when it has noticed
            assert fetch(warehouse, "SELECT GET_LOCK(SHA2('publish dead 1001', 256), 600)") == [(1,)]
        publish(source, warehouse, "--schema", "dead")
    finally:
        done.set()
        reader.join()
    assert deals(warehouse, "1001", "dead_marts") == DEALS[:2]
    assert {(3, 3)} <= found <= {(3, 3), (2, 2)}
    assert fetch(warehouse, "SHOW DATABASES LIKE 'dead%'") == [("dead_marts",)]


def test_accounts_publish_into_one_warehouse_at_the_same_time(warehouse: str, tmp_path: Path) -> None:
    names = ["1001", "1002"]
    publish_together(warehouse, "many", names, tmp_path)
    assert [deals(warehouse, name, "many_marts") for name in names] == [DEALS] * 2


def test_what_cannot_be_is_told_in_a_sentence(source: str, warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(warehouse, "CREATE USER reader IDENTIFIED BY 's3cretOfReader'")
    reader = warehouse.replace("root@", "reader@")
    wrong = refused(source, reader, environment={"MYSQL_PWD": "wr0ngPassword"})
    assert "Access denied for user 'reader'@" in wrong
    assert wrong.endswith(
        "Correct the user in --to, or the password: in --to, or else in the environment variable MYSQL_PWD. Its tables "
        "are as before.\n"
    )
    denied = refused(source, reader.replace("/mysql", ""), environment={"MYSQL_PWD": "s3cretOfReader"})
    assert denied.endswith("run GRANT ALL ON `amocrm%`.* TO this user. Its tables are as before.\n"), denied
    assert "Start the server, or correct the host and the port in --to." in refused(source, "mysql://u@127.0.0.1:1/x")
    assert refused(source, "mysql://u:p4[ss@h/x") == (
        "MariaDB is written mysql://user@host:port/name, with the password in the environment variable MYSQL_PWD.\n"
    )
    fetch(warehouse, "SET GLOBAL local_infile = OFF")
    said = refused(source, warehouse, "--schema", "local")
    assert said.endswith("administrator run SET GLOBAL local_infile = ON. Its tables are as before.\n"), said
    fetch(warehouse, "SET GLOBAL local_infile = ON")
    fetch(warehouse, "ALTER TABLE local_marts.funnel MODIFY reached tinyint")
    small_marts.build(source, ["1001"], deals=DEALS[:1] * 300)
    assert refused(source, warehouse, "--schema", "local", "--only", "funnel") == (
        "MariaDB does not hold a value of `local_marts`.`funnel`: Out of range value for column 'reached' at row 1. "
        "Its tables are as before.\n"
    )
    small_marts.build(source, ["1001"])
    fetch(warehouse, "CREATE DATABASE own_marts")
    fetch(warehouse, "CREATE TABLE own_marts.deals (mine int)")
    assert refused(source, warehouse, "--schema", "own").startswith("Something else has made own_marts.deals in this w")
    monkeypatch.setitem(sys.modules, "amocrm_warehouse.publish.mariadb_warehouse", None)
    with pytest.raises(
        ValueError, match=r"^Writing to MariaDB needs its driver: pip install 'source-amocrm\[mariadb\]"
    ):
        warehouse_of(warehouse)
