"""Events, and what they tell: deals' stages, deletions, and changes of users, custom fields and budgets of cards."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account import event_kinds
from source_amocrm.account.resources import LEADS
from source_amocrm.streams.base import EventStream, FullRefreshStream
from source_amocrm.streams.values import Coercion, Json, Row, as_list, child, compact_json
from source_amocrm.sync.declaration import Context, Lookup

LOST = 143
"""amoCRM's own stage «Закрыто и не реализовано», the same in every pipeline."""


def loss_reason(lead: Row) -> int | None:
    """Returns the reason for which a lead is lost now."""
    reason = lead.get("loss_reason_id")
    return reason if lead.get("status_id") == LOST and isinstance(reason, int) and reason else None


class Events(EventStream):
    """Every event, as amoCRM tells it."""


class EventTypes(FullRefreshStream):
    list_path = "/api/v4/events/types"
    collection = "events_types"


class DealStatuses(EventStream):
    """Reads the newest events first: the first loss of a deal that comes is its latest, which has the reason."""

    kinds = (event_kinds.STATUS_CHANGED,)
    newest_first = True
    exploded = True
    lookups = {
        "loss_reason_id": Lookup(
            LEADS, key=lambda row: row["lead_id"] if row["status_new"] == LOST else None, value=loss_reason
        )
    }

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        entity = self.record.to.source(record).get("entity_type")
        if type(entity) is not str or entity == "lead":
            yield self.record(record)


class DeletedEntities(EventStream):
    kinds = tuple(sorted(event_kinds.LIFE))
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields the row of what was deleted or restored, one per note. Raises RowError without an id."""
        event = self.record.to.source(record)
        kind: str = event["type"] if type(event.get("type")) is str else ""
        if kind == event_kinds.NOTE_DELETED:
            changes = [*as_list(event.get("value_after")), *as_list(event.get("value_before"))]
            notes = [note for change in changes if type(note := child(change, "note")) is dict]
            if not notes:
                self.record.to.report("entity_id", changes)
            owner = {"parent_type": event.get("entity_type"), "parent_id": event.get("entity_id")}
            for note in notes:
                yield self._life(event, note.get("id"), "note", deleted=True, **owner)
        elif entity := event_kinds.DELETED.get(kind) or event_kinds.RESTORED.get(kind):
            yield self._life(event, event.get("entity_id"), entity, deleted=kind in event_kinds.DELETED)

    def _life(self, event: Row, own: Json, entity: str, *, deleted: bool, **owner: Json) -> Row:
        at = {"deleted_at" if deleted else "restored_at": event.get("created_at")}
        return self.record(event, entity_id=own, entity_type=entity, **owner, **at)


class ChangeStream(EventStream):
    """Changes of one kind of entities; `entity` as events call it. One row for each change that an event tells.

    `told`: the columns `…_new` and `…_old`, and the object and its field in the event that they hold.
    """

    exploded = True
    entity: str
    told: tuple[str, str, str]

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        event = self.record.to.source(record)
        if event.get("entity_type") == self.entity:
            for columns in self.changed(self.record.to, event):
                yield self.record(event, **columns)

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        """Yields the columns that tell what changed, a row's at a time."""
        if event.get("type") in self.kinds:
            column, changed, field = self.told
            sides = {"new": event.get("value_after"), "old": event.get("value_before")}
            yield {f"{column}_{side}": child(child(value, changed), field) for side, value in sides.items()}


class ResponsibleChangeStream(ChangeStream):
    kinds = (event_kinds.RESPONSIBLE_CHANGED,)
    told = ("responsible_user_id", "responsible_user", "id")


class FieldChangeStream(ChangeStream):
    """Reads all events, because each field may have its own kind and amoCRM refuses a request for several of them."""

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        """Yields one row per field. amoCRM names the field in the kind of the event, or in each of its values."""
        kind = event.get("type")
        own = event_kinds.FIELD.fullmatch(kind) if type(kind) is str else None
        if kind != event_kinds.FIELD_CHANGED and not own:
            return
        named = int(own[1]) if own else None
        new, old = (_by_field(to, event.get(side), named) for side in ("value_after", "value_before"))
        for field in new | old or ([] if named is None else [named]):
            yield {"custom_field_id": field, **_values(to, new.get(field, []), old.get(field, []))}


class DealResponsibleChanges(ResponsibleChangeStream):
    entity = "lead"


class DealSaleChanges(ChangeStream):
    entity = "lead"
    kinds = (event_kinds.SALE_CHANGED,)
    told = ("sale", "sale_field_value", "sale")


class DealFieldChanges(FieldChangeStream):
    entity = "lead"


class ContactResponsibleChanges(ResponsibleChangeStream):
    entity = "contact"


class ContactFieldChanges(FieldChangeStream):
    entity = "contact"


class CompanyResponsibleChanges(ResponsibleChangeStream):
    entity = "company"


class CompanyFieldChanges(FieldChangeStream):
    entity = "company"


class CustomerResponsibleChanges(ResponsibleChangeStream):
    entity = "customer"


class CustomerFieldChanges(FieldChangeStream):
    entity = "customer"


def _by_field(to: Coercion, changes: Json, named: int | None) -> dict[int, list[dict[str, Json]]]:
    """Returns the values by field; `named` is the field of those that do not tell."""
    found: dict[int, list[dict[str, Json]]] = {}
    for change in as_list(changes):
        value = child(change, "custom_field_value")
        if type(value) is dict:
            own = value.get("field_id")
            field = to.integer_key(named if own is None else own, value, "custom_field_id")
            found.setdefault(field, []).append(value)
        else:
            to.report("custom_field_id", change)
    return found


def _values(to: Coercion, new: list[dict[str, Json]], old: list[dict[str, Json]]) -> Row:
    kinds = (to.integer(value.get("field_type"), "field_type") for value in (*new, *old))
    columns: Row = {"field_type": next((kind for kind in kinds if kind is not None), None)}
    for name, values in (("new", new), ("old", old)):
        texts = to.texts([value.get("text") for value in values], f"value_{name}")
        columns[f"value_{name}"] = compact_json(texts) if len(texts) > 1 else next(iter(texts), None)
        columns[f"enums_{name}"] = [enum for value in values if (enum := value.get("enum_id")) is not None]
    return columns
