"""Where a destination's tables differ from the account, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from . import expected
from .destination import Own, Row
from .sandbox import Account

Rows = Mapping[str, Mapping[Own, Row]]
Card = tuple[str, int]
"""List and id: ("leads", 20000001)."""

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
"""Tables of what a card holds: the card's table, its key there and here, and the column that has the card's date."""
UNSHOWN = {
    # What neither a cursor nor an event shows when it changes later; the documentation says so.
    "deals": {"closest_task_at", "loss_reason_name"},
    "contacts": {"closest_task_at", "company_name"},
    "companies": {"closest_task_at"},
    "customers": {"closest_task_at"},
    "deal_statuses": {"loss_reason_id"},
    "account": {"drive_url"},  # wherever the sandbox happens to be served
}


def by_key(name: str, rows: list[Row]) -> dict[Own, Row]:
    return {tuple(row[column] for column in expected.KEYS[name]): row for row in rows}


def problems(
    account: Account, tables: Rows, antedated: Collection[Card] = (), streams: Collection[str] = expected.KEYS
) -> list[str]:
    """Empty when the tables of `streams`, filled by syncs while people worked, hold what the account holds.

    The victims of merges may still be there. `antedated`: cards that somebody gave an updated_at of the past; they
    may be old, or not there at all.
    """
    found: list[str] = []
    hidden = {name: set(ids) for name, ids in expected.merged(account).items()}
    for name, rows in expected.tables(account, streams).items():
        wanted: Mapping[Own, Row] = by_key(name, rows)
        got = tables.get(name, {})
        card = CARDS.get(PARTS[name][0] if name in PARTS else name)
        if name in PARTS:
            stale = {own for kind, own in antedated if kind == card} | hidden[PARTS[name][0]]
            wanted, got = _undated(name, wanted, stale), _undated(name, current(name, tables), stale)
        for own, row in wanted.items():
            if (card, own[0]) not in antedated:
                found += difference(name, own, row, got.get(own))
        for own, row in got.items():
            kept = name in PARTS and _undated_removal(account, name)
            merged = name in hidden and own[0] in hidden[name]
            gone = name in DELETABLE and row["is_deleted"]
            if own not in wanted and not merged and not gone and not kept:
                found.append(f"{name} {own}: not in the account, yet {row}")
    return found


def _undated_removal(account: Account, name: str) -> bool:
    """Whether what a card no longer has may look current, for it went without a new date; the documentation says so."""
    switches = account.switches
    return not name.startswith("custom_fields") and not (switches.tags_bump and switches.links_bump)


def current(name: str, tables: Rows) -> dict[Own, Row]:
    """The rows of a table of parts that the documented condition calls current."""
    table, key, date = PARTS[name]
    cards = tables.get(table, {})
    return {
        own: row
        for own, row in tables.get(name, {}).items()
        if (card := cards.get((row[key],))) and row[date] == card["updated_at"] and not card["is_deleted"]
    }


def _undated(name: str, rows: Mapping[Own, Row], stale: Collection[int]) -> dict[Own, Row]:
    """Parts without the date of their card, which is compared with the card's own."""
    _, key, date = PARTS[name]
    return {
        own: {column: value for column, value in row.items() if column != date}
        for own, row in rows.items()
        if row[key] not in stale
    }


def difference(name: str, own: Own, row: Row, got: Row | None) -> list[str]:
    """Where a row differs from the one that is wanted, as far as syncs can know."""
    if got is None:
        return [f"{name} {own}: missing"]
    ignored = set(UNSHOWN.get(name, ()))
    if name in DELETABLE and got["updated_at"] > row["updated_at"]:
        ignored |= {"updated_at", "date"}  # a row that came back is dated no earlier than that
    wrong: dict[str, tuple[Any, Any]] = {
        column: (got.get(column), value)
        for column, value in row.items()
        if column not in ignored and got.get(column) != value
    }
    return [f"{name} {own}: (got, wanted) {wrong}"] if wrong else []
