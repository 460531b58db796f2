"""Links and tags as tables: rows for the elements that deals, contacts, companies and customers embed."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams.base import PartsStream
from source_amocrm.streams.per_entity import OF_CARDS, PerEntityStream
from source_amocrm.streams.values import Row, as_list, child

Tags = PerEntityStream.table("tags", kinds=OF_CARDS, list_path="/tags")


class LinkStream(PartsStream):
    """A stream of links. Its name says which entities are linked to which cards, and its key is the ids of both."""

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns one row per link of the record. Raises RowError if the record, or a link, has no id."""
        linked, (card_key, linked_key) = self.name.partition("_")[2], self.primary_key
        record = self.record.source(record)
        card = {"id": self.record.key(record.get("id"), record, card_key), "updated_at": record.get("updated_at")}
        rows: dict[int, Row] = {}
        for link in as_list(child(record.get("_embedded"), linked)):
            row = self.record({**card, "_embedded": {linked: self.record.source(link)}})
            rows[row[linked_key]] = row
        return list(rows.values())


_LINKS = """
    deal_contacts deal_companies deal_tags deal_catalog_elements contact_companies contact_tags company_tags
    customer_contacts customer_tags
"""
LINKS = [LinkStream.table(name) for name in _LINKS.split()]
