"""Histories of deals, contacts, companies and customers: one row for each change that an event tells.

Changes of the responsible user, of custom fields, and of deals' budgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from source_amocrm.account.event_kinds import FIELD, FIELD_CHANGED, RESPONSIBLE_CHANGED, SALE_CHANGED
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import EventStream
from source_amocrm.streams.coercion import Coercion
from source_amocrm.streams.relations import Relation, Relations
from source_amocrm.streams.values import Json, Row, as_list, child, compact_json, given
from source_amocrm.sync.declaration import Context


class ChangeStream(EventStream):
    """Changes of one kind of entities: `entity`, as events call it, and the `column` of its id."""

    primary_key = ["event_id"]
    exploded = True
    entity: str
    column: str

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """The rows of an event that changed such an entity; none of any other event. Raises RowError without an id."""
        to = self.record.to
        event = to.source(record)
        if event.get("entity_type") == self.entity:
            for values in self.changed(to, event):
                row = {
                    "event_id": to.text_key(event.get("id"), event, "event_id"),
                    self.column: to.integer(event.get("entity_id"), self.column),
                    "created_by": to.integer(event.get("created_by"), "created_by"),
                    "created_at": to.timestamp(event.get("created_at"), "created_at"),
                    **values,
                    "account_id": to.integer(event.get("account_id"), "account_id"),
                }
                yield to.row(row)

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        """The columns that tell what changed, a row's at a time."""
        raise NotImplementedError


class ResponsibleChangeStream(ChangeStream):
    kinds = (RESPONSIBLE_CHANGED,)

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        if event.get("type") == RESPONSIBLE_CHANGED:
            new, old = _sides(event, "responsible_user")
            yield {
                "responsible_user_id_new": to.integer(child(new, "id"), "responsible_user_id_new"),
                "responsible_user_id_old": to.integer(child(old, "id"), "responsible_user_id_old"),
            }


class FieldChangeStream(ChangeStream):
    """Reads all events, because each field may have its own kind and amoCRM refuses a request for several of them."""

    primary_key = ["event_id", "custom_field_id"]

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        """One row per custom field. amoCRM names the field in the kind of the event, or in each of its values."""
        kind = event.get("type")
        own = FIELD.fullmatch(kind) if type(kind) is str else None
        if kind != FIELD_CHANGED and not own:
            return
        named = int(own[1]) if own else None
        new, old = (_by_field(to, event.get(side), named) for side in ("value_after", "value_before"))
        for field in new | old or ([] if named is None else [named]):
            yield {"custom_field_id": field, **_values(to, new.get(field, []), old.get(field, []))}


def _of(column: str, entity: Relation, further: Mapping[str, Relation]) -> Relations:
    return {"event_id": to.EVENT, column: entity, "created_by": to.AUTHOR, **further, "account_id": to.ACCOUNT}


_USERS = {"responsible_user_id_new": to.USER, "responsible_user_id_old": to.USER}


class DealResponsibleChanges(ResponsibleChangeStream):
    name = "deal_responsible_changes"
    entity, column = "lead", "lead_id"
    relations = _of("lead_id", to.DEAL, _USERS)


class DealSaleChanges(ChangeStream):
    name = "deal_sale_changes"
    entity, column = "lead", "lead_id"
    relations = _of("lead_id", to.DEAL, {})
    kinds = (SALE_CHANGED,)

    def changed(self, to: Coercion, event: Row) -> Iterable[Row]:
        if event.get("type") == SALE_CHANGED:
            new, old = _sides(event, "sale_field_value")
            yield {
                "sale_new": to.number(child(new, "sale"), "sale_new"),
                "sale_old": to.number(child(old, "sale"), "sale_old"),
            }


class DealFieldChanges(FieldChangeStream):
    name = "deal_field_changes"
    entity, column = "lead", "lead_id"
    relations = _of("lead_id", to.DEAL, {"custom_field_id": to.custom_field("leads")})


class ContactResponsibleChanges(ResponsibleChangeStream):
    name = "contact_responsible_changes"
    entity, column = "contact", "contact_id"
    relations = _of("contact_id", to.CONTACT, _USERS)


class ContactFieldChanges(FieldChangeStream):
    name = "contact_field_changes"
    entity, column = "contact", "contact_id"
    relations = _of("contact_id", to.CONTACT, {"custom_field_id": to.custom_field("contacts")})


class CompanyResponsibleChanges(ResponsibleChangeStream):
    name = "company_responsible_changes"
    entity, column = "company", "company_id"
    relations = _of("company_id", to.COMPANY, _USERS)


class CompanyFieldChanges(FieldChangeStream):
    name = "company_field_changes"
    entity, column = "company", "company_id"
    relations = _of("company_id", to.COMPANY, {"custom_field_id": to.custom_field("companies")})


class CustomerResponsibleChanges(ResponsibleChangeStream):
    name = "customer_responsible_changes"
    entity, column = "customer", "customer_id"
    relations = _of("customer_id", to.CUSTOMER, _USERS)


class CustomerFieldChanges(FieldChangeStream):
    name = "customer_field_changes"
    entity, column = "customer", "customer_id"
    relations = _of("customer_id", to.CUSTOMER, {"custom_field_id": to.custom_field("customers")})


def _sides(event: dict[str, Json], name: str) -> tuple[Json, Json]:
    return child(event.get("value_after"), name), child(event.get("value_before"), name)


def _by_field(to: Coercion, changes: Json, named: int | None) -> dict[int, list[dict[str, Json]]]:
    """The values by field; `named` is the field of those that do not tell."""
    found: dict[int, list[dict[str, Json]]] = {}
    for change in as_list(changes):
        value = child(change, "custom_field_value")
        if type(value) is dict:
            field = to.integer_key(given(value.get("field_id"), named), value, "custom_field_id")
            found.setdefault(field, []).append(value)
        else:
            to.report("custom_field_id", change)
    return found


def _values(to: Coercion, new: list[dict[str, Json]], old: list[dict[str, Json]]) -> Row:
    kinds = [kind for value in (*new, *old) if (kind := to.integer(value.get("field_type"), "field_type")) is not None]
    enums = {
        name: [enum for value in values if (enum := to.integer(value.get("enum_id"), f"enums_{name}")) is not None]
        for name, values in (("new", new), ("old", old))
    }
    return {
        "field_type": kinds[0] if kinds else None,
        "value_new": _text(to.texts((value.get("text") for value in new), "value_new")),
        "value_old": _text(to.texts((value.get("text") for value in old), "value_old")),
        "enums_new": enums["new"],
        "enums_old": enums["old"],
    }


def _text(texts: list[str]) -> str | None:
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else compact_json(texts)
