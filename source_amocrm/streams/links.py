"""Links and tags as streams: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, LEADS
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.rows import links
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.links import Links, Read
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row

Columns = dict[str, tuple[tuple[str, ...], Read]]

NAME: Columns = {"name": (("name",), Coercion.text)}
TAG: Columns = {**NAME, "color": (("color",), Coercion.text)}
CONTACT: Columns = {"is_main": (("is_main",), Coercion.boolean)}
ELEMENT: Columns = {
    "catalog_id": (("metadata", "catalog_id"), Coercion.integer),
    "quantity": (("metadata", "quantity"), Coercion.number),
    "price_id": (("metadata", "price_id"), Coercion.integer),
}


class LinkStream(IncrementalStream):
    """The key is the record's id and the linked entity's. `linked`: where the links are among what a record embeds."""

    several_rows = True
    linked: str
    columns: Columns = {}

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        record, other = self.primary_key
        self._links = Links(Coercion(self.name), record, self.cursor_field, self.linked, other, self.columns)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return links.links(self._links, record)


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


STREAMS = (
    DealContacts,
    DealCompanies,
    DealTags,
    DealCatalogElements,
    ContactCompanies,
    ContactTags,
    CompanyTags,
    CustomerContacts,
    CustomerTags,
)
