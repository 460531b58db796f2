"""Expected notes, tasks and events."""

from __future__ import annotations

from sandbox.account import Account
from sandbox.account_data import ENTITIES
from sandbox.store import Event

from .common import Row, stamp

ELEMENT_TYPES = {"contacts": 1, "leads": 2, "companies": 3, "customers": 12}
EDITABLE = {
    "common", "call_in", "call_out", "service_message", "message_cashier", "geolocation", "sms_in", "sms_out",
    "extended_service_message", "attachment",
}  # fmt: skip


def notes(account: Account) -> list[Row]:
    shown = [kind for kind in ENTITIES if kind != "customers" or account.switches.customers != "off"]
    return [
        _note(kind, note, account.switches.notes_pinned) for kind in shown for note in account.tables[f"{kind}/notes"]
    ]


def _note(kind: str, note: Row, pinned: bool) -> Row:
    params = note["params"] or {}
    return {
        "note_id": note["id"],
        "note_type": note["note_type"],
        "element_id": note["entity_id"],
        "element_type": ELEMENT_TYPES[kind],
        "responsible_user_id": note["responsible_user_id"],
        "group_id": note["group_id"],
        "created_by": note["created_by"],
        "created_at": stamp(note["created_at"]),
        "updated_at": stamp(note["updated_at"]),
        "is_editable": note["note_type"] in EDITABLE,
        "attachment": params.get("original_name", params.get("file_name")),
        "text": params.get("text"),
        "params": params,
        "updated_by": note["updated_by"],
        "account_id": note["account_id"],
        "is_deleted": False,
        "is_pinned": note["is_pinned"] if pinned else None,
        "file_uuid": params.get("file_uuid"),
    }


def tasks(account: Account) -> list[Row]:
    return [
        {
            "task_id": task["id"],
            "element_id": task["entity_id"],
            "element_type": ELEMENT_TYPES.get(task["entity_type"]),
            "responsible_user_id": task["responsible_user_id"],
            "group_id": task["group_id"],
            "created_by": task["created_by"],
            "created_at": stamp(task["created_at"]),
            "updated_at": stamp(task["updated_at"]),
            "complete_till_at": stamp(task["complete_till"]),
            "task_type": task["task_type_id"],
            "is_completed": task["is_completed"],
            "text": task["text"],
            "result": task["result"]["text"] if task["result"] else None,
            "updated_by": task["updated_by"],
            "account_id": task["account_id"],
            "duration": task["duration"],
            "is_deleted": False,
        }
        for task in account.tables["tasks"]
    ]


def talk_contact(account: Account, event: Event) -> int | None:
    """Returns the contact in the event of a chat message, None if the account's events do not have it."""
    return None if account.switches.talk_contact == "nowhere" else event.linked_talk_contact_id


def events(account: Account) -> list[Row]:
    return [
        {
            "event_id": event.id,
            "type": event.type,
            "created_by": event.created_by,
            "created_at": stamp(event.created_at),
            "value_after": event.value_after,
            "value_before": event.value_before,
            "account_id": account.id,
            "entity_type": event.entity_type,
            "entity_id": event.entity_id,
            "linked_talk_contact_id": talk_contact(account, event),
        }
        for event in account.events
    ]
