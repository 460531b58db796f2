"""Links and tags as tables: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, LEADS
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.per_entity import OF_CARDS, OF_CUSTOMERS, Parts, PerEntityStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context


class Tags(PerEntityStream):
    name = "tags"
    parts = (Parts((OF_CARDS, OF_CUSTOMERS), "/tags", "tags"),)


class LinkStream(IncrementalStream):
    """The key is the record's id and the linked entity's. `linked`: where the links are among what a record embeds."""

    several_rows = True
    exploded = True
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


class LinkOfDeal(LinkStream):
    cursor_field = "lead_updated_at"
    resources = (LEADS,)


class LinkOfContact(LinkStream):
    cursor_field = "contact_updated_at"
    resources = (CONTACTS,)


class LinkOfCustomer(LinkStream):
    cursor_field = "customer_updated_at"
    resources = (CUSTOMERS,)


class DealContacts(LinkOfDeal):
    name = "deal_contacts"
    linked = "contacts"
    extras = {"contact_id": ("contacts",)}


class DealCompanies(LinkOfDeal):
    name = "deal_companies"
    linked = "companies"


class DealTags(LinkOfDeal):
    name = "deal_tags"
    linked = "tags"


class DealCatalogElements(LinkOfDeal):
    name = "deal_catalog_elements"
    linked = "catalog_elements"
    extras = {"catalog_element_id": ("catalog_elements",)}


class ContactCompanies(LinkOfContact):
    name = "contact_companies"
    linked = "companies"


class ContactTags(LinkOfContact):
    name = "contact_tags"
    linked = "tags"


class CompanyTags(LinkStream):
    name = "company_tags"
    cursor_field = "company_updated_at"
    resources = (COMPANIES,)
    linked = "tags"


class CustomerContacts(LinkOfCustomer):
    name = "customer_contacts"
    linked = "contacts"
    extras = {"contact_id": ("contacts",)}


class CustomerTags(LinkOfCustomer):
    name = "customer_tags"
    linked = "tags"
