"""Catalogs and their elements. amoCRM filters elements by id only, so they are read whole each time."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import ABSENT
from source_amocrm.streams.each import CATALOGS, Kind, each
from source_amocrm.streams.each import catalogs as every_catalog
from source_amocrm.streams.rows import catalogs
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.rows.field_values import element_fields
from source_amocrm.sync.tables import Dictionary
from source_amocrm.walk.listing import Row


def _catalogs(account: Account) -> Iterator[Row]:
    return map(catalogs.catalog, account.dictionary(CATALOGS, "catalogs"))


def _elements(account: Account) -> Iterator[Row]:
    for kind, element in _each_element(account):
        yield catalogs.catalog_element(element, kind.catalog_id or 0)


def _element_fields(account: Account) -> Iterator[Row]:
    timezone = account.facts().timezone
    known: dict[str, dict[int, bool | None]] = {}
    for kind, element in _each_element(account):
        if kind.path not in known:
            known[kind.path] = system_fields(account.dictionary(f"{kind.path}/custom_fields", "custom_fields"))
        yield from element_fields(element, timezone=timezone, system_fields=known[kind.path])


def _each_element(account: Account) -> Iterator[tuple[Kind, Row]]:
    return each(account, every_catalog, part="/elements", collection="elements")


TABLES = (
    Dictionary(name="catalogs", key=("catalog_id",), rows=_catalogs, absent=ABSENT, probe=CATALOGS),
    Dictionary(
        name="catalog_elements",
        key=("catalog_id", "catalog_element_id"),
        rows=_elements,
        absent=ABSENT,
        probe=CATALOGS,
    ),
    Dictionary(
        name=element_fields.name,
        key=(element_fields.key, "custom_field_id", "value_index"),
        rows=_element_fields,
        absent=ABSENT,
        account_extras=("datetime_settings",),
        probe=CATALOGS,
    ),
)
