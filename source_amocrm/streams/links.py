"""Links and tags as tables: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, LEADS
from source_amocrm.streams.base import PartsStream
from source_amocrm.streams.per_entity import OF_CARDS, OF_CUSTOMERS, Parts, PerEntityStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context


class Tags(PerEntityStream):
    name = "tags"
    parts = (Parts((OF_CARDS, OF_CUSTOMERS), "/tags", "tags"),)


class LinkStream(PartsStream):
    """The key is the record's id and the linked entity's. `linked`: where the links are among what a record embeds."""

    linked: str

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns one row per link of the record. Raises RowError when the record, or a link, has no id."""
        to, (own, other) = self.record.to, self.primary_key
        record = to.source(record)
        about = {"id": to.integer_key(record.get("id"), record, own), "updated_at": record.get("updated_at")}
        rows: dict[int, Row] = {}
        for link in as_list(child(record.get("_embedded"), self.linked)):
            row = self.record({**about, "_embedded": {self.linked: to.source(link)}})
            rows[row[other]] = row
        return list(rows.values())


class DealContacts(LinkStream):
    name = "deal_contacts"
    resources = (LEADS,)
    linked = "contacts"
    extras = {"contact_id": ("contacts",)}


class DealCompanies(LinkStream):
    name = "deal_companies"
    resources = (LEADS,)
    linked = "companies"


class DealTags(LinkStream):
    name = "deal_tags"
    resources = (LEADS,)
    linked = "tags"


class DealCatalogElements(LinkStream):
    name = "deal_catalog_elements"
    resources = (LEADS,)
    linked = "catalog_elements"
    extras = {"catalog_element_id": ("catalog_elements",)}


class ContactCompanies(LinkStream):
    name = "contact_companies"
    resources = (CONTACTS,)
    linked = "companies"


class ContactTags(LinkStream):
    name = "contact_tags"
    resources = (CONTACTS,)
    linked = "tags"


class CompanyTags(LinkStream):
    name = "company_tags"
    resources = (COMPANIES,)
    linked = "tags"


class CustomerContacts(LinkStream):
    name = "customer_contacts"
    resources = (CUSTOMERS,)
    linked = "contacts"
    extras = {"contact_id": ("contacts",)}


class CustomerTags(LinkStream):
    name = "customer_tags"
    resources = (CUSTOMERS,)
    linked = "tags"
