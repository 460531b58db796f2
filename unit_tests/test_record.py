"""Rows made by the table's schema: every field of amoCRM's record is delivered, by its name and type."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.streams import schema
from source_amocrm.streams.record import RowError
from testing.record_cases import CASES
from testing.row_functions import row as made
from testing.sample_files import sample

RENAMED = {"custom_fields_values": "custom_fields", "default": "is_default", "disabled": "is_disabled"}
OWN_TABLES = {"users_groups", "task_types", "statuses", "customer"}
"""What a record embeds and another table or column holds."""
RECORDS = {case: parts for case, parts in CASES.items() if case not in ("element_fields", "customer_tombstone")}


@pytest.mark.parametrize("case", RECORDS)
def test_every_field_of_the_record_is_delivered(case: str) -> None:
    table, record, make = CASES[case]
    [row] = make(record)
    assert list(row) == list(schema.load(table)["properties"])
    fields = {**record, **record.get("_embedded", {})}
    renamed = {"event_type": {"key": "code", "type": "event_type_id", "lang": "name"}}.get(case, RENAMED)
    ids = {"id", "uid", "uuid"}
    missing = {
        name
        for name in fields
        if name not in ("_links", "_embedded") and renamed.get(name, name) not in row and name not in OWN_TABLES
    }
    assert missing <= ids
    assert next(fields[name] for name in ("id", "uid", "talk_id", "key", "uuid") if name in fields) in row.values()


def test_a_customer() -> None:
    assert CASES["customer"][2](CASES["customer"][1]) == [
        {
            "customer_id": 1,
            "name": "1",
            "responsible_user_id": 504141,
            "status_id": 4740028,
            "created_by": 504141,
            "updated_by": 504141,
            "account_id": 28805383,
            "next_price": 214,
            "next_date": "2020-05-09T21:00:00Z",
            "periodicity": 0,
            "ltv": 1231454,
            "purchases_count": 11,
            "average_check": 111950,
            "main_contact": 9820781,
            "contacts": [7143559, 9820781],
            "company": None,
            "segments": [43, 45, 47, 51],
            "created_at": "2020-02-19T13:02:45Z",
            "updated_at": "2020-05-16T17:46:27Z",
            "closest_task_at": None,
            "tags": [],
            "custom_fields": [],
            "catalog_elements": None,
            "is_deleted": False,
            "read_at": None,
        }
    ]


def test_a_transaction_tells_what_was_bought() -> None:
    row = made("customer_transactions", CASES["customer_transaction"][1])
    assert row["catalog_elements"] == [{"id": 1677, "metadata": {"catalog_id": 1079, "quantity": 10}}]
    assert (row["price"], row["completed_at"], row["is_deleted"]) == (123, "2020-06-01T10:05:00Z", False)


def test_amounts_with_minor_units() -> None:
    customer = made("customers", sample("customer_with_minor_units"))
    assert {name: customer[name] for name in ("next_price", "ltv", "average_check")} == {
        "next_price": 200.75,
        "ltv": 100,
        "average_check": 100,
    }
    bought = made("customer_transactions", sample("transaction_with_minor_units"))
    assert (bought["price"], bought["customer_id"]) == (200.75, 7)
    for table, name, column in (
        ("customers", "next_price", "next_price"),
        ("customer_transactions", "price", "price"),
    ):
        for beside in ({}, {f"{name}_with_minor_units": 0}, {f"{name}_with_minor_units": None}):
            assert made(table, {"id": 1, name: 200, **beside})[column] == 200


def test_the_items_of_an_invoice() -> None:
    [value] = sample("custom_field_value_shapes", "items", "doc_write")
    fields = [
        {"field_id": 1, "field_type": "items", "values": [value, value]},
        {"field_id": 2, "field_type": "text", "values": [{"value": "x"}]},
    ]
    row = made("catalog_elements", {"id": 5, "is_deleted": None, "custom_fields_values": fields}, "catalogs", 7)
    assert row["items"] == [value["value"], value["value"]]
    assert (row["catalog_id"], row["is_deleted"], row["custom_fields"]) == (7, False, fields)
    assert made("catalog_elements", {"id": 5, "custom_fields_values": None}, "catalogs", 7)["items"] == []


def test_the_account_without_what_was_not_asked_for() -> None:
    row = made("account", {"id": 1, "name": "x"})
    assert {name for name, value in row.items() if value is not None} == {"account_id", "name"}


def test_a_group_of_fields_that_are_no_catalogs_stands_under_catalog_0() -> None:
    row = made("custom_field_groups", CASES["custom_field_group"][1], "leads")
    assert (row["entity_type"], row["catalog_id"], row["custom_field_group_id"]) == ("leads", 0, "default")


def test_a_file() -> None:
    record = CASES["file"][1]
    known = {**record, "id": 7, "deleted_at": 1671871034, "deleted_by": {"type": "external", "id": -1}}
    assert CASES["file"][2](known) == [
        {
            "file_uuid": "26ec7266-d953-433b-8bc5-737eb70da87a",
            "file_id": 7,
            "version_uuid": "0244c437-1637-4cdf-887a-e574f55eb114",
            "has_multiple_versions": False,
            "name": "8Z5PQ3D7wbS6Doz-svQ0zYdWXeTq8HqfSQzjM-aDY2cI5uM3wcRZ0dD8nLV8TUcX",
            "sanitized_name": "8Z5PQ3D7wbS6Doz-svQ0zYdWXeTq8HqfSQzjM-aDY2cI5uM3wcRZ0dD8nLV8TUcX",
            "type": "image",
            "extension": "jpg",
            "mime_type": "image/jpeg",
            "size": 38635,
            "metadata": {"extension": "jpg", "mime_type": "image/jpeg"},
            "previews": None,
            "source_id": None,
            "created_by": 7758337,
            "created_by_type": "internal",
            "updated_by": 7758337,
            "updated_by_type": "internal",
            "created_at": "2022-12-24T08:37:13Z",
            "updated_at": "2022-12-24T08:37:13Z",
            "is_trashed": False,
            "deleted_at": "2022-12-24T08:37:14Z",
            "deleted_by": -1,
            "deleted_by_type": "external",
        }
    ]


def test_texts_and_links() -> None:
    assert made("webhooks", {"id": 1, "settings": ["add_task", 5, None]})["settings"] == ["add_task", "5"]
    linked: dict[str, Any] = {"leads": [{"id": 3, "_links": {}}], "contacts": []}
    row = made("unsorted", {"uid": "a1", "metadata": {"from": "7", "_links": {}}, "_embedded": linked})
    assert (row["leads"], row["contacts"], row["companies"], row["metadata"]) == ([3], [], [], {"from": "7"})


@pytest.mark.parametrize("case", CASES)
def test_a_record_without_its_key_is_told_by_its_table(case: str) -> None:
    table, _, make = CASES[case]
    records: tuple[Any, ...] = ({}, None, [1], "text")
    for record in records:
        with pytest.raises(RowError, match=f"table {table}"):
            make(record)
