"""Cards: deals, contacts and companies."""

from __future__ import annotations

from collections.abc import Callable

from source_amocrm.account.resources import COMPANIES, CONTACTS, LEADS
from source_amocrm.streams.readable import ReadableStream
from source_amocrm.streams.values import Json, Row, as_list, exact_amount, main_contact
from source_amocrm.sync.declaration import Lookup

_LINKS = {name: (name,) for name in ("leads", "customers", "catalog_elements")}
_COMMUNICATION = ("communication_id", "communication_ids")


def values_of(wanted: Callable[[dict[str, Json]], bool]) -> Callable[[dict[str, Json]], list[Json]]:
    """Returns what finds the values of a record's custom fields that are `wanted`."""

    def find(record: dict[str, Json]) -> list[Json]:
        fields = [field for field in as_list(record.get("custom_fields_values")) if type(field) is dict]
        elements = (element for field in fields if wanted(field) for element in as_list(field.get("values")))
        return [element.get("value") if type(element) is dict else element for element in elements]

    return find


def is_communication(field: dict[str, Json]) -> bool:
    """Telephony integrations keep their ids in a field known only by its code or its name."""
    labels = field.get("field_code"), field.get("field_name")
    return any(type(label) is str and label.strip().lower() in _COMMUNICATION for label in labels)


def name_of(company: Row) -> str | None:
    name = company.get("name")
    return name if isinstance(name, str) else None


class Deals(ReadableStream):
    name = "deals"
    resources = (LEADS,)
    deletable = True
    extras = {
        "main_contact": ("contacts",),
        "contacts": ("contacts",),
        "loss_reason_name": ("loss_reason",),
        "source_id": ("source_id", "source"),
        "source_name": ("source",),
        "source_external_id": ("source",),
        "source_type": ("source",),
        "is_price_modified_by_robot": ("is_price_modified_by_robot",),
        "catalog_elements": ("catalog_elements",),
    }
    found = {"main_contact": main_contact, "sale": exact_amount("price")}


class Contacts(ReadableStream):
    name = "contacts"
    resources = (CONTACTS,)
    deletable = True
    extras = _LINKS
    lookups = {"company_name": Lookup(COMPANIES, key=lambda row: row["company"], value=name_of)}
    found = {
        "phones": values_of(lambda field: field.get("field_code") == "PHONE"),
        "emails": values_of(lambda field: field.get("field_code") == "EMAIL"),
        "communication_ids": values_of(is_communication),
    }


class Companies(ReadableStream):
    name = "companies"
    resources = (COMPANIES,)
    deletable = True
    extras = {"contacts": ("contacts",), **_LINKS}
