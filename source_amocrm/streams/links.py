"""Links and tags as tables: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, LEADS, EntityList
from source_amocrm.streams.rows import links
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.links import Links, Read
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities
from source_amocrm.walk.listing import Row

Columns = dict[str, tuple[tuple[str, ...], Read]]

TAG: Columns = {"name": (("name",), Coercion.text), "color": (("color",), Coercion.text)}
CONTACT: Columns = {"is_main": (("is_main",), Coercion.boolean)}
ELEMENT: Columns = {
    "catalog_id": (("metadata", "catalog_id"), Coercion.integer),
    "quantity": (("metadata", "quantity"), Coercion.number),
    "price_id": (("metadata", "price_id"), Coercion.integer),
}


def _links(
    name: str, entities: EntityList, collection: str, linked: str, columns: Columns, *, embedded: bool = False
) -> Entities:
    """`embedded`: the list shows them unasked."""
    record, date = f"{entities.entity}_id", f"{entities.entity}_updated_at"
    kind = Links(Coercion(name), record, date, collection, linked, columns)

    def rows(_: Sync, __: EntityList, records: list[Row]) -> Iterator[list[Row]]:
        return (links.links(kind, one) for one in records)

    return Entities(
        name=name,
        key=(record, linked),
        cursor=date,
        lists=(entities,),
        rows=rows,
        several_rows=True,
        extras={} if embedded else {linked: (collection,)},
    )


TABLES = (
    _links("deal_contacts", LEADS, "contacts", "contact_id", CONTACT),
    _links("deal_companies", LEADS, "companies", "company_id", {}, embedded=True),
    _links("deal_tags", LEADS, "tags", "tag_id", TAG, embedded=True),
    _links("deal_catalog_elements", LEADS, "catalog_elements", "catalog_element_id", ELEMENT),
    _links("contact_companies", CONTACTS, "companies", "company_id", {}, embedded=True),
    _links("contact_tags", CONTACTS, "tags", "tag_id", {"name": TAG["name"]}, embedded=True),
    _links("company_tags", COMPANIES, "tags", "tag_id", {"name": TAG["name"]}, embedded=True),
    _links("customer_contacts", CUSTOMERS, "contacts", "contact_id", CONTACT),
    _links("customer_tags", CUSTOMERS, "tags", "tag_id", {"name": TAG["name"]}, embedded=True),
)
