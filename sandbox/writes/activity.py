"""Writes of tasks, notes and chat messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from ..account import Account
from ..account_data import SINGULAR, Gone
from ..generate.extras import keep_message
from ..generate.people import group_of
from ..store import Row
from ..values import NOTE_EVENTS
from .core import author, bump, locked, record, refresh_closest_task, save


@locked
def add_task(
    account: Account, kind: str | None = None, row_id: int | None = None, *, by: int | None = None, **fields: Any
) -> int:
    """Adds a task, of a card if `kind` and `row_id` name one. Returns its id."""
    who, at, task_id = author(account, by), account.clock.now(), account.next_id("tasks")
    user = fields.get("responsible_user_id", author(account, None))
    row: Row = {
        "id": task_id,
        "created_by": who,
        "updated_by": who,
        "created_at": at,
        "updated_at": at,
        "responsible_user_id": user,
        "group_id": group_of(account, user),
        "entity_id": row_id,
        "entity_type": kind,
        "duration": 0,
        "is_completed": False,
        "task_type_id": 1,
        "text": "Перезвонить",
        "result": None,
        "complete_till": at + 86_400,
        "account_id": account.id,
        **fields,
    }
    account.tables["tasks"].put(task_id, row)
    record(account, "task_added", "tasks", task_id, who, at)
    refresh_closest_task(account, kind, row_id, who, at)
    return task_id


@locked
def chat(account: Account, talk: Row, text: str, *, by: int | None = None) -> str:
    """Adds a message to a talk, by the client or by the user `by`. Returns its id.

    Its event belongs to the talk's deal or customer or, without one, to the contact.
    """
    message_id = str(UUID(int=account.random.getrandbits(128), version=4))
    message = {"id": message_id, "origin": talk["origin"], "talk_id": talk["talk_id"]}
    kind, at = "incoming" if by is None else "outgoing", account.clock.now()
    keep_message(account, message, at, text, kind)
    entity = (talk["entity_type"], talk["entity_id"]) if talk["entity_id"] else ("contact", talk["contact_id"])
    account.record(f"{kind}_chat_message", *entity, by=by or 0, at=at, after=[{"message": message}])
    return message_id


@locked
def edit_task(account: Account, task_id: int, *, by: int | None = None, **changes: Any) -> None:
    """Changes columns. A change of text, type or deadline has an event."""
    who, at, old = author(account, by), account.clock.now(), account.row("tasks", task_id)
    new = save(account, "tasks", task_id, changes, who, at)
    for name, event_type, shape in _TASK_EVENTS:
        if name in changes and old[name] != new[name]:
            after, before = [shape(new[name])], [shape(old[name])]
            record(account, event_type, "tasks", task_id, who, at, after=after, before=before)
    if "complete_till" in changes:
        refresh_closest_task(account, new["entity_type"], new["entity_id"], who, at)


_TASK_EVENTS: tuple[tuple[str, str, Callable[[Any], Row]], ...] = (
    ("text", "task_text_changed", lambda value: {"task": {"text": value}}),
    ("task_type_id", "task_type_changed", lambda value: {"task_type": {"id": value}}),
    ("complete_till", "task_deadline_changed", lambda value: {"task_deadline": {"timestamp": value}}),
)


@locked
def complete_task(account: Account, task_id: int, result: str | None = None, *, by: int | None = None) -> None:
    who, at = author(account, by), account.clock.now()
    changes = {"is_completed": True, "result": {"text": result} if result else None}
    row = save(account, "tasks", task_id, changes, who, at)
    record(account, "task_completed", "tasks", task_id, who, at)
    if result:
        after = [{"note": {"id": account.next_id("notes")}}]
        record(account, "task_result_added", "tasks", task_id, who, at, after=after)
    refresh_closest_task(account, row["entity_type"], row["entity_id"], who, at)


@locked
def delete_task(account: Account, task_id: int, *, by: int | None = None) -> None:
    who, at = author(account, by), account.clock.now()
    row = account.tables["tasks"].remove(task_id)
    account.gone["tasks", task_id] = Gone("tasks", task_id, at, who, "delete", row)
    record(account, "task_deleted", "tasks", task_id, who, at)
    refresh_closest_task(account, row["entity_type"], row["entity_id"], who, at)


@locked
def add_note(
    account: Account, kind: str, row_id: int, text: str = "Примечание", *, note_type: str = "common",
    params: Row | None = None, by: int | None = None,
) -> int:  # fmt: skip
    """Adds a note to a card. Returns its id. `params`: replaces the plain text."""
    who, at, note_id = author(account, by), account.clock.now(), account.next_id("notes")
    row: Row = {
        "id": note_id,
        "entity_id": row_id,
        "created_by": who,
        "updated_by": who,
        "created_at": at,
        "updated_at": at,
        "responsible_user_id": who,
        "group_id": group_of(account, who),
        "note_type": note_type,
        "params": {"text": text} if params is None else params,
        "account_id": account.id,
        "is_pinned": False,
    }
    account.tables[f"{kind}/notes"].put(note_id, row)
    if note_type in NOTE_EVENTS:
        record(account, NOTE_EVENTS[note_type], kind, row_id, who, at, after=[{"note": {"id": note_id}}])
    if account.switches.notes_bump:
        bump(account, kind, row_id, who, at)
    return note_id


@locked
def edit_note(account: Account, kind: str, note_id: int, text: str, *, by: int | None = None) -> None:
    """Changes a note's text, which has no event."""
    params = {**account.row(f"{kind}/notes", note_id)["params"], "text": text}
    save(account, f"{kind}/notes", note_id, {"params": params}, author(account, by), account.clock.now())


@locked
def delete_note(account: Account, kind: str, note_id: int, *, by: int | None = None) -> None:
    """Deletes a note. Only that of a common note has an event, whose entity is the card."""
    who, at = author(account, by), account.clock.now()
    row = account.tables[f"{kind}/notes"].remove(note_id)
    account.gone[f"{kind}/notes", note_id] = Gone(f"{kind}/notes", note_id, at, who, "delete", row)
    if row["note_type"] == "common":
        side = account.switches.note_deleted_shape
        values = {side: [{"note": {"id": note_id}}]}
        account.record("common_note_deleted", SINGULAR[kind], row["entity_id"], by=who, at=at, **values)
    if account.switches.notes_bump:
        bump(account, kind, row["entity_id"], who, at)
