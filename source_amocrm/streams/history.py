"""What happened to deals, and what was deleted: streams of events, from the reading that `events` has."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import LIFE, RESPONSIBLE_CHANGED, SALE_CHANGED
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import EventStream
from source_amocrm.streams.rows import history
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class DealResponsibleChanges(EventStream):
    name = "deal_responsible_changes"
    primary_key = ["event_id"]
    relations = {
        "event_id": to.EVENT,
        "lead_id": to.DEAL,
        "created_by": to.AUTHOR,
        "responsible_user_id_new": to.USER,
        "responsible_user_id_old": to.USER,
        "account_id": to.ACCOUNT,
    }
    kinds = (RESPONSIBLE_CHANGED,)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return history.responsible_change(record)


class DealSaleChanges(EventStream):
    name = "deal_sale_changes"
    primary_key = ["event_id"]
    relations = {"event_id": to.EVENT, "lead_id": to.DEAL, "created_by": to.AUTHOR, "account_id": to.ACCOUNT}
    kinds = (SALE_CHANGED,)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return history.sale_change(record)


class DealFieldChanges(EventStream):
    """Of all events: each field may have a kind of its own, and amoCRM refuses to be asked for several together."""

    name = "deal_field_changes"
    primary_key = ["event_id", "custom_field_id"]
    relations = {
        "event_id": to.EVENT,
        "lead_id": to.DEAL,
        "created_by": to.AUTHOR,
        "custom_field_id": to.custom_field("leads"),
        "account_id": to.ACCOUNT,
    }

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return history.field_changes(record)


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

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return history.deletions(record)


STREAMS = (DealResponsibleChanges, DealSaleChanges, DealFieldChanges, DeletedEntities)
