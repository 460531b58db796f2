"""Rows of `tasks`, `notes`, `events` and `deal_statuses`."""

from __future__ import annotations

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, child, given

ELEMENT_TYPE = {"contacts": 1, "leads": 2, "companies": 3, "customers": 12}
"""The number of the entity that a list of notes, or a task, belongs to."""

EDITABLE_NOTES = frozenset(
    {
        "common",
        "call_in",
        "call_out",
        "service_message",
        "message_cashier",
        "geolocation",
        "sms_in",
        "sms_out",
        "extended_service_message",
        "attachment",
    }
)
"""The note types that amoCRM's documentation allows to change."""

_TASKS = Coercion("tasks")
_NOTES = Coercion("notes")
_EVENTS = Coercion("events")
_DEAL_STATUSES = Coercion("deal_statuses")


def task(task: Json) -> Row:
    """The row of a task. Raises RowError when it has no id."""
    to, task = _TASKS, _TASKS.source(task)
    get = task.get
    return {
        "task_id": to.integer_key(task, "id", "task_id"),
        "element_id": to.integer(get("entity_id"), "element_id"),
        "element_type": ELEMENT_TYPE.get(to.text(get("entity_type"), "element_type") or ""),
        "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": to.timestamp(get("updated_at"), "updated_at"),
        "complete_till_at": to.timestamp(get("complete_till"), "complete_till_at"),
        "task_type": to.integer(get("task_type_id"), "task_type"),
        "is_completed": to.boolean(get("is_completed"), "is_completed"),
        "text": to.text(get("text"), "text"),
        "result": to.text(_result(get("result")), "result"),
        "updated_by": to.integer(get("updated_by"), "updated_by"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "duration": to.integer(get("duration"), "duration"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
    }


def note(note: Json, entity: str) -> Row:
    """The row of a note from the list of `entity`, a key of ELEMENT_TYPE. Raises RowError without an id."""
    to, note = _NOTES, _NOTES.source(note)
    get = note.get
    note_type = to.text(get("note_type"), "note_type")
    params = to.object(given(get("params"), {}), "params")
    file_name = to.text(child(params, "original_name"), "attachment")
    return {
        "note_id": to.integer_key(note, "id", "note_id"),
        "note_type": note_type,
        "element_id": to.integer(get("entity_id"), "element_id"),
        "element_type": ELEMENT_TYPE[entity],
        "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": to.timestamp(get("updated_at"), "updated_at"),
        "is_editable": None if note_type is None else note_type in EDITABLE_NOTES,
        "attachment": file_name or to.text(child(params, "file_name"), "attachment"),
        "text": to.text(child(params, "text"), "text"),
        "params": params,
        "updated_by": to.integer(get("updated_by"), "updated_by"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
        "is_pinned": to.boolean(get("is_pinned"), "is_pinned"),
    }


def event(event: Json) -> Row:
    """The row of an event. Raises RowError when it has no id."""
    to, event = _EVENTS, _EVENTS.source(event)
    get = event.get
    return {
        "event_id": to.text_key(event, "id", "event_id"),
        "type": to.text(get("type"), "type"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "value_after": to.array(get("value_after"), "value_after"),
        "value_before": to.array(get("value_before"), "value_before"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "entity_type": to.text(get("entity_type"), "entity_type"),
        "entity_id": to.integer(get("entity_id"), "entity_id"),
        "linked_talk_contact_id": to.integer(talk_contact(event), "linked_talk_contact_id"),
    }


def talk_contact(event: dict[str, Json]) -> Json:
    """The contact in the talk of a chat message: amoCRM names it in the embedded entity, or in the event itself."""
    entity = child(event.get("_embedded"), "entity")
    return given(child(entity, "linked_talk_contact_id"), event.get("linked_talk_contact_id"))


def deal_status(event: Json, loss_reason_id: int | None) -> Row | None:
    """The row of a `lead_status_changed` event; None when it tells of something else than a lead.

    The event itself carries no reason of loss: the caller derives it. Raises RowError without an id.
    """
    to, event = _DEAL_STATUSES, _DEAL_STATUSES.source(event)
    get = event.get
    if type(get("entity_type")) is str and get("entity_type") != "lead":
        return None
    created_at = to.timestamp(get("created_at"), "created_at")
    new, old = child(get("value_after"), "lead_status"), child(get("value_before"), "lead_status")
    return {
        "note_id": to.text_key(event, "id", "note_id"),
        "lead_id": to.integer(get("entity_id"), "lead_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "created_at": created_at,
        "updated_at": created_at,
        "pipeline_id_new": to.integer(child(new, "pipeline_id"), "pipeline_id_new"),
        "pipeline_id_old": to.integer(child(old, "pipeline_id"), "pipeline_id_old"),
        "status_new": to.integer(child(new, "id"), "status_new"),
        "status_old": to.integer(child(old, "id"), "status_old"),
        "loss_reason_id": loss_reason_id,
    }


def _result(result: Json) -> Json:
    """A task's result: `[]` while there is none, `{"text": …}` then. A bare text is taken for the result."""
    return child(result, "text") if type(result) in (list, dict) else result
