"""Links and tags as tables: rows for what the lists of deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import schema
from source_amocrm.streams.base import PartsStream
from source_amocrm.streams.per_entity import OF_CARDS, PerEntityStream
from source_amocrm.streams.values import Row, as_list, child
from source_amocrm.sync.declaration import Context

Tags = PerEntityStream.table("tags", kinds=OF_CARDS, parts=("/tags",))


class LinkStream(PartsStream):
    """The key is the record's id and the linked entity's. `linked`: where the links are among what a record embeds."""

    linked: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        fields = (field for column in schema.columns(cls.name) for field in column.fields)
        cls.linked = next(field.split(".")[1] for field in fields if field.startswith("_embedded."))

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns one row per link of the record. Raises RowError when the record, or a link, has no id."""
        own, other = self.primary_key
        record = self.record.source(record)
        about = {"id": self.record.key(record.get("id"), record, own), "updated_at": record.get("updated_at")}
        rows: dict[int, Row] = {}
        for link in as_list(child(record.get("_embedded"), self.linked)):
            row = self.record({**about, "_embedded": {self.linked: self.record.source(link)}})
            rows[row[other]] = row
        return list(rows.values())


LINKS = [
    LinkStream.table(name)
    for name in (
        *("deal_contacts", "deal_companies", "deal_tags", "deal_catalog_elements", "contact_companies"),
        *("contact_tags", "company_tags", "customer_contacts", "customer_tags"),
    )
]
