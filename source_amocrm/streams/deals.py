"""Deals and their custom fields, both from one reading of the leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from source_amocrm.account.resources import LEADS, EntityList
from source_amocrm.streams.field_values import field_table
from source_amocrm.streams.rows import deals, tombstones
from source_amocrm.streams.rows.field_values import deal_fields
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities
from source_amocrm.walk.listing import Row


def _deals(_: Sync, __: EntityList, leads: list[Row]) -> Iterator[list[Row]]:
    return ([deals.deal(lead)] for lead in leads)


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
        fields="/api/v4/leads/custom_fields",
        extras={
            "main_contact": ("contacts",),
            "contacts": ("contacts",),
            "loss_reason_name": ("loss_reason",),
            "source_id": ("source_id", "source"),
            "source_name": ("source",),
            "source_external_id": ("source",),
            "source_type": ("source",),
            "is_price_modified_by_robot": ("is_price_modified_by_robot",),
            "catalog_elements": ("catalog_elements",),
        },
    ),
    field_table(LEADS, deal_fields),
)
