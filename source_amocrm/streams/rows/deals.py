"""Rows of `deals`."""

from __future__ import annotations

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, as_list, child, exact_amount, given

_DEALS = Coercion("deals")


def deal(lead: Json) -> Row:
    """The row of a lead. Raises RowError when the lead has no id."""
    to, lead = _DEALS, _DEALS.source(lead)
    get, related = lead.get, lead.get("_embedded")
    contacts, source = as_list(child(related, "contacts")), child(related, "source")
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
        "main_contact": to.integer(main_contact(contacts), "main_contact"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "company": to.integer(child(child(related, "companies"), "id"), "company"),
        "contacts": to.ids(contacts, "contacts"),
        "loss_reason_id": to.integer(get("loss_reason_id"), "loss_reason_id"),
        "loss_reason_name": to.text(child(child(related, "loss_reason"), "name"), "loss_reason_name"),
        "sale": to.number(exact_amount(lead, "price"), "sale"),
        "date": updated_at,
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": updated_at,
        "closed_at": to.timestamp(get("closed_at"), "closed_at"),
        "closest_task_at": to.timestamp(get("closest_task_at"), "closest_task_at"),
        "tags": to.tags(child(related, "tags")),
        "custom_fields": to.array(given(get("custom_fields_values"), []), "custom_fields"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
        "source_id": to.integer(given(get("source_id"), child(source, "id")), "source_id"),
        "source_name": to.text(child(source, "name"), "source_name"),
        "score": to.integer(get("score"), "score"),
        "labor_cost": to.integer(get("labor_cost"), "labor_cost"),
        "is_price_modified_by_robot": to.boolean(get("is_price_modified_by_robot"), "is_price_modified_by_robot"),
        "catalog_elements": to.array(child(related, "catalog_elements"), "catalog_elements"),
        "is_price_computed": to.boolean(get("is_price_computed"), "is_price_computed"),
        "source_external_id": to.text(child(source, "external_id"), "source_external_id"),
        "source_type": to.text(child(source, "type"), "source_type"),
    }


def main_contact(contacts: list[Json]) -> Json:
    for contact in contacts:
        if type(contact) is dict and contact.get("is_main") in (True, "1", "true"):
            return contact.get("id")
    return None
