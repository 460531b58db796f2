"""Catalogs and their elements. amoCRM filters elements by id only, so they are read whole each time."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.streams.each import CATALOGS, Kind, Parts, each
from source_amocrm.streams.each import catalogs as every_catalog
from source_amocrm.streams.rows import catalogs
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.rows.field_values import element_fields
from source_amocrm.sync.tables import Dictionary, one_list
from source_amocrm.walk.listing import Row

ELEMENTS = Parts((every_catalog,), "/elements", "elements")
FIELDS = Parts((every_catalog,), "/custom_fields", "custom_fields")


def _elements(account: Account) -> Iterator[Row]:
    for kind, element in ELEMENTS.rows(account):
        yield catalogs.catalog_element(element, kind.catalog_id or 0)


def _element_fields(account: Account) -> Iterator[Row]:
    timezone = account.facts().timezone

    def rows(kind: Kind) -> Iterator[Row]:
        if elements := ELEMENTS.of(account, kind):
            known = system_fields(FIELDS.of(account, kind))
            for element in elements:
                yield from element_fields(element, timezone=timezone, system_fields=known)

    return each(account, (every_catalog,), rows)


TABLES = (
    one_list("catalogs", "catalog_id", CATALOGS, "catalogs", catalogs.catalog),
    Dictionary(
        name="catalog_elements",
        key=("catalog_id", "catalog_element_id"),
        rows=_elements,
        lists=(ELEMENTS,),
    ),
    Dictionary(
        name=element_fields.name,
        key=(element_fields.key, "custom_field_id", "value_index"),
        rows=_element_fields,
        lists=(ELEMENTS, FIELDS),
        account_extras=("datetime_settings",),
    ),
)
