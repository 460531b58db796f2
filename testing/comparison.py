"""Compares a destination's tables with the account and describes the differences."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sandbox import Account
from source_amocrm.streams import schema

from . import expected
from .destination import Key, Row

Rows = Mapping[str, Mapping[Key, Row]]
Card = tuple[str, int]
"""A card's list and id: ("leads", 20000001)."""

DELETABLE = ("deals", "contacts", "companies", "customers", "tasks", "notes")
CARDS = {"deals": "leads", "contacts": "contacts", "companies": "companies", "customers": "customers"}
PARTS = {
    **dict.fromkeys(
        ("custom_fields_deals", "deal_contacts", "deal_companies", "deal_tags", "deal_catalog_elements"),
        ("deals", "lead_id", "lead_updated_at"),
    ),
    **dict.fromkeys(
        ("custom_fields_contacts", "contact_companies", "contact_tags"),
        ("contacts", "contact_id", "contact_updated_at"),
    ),
    **dict.fromkeys(
        ("custom_fields_companies", "company_tags"),
        ("companies", "company_id", "company_updated_at"),
    ),
    **dict.fromkeys(
        ("custom_fields_customers", "customer_contacts", "customer_tags"),
        ("customers", "customer_id", "customer_updated_at"),
    ),
}
"""Tables of a card's parts. Of each, the card's table, the column of the card's id, and that of the card's date."""
OF_CONTACTS = ("custom_fields_contacts", "contact_field_changes")
UNSHOWN = {
    # columns whose later changes neither a cursor nor an event shows, as the documentation says
    "deals": {"closest_task_at", "loss_reason_name"},
    "contacts": {"closest_task_at", "company_name"},
    "companies": {"closest_task_at"},
    "customers": {"closest_task_at"},
    "deal_statuses": {"loss_reason_id"},
    "account": {"drive_url"},  # wherever the sandbox happens to be served
}


def by_key(name: str, rows: list[Row]) -> dict[Key, Row]:
    return {tuple(row[column] for column in expected.KEYS[name]): row for row in rows}


def problems(
    account: Account,
    tables: Rows,
    antedated: Collection[Card] = (),
    streams: Collection[str] = expected.KEYS,
    *,
    forgets: bool = False,
) -> list[str]:
    """Returns the differences between the tables of `streams` and the account, none if the tables are exact.

    Victims of merges may still be in the tables, and notes and tasks that are hidden with their card. `antedated`:
    cards whose updated_at somebody set to a past time, which may be outdated or missing. `forgets`: whether the tables
    are those of a sync, which empties what tells of contacts that were deleted long ago.
    """
    found: list[str] = []
    long_gone = left_the_trash(account) if forgets else set()
    hidden = {name: set(ids) for name, ids in expected.merged(account).items()}
    unseen = {(name == "tasks", row["id"]) for rows in account.hidden_activity.values() for name, row in rows}
    for name, rows in expected.tables(account, streams).items():
        wanted: Mapping[Key, Row] = by_key(name, rows)
        got = tables.get(name, {})
        card = CARDS.get(PARTS[name][0] if name in PARTS else name)
        if name in PARTS:
            stale = {key for kind, key in antedated if kind == card} | hidden[PARTS[name][0]]
            wanted, got = _undated(name, wanted, stale), _undated(name, current(name, tables), stale)
        for key, row in wanted.items():
            if (card, key[0]) not in antedated:
                emptied = dict.fromkeys(personal(name)) if people(name, row) & long_gone else {}
                found += difference(name, key, row | emptied, got.get(key))
        for key, row in got.items():
            merged = name in hidden and key[0] in hidden[name]
            gone = name in DELETABLE and row["is_deleted"]
            is_hidden = (name == "tasks", row.get("task_id", row.get("note_id"))) in unseen
            if key not in wanted and not merged and not gone and not is_hidden:
                found.append(f"{name} {key}: not in the account, yet {row}")
    return found


def left_the_trash(account: Account) -> set[int]:
    """Returns the contacts that were deleted more than thirty days ago."""
    then = account.clock.now() - 30 * 86_400
    deleted = (
        gone for (kind, _), gone in account.gone.items() if kind == "contacts" and gone.how in ("trash", "purge")
    )
    return {gone.id for gone in deleted if gone.at < then}


def personal(name: str) -> list[str]:
    """Returns the columns that hold personal data, and the options of a contact's fields."""
    options = ("enum", "enum_code", "enums_new", "enums_old") if name in OF_CONTACTS else ()
    return [one.name for one in schema.columns(name) if one.personal or one.name in options]


def people(name: str, row: Row) -> set[int]:
    """Returns the contacts that a row tells of."""
    if name in OF_CONTACTS:
        return {row["contact_id"]}
    found = {row.get("talk_contact_id"), row.get("linked_talk_contact_id")}
    if row.get("element_type") == 1:
        found.add(row["element_id"])
    if row.get("entity_type") == "contact" and name == "events":
        found.add(row["entity_id"])
    return {one for one in found if one is not None}


def current(name: str, tables: Rows) -> dict[Key, Row]:
    """Returns the rows of a table of parts that are current by the documented condition."""
    table, card_id, _ = PARTS[name]
    cards = tables.get(table, {})
    return {
        key: row
        for key, row in tables.get(name, {}).items()
        if (card := cards.get((row[card_id],))) and str(row["read_at"]) == str(card["read_at"])
    }


def _undated(name: str, rows: Mapping[Key, Row], stale: Collection[int]) -> dict[Key, Row]:
    """Drops the column of the card's date, and the rows of `stale` cards."""
    _, card_id, date = PARTS[name]
    return {
        key: {column: value for column, value in row.items() if column != date}
        for key, row in rows.items()
        if row[card_id] not in stale
    }


def difference(name: str, key: Key, row: Row, got: Row | None) -> list[str]:
    """Returns the difference between a row and the wanted one, in the columns that a sync can keep exact."""
    if got is None:
        return [f"{name} {key}: missing"]
    ignored = set(UNSHOWN.get(name, ()))
    if name in DELETABLE and got["updated_at"] > row["updated_at"]:
        ignored |= {"updated_at", "date"}  # a restored row is dated no earlier than its return
    wrong: dict[str, tuple[Any, Any]] = {
        column: (got.get(column), value)
        for column, value in row.items()
        if column not in ignored and got.get(column) != value
    }
    return [f"{name} {key}: (got, wanted) {wrong}"] if wrong else []
