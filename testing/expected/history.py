"""Expected changes of deals and other cards, deletions and restorations, from the account's events."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.account import Account
from sandbox.store import Event

from .common import Row, compact, stamp

GONE = {f"{entity}_deleted" for entity in ("lead", "contact", "company", "customer", "task")}
BACK = {f"{entity}_restored" for entity in ("lead", "contact", "company")}


def _responsible(account: Account, entity: str, key: str) -> list[Row]:
    return [
        _change(event, key)
        | {
            "responsible_user_id_new": _of(event.value_after, "responsible_user", "id"),
            "responsible_user_id_old": _of(event.value_before, "responsible_user", "id"),
        }
        | {"account_id": account.id}
        for event in account.events
        if event.type == "entity_responsible_changed" and event.entity_type == entity
    ]


def deal_responsible_changes(account: Account) -> list[Row]:
    return _responsible(account, "lead", "lead_id")


def contact_responsible_changes(account: Account) -> list[Row]:
    return _responsible(account, "contact", "contact_id")


def company_responsible_changes(account: Account) -> list[Row]:
    return _responsible(account, "company", "company_id")


def customer_responsible_changes(account: Account) -> list[Row]:
    return _responsible(account, "customer", "customer_id")


def deal_sale_changes(account: Account) -> list[Row]:
    return [
        _change(event, "lead_id")
        | {
            "sale_new": _of(event.value_after, "sale_field_value", "sale"),
            "sale_old": _of(event.value_before, "sale_field_value", "sale"),
        }
        | {"account_id": account.id}
        for event in account.events
        if event.type == "sale_field_changed"
    ]


def _fields(account: Account, entity: str, key: str) -> list[Row]:
    rows = []
    for event in account.events:
        if not re.fullmatch(r"custom_field_(\d+_)?value_changed", event.type) or event.entity_type != entity:
            continue
        new, old = ([v["custom_field_value"] for v in side] for side in (event.value_after, event.value_before))
        for field in {value["field_id"] for value in (*new, *old)} or {int(event.type.split("_")[2])}:
            kinds = [value["field_type"] for value in (*new, *old)]
            rows.append(
                _change(event, key)
                | {
                    "custom_field_id": field,
                    "field_type": kinds[0] if kinds else None,
                    "value_new": _text(new),
                    "value_old": _text(old),
                    "enums_new": [value["enum_id"] for value in new if value["enum_id"] is not None],
                    "enums_old": [value["enum_id"] for value in old if value["enum_id"] is not None],
                }
                | {"account_id": account.id}
            )
    return rows


def deal_field_changes(account: Account) -> list[Row]:
    return _fields(account, "lead", "lead_id")


def contact_field_changes(account: Account) -> list[Row]:
    return _fields(account, "contact", "contact_id")


def company_field_changes(account: Account) -> list[Row]:
    return _fields(account, "company", "company_id")


def customer_field_changes(account: Account) -> list[Row]:
    return _fields(account, "customer", "customer_id")


def _text(values: list[Any]) -> str | None:
    texts = [value["text"] for value in values]
    return None if not texts else texts[0] if len(texts) == 1 else compact(texts)


def _of(side: list[Any], shape: str, name: str) -> Any:
    """Returns one value of an event's value_after or value_before. The latter may be empty."""
    return side[0][shape][name] if side else None


def _change(event: Event, key: str) -> Row:
    return {
        "event_id": event.id,
        key: event.entity_id,
        "created_by": event.created_by,
        "created_at": stamp(event.created_at),
    }


def deleted_entities(account: Account) -> list[Row]:
    return [
        {
            "event_id": event.id,
            "entity_id": entity_id,
            "entity_type": entity,
            "parent_type": event.entity_type if entity == "note" else None,
            "parent_id": event.entity_id if entity == "note" else None,
            "created_by": event.created_by,
            "created_at": stamp(event.created_at),
            "deleted_at": None if event.type in BACK else stamp(event.created_at),
            "restored_at": stamp(event.created_at) if event.type in BACK else None,
            "account_id": account.id,
        }
        for event in account.events
        for entity, entity_id in _gone(event)
    ]


def _gone(event: Event) -> list[tuple[str, int]]:
    if event.type == "common_note_deleted":
        return [("note", value["note"]["id"]) for value in (*event.value_after, *event.value_before)]
    return [(event.entity_type, event.entity_id)] if event.type in GONE | BACK else []


KEYS_OF: dict[Callable[[Account], list[Row]], tuple[str, ...]] = {
    **dict.fromkeys(
        (
            deal_responsible_changes,
            contact_responsible_changes,
            company_responsible_changes,
            customer_responsible_changes,
            deal_sale_changes,
        ),
        ("event_id",),
    ),
    **dict.fromkeys(
        (deal_field_changes, contact_field_changes, company_field_changes, customer_field_changes),
        ("event_id", "custom_field_id"),
    ),
    deleted_entities: ("event_id", "entity_id"),
}
