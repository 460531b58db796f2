"""What happens in deals: whether one is stale, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .. import Row
from .known import KINDS, Known, at, memoized

STALE_DAYS = 14
DEAD_DAYS = 90
ACTIVITY = ("calls", "messages", "notes", "tasks", "deal_statuses", "events")
"""The tables that show what has happened in a deal."""


@memoized
def activity(known: Known) -> dict[tuple[str, int], list[datetime]]:
    """Returns the times of activity of each card: calls, messages, notes, completed tasks, moves, users' changes."""
    done, gone = completions(known), known.deleted()
    found: dict[tuple[str, int], list[datetime]] = {}

    def happened(kind: str | None, card_id: int | None, moment: datetime | None) -> None:
        if kind and card_id and moment:
            found.setdefault((kind, card_id), []).append(moment)

    for name in ("calls", "messages", "notes"):
        for row in known.all(name):
            if not row.get("is_deleted") and not (name == "notes" and ("note", row["note_id"]) in gone):
                happened(KINDS[row["element_type"]], row["element_id"], at(row["created_at"]))
    for row in known.all("deal_statuses"):
        happened("deal", row["lead_id"], at(row["created_at"]))
    for task in tasks(known):
        if task["is_completed"]:
            happened(KINDS.get(task["element_type"]), task["element_id"], done[task["task_id"]][0])
    for event in known.all("events"):
        if event["entity_type"] == "lead" and event["created_by"]:
            happened("deal", event["entity_id"], at(event["created_at"]))
    return found


def open_tasks(known: Known) -> dict[int, list[datetime]]:
    """Returns the due times of the open tasks of each deal."""
    found: dict[int, list[datetime]] = {}
    for task in tasks(known):
        due = at(task["complete_till_at"])
        if task["element_type"] == 2 and not task["is_completed"] and due:
            found.setdefault(task["element_id"], []).append(due)
    return found


@memoized
def tasks(known: Known) -> list[Row]:
    """Returns the tasks that are not deleted."""
    gone = known.deleted()
    return [row for row in known.all("tasks") if not row["is_deleted"] and ("task", row["task_id"]) not in gone]


@memoized
def completions(known: Known) -> dict[int, tuple[Any, int | None]]:
    """Returns when and by whom each task was completed."""
    events: dict[int, Row] = {}
    for event in sorted(known.all("events"), key=lambda row: (row["created_at"], row["event_id"])):
        if event["type"] == "task_completed":
            events[event["entity_id"]] = event
    found = {}
    for task in tasks(known):
        event = events.get(task["task_id"], {"created_at": task["updated_at"], "created_by": 0})
        if task["is_completed"]:
            found[task["task_id"]] = (at(event["created_at"]), event["created_by"] or task["responsible_user_id"])
    return found


def last_activity(known: Known, deal_id: int, contact_id: int | None, created_at: datetime) -> datetime:
    """Returns when something last happened in a deal or with its main contact: its creation, if nothing has."""
    cards = ("deal", deal_id), ("contact", contact_id or 0)
    return max([created_at, *(moment for card in cards for moment in activity(known).get(card, []))])


def forgotten(known: Known, deal: Row, created_at: datetime | None, is_open: bool) -> Row:
    """Returns for how many days nothing has happened in an open deal of amoCRM, and whether it is stale, and dead."""
    if created_at is None or not is_open or not all(map(known.was_read, ACTIVITY)):
        return dict.fromkeys(("days_without_activity", "is_live", "is_stale", "is_dead"))
    days = (known.now - last_activity(known, deal["lead_id"], deal["main_contact"], created_at)).days
    is_free = not any(moment >= known.now for moment in open_tasks(known).get(deal["lead_id"], []))
    is_dead = is_free and days >= DEAD_DAYS
    return {
        "days_without_activity": days, "is_live": not is_dead, "is_stale": is_free and days >= STALE_DAYS,
        "is_dead": is_dead,
    }  # fmt: skip
