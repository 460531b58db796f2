"""Rows of what was deleted in amoCRM: the key, who, when, `is_deleted`; everything else is no longer known.

`updated_at` is the second of the deletion, so the row wins over every earlier one with its key.
"""

from __future__ import annotations

from source_amocrm.streams import schema
from source_amocrm.streams.rows.activity import ELEMENT_TYPE
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row


def deal(lead_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    """The tombstone of a deal; `updated_at` in unix seconds. Raises RowError without an id, as all here."""
    return _tombstone("deals", "lead_id", lead_id, account_id, updated_by, updated_at)


def contact(contact_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    """The tombstone of a contact."""
    return _tombstone("contacts", "contact_id", contact_id, account_id, updated_by, updated_at)


def company(company_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    """The tombstone of a company."""
    return _tombstone("companies", "company_id", company_id, account_id, updated_by, updated_at)


def customer(customer_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    """The tombstone of a customer."""
    return _tombstone("customers", "customer_id", customer_id, account_id, updated_by, updated_at)


def task(task_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    """The tombstone of a task."""
    return _tombstone("tasks", "task_id", task_id, account_id, updated_by, updated_at)


def note(note_id: Json, account_id: Json, updated_by: Json, updated_at: Json, entity: str) -> Row:
    """The tombstone of a note from the list of `entity`, a key of ELEMENT_TYPE."""
    row = _tombstone("notes", "note_id", note_id, account_id, updated_by, updated_at)
    row["element_type"] = ELEMENT_TYPE[entity]
    return row


def _tombstone(table: str, key: str, element_id: Json, account_id: Json, updated_by: Json, updated_at: Json) -> Row:
    to, row = _TABLES[table], schema.blank_row(table)
    row[key] = to.integer_key({"id": element_id, "updated_at": updated_at}, "id", key)
    row["account_id"] = to.integer(account_id, "account_id")
    row["updated_by"] = to.integer(updated_by, "updated_by")
    row["updated_at"] = to.timestamp(updated_at, "updated_at")
    row["is_deleted"] = True
    if "date" in row:
        row["date"] = row["updated_at"]
    return row


_TABLES = {name: Coercion(name) for name in ("deals", "contacts", "companies", "customers", "tasks", "notes")}
