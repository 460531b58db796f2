"""Expected histories of cards: the values of their fields, each with its period."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from .. import Row
from .deals import began, budgets, names, owners, stages
from .known import Known, amount, at, grouped

CARDS = {
    "deal": ("deals", "lead_id", None), "contact": ("contacts", "contact_id", "contact_responsible_changes"),
    "company": ("companies", "company_id", "company_responsible_changes"),
    "customer": ("customers", "customer_id", "customer_responsible_changes"),
}  # fmt: skip
"""By kind of card: its table, its key, and its table of responsible users unless another mart has their history."""
FIELDS = {
    "deal": ("custom_fields_deals", "deal_field_changes"),
    "contact": ("custom_fields_contacts", "contact_field_changes"),
    "company": ("custom_fields_companies", "company_field_changes"),
    "customer": ("custom_fields_customers", "customer_field_changes"),
}  # fmt: skip
Change = tuple[datetime, Any, Any]
"""The time of a change, the old value and the new value."""
Span = tuple[datetime | None, datetime | None, Any]


def spans(card: Row, changes: list[Change], present: Any, is_complete: bool) -> Iterator[Span]:
    """Yields the values of a card's field with their periods.

    `is_complete`: whether changes were read, so that a value without changes is known to be as old as the card.
    """
    created = card["created"]
    before: Change | None = None
    for change in changes:
        moment, old, _ = change
        yield (before[0] if before else created and min(created, moment), moment, before[2] if before else old)
        before = change
    since = before[0] if before else created if is_complete else None
    if present is not None:
        yield since, None, present
    elif before:
        yield since, card["changed"] if card["changed"] >= before[0] else None, before[2]


def entity_history(known: Known) -> list[Row]:
    """Returns the rows of the mart, in which the value of a budget is a number."""
    named, rows = names(known), []

    def as_text(field: str, value: Any) -> Any:
        if field == "stage":
            return named.get(value, (None, None))[1] or f"#{value[1]}"
        if field == "responsible":
            return known.user(value)
        return amount(value) if field == "budget" else str(value)

    gone = {
        (entity, card["id"]): card["gone"]
        for entity, (table, key, _) in CARDS.items()
        for card in _cards(known, entity, table, key)
    }
    for entity, card_id, field, custom_field, found in _every_field(known):
        end = gone[entity, card_id]
        for begun, until, value in found:
            ended = min((moment for moment in (until, end) if moment is not None), default=None)
            if value is None or value == "" or (begun is not None and ended is not None and begun >= ended):
                continue
            pipeline, value_id = value if field == "stage" else (None, value if field == "responsible" else None)
            rows.append({
                "entity_type": entity,
                "entity_id": card_id,
                "field": field,
                "custom_field_id": custom_field,
                "field_name": known.fields.get((entity, custom_field or 0), {}).get("name"),
                "pipeline_id": pipeline,
                "value_id": value_id,
                "value": as_text(field, value),
                "valid_from": begun,
                "valid_to": ended,
                "is_current": ended is None,
            })  # fmt: skip
    return rows


def _every_field(known: Known) -> Iterator[tuple[str, int, str, int | None, list[Span]]]:
    """Yields the history of each field of each card. Stages, owners and budgets of deals come from other marts."""
    for field, history in (("stage", stages), ("responsible", owners), ("budget", budgets)):
        for card_id, found in history(known).items():
            yield "deal", card_id, field, None, found
    has_events = known.has_history("events")
    events = [row for row in known.all("events") if row["type"] == "name_field_changed"]
    for entity, (table, key, responsible) in CARDS.items():
        named = grouped((e for e in events if e["entity_type"] == ("lead" if entity == "deal" else entity)), _of_event)
        changed = _by_card(known, responsible, key) if responsible else {}
        filled = [_by_card(known, name, key) for name in FIELDS.get(entity, ())]
        for card in _cards(known, entity, table, key):
            card_id = card["id"]
            renamed = [_name(event) for event in _in_order(named.get((card_id,), []))]
            present = card["name"] or None
            yield entity, card_id, "name", None, list(spans(card, renamed, present, known.has_history("events")))
            if responsible:
                people = [
                    (_at(row), row["responsible_user_id_old"], row["responsible_user_id_new"])
                    for row in _in_order(changed.get((card_id,), []))
                ]
                is_complete = has_events and known.was_read(responsible)
                yield entity, card_id, "responsible", None, list(spans(card, people, card["responsible"], is_complete))
            if entity in FIELDS:
                yield from _own_fields(known, entity, card, *(rows.get((card_id,), []) for rows in filled))


def _own_fields(
    known: Known, entity: str, card: Row, values: list[Row], changes: list[Row]
) -> Iterator[tuple[str, int, str, int, list[Span]]]:
    is_complete = known.has_history("events") and known.was_read(FIELDS[entity][1])
    for field in sorted({row["custom_field_id"] for row in (*values, *changes)}):
        filled = [row for row in values if row["custom_field_id"] == field and row["value"]]
        present = (
            ", ".join(row["value"] for row in sorted(filled, key=lambda row: row["value_index"])) if filled else None
        )
        kind = known.fields.get((entity, field), {}).get("type", "text")
        changed = [
            (_at(row), as_the_card(row["value_old"], kind, known), as_the_card(row["value_new"], kind, known))
            for row in _in_order([row for row in changes if row["custom_field_id"] == field])
        ]
        yield entity, card["id"], "custom_field", field, list(spans(card, changed, present, is_complete))


def as_the_card(value: str | None, kind: str, known: Known) -> str | None:
    """Converts a value of an event to the form of the card's field."""
    lists = ("multiselect", "multitext", "smart_address", "chained_list", "items", "file")
    if value is None:
        return None
    if kind == "checkbox":
        return {"1": "true", "0": "false"}.get(value, value)
    if kind in lists and value.startswith('["'):
        return ", ".join(json.loads(value))
    if kind in ("date", "birthday", "date_time") and value.lstrip("-").isdecimal():
        moment = datetime.fromtimestamp(int(value), timezone.utc)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if kind == "date_time" else f"{moment.astimezone(known.zone):%Y-%m-%d}"
    return value


def _cards(known: Known, entity: str, table: str, key: str) -> Iterator[Row]:
    starts, deletions = began(known), known.deleted()
    for row in known.all(table):
        event = deletions.get((entity, row[key])) if entity != "customer" else None
        gone = event["deleted_at"] if event else row["updated_at"] if row["is_deleted"] else None
        yield {
            "id": row[key],
            "name": row["name"],
            "responsible": row["responsible_user_id"],
            "created": starts[row[key]] if entity == "deal" else at(row["created_at"]),
            "changed": at(row["updated_at"]),
            "gone": at(gone),
        }


def _by_card(known: Known, table: str, key: str) -> dict[tuple[Any, ...], list[Row]]:
    return grouped(known.all(table), lambda row: (row[key],))


def _in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["created_at"], row["event_id"]))


def _of_event(event: Row) -> tuple[Any, ...]:
    return (event["entity_id"],)


def _name(event: Row) -> Change:
    old, new = (
        event[side][0]["name_field_value"]["name"] if event[side] else None for side in ("value_before", "value_after")
    )
    return _at(event), old, new


def _at(row: Row) -> datetime:
    moment = at(row["created_at"])
    assert moment is not None
    return moment
