"""`source-amocrm publish` into ClickHouse's engine, by the driver: an account's partition is replaced, others stay."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest

from amocrm_warehouse.publish.warehouse_address import warehouse as warehouse_of
from testing import clickhouse, small_marts
from testing.publishing import killed, publish, publish_together, refused, run
from testing.small_marts import DEALS, RAW

pytestmark = pytest.mark.at_length

Row = tuple[Any, ...]
SELECTED = "deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note"
HERE = [(*row[:6], row[6] or [], *row[7:]) for row in DEALS]
"""The deals as ClickHouse has them: no list is an empty list."""


@pytest.fixture(scope="module")
def warehouse() -> Iterator[str]:
    with clickhouse.server() as address:
        yield address


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", clickhouse.PASSWORD)


def fetch(warehouse: str, sql: str) -> list[Row]:
    port = urlsplit(warehouse).port
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username="me", password=clickhouse.PASSWORD, autogenerate_session_id=False
    ) as client:
        return [tuple(row) for row in client.query(sql).result_rows]


def deals(warehouse: str, project: str, schema: str = "amocrm_marts") -> list[Row]:
    return fetch(warehouse, f"SELECT {SELECTED} FROM {schema}.deals WHERE project_id = '{project}' ORDER BY deal_id")


def test_every_value_arrives_as_it_is(source: str, warehouse: str) -> None:
    said = publish(source, warehouse, "--schema", "vals", "--only", "marts,tables")
    assert said == "".join(f"{name}: 6 rows of 4 tables are in {warehouse}.\n" for name in ("1001", "1002"))
    assert deals(warehouse, "1001", "vals_marts") == deals(warehouse, "1002", "vals_marts") == HERE
    assert HERE[1][4:6] == (date(1, 1, 1), datetime(2026, 1, 1))
    [(user, rights, at)] = fetch(
        warehouse, "SELECT user_id, rights, _airbyte_extracted_at FROM vals.users WHERE project_id = '1001'"
    )
    assert (user, json.loads(rights), at.replace(tzinfo=timezone.utc)) == (7, {"a": [1, "ж"]}, RAW[0][2])
    kinds = "SELECT name, type, comment FROM system.columns WHERE database = 'vals_marts' AND table = 'deals'"
    found = fetch(warehouse, kinds)
    assert {name: kind for name, kind, _ in found} == {
        "project_id": "String", "deal_id": "Nullable(Int64)", "name": "Nullable(String)",
        "budget": "Nullable(Decimal(38, 2))", "is_deleted": "Nullable(Bool)", "day": "Nullable(Date32)",
        "seen_at": "Nullable(DateTime64(6, 'UTC'))", "labels": "Array(String)", "chance": "Nullable(Float64)",
        "note": "Nullable(String)",
    }  # fmt: skip
    assert {name: words for name, _, words in found if words} == {"deal_id": "Id of the deal.", "name": "Name."}
    publish(source, warehouse, "--schema", "vals", "--only", "deals", "--language", "ru", "--project", "1001")
    assert {name: words for name, _, words in fetch(warehouse, kinds) if words} == {
        "deal_id": "ID сделки.", "name": "Название.",
    }  # fmt: skip


def test_one_account_is_replaced_and_the_others_stay(source: str, warehouse: str) -> None:
    """Also a new column is added, a column that is gone stays null, and an account without rows has none."""
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    small_marts.build(source, ["1001"], deals=DEALS[:1], extra=", cf_1_size decimal(38,9) default 1.5")
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    assert (deals(warehouse, "1001", "one_marts"), deals(warehouse, "1002", "one_marts")) == (HERE[:1], HERE)
    sizes = "SELECT project_id, toString(cf_1_size) FROM one_marts.deals WHERE deal_id = 1 ORDER BY 1"
    assert fetch(warehouse, sizes) == [("1001", "1.5"), ("1002", None)]
    small_marts.build(source, ["1001"])
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    assert fetch(warehouse, sizes) == [("1001", None), ("1002", None)]
    small_marts.build(source, ["1001"], deals=[])
    publish(source, warehouse, "--schema", "one", "--only", "deals")
    assert fetch(warehouse, sizes) == [("1002", None)]
    small_marts.build(source, ["1001"], extra=", cf_1_size varchar")
    assert refused(source, warehouse, "--schema", "one").startswith(
        "The column cf_1_size of one_marts.deals is Nullable(String) here and Nullable(Decimal(38, 9)) in the ware"
    )
    assert fetch(warehouse, "SELECT name FROM system.databases WHERE name LIKE 'one%'") == [("one_marts",)]


def test_killed_anywhere_a_reader_sees_whole_accounts_and_the_next_run_ends_right(source: str, warehouse: str) -> None:
    publish(source, warehouse, "--schema", "dead", "--project", "1001")
    small_marts.build(source, ["1001"], deals=DEALS[:2], extra=", cf_1_size decimal(38,9) default 1.5")
    seen, done = set[Row](), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.update(fetch(warehouse, "SELECT count() FROM dead_marts.deals"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for function in (
            "clickhouse_warehouse.in_native_types",
            "clickhouse_warehouse._load",
            "clickhouse_warehouse._put",
        ):
            dead = run(
                source, warehouse, "--schema", "dead", constants={f"amocrm_warehouse.publish.{function}": killed}
            )
            assert dead.returncode == -signal.SIGKILL, dead.stderr
            assert deals(warehouse, "1001", "dead_marts") == HERE
        publish(source, warehouse, "--schema", "dead")
    finally:
        done.set()
        reader.join()
    assert deals(warehouse, "1001", "dead_marts") == HERE[:2]
    assert {(3,)} <= seen <= {(3,), (2,)}
    assert fetch(warehouse, "SELECT name FROM system.databases WHERE name LIKE 'dead%'") == [("dead_marts",)]


def test_accounts_publish_into_one_warehouse_at_the_same_time(warehouse: str, tmp_path: Path) -> None:
    """Each with a column of its own, which it adds while others move their partitions."""
    names = ["1001", "1002", "1003"]
    publish_together(warehouse, "many", names, tmp_path)
    assert [deals(warehouse, name, "many_marts") for name in names] == [HERE] * 3
    sizes = "SELECT project_id, cf_0_size, cf_1_size, cf_2_size FROM many_marts.deals WHERE deal_id = 1 ORDER BY 1"
    assert fetch(warehouse, sizes) == [("1001", 0, None, None), ("1002", None, 1, None), ("1003", None, None, 2)]


def test_what_cannot_be_is_told_in_a_sentence(source: str, warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(warehouse, "CREATE DATABASE own_marts")
    fetch(warehouse, "CREATE TABLE own_marts.deals (mine Int64) ENGINE = MergeTree ORDER BY mine")
    assert refused(source, warehouse, "--schema", "own") == (
        "Something else has made own_marts.deals in this warehouse, and publish leaves it alone. Name another schema "
        "with --schema.\n"
    )
    for name, advice in (
        (
            "AUTHENTICATION_FAILED",
            "Correct the user in --to, or the password: in --to, or else in CLICKHOUSE_PASSWORD.",
        ),
        ("ACCESS_DENIED", "Let an administrator run GRANT CREATE, DROP, ALTER, INSERT, SELECT ON amocrm*.* TO this"),
        ("NOT_ENOUGH_SPACE", "The disk of the warehouse is full. Make room on it and publish again."),
    ):
        said = refused(source, warehouse.replace("analyst@", f"refused_{name}@"))
        assert said.startswith(f"clickhouse://refused_{name}@127.0.0.1:"), said
        assert f"({name})" in said
        assert advice in said
    wrong = refused(source, warehouse, environment={"CLICKHOUSE_PASSWORD": "wr0ngPassword"})
    assert "Correct the user in --to, or the password: in --to, or else in CLICKHOUSE_PASSWORD." in wrong
    assert "wr0ngPassword" not in wrong
    assert refused(source, "clickhouse://127.0.0.1:1") == (
        "clickhouse://127.0.0.1:1 did not take the tables: Connection refused. Start the server, or correct the host "
        "and the port in --to.\n"
    )
    for address in ("clickhouse://u:p4[ss@h", "clickhouse://u@h/name", "clickhouse://u@h?x=1", "clickhouse://"):
        assert refused(source, address) == (
            "ClickHouse is written clickhouse://user@host:8123, with the password in the environment variable "
            "CLICKHOUSE_PASSWORD; the ports 443 and 8443 are asked by TLS.\n"
        )
    monkeypatch.setitem(sys.modules, "amocrm_warehouse.publish.clickhouse_warehouse", None)
    with pytest.raises(
        ValueError, match=r"^Writing to ClickHouse needs its driver: pip install 'source-amocrm\[clickhouse\]"
    ):
        warehouse_of(warehouse)
