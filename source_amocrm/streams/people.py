"""Contacts and companies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from source_amocrm.account.resources import COMPANIES, CONTACTS, EntityList
from source_amocrm.streams.rows import people, tombstones
from source_amocrm.streams.rows.values import child
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities
from source_amocrm.walk.listing import Row


def _contacts(sync: Sync, _: EntityList, contacts: list[Row]) -> Iterator[list[Row]]:
    companies = [_company_of(contact) for contact in contacts]
    names = sync.company_names.of(own for own in companies if own is not None)
    return ([people.contact(contact, names.get(own or 0))] for contact, own in zip(contacts, companies, strict=True))


def _company_of(contact: Row) -> int | None:
    own = child(child(contact.get("_embedded"), "companies"), "id")
    return own if isinstance(own, int) else None


def _companies(_: Sync, __: EntityList, companies: list[Row]) -> Iterator[list[Row]]:
    return ([people.company(company)] for company in companies)


def _contact_gone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.contact(gone.id, account_id, gone.by, gone.at)


def _company_gone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.company(gone.id, account_id, gone.by, gone.at)


_LINKS = {name: (name,) for name in ("leads", "customers", "catalog_elements")}

TABLES = (
    Entities(
        name="contacts",
        key=("contact_id",),
        cursor="updated_at",
        lists=(CONTACTS,),
        rows=_contacts,
        tombstone=_contact_gone,
        fields="/api/v4/contacts/custom_fields",
        extras=_LINKS,
        takes_from=(COMPANIES,),
    ),
    Entities(
        name="companies",
        key=("company_id",),
        cursor="updated_at",
        lists=(COMPANIES,),
        rows=_companies,
        tombstone=_company_gone,
        fields="/api/v4/companies/custom_fields",
        extras={"contacts": ("contacts",), **_LINKS},
    ),
)
