"""Rows of the history that only events tell: who was responsible, for how much, each field's values, deletions."""

from __future__ import annotations

from typing import Any

from source_amocrm.account.event_kinds import (
    DELETED,
    FIELD,
    FIELD_CHANGED,
    NOTE_DELETED,
    RESPONSIBLE_CHANGED,
    RESTORED,
    SALE_CHANGED,
)
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, as_list, child, compact_json, given

_RESPONSIBLE = Coercion("deal_responsible_changes")
_SALE = Coercion("deal_sale_changes")
_FIELDS = Coercion("deal_field_changes")
_DELETED = Coercion("deleted_entities")


def responsible_change(event: Json) -> list[Row]:
    """The row of an event that gave a deal to another user; none of any other event. Raises RowError, as all here."""
    to, event = _RESPONSIBLE, _RESPONSIBLE.source(event)
    if event.get("type") != RESPONSIBLE_CHANGED or event.get("entity_type") != "lead":
        return []
    new, old = _sides(event, "responsible_user")
    users = {
        "responsible_user_id_new": to.integer(child(new, "id"), "responsible_user_id_new"),
        "responsible_user_id_old": to.integer(child(old, "id"), "responsible_user_id_old"),
    }
    return [_change(to, event, users)]


def sale_change(event: Json) -> list[Row]:
    """The row of an event that changed a deal's budget; none of any other event."""
    to, event = _SALE, _SALE.source(event)
    if event.get("type") != SALE_CHANGED or event.get("entity_type") != "lead":
        return []
    new, old = _sides(event, "sale_field_value")
    sales = {
        "sale_new": to.number(child(new, "sale"), "sale_new"),
        "sale_old": to.number(child(old, "sale"), "sale_old"),
    }
    return [_change(to, event, sales)]


def field_changes(event: Json) -> list[Row]:
    """One row per custom field of a deal that the event changed; none of any other event.

    amoCRM names the field in the kind of the event, or in each of its values.
    """
    to, event = _FIELDS, _FIELDS.source(event)
    kind = event.get("type")
    own = FIELD.fullmatch(kind) if type(kind) is str else None
    if (kind != FIELD_CHANGED and not own) or event.get("entity_type") != "lead":
        return []
    named = int(own[1]) if own else None
    new, old = (_by_field(to, event.get(side), named) for side in ("value_after", "value_before"))
    return [
        _change(to, event, {"custom_field_id": field, **_values(to, new.get(field, []), old.get(field, []))})
        for field in new | old or ([] if named is None else [named])
    ]


def deletions(event: Json) -> list[Row]:
    """The row of what was deleted or restored, a row per note; none of any other event."""
    to, event = _DELETED, _DELETED.source(event)
    kind = event.get("type")
    kind = kind if type(kind) is str else ""
    if kind == NOTE_DELETED:
        changes = [*as_list(event.get("value_after")), *as_list(event.get("value_before"))]
        notes = [note for change in changes if type(note := child(change, "note")) is dict]
        if not notes:
            to.report("entity_id", changes)
        return [_life(to, event, note, "id", "note", deleted=True) for note in notes]
    entity = DELETED.get(kind) or RESTORED.get(kind)
    return [_life(to, event, event, "entity_id", entity, deleted=kind in DELETED)] if entity else []


def _sides(event: dict[str, Json], name: str) -> tuple[Json, Json]:
    return child(event.get("value_after"), name), child(event.get("value_before"), name)


def _change(to: Coercion, event: dict[str, Json], values: dict[str, Any]) -> Row:
    return {
        "event_id": to.text_key(event, "id", "event_id"),
        "lead_id": to.integer(event.get("entity_id"), "lead_id"),
        "created_by": to.integer(event.get("created_by"), "created_by"),
        "created_at": to.timestamp(event.get("created_at"), "created_at"),
        **values,
        "account_id": to.integer(event.get("account_id"), "account_id"),
    }


def _by_field(to: Coercion, changes: Json, named: int | None) -> dict[int, list[dict[str, Json]]]:
    """The values by field; `named` is the field of those that do not tell."""
    found: dict[int, list[dict[str, Json]]] = {}
    for change in as_list(changes):
        value = child(change, "custom_field_value")
        if type(value) is dict:
            field = to.integer_key(
                {**value, "field_id": given(value.get("field_id"), named)}, "field_id", "custom_field_id"
            )
            found.setdefault(field, []).append(value)
        else:
            to.report("custom_field_id", change)
    return found


def _values(to: Coercion, new: list[dict[str, Json]], old: list[dict[str, Json]]) -> Row:
    kinds = [kind for value in (*new, *old) if (kind := to.integer(value.get("field_type"), "field_type")) is not None]
    enums = {
        name: [enum for value in values if (enum := to.integer(value.get("enum_id"), f"enums_{name}")) is not None]
        for name, values in (("new", new), ("old", old))
    }
    return {
        "field_type": kinds[0] if kinds else None,
        "value_new": _text(to.texts((value.get("text") for value in new), "value_new")),
        "value_old": _text(to.texts((value.get("text") for value in old), "value_old")),
        "enums_new": enums["new"],
        "enums_old": enums["old"],
    }


def _text(texts: list[str]) -> str | None:
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else compact_json(texts)


def _life(to: Coercion, event: dict[str, Json], what: dict[str, Json], name: str, kind: str, *, deleted: bool) -> Row:
    at = to.timestamp(event.get("created_at"), "created_at")
    note = what is not event
    return {
        "event_id": to.text_key(event, "id", "event_id"),
        "entity_id": to.integer_key(what, name, "entity_id"),
        "entity_type": kind,
        "parent_type": to.text(event.get("entity_type"), "parent_type") if note else None,
        "parent_id": to.integer(event.get("entity_id"), "parent_id") if note else None,
        "created_by": to.integer(event.get("created_by"), "created_by"),
        "created_at": at,
        "deleted_at": at if deleted else None,
        "restored_at": None if deleted else at,
        "account_id": to.integer(event.get("account_id"), "account_id"),
    }
