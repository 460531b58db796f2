"""Contacts and companies."""

from __future__ import annotations

from source_amocrm.account.resources import COMPANIES, CONTACTS
from source_amocrm.streams import relations as to
from source_amocrm.streams.readable import ReadableStream
from source_amocrm.streams.rows import people
from source_amocrm.sync.declaration import Context, Lookup
from source_amocrm.walk.listing import Row

_LINKS = {name: (name,) for name in ("leads", "customers", "catalog_elements")}


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
    lookups = {"company_name": Lookup(COMPANIES, key=lambda row: row["company"], value=people.name_of)}

    def row(self, record: Row, context: Context) -> Row:
        return people.contact(record, None)


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

    def row(self, record: Row, context: Context) -> Row:
        return people.company(record)


STREAMS = (Contacts, Companies)
