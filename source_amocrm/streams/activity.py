"""What people do: tasks, notes, events, and the history of deals' stages that is made of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from source_amocrm.account.event_kinds import STATUS_CHANGED
from source_amocrm.account.resources import LEADS, LOST, NOTES, TASKS, EntityList
from source_amocrm.streams.rows import activity, tombstones
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities, Events
from source_amocrm.walk.listing import Row


def _tasks(_: Sync, __: EntityList, tasks: list[Row]) -> Iterator[list[Row]]:
    return ([activity.task(task)] for task in tasks)


def _task_gone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.task(gone.id, account_id, gone.by, gone.at)


def _notes(_: Sync, entities: EntityList, notes: list[Row]) -> Iterator[list[Row]]:
    return ([activity.note(note, entities.name)] for note in notes)


def _note_gone(entities: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.note(gone.id, account_id, gone.by, gone.at, entities.name)


def _events(_: Sync, events: list[Row]) -> Iterator[list[Row]]:
    return ([activity.event(event)] for event in events)


def _deal_statuses(sync: Sync, events: list[Row]) -> Iterator[list[Row]]:
    """Events come from the newest to the oldest, so the first move of a deal into LOST is its newest."""
    met: set[int] = sync.shared("deals met as lost", set)
    newest: dict[str, int] = {}
    rows = []
    for event in events:
        row = activity.deal_status(event, None) if event.get("type") == STATUS_CHANGED else None
        if row is None:
            continue
        if row["status_new"] == LOST and row["lead_id"] not in met:
            met.add(row["lead_id"])
            newest[row["note_id"]] = row["lead_id"]
        rows.append(row)
    reasons = sync.loss_reasons.of(lead for lead in newest.values() if lead is not None)
    for row in rows:
        known = {"loss_reason_id": reasons.get(newest[row["note_id"]])} if row["note_id"] in newest else {}
        yield [{**row, **known}]


TABLES = (
    Entities(name="tasks", key=("task_id",), cursor="updated_at", lists=(TASKS,), rows=_tasks, tombstone=_task_gone),
    Entities(
        name="notes",
        key=("element_type", "note_id"),
        cursor="updated_at",
        lists=NOTES,
        rows=_notes,
        tombstone=_note_gone,
        extras={"is_pinned": ("is_pinned",)},
    ),
    Events(name="events", key=("event_id",), cursor="created_at", rows=_events),
    Events(
        name="deal_statuses",
        key=("note_id",),
        cursor="created_at",
        kinds=(STATUS_CHANGED,),
        newest_first=True,
        rows=_deal_statuses,
        takes_from=(LEADS,),
    ),
)
