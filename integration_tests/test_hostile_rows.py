"""A row out of shape in the middle of a list: it comes through, or one clear error names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import NOW, Account, ManualClock, Sandbox
from sandbox.http import dumps
from source_amocrm.account.resources import EVENTS
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.command import Outcome, run
from testing.connector import messages
from testing.destination import Destination
from testing.expected.live import live_entities
from testing.sandbox_client import Client

Made = Any
LISTS = {
    # where a list is, and the streams that are made of it
    "leads": ("leads", ["deals", "custom_fields_deals"]),
    "contacts": ("contacts", ["contacts"]),
    "companies": ("companies", ["companies"]),
    "tasks": ("tasks", ["tasks"]),
    "notes": ("leads/notes", ["notes"]),
    "events": ("events", ["events", "deal_statuses"]),
}
WITH = {
    "leads": "catalog_elements,contacts,is_price_modified_by_robot,loss_reason,source,source_id",
    "contacts": "catalog_elements,leads",
    "companies": "catalog_elements,contacts,leads",
    "notes": "is_pinned",
}


def dated(value: Any) -> Callable[[dict[str, Any]], Made]:
    return lambda row: {**row, "updated_at": value, "created_at": value}


def with_(**changed: Any) -> Callable[[dict[str, Any]], Made]:
    return lambda row: {**row, **changed}


SAME: dict[str, Callable[[dict[str, Any]], Made]] = {
    # shapes that mean what the usual one means
    "numbers as text": lambda row: {
        name: str(value) if type(value) is int and name not in {"duration"} else value for name, value in row.items()
    },
    "numbers as floats": lambda row: {
        name: float(value) if type(value) is int and name != "id" else value for name, value in row.items()
    },
    "what nobody knows": with_(new={"deep": [[[[{}]]]]}, _links=[]),
    "a key twice": lambda row: dumps(row)[:-1] + b',"id":' + dumps(row["id"]) + b"}",
}
THROUGH: dict[str, Callable[[dict[str, Any]], Made]] = {
    "nulls": lambda row: {name: value if name == "id" else None for name, value in row.items()},
    "arrays": lambda row: {name: value if name == "id" else [] for name, value in row.items()},
    "objects": lambda row: {name: value if name == "id" else {} for name, value in row.items()},
    "texts": lambda row: {name: value if name == "id" else "x" for name, value in row.items()},
    "no date": dated(None),
    "date 0": dated(0),
    "a negative date": dated(-(10**10)),
    "a date after the year 9999": dated(10**12),
    "no date at all": dated("yesterday"),
    "a huge number": with_(price=10**30, sort=10**30),
    "an id beyond 2**53": with_(id=2**53 + 1),
    "_embedded as a text": with_(_embedded="x"),
    "_embedded of texts": with_(_embedded={"contacts": "x", "tags": "x", "companies": ["x"], "loss_reason": "x"}),
    "no result": with_(result=[]),
    "fields as an object": with_(custom_fields_values={"0": {"field_id": 1, "field_type": "?", "values": {}}}),
    "1 MB": with_(name="ы" * 500_000, text="ы" * 500_000, params={"text": "ы" * 500_000}),
    "deep nesting": lambda row: dumps(row)[:-1] + b',"params":' + b'{"a":' * 150 + b"1" + b"}" * 151,
    "control characters": with_(name="\x01\x1f\x7f\u2028", params={"text": "\x0b"}),
}
NAMED: dict[str, Callable[[dict[str, Any]], Made]] = {
    "no id": lambda row: {name: value for name, value in row.items() if name != "id"},
    "id null": with_(id=None),
    "an id beyond 2**63": with_(id=2**70),
    "an id that is an object": with_(id={}),
    "null": lambda _: None,
    "an array": lambda row: [row],
    "a text": lambda _: "x",
}


@pytest.fixture(scope="module")
def account() -> Account:
    account = Account.generate(seed=5, leads=15, now=NOW - 3600)
    account.clock = ManualClock()
    return account


def read_with(account: Account, name: str, make: Callable[[dict[str, Any]], Made], folder: Path) -> tuple[Any, Outcome]:
    """A read of an account whose list `name` has one row bent by `make`, and the id of that row."""
    path, streams = LISTS[name]
    account.raw = {}
    shown = Client(Sandbox(account)).rows(path, name, {"limit": 250, "with": WITH.get(name, "")})
    row = shown[len(shown) // 2]
    made = make(row)
    account.raw = {(name, row["id"]): made if isinstance(made, bytes) else dumps(made)}
    try:
        return row["id"], run(Sandbox(account), "read", folder, streams)
    finally:
        account.raw = {}


def wanted(account: Account, name: str) -> dict[Any, Any]:
    rows = [*expected.table(account, name), *expected.tombstones(account).get(name, ())]
    return comparison.by_key(name, rows)


def own_rows(stream: str, found: dict[Any, Any], own: Any) -> set[Any]:
    column = {"deals": "lead_id", "custom_fields_deals": "lead_id"}.get(stream, STREAMS[stream].primary_key[-1])
    return {key for key, row in found.items() if row[column] == own}


@pytest.mark.parametrize("name", LISTS)
def test_another_shape_with_the_same_meaning(name: str, account: Account, tmp_path: Path) -> None:
    for what, make in SAME.items():
        _, told = read_with(account, name, make, tmp_path)
        assert (told.code, told.sentences()) == (0, {}), what
        for stream in LISTS[name][1]:
            assert told.rows()[stream] == wanted(account, stream), f"{what}: {stream}"


@pytest.mark.parametrize("name", LISTS)
def test_a_row_comes_through(name: str, account: Account, tmp_path: Path) -> None:
    for what, make in THROUGH.items():
        own, told = read_with(account, name, make, tmp_path)
        assert (told.code, told.sentences()) == (0, {}), what
        for stream in LISTS[name][1]:
            found, right = told.rows()[stream], wanted(account, stream)
            bent = own_rows(stream, right, own)
            assert {key: row for key, row in found.items() if key in right.keys() - bent} == {
                key: row for key, row in right.items() if key not in bent
            }, f"{what}: {stream}"
        main = LISTS[name][1][0]
        assert len(told.rows()[main]) == len(wanted(account, main)), f"{what}: a row is missing"


@pytest.mark.parametrize("name", LISTS)
def test_a_row_without_a_key_is_named(name: str, account: Account, tmp_path: Path) -> None:
    """Its streams fail, and go on where they were once it is mended."""
    for what, make in NAMED.items():
        _, told = read_with(account, name, make, tmp_path)
        assert told.code == 1, what
        main = LISTS[name][1][0]
        sentence = told.sentences()[main]
        assert sentence.startswith("amoCRM sent "), what
        assert "report it to amoCRM support" in sentence
        assert "created_at" in sentence or "account_id" in sentence or "id" in sentence, what
        found, right = told.rows()[main], wanted(account, main)
        assert [key for key, row in found.items() if right.get(key) != row] == [], what
        if EVENTS not in STREAMS[main].inputs():
            destination = Destination()
            destination.take(told.messages)
            destination.take(messages(Sandbox(account), LISTS[name][1], destination.state()))
            mended = destination.rows[main]
            assert mended.keys() == right.keys(), what
            assert [key for key in right if comparison.difference(main, key, right[key], mended[key])] == [], what


def test_what_no_database_stores_is_replaced(account: Account, tmp_path: Path) -> None:
    own, told = read_with(account, "leads", with_(name="a\0b \ud83d c"), tmp_path)
    assert told.sentences() == {}
    assert told.rows()["deals"][(own,)]["name"] == "a\ufffdb \ufffd c"


def test_the_cards_that_are_there_come_whole_by_kind(account: Account, tmp_path: Path) -> None:
    own = min(account.tables["leads"].rows)
    account.raw = {("leads", own): b'{"id":{},"account_id":7}'}
    try:
        told = run(Sandbox(account), "read", tmp_path, ["live_entities"])
    finally:
        account.raw = {}
    assert told.code == 1
    assert "without its key entity_id (an object stands there)" in told.sentences()["live_entities"]
    right = comparison.by_key("live_entities", live_entities(account))
    assert told.rows()["live_entities"].keys() == {key for key in right if key[0] != "leads"}
