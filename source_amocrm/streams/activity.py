"""What people do: tasks, notes, events, and the history of deals' stages that is made of events."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import STATUS_CHANGED
from source_amocrm.account.resources import LEADS, NOTES, TASKS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import EventStream, IncrementalStream
from source_amocrm.streams.rows import activity
from source_amocrm.sync.declaration import Context, Lookup
from source_amocrm.walk.listing import Row


class Tasks(IncrementalStream):
    name = "tasks"
    primary_key = ["task_id"]
    relations = {
        **to.ELEMENT,
        "responsible_user_id": to.USER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "task_type": to.TASK_TYPE,
    }
    resources = (TASKS,)
    deletable = True

    def row(self, record: Row, context: Context) -> Row:
        return activity.task(record)


class Notes(IncrementalStream):
    name = "notes"
    primary_key = ["element_type", "note_id"]
    relations = {
        **to.ELEMENT,
        "note_type": to.NOTE_TYPE,
        "responsible_user_id": to.NOTE_OWNER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
    }
    resources = NOTES
    deletable = True
    extras = {"is_pinned": ("is_pinned",)}

    def row(self, record: Row, context: Context) -> Row:
        return activity.note(record, context.entity_type)

    def tombstone_columns(self, context: Context) -> Row:
        return {"element_type": activity.ELEMENT_TYPE[context.entity_type], **super().tombstone_columns(context)}


class Events(EventStream):
    name = "events"
    primary_key = ["event_id"]
    relations = {
        "type": to.EVENT_TYPE,
        "entity_id": to.OneOf("entity_type", {**to.BY_NAME, "task": to.TASK}),
        "created_by": to.AUTHOR,
        "account_id": to.ACCOUNT,
        "linked_talk_contact_id": to.CONTACT,
    }

    def row(self, record: Row, context: Context) -> Row:
        return activity.event(record)


class DealStatuses(EventStream):
    """From the newest event on, so that the first loss of a deal that comes is its last: the reason is of that one."""

    name = "deal_statuses"
    primary_key = ["note_id"]
    relations = {
        "note_id": to.EVENT,
        "lead_id": to.DEAL,
        "created_by": to.AUTHOR,
        "pipeline_id_new": to.FORMER_PIPELINE,
        "pipeline_id_old": to.FORMER_PIPELINE,
        "status_new": to.former_status("pipeline_id_new"),
        "status_old": to.former_status("pipeline_id_old"),
        "loss_reason_id": to.LOSS_REASON,
    }
    kinds = (STATUS_CHANGED,)
    newest_first = True
    lookups = {"loss_reason_id": Lookup(LEADS, key=activity.lost_lead, value=activity.loss_reason, once=True)}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        row = activity.deal_status(record, None)
        return [] if row is None else [row]


STREAMS = (Tasks, Notes, Events, DealStatuses)
