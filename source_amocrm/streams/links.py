"""Links and tags as tables: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, LEADS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.coercion import Coercion
from source_amocrm.streams.per_entity import Parts, PerEntityStream, cards, customers
from source_amocrm.streams.values import Json, Row, as_list, child, given
from source_amocrm.sync.declaration import Context

Columns = dict[str, tuple[tuple[str, ...], Callable[[Coercion, Json, str], Json]]]
"""By column, where in the JSON of a link its value is, and what brings it to the column's type. A value that is not
there is looked for in the link itself, under the same name."""

NAME: Columns = {"name": (("name",), Coercion.text)}
TAG: Columns = {**NAME, "color": (("color",), Coercion.text)}
CONTACT: Columns = {"is_main": (("is_main",), Coercion.boolean)}
ELEMENT: Columns = {
    "catalog_id": (("metadata", "catalog_id"), Coercion.integer),
    "quantity": (("metadata", "quantity"), Coercion.number),
    "price_id": (("metadata", "price_id"), Coercion.integer),
}


class Tags(PerEntityStream):
    name = "tags"
    primary_key = ["entity_type", "tag_id"]
    parts = (Parts((cards, customers), "/tags", "tags"),)


class LinkStream(IncrementalStream):
    """The key is the record's id and the linked entity's. `linked`: where the links are among what a record embeds."""

    several_rows = True
    exploded = True
    linked: str
    columns: Columns = {}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """One row per link of the record. Raises RowError when the record, or a link, has no id."""
        to, (own, other) = self.record.to, self.primary_key
        record = to.source(record)
        own_id = to.integer_key(record.get("id"), record, own)
        updated_at = to.timestamp(record.get("updated_at"), self.cursor_field)
        of_record = to.noted()
        rows: dict[int, Row] = {}
        for link in as_list(child(record.get("_embedded"), self.linked)):
            linked = to.integer_key(to.source(link).get("id"), link, other)
            values = {name: read(to, _at(link, path), name) for name, (path, read) in self.columns.items()}
            row = {own: own_id, other: linked, **values, self.cursor_field: updated_at}
            rows[linked] = to.row(row, of_record)
        return list(rows.values())


def _at(link: Json, path: tuple[str, ...]) -> Json:
    value = link
    for name in path:
        value = child(value, name)
    return given(value, child(link, path[-1]))


class DealContacts(LinkStream):
    name = "deal_contacts"
    primary_key = ["lead_id", "contact_id"]
    relations = {"lead_id": to.DEAL, "contact_id": to.CONTACT}
    cursor_field = "lead_updated_at"
    resources = (LEADS,)
    linked = "contacts"
    columns = CONTACT
    extras = {"contact_id": ("contacts",)}


class DealCompanies(LinkStream):
    name = "deal_companies"
    primary_key = ["lead_id", "company_id"]
    relations = {"lead_id": to.DEAL, "company_id": to.COMPANY}
    cursor_field = "lead_updated_at"
    resources = (LEADS,)
    linked = "companies"


class DealTags(LinkStream):
    name = "deal_tags"
    primary_key = ["lead_id", "tag_id"]
    relations = {"lead_id": to.DEAL, "tag_id": to.tag("leads")}
    cursor_field = "lead_updated_at"
    resources = (LEADS,)
    linked = "tags"
    columns = TAG


class DealCatalogElements(LinkStream):
    name = "deal_catalog_elements"
    primary_key = ["lead_id", "catalog_element_id"]
    relations = {
        "lead_id": to.DEAL,
        "catalog_element_id": to.Relation("catalog_elements", {"catalog_id": to.Own("catalog_id")}, absent=to.REMOVED),
        "catalog_id": to.CATALOG,
        "price_id": to.PRICE,
    }
    cursor_field = "lead_updated_at"
    resources = (LEADS,)
    linked = "catalog_elements"
    columns = ELEMENT
    extras = {"catalog_element_id": ("catalog_elements",)}


class ContactCompanies(LinkStream):
    name = "contact_companies"
    primary_key = ["contact_id", "company_id"]
    relations = {"contact_id": to.CONTACT, "company_id": to.COMPANY}
    cursor_field = "contact_updated_at"
    resources = (CONTACTS,)
    linked = "companies"


class ContactTags(LinkStream):
    name = "contact_tags"
    primary_key = ["contact_id", "tag_id"]
    relations = {"contact_id": to.CONTACT, "tag_id": to.tag("contacts")}
    cursor_field = "contact_updated_at"
    resources = (CONTACTS,)
    linked = "tags"
    columns = NAME


class CompanyTags(LinkStream):
    name = "company_tags"
    primary_key = ["company_id", "tag_id"]
    relations = {"company_id": to.COMPANY, "tag_id": to.tag("companies")}
    cursor_field = "company_updated_at"
    resources = (COMPANIES,)
    linked = "tags"
    columns = NAME


class CustomerContacts(LinkStream):
    name = "customer_contacts"
    primary_key = ["customer_id", "contact_id"]
    relations = {"customer_id": to.CUSTOMER, "contact_id": to.CONTACT}
    cursor_field = "customer_updated_at"
    resources = (CUSTOMERS,)
    linked = "contacts"
    columns = CONTACT
    extras = {"contact_id": ("contacts",)}


class CustomerTags(LinkStream):
    name = "customer_tags"
    primary_key = ["customer_id", "tag_id"]
    relations = {"customer_id": to.CUSTOMER, "tag_id": to.tag("customers")}
    cursor_field = "customer_updated_at"
    resources = (CUSTOMERS,)
    linked = "tags"
    columns = NAME
