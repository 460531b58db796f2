"""Catalogs and their elements. amoCRM filters elements by id only, so they are read whole each time."""

from __future__ import annotations

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.custom_fields import ELEMENTS
from source_amocrm.streams.per_entity import CATALOGS, PerEntityStream
from source_amocrm.streams.values import Json, as_list, child


def items_of(element: dict[str, Json]) -> list[Json]:
    """What an invoice lists: the values of the element's fields of the type items."""
    fields = as_list(element.get("custom_fields_values"))
    values = (as_list(child(field, "values")) for field in fields if child(field, "field_type") == "items")
    return [child(item, "value") for items in values for item in items]


class Catalogs(FullRefreshStream):
    name = "catalogs"
    primary_key = ["catalog_id"]
    relations = {**to.AUTHORS, "account_id": to.ACCOUNT}
    list_path = CATALOGS
    collection = "catalogs"

    def probe(self, path: str) -> None:
        """Asks for the whole list: the streams that have a list in each catalog need it, too."""
        self.account.dictionary(path, self.collection)


class CatalogElements(PerEntityStream):
    name = "catalog_elements"
    primary_key = ["catalog_id", "catalog_element_id"]
    relations = {"catalog_id": to.CATALOG, **to.AUTHORS, "account_id": to.ACCOUNT}
    parts = (ELEMENTS,)
    found = {"items": items_of}
