"""Deals and their custom fields, both from one reading of the leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from source_amocrm.streams.account import Account, Once
from source_amocrm.streams.changes import Deletion
from source_amocrm.streams.lists import LEADS, EntityList
from source_amocrm.streams.rows import deals, tombstones
from source_amocrm.streams.rows.dictionaries import system_fields
from source_amocrm.streams.sync import Sync
from source_amocrm.streams.tables import Entities
from source_amocrm.walk.listing import Row


def _deals(_: Sync, __: EntityList, leads: list[Row]) -> Iterator[list[Row]]:
    return ([deals.deal(lead)] for lead in leads)


def _deal_fields(sync: Sync, _: EntityList, leads: list[Row]) -> Iterator[list[Row]]:
    timezone = sync.account.facts().timezone
    known = sync.shared("system fields", lambda: Once(lambda: _system_fields(sync.account)))()
    return (deals.deal_fields(lead, timezone=timezone, system_fields=known) for lead in leads)


def _system_fields(account: Account) -> dict[int, bool | None]:
    return system_fields(account.dictionary("/api/v4/leads/custom_fields", "custom_fields"))


def _tombstone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.deal(gone.id, account_id, gone.by, gone.at)


TABLES = (
    Entities(
        name="deals",
        key=("lead_id",),
        cursor="updated_at",
        lists=(LEADS,),
        rows=_deals,
        tombstone=_tombstone,
        extras={
            "main_contact": ("contacts",),
            "contacts": ("contacts",),
            "loss_reason_name": ("loss_reason",),
            "source_id": ("source_id",),
            "source_name": ("source",),
            "is_price_modified_by_robot": ("is_price_modified_by_robot",),
            "catalog_elements": ("catalog_elements",),
        },
    ),
    Entities(
        name="custom_fields_deals",
        key=("lead_id", "custom_field_id", "value_index"),
        cursor="lead_updated_at",
        lists=(LEADS,),
        rows=_deal_fields,
        account_extras=("datetime_settings",),
    ),
)
