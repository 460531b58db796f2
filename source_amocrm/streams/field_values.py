"""The values of custom fields: a table for each kind of entities, from the reading of its entities."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Once
from source_amocrm.account.resources import COMPANIES, CONTACTS, EntityList
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.rows.field_values import FieldTable, company_fields, contact_fields
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities
from source_amocrm.walk.listing import Row


def field_table(entities: EntityList, fields: FieldTable) -> Entities:
    path = f"{entities.path}/custom_fields"

    def rows(sync: Sync, _: EntityList, owners: list[Row]) -> Iterator[list[Row]]:
        account = sync.account
        timezone = account.facts().timezone
        known = sync.shared(path, lambda: Once(lambda: system_fields(account.dictionary(path, "custom_fields"))))()
        return (fields(owner, timezone=timezone, system_fields=known) for owner in owners)

    return Entities(
        name=fields.name,
        key=(fields.key, "custom_field_id", "value_index"),
        cursor=fields.cursor,
        lists=(entities,),
        rows=rows,
        dictionary=path,
        several_rows=True,
        account_extras=("datetime_settings",),
    )


TABLES = (field_table(CONTACTS, contact_fields), field_table(COMPANIES, company_fields))
