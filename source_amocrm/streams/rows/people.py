"""Rows of `contacts` and `companies`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, as_list, child, given

_CONTACTS = Coercion("contacts")
_COMPANIES = Coercion("companies")
_COMMUNICATION = ("communication_id", "communication_ids")


def contact(contact: Json, company_name: str | None) -> Row:
    """The row of a contact; the API gives only the id of its company. Raises RowError when it has no id."""
    to, contact = _CONTACTS, _CONTACTS.source(contact)
    get, related = contact.get, contact.get("_embedded")
    fields = [field for field in as_list(get("custom_fields_values")) if type(field) is dict]
    updated_at = to.timestamp(get("updated_at"), "updated_at")
    return {
        "contact_id": to.integer_key(contact, "id", "contact_id"),
        "first_name": to.text(get("first_name"), "first_name"),
        "last_name": to.text(get("last_name"), "last_name"),
        "name": to.text(get("name"), "name"),
        "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "updated_by": to.integer(get("updated_by"), "updated_by"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "company": to.integer(child(child(related, "companies"), "id"), "company"),
        "company_name": company_name,
        "leads": to.ids(child(related, "leads"), "leads"),
        "customers": to.ids(child(related, "customers"), "customers"),
        "date": updated_at,
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": updated_at,
        "closest_task_at": to.timestamp(get("closest_task_at"), "closest_task_at"),
        "tags": to.tags(child(related, "tags")),
        "custom_fields": to.array(given(get("custom_fields_values"), []), "custom_fields"),
        "phones": to.texts(_values(fields, _has_code("PHONE")), "phones"),
        "emails": to.texts(_values(fields, _has_code("EMAIL")), "emails"),
        "communication_ids": to.texts(_values(fields, _is_communication), "communication_ids"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
        "is_unsorted": to.boolean(get("is_unsorted"), "is_unsorted"),
        "catalog_elements": to.array(child(related, "catalog_elements"), "catalog_elements"),
    }


def company(company: Json) -> Row:
    """The row of a company. Raises RowError when it has no id."""
    to, company = _COMPANIES, _COMPANIES.source(company)
    get, related = company.get, company.get("_embedded")
    updated_at = to.timestamp(get("updated_at"), "updated_at")
    return {
        "company_id": to.integer_key(company, "id", "company_id"),
        "name": to.text(get("name"), "name"),
        "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
        "created_by": to.integer(get("created_by"), "created_by"),
        "updated_by": to.integer(get("updated_by"), "updated_by"),
        "account_id": to.integer(get("account_id"), "account_id"),
        "group_id": to.integer(get("group_id"), "group_id"),
        "contacts": to.ids(child(related, "contacts"), "contacts"),
        "leads": to.ids(child(related, "leads"), "leads"),
        "customers": to.ids(child(related, "customers"), "customers"),
        "date": updated_at,
        "created_at": to.timestamp(get("created_at"), "created_at"),
        "updated_at": updated_at,
        "closest_task_at": to.timestamp(get("closest_task_at"), "closest_task_at"),
        "tags": to.tags(child(related, "tags")),
        "custom_fields": to.array(given(get("custom_fields_values"), []), "custom_fields"),
        "is_deleted": to.boolean(given(get("is_deleted"), False), "is_deleted"),
        "catalog_elements": to.array(child(related, "catalog_elements"), "catalog_elements"),
    }


def _values(fields: list[dict[str, Json]], wanted: Callable[[dict[str, Json]], bool]) -> Iterator[Json]:
    for field in fields:
        if wanted(field):
            for element in as_list(field.get("values")):
                yield element.get("value") if type(element) is dict else element


def _has_code(code: str) -> Callable[[dict[str, Json]], bool]:
    return lambda field: field.get("field_code") == code


def _is_communication(field: dict[str, Json]) -> bool:
    """Telephony integrations keep their ids in a field known only by its code or its name."""
    return any(
        type(label) is str and label.strip().lower() in _COMMUNICATION
        for label in (field.get("field_code"), field.get("field_name"))
    )


def name_of(company: Row) -> str | None:
    """The name of a company, for its contacts."""
    name = company.get("name")
    return name if isinstance(name, str) else None
