"""Rows of deleted elements."""

from __future__ import annotations

import pytest

from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams import schema
from source_amocrm.streams.record import RowError
from source_amocrm.walk import Deletion
from testing.offline import stream
from testing.row_functions import tombstone
from testing.sample_files import sample

WHEN = "2021-03-09T12:20:20Z"
PEOPLE = [
    ("deals", "lead_id", ["contacts"]),
    (
        "contacts",
        "contact_id",
        ["leads", "customers", "phones", "emails", "communication_ids"],
    ),
    ("companies", "company_id", ["contacts", "leads", "customers"]),
]


@pytest.mark.parametrize(("table", "key", "arrays"), PEOPLE)
def test_of_an_element_with_a_date(table: str, key: str, arrays: list[str]) -> None:
    row = tombstone(table, key, 2602691, 29324491, 6795397, 1615292420)
    columns = list(schema.load(table)["properties"])
    assert list(row) == columns
    assert row == dict.fromkeys(columns) | {name: [] for name in arrays} | {
        key: 2602691,
        "account_id": 29324491,
        "updated_by": 6795397,
        "updated_at": WHEN,
        "date": WHEN,
        "is_deleted": True,
    }


def test_of_a_task() -> None:
    assert tombstone("tasks", "task_id", 7, 8, 0, 1615292420) == {
        "task_id": 7,
        "element_id": None,
        "element_type": None,
        "responsible_user_id": None,
        "group_id": None,
        "created_by": None,
        "created_at": None,
        "updated_at": WHEN,
        "complete_till_at": None,
        "task_type": None,
        "is_completed": None,
        "text": None,
        "result": None,
        "updated_by": 0,
        "account_id": 8,
        "duration": None,
        "is_deleted": True,
    }


def test_of_a_note() -> None:
    gone = Deletion(7, 1615292420, None, 8)
    row = stream("notes").tombstone(gone, Context("customers"))  # type: ignore[attr-defined]
    assert row == {
        "note_id": 7,
        "note_type": None,
        "element_id": None,
        "element_type": 12,
        "responsible_user_id": None,
        "group_id": None,
        "created_by": None,
        "created_at": None,
        "updated_at": WHEN,
        "is_editable": None,
        "attachment": None,
        "text": None,
        "params": None,
        "updated_by": None,
        "account_id": 8,
        "is_deleted": True,
        "is_pinned": None,
        "file_uuid": None,
    }


def test_of_the_documented_skeleton() -> None:
    skeleton = sample("lead_only_deleted_item")
    row = tombstone("deals", "lead_id", *(skeleton[name] for name in ("id", "account_id", "updated_by", "updated_at")))
    known = {name: value for name, value in row.items() if value is not None and value != []}
    assert known == {
        "lead_id": 2602691,
        "updated_by": 6795397,
        "account_id": 29324491,
        "date": WHEN,
        "updated_at": WHEN,
        "is_deleted": True,
    }


def test_each_has_its_own_arrays() -> None:
    tombstone("deals", "lead_id", 1, 2, 3, 4)["contacts"].append(5)
    assert tombstone("deals", "lead_id", 1, 2, 3, 4)["contacts"] == []


def test_without_an_id() -> None:
    with pytest.raises(RowError, match=r"table tasks without its key task_id .* updated_at 1615292420\."):
        tombstone("tasks", "task_id", None, 8, 0, 1615292420)
