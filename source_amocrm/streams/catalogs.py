"""Catalogs, with their elements and the custom fields of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.custom_fields import FieldRowStream, system_fields, values_of
from source_amocrm.streams.per_entity import CATALOGS, PerEntityStream
from source_amocrm.streams.values import Row


class CustomFieldsCatalogElements(FieldRowStream, PerEntityStream):
    name = "custom_fields_catalog_elements"
    kinds = (CATALOGS,)
    list_path = "/elements"
    needed = ("/custom_fields",)

    def records_of(self, path: str, context: Context) -> Iterable[tuple[Row, Context]]:
        listed = list(super().records_of(path, context))
        fields = self.account.dictionary(f"{path}/custom_fields", "custom_fields") if listed else []
        zone, known = self.account.facts().timezone, system_fields(fields)
        return [(element, replace(of_list, timezone=zone, system_fields=known)) for element, of_list in listed]


class Catalogs(FullRefreshStream):
    name = "catalogs"
    list_path = CATALOGS

    def probe(self, path: str) -> None:
        """Requests the whole list: the streams that have a list in each catalog need it, too."""
        self.account.dictionary(path, self.collection)


class CatalogElements(PerEntityStream):
    """Every sync reads all elements, because amoCRM filters them by id only. An invoice has its items in a field."""

    name = "catalog_elements"
    kinds = (CATALOGS,)
    list_path = "/elements"
    found = {"items": values_of(lambda field: field.get("field_type") == "items")}
