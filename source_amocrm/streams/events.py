"""Events, the names of their types, and what they tell of deals' stages and of deletions."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import DELETED, LIFE, NOTE_DELETED, RESTORED, STATUS_CHANGED
from source_amocrm.account.resources import LEADS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import EventStream, FullRefreshStream
from source_amocrm.streams.coercion import Coercion
from source_amocrm.streams.values import Json, Row, as_list, child
from source_amocrm.sync.declaration import Context, Lookup

LOST = 143
"""amoCRM's own stage «Закрыто и не реализовано», the same in every pipeline."""


def lost_lead(row: Row) -> int | None:
    """The deal that a row of `deal_statuses` tells the loss of."""
    return row["lead_id"] if row["status_new"] == LOST else None


def loss_reason(lead: Row) -> int | None:
    """The reason for which a lead is lost now."""
    reason = lead.get("loss_reason_id")
    return reason if lead.get("status_id") == LOST and isinstance(reason, int) and reason else None


def deletions(to: Coercion, event: Json) -> list[Row]:
    """The row of what was deleted or restored, one per note; none of any other event. Raises RowError without an id."""
    event = to.source(event)
    kind = event.get("type")
    kind = kind if type(kind) is str else ""
    if kind == NOTE_DELETED:
        changes = [*as_list(event.get("value_after")), *as_list(event.get("value_before"))]
        notes = [note for change in changes if type(note := child(change, "note")) is dict]
        if not notes:
            to.report("entity_id", changes)
        return [_life(to, event, note, note.get("id"), "note", deleted=True) for note in notes]
    entity = DELETED.get(kind) or RESTORED.get(kind)
    return [_life(to, event, event, event.get("entity_id"), entity, deleted=kind in DELETED)] if entity else []


def _life(to: Coercion, event: dict[str, Json], what: dict[str, Json], own: Json, kind: str, *, deleted: bool) -> Row:
    at = to.timestamp(event.get("created_at"), "created_at")
    note = what is not event
    row = {
        "event_id": to.text_key(event.get("id"), event, "event_id"),
        "entity_id": to.integer_key(own, what, "entity_id"),
        "entity_type": kind,
        "parent_type": to.text(event.get("entity_type"), "parent_type") if note else None,
        "parent_id": to.integer(event.get("entity_id"), "parent_id") if note else None,
        "created_by": to.integer(event.get("created_by"), "created_by"),
        "created_at": at,
        "deleted_at": at if deleted else None,
        "restored_at": None if deleted else at,
        "account_id": to.integer(event.get("account_id"), "account_id"),
    }
    return to.row(row)


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


class EventTypes(FullRefreshStream):
    name = "event_types"
    primary_key = ["code"]
    list_path = "/api/v4/events/types"
    collection = "events_types"


class DealStatuses(EventStream):
    """Reads the newest events first: the first loss of a deal that comes is its latest, which has the reason."""

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
    exploded = True
    lookups = {"loss_reason_id": Lookup(LEADS, key=lost_lead, value=loss_reason, once=True)}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        entity = self.record.to.source(record).get("entity_type")
        if type(entity) is not str or entity == "lead":
            yield self.record(record)


class DeletedEntities(EventStream):
    name = "deleted_entities"
    primary_key = ["event_id", "entity_id"]
    relations = {
        "event_id": to.EVENT,
        "entity_id": to.OneOf("entity_type", {**to.BY_NAME, "task": to.TASK, "note": to.DELETED_NOTE}),
        "parent_id": to.OneOf("parent_type", to.BY_NAME),
        "created_by": to.AUTHOR,
        "account_id": to.ACCOUNT,
    }
    kinds = tuple(sorted(LIFE))
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return deletions(self.record.to, record)
