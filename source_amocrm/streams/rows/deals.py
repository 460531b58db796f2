"""Rows of `deals` and `custom_fields_deals`, both from one element of amoCRM's list of leads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import tzinfo

from source_amocrm.streams.rows.table import Table
from source_amocrm.streams.values import (
    Json,
    Row,
    UnreadableError,
    as_boolean,
    as_list,
    as_number,
    child,
    given,
    local_date,
    utc_text,
)

_DEALS = Table("deals")
_FIELDS = Table("custom_fields_deals")


def deal(lead: Json) -> Row:
    """The row of a lead. Raises RowError when the lead has no id."""
    to, lead = _DEALS, _DEALS.source(lead)
    get, related = lead.get, lead.get("_embedded")
    contacts = as_list(child(related, "contacts"))
    updated_at = to.timestamp(get("updated_at"), "updated_at")
    return {
        "lead_id": to.integer_key(lead, "id", "lead_id"),
        "name": to.text(get("name"), "name"),
        "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "updated_by": to.integer(get("updated_by"), "updated_by"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "pipeline_id": to.integer(get("pipeline_id"), "pipeline_id"),
        "status_id": to.integer(get("status_id"), "status_id"),
        "main_contact": to.integer(_main(contacts), "main_contact"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "company": to.integer(child(child(related, "companies"), "id"), "company"),
        "contacts": to.ids(contacts, "contacts"),
        "loss_reason_id": to.integer(get("loss_reason_id"), "loss_reason_id"),
        "loss_reason_name": to.text(child(child(related, "loss_reason"), "name"), "loss_reason_name"),
        "sale": to.number(get("price"), "sale"),
        "date": updated_at,
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": updated_at,
        "closed_at": to.timestamp(get("closed_at"), "closed_at"),
        "closest_task_at": to.timestamp(get("closest_task_at"), "closest_task_at"),
        "tags": to.tags(child(related, "tags")),
        "custom_fields": to.array(given(get("custom_fields_values"), []), "custom_fields"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
        "source_id": to.integer(get("source_id"), "source_id"),
        "source_name": to.text(child(child(related, "source"), "name"), "source_name"),
        "score": to.integer(get("score"), "score"),
        "labor_cost": to.integer(get("labor_cost"), "labor_cost"),
        "is_price_modified_by_robot": to.boolean(get("is_price_modified_by_robot"), "is_price_modified_by_robot"),
        "catalog_elements": to.array(child(related, "catalog_elements"), "catalog_elements"),
    }


def deal_fields(lead: Json, *, timezone: tzinfo, system_fields: Mapping[int, bool | None]) -> list[Row]:
    """One row per value of the lead's filled fields.

    `timezone` is the account's; `system_fields` tells `is_system` by field id, see `dictionaries`.
    Raises RowError when the lead has no id, or a field that has values has none.
    """
    to, lead = _FIELDS, _FIELDS.source(lead)
    lead_id = to.integer_key(lead, "id", "lead_id")
    updated_at = to.timestamp(lead.get("updated_at"), "lead_updated_at")
    rows: list[Row] = []
    for field in as_list(lead.get("custom_fields_values")):
        if type(field) is not dict:
            to.report("custom_field_id", field)
            continue
        values = as_list(field.get("values"))
        if not values:
            continue
        field_id = to.integer_key(field, "field_id", "custom_field_id")
        name = to.text(field.get("field_name"), "name")
        code = to.text(field.get("field_code"), "field_code")
        kind = to.text(field.get("field_type"), "field_type")
        for index, element in enumerate(values):
            value = element if type(element) is dict else {"value": element}
            rows.append(
                {
                    "custom_field_id": field_id,
                    "lead_id": lead_id,
                    "name": name,
                    "enum": to.integer(value.get("enum_id"), "enum"),
                    "value": _written(value, kind, timezone),
                    "is_system": system_fields.get(field_id),
                    "value_index": index,
                    "lead_updated_at": updated_at,
                    "field_code": code,
                    "field_type": kind,
                    "enum_code": to.text(_enum_code(value), "enum_code"),
                }
            )
    return rows


def _main(contacts: list[Json]) -> Json:
    for contact in contacts:
        if type(contact) is dict and contact.get("is_main") in (True, "1", "true"):
            return contact.get("id")
    return None


def _enum_code(value: dict[str, Json]) -> Json:
    code = value.get("enum_code")
    old = value.get("enum")
    return old if code is None and type(old) is str else code


def _written(element: dict[str, Json], kind: str | None, zone: tzinfo) -> str | None:
    """The text of one value. What its type's writer cannot read is written like any other value."""
    value = element.get("value")
    if value is None:
        return _FIELDS.text(element, "value") if kind == "chained_list" else None
    writer = _WRITERS.get(kind or "")
    if writer is not None:
        try:
            return writer(value, zone)
        except UnreadableError:
            pass
    return _FIELDS.text(value, "value")


def _flag(value: Json, _zone: tzinfo) -> str:
    return "true" if as_boolean(value) else "false"


def _date(value: Json, zone: tzinfo) -> str:
    return local_date(_seconds(value), zone)


def _moment(value: Json, _zone: tzinfo) -> str:
    return utc_text(_seconds(value))


def _seconds(value: Json) -> int:
    """Unix seconds; 0 is a moment here: amoCRM sends only filled fields."""
    number = as_number(value)
    if number is None:
        raise UnreadableError
    return math.floor(number)


_WRITERS: Mapping[str, Callable[[Json, tzinfo], str]] = {
    "checkbox": _flag,
    "date": _date,
    "birthday": _date,
    "date_time": _moment,
}
