"""Contacts and companies."""

from __future__ import annotations

from collections.abc import Callable

from source_amocrm.account.resources import COMPANIES, CONTACTS
from source_amocrm.streams import relations as to
from source_amocrm.streams.readable import ReadableStream
from source_amocrm.streams.values import Json, Row, as_list
from source_amocrm.sync.declaration import Lookup

_LINKS = {name: (name,) for name in ("leads", "customers", "catalog_elements")}
_COMMUNICATION = ("communication_id", "communication_ids")


def values_of(wanted: Callable[[dict[str, Json]], bool]) -> Callable[[dict[str, Json]], list[Json]]:
    """What finds the values of a record's custom fields that are `wanted`."""

    def find(record: dict[str, Json]) -> list[Json]:
        fields = [field for field in as_list(record.get("custom_fields_values")) if type(field) is dict]
        elements = (element for field in fields if wanted(field) for element in as_list(field.get("values")))
        return [element.get("value") if type(element) is dict else element for element in elements]

    return find


def has_code(code: str) -> Callable[[dict[str, Json]], bool]:
    return lambda field: field.get("field_code") == code


def is_communication(field: dict[str, Json]) -> bool:
    """Telephony integrations keep their ids in a field known only by its code or its name."""
    return any(
        type(label) is str and label.strip().lower() in _COMMUNICATION
        for label in (field.get("field_code"), field.get("field_name"))
    )


def name_of(company: Row) -> str | None:
    """The name of a company, for its contacts."""
    name = company.get("name")
    return name if isinstance(name, str) else None


class Contacts(ReadableStream):
    name = "contacts"
    primary_key = ["contact_id"]
    relations = {
        "responsible_user_id": to.USER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "company": to.COMPANY,
        "leads": to.DEAL,
        "customers": to.CUSTOMER,
    }
    resources = (CONTACTS,)
    deletable = True
    extras = _LINKS
    lookups = {"company_name": Lookup(COMPANIES, key=lambda row: row["company"], value=name_of)}
    found = {
        "phones": values_of(has_code("PHONE")),
        "emails": values_of(has_code("EMAIL")),
        "communication_ids": values_of(is_communication),
    }


class Companies(ReadableStream):
    name = "companies"
    primary_key = ["company_id"]
    relations = {
        "responsible_user_id": to.USER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
        "contacts": to.CONTACT,
        "leads": to.DEAL,
        "customers": to.CUSTOMER,
    }
    resources = (COMPANIES,)
    deletable = True
    extras = {"contacts": ("contacts",), **_LINKS}
