"""Catalogs and their elements. amoCRM filters elements by id only, so they are read whole each time."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.per_entity import CATALOGS, Kind, Parts, PerEntityStream
from source_amocrm.streams.per_entity import catalogs as every_catalog
from source_amocrm.streams.rows import catalogs
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.rows.field_values import element_fields
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row

ELEMENTS = Parts((every_catalog,), "/elements", "elements")
FIELDS = Parts((every_catalog,), "/custom_fields", "custom_fields")


class Catalogs(FullRefreshStream):
    name = "catalogs"
    primary_key = ["catalog_id"]
    relations = {**to.AUTHORS, "account_id": to.ACCOUNT}
    list_path = CATALOGS
    collection = "catalogs"

    def probe(self, path: str) -> None:
        """Asks for the whole list: the streams that have a list in each catalog need it, too."""
        self.account.dictionary(path, self.collection)

    def row(self, record: Row, context: Context) -> Row:
        return catalogs.catalog(record)


class CatalogElements(PerEntityStream):
    name = "catalog_elements"
    primary_key = ["catalog_id", "catalog_element_id"]
    relations = {"catalog_id": to.CATALOG, **to.AUTHORS, "account_id": to.ACCOUNT}
    parts = (ELEMENTS,)

    def row(self, record: Row, context: Context) -> Row:
        return catalogs.catalog_element(record, context.catalog_id or 0)


class CustomFieldsCatalogElements(PerEntityStream):
    name = "custom_fields_catalog_elements"
    primary_key = ["catalog_element_id", "custom_field_id", "value_index"]
    relations = {
        "catalog_element_id": to.Relation("catalog_elements"),
        "custom_field_id": to.custom_field("catalogs"),
    }
    account_extras = ("datetime_settings",)
    parts = (ELEMENTS, FIELDS)

    def records_of(self, kind: Kind) -> Iterable[tuple[Row, Context]]:
        elements = ELEMENTS.of(self.account, kind)
        known = system_fields(FIELDS.of(self.account, kind)) if elements else {}
        context = Context(kind.entity_type, kind.catalog_id, self.account.facts().timezone, known)
        return ((element, context) for element in elements)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return element_fields(record, timezone=context.timezone, system_fields=context.system_fields)


STREAMS = (Catalogs, CatalogElements, CustomFieldsCatalogElements)
