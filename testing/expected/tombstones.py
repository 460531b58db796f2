"""Expected rows of deleted entities: the key, the account, by whom and when; other columns are empty."""

from __future__ import annotations

from sandbox.account import Account
from sandbox.account_data import Gone

from .activity import ELEMENT_TYPES
from .common import Row, stamp

# by kind of row: the table, its key, and its columns of lists of numbers or texts
CARDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "leads": ("deals", "lead_id", ("contacts",)),
    "contacts": ("contacts", "contact_id", ("leads", "customers", "phones", "emails", "communication_ids")),
    "companies": ("companies", "company_id", ("contacts", "leads", "customers")),
    "customers": ("customers", "customer_id", ("contacts", "segments")),
    "tasks": ("tasks", "task_id", ()),
}


def buried(account: Account) -> dict[str, list[Row]]:
    """Returns the tombstones, without the moments of their readings."""
    found: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    for gone in account.gone.values():
        if gone.how == "merge":
            continue
        if gone.kind in CARDS:
            table, key, arrays = CARDS[gone.kind]
            found[table].append(_card(table, key, arrays, gone))
        elif gone.kind.endswith("/notes") and gone.row["note_type"] == "common":
            found["notes"].append(_note(gone))
    return found


def _times(gone: Gone) -> Row:
    """Returns the columns of a deletion. Its time is never older than the row that it replaces."""
    moment = stamp(max(gone.at, gone.row["updated_at"]))
    return {"updated_by": gone.by, "updated_at": moment, "account_id": gone.row["account_id"], "is_deleted": True}


def _card(table: str, key: str, arrays: tuple[str, ...], gone: Gone) -> Row:
    columns: Row = dict.fromkeys(COLUMNS[table])
    times = _times(gone)
    date = {"date": times["updated_at"]} if "date" in columns else {}
    return {**columns, **{name: [] for name in arrays}, key: gone.id, **times, **date}


def _note(gone: Gone) -> Row:
    element_type = ELEMENT_TYPES[gone.kind.partition("/")[0]]
    return {**dict.fromkeys(COLUMNS["notes"]), "note_id": gone.id, "element_type": element_type, **_times(gone)}


COLUMNS: dict[str, tuple[str, ...]] = {
    "deals": (
        "lead_id", "name", "responsible_user_id", "created_by", "updated_by", "account_id", "pipeline_id",
        "status_id", "main_contact", "group_id", "company", "contacts", "loss_reason_id", "loss_reason_name",
        "sale", "date", "created_at", "updated_at", "closed_at", "closest_task_at", "tags", "custom_fields",
        "is_deleted", "source_id", "source_name", "score", "labor_cost", "is_price_modified_by_robot",
        "catalog_elements", "is_price_computed", "source_external_id", "source_type",
    ),
    "contacts": (
        "contact_id", "first_name", "last_name", "name", "responsible_user_id", "created_by", "updated_by",
        "account_id", "group_id", "company", "company_name", "leads", "customers", "date", "created_at",
        "updated_at", "closest_task_at", "tags", "custom_fields", "phones", "emails", "communication_ids",
        "is_deleted", "is_unsorted", "catalog_elements",
    ),
    "companies": (
        "company_id", "name", "responsible_user_id", "created_by", "updated_by", "account_id", "group_id",
        "contacts", "leads", "customers", "date", "created_at", "updated_at", "closest_task_at", "tags",
        "custom_fields", "is_deleted", "catalog_elements",
    ),
    "customers": (
        "customer_id", "name", "responsible_user_id", "status_id", "created_by", "updated_by", "account_id",
        "next_price", "next_date", "periodicity", "ltv", "purchases_count", "average_check", "main_contact",
        "contacts", "company", "segments", "created_at", "updated_at", "closest_task_at", "tags", "custom_fields",
        "catalog_elements", "is_deleted",
    ),
    "tasks": (
        "task_id", "element_id", "element_type", "responsible_user_id", "group_id", "created_by", "created_at",
        "updated_at", "complete_till_at", "task_type", "is_completed", "text", "result", "updated_by",
        "account_id", "duration", "is_deleted",
    ),
    "notes": (
        "note_id", "note_type", "element_id", "element_type", "responsible_user_id", "group_id", "created_by",
        "created_at", "updated_at", "is_editable", "attachment", "text", "params", "updated_by", "account_id",
        "is_deleted", "is_pinned", "file_uuid",
    ),
}  # fmt: skip
