"""Events, and the tables made of them: deals' statuses, deletions, changes of users, custom fields and budgets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

from source_amocrm.account import event_kinds
from source_amocrm.account.resources import LEADS
from source_amocrm.engine.stream_interface import Context, Lookup
from source_amocrm.streams.base import EventStream, FullRefreshStream
from source_amocrm.streams.values import Json, Row, as_integer, as_joined_text, as_list, child, read
from source_amocrm.walk.listing import numeric_id

SIDES = {"new": "value_after", "old": "value_before"}
"""By the end of a column's name, the field of an event that holds the values after or before the change."""
WON, LOST = 142, 143
"""amoCRM's own stages «Успешно реализовано» and «Закрыто и не реализовано», the same in every pipeline."""


def loss_reason(lead: Row) -> int | None:
    """Returns the id of the loss reason of a lead that is lost now; None for any other lead."""
    return numeric_id(lead.get("loss_reason_id")) or None if numeric_id(lead.get("status_id")) == LOST else None


Events = EventStream.table("events")
EventTypes = FullRefreshStream.table("event_types", list_path="/api/v4/events/types", collection="events_types")


class DealStatuses(EventStream):
    """Reads the newest events first: a deal's first loss to come is its latest, the only one that gets a reason."""

    name = "deal_statuses"
    kinds = (event_kinds.STATUS_CHANGED,)
    newest_first = True
    exploded = True
    lookup = Lookup(
        "loss_reason_id",
        LEADS,
        key=lambda row: row["lead_id"] if row["status_new"] == LOST else None,
        value=loss_reason,
    )

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        entity = self.record.source(record).get("entity_type")
        if type(entity) is not str or entity == "lead":
            yield self.record(record)


class DeletedEntities(EventStream):
    name = "deleted_entities"
    kinds = tuple(sorted(event_kinds.ENDED_OR_RETURNED))
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields the row of the entity that was deleted or restored, one per note. Raises RowError if it has no id."""
        event = self.record.source(record)
        kind = event["type"] if type(event.get("type")) is str else ""
        if kind == event_kinds.NOTE_DELETED:
            changes = [*as_list(event.get("value_after")), *as_list(event.get("value_before"))]
            notes = [note for change in changes if type(note := child(change, "note")) is dict]
            if not notes:
                self.record.report("entity_id", changes)
            owner = {"parent_type": event.get("entity_type"), "parent_id": event.get("entity_id")}
            for note in notes:
                yield self._row(event, note.get("id"), "note", deleted=True, **owner)
        elif entity := event_kinds.DELETED.get(kind) or event_kinds.RESTORED.get(kind):
            yield self._row(event, event.get("entity_id"), entity, deleted=kind in event_kinds.DELETED)

    def _row(self, event: Row, entity_id: Json, entity: str, *, deleted: bool, **owner: Json) -> Row:
        at = {"deleted_at" if deleted else "restored_at": event.get("created_at")}
        return self.record(event, entity_id=entity_id, entity_type=entity, **owner, **at)


class ChangeStream(EventStream):
    """Changes of one kind of entities. `entity`: its name in events."""

    exploded = True
    entity: str

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        event = self.record.source(record)
        return self.changed(event) if event.get("entity_type") == self.entity else []

    def changed(self, event: Row) -> Iterable[Row]:
        return [self.record(event)] if event.get("type") in self.kinds else []


class FieldChangeStream(ChangeStream):
    """Reads all events: a custom field may have an event kind of its own, and amoCRM filters by only one such kind."""

    def changed(self, event: Row) -> Iterable[Row]:
        """Yields one row per field. amoCRM names the field in the kind of the event, or in each of its values."""
        kind = event.get("type")
        match = event_kinds.FIELD.fullmatch(kind) if type(kind) is str else None
        if kind != event_kinds.FIELD_CHANGED and not match:
            return
        field_of_kind = int(match[1]) if match else None
        changes: defaultdict[int, dict[str, list[Row]]] = defaultdict(lambda: {side: [] for side in SIDES})
        for side, values_field in SIDES.items():
            for change in as_list(event.get(values_field)):
                value = child(change, "custom_field_value")
                if type(value) is dict:
                    field_id = field_of_kind if value.get("field_id") is None else value["field_id"]
                    changes[self.record.key(field_id, value, "custom_field_id")][side].append(value)
                else:
                    self.record.report("custom_field_id", change)
        for field in list(changes) or ([] if field_of_kind is None else [field_of_kind]):
            yield self._change(event, field, changes[field])

    def _change(self, event: Row, field: int, sides: Mapping[str, list[Row]]) -> Row:
        odd: Row = {}
        kinds = (read(as_integer, value.get("field_type"), odd, "field_type") for value in chain(*sides.values()))
        columns: Row = {"custom_field_id": field, "field_type": next((one for one in kinds if one is not None), None)}
        for side, values in sides.items():
            texts = [value.get("text") for value in values]
            columns[f"value_{side}"] = read(as_joined_text, texts, odd, f"value_{side}")
            columns[f"enums_{side}"] = [enum for value in values if (enum := value.get("enum_id")) is not None]
        return self.record(event, odd, **columns)


RESPONSIBLE = (event_kinds.RESPONSIBLE_CHANGED,)
CHANGES = [
    ChangeStream.table("deal_responsible_changes", entity="lead", kinds=RESPONSIBLE),
    ChangeStream.table("deal_sale_changes", entity="lead", kinds=(event_kinds.SALE_CHANGED,)),
    FieldChangeStream.table("deal_field_changes", entity="lead"),
    ChangeStream.table("contact_responsible_changes", entity="contact", kinds=RESPONSIBLE),
    FieldChangeStream.table("contact_field_changes", entity="contact"),
    ChangeStream.table("company_responsible_changes", entity="company", kinds=RESPONSIBLE),
    FieldChangeStream.table("company_field_changes", entity="company"),
    ChangeStream.table("customer_responsible_changes", entity="customer", kinds=RESPONSIBLE),
    FieldChangeStream.table("customer_field_changes", entity="customer"),
]
