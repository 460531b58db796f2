"""Customers, and what belongs to them. An account may have them switched off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from source_amocrm.account.resources import CUSTOMERS, EntityList
from source_amocrm.streams.field_values import field_table
from source_amocrm.streams.rows import customers, tombstones
from source_amocrm.streams.rows.field_values import customer_fields
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities, one_list
from source_amocrm.walk.listing import Row


def _customers(_: Sync, __: EntityList, found: list[Row]) -> Iterator[list[Row]]:
    return ([customers.customer(customer)] for customer in found)


def _customer_gone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.customer(gone.id, account_id, gone.by, gone.at)


TABLES = (
    Entities(
        name="customers",
        key=("customer_id",),
        cursor="updated_at",
        lists=(CUSTOMERS,),
        rows=_customers,
        tombstone=_customer_gone,
        extras={
            "main_contact": ("contacts",),
            "contacts": ("contacts",),
            "company": ("companies",),
            "catalog_elements": ("catalog_elements",),
        },
    ),
    field_table(CUSTOMERS, customer_fields),
    one_list(
        "customer_statuses",
        "customer_status_id",
        f"{CUSTOMERS.path}/statuses",
        "statuses",
        customers.customer_status,
    ),
    one_list("customer_segments", "segment_id", f"{CUSTOMERS.path}/segments", "segments", customers.customer_segment),
    one_list(
        "customer_transactions",
        "transaction_id",
        f"{CUSTOMERS.path}/transactions",
        "transactions",
        customers.customer_transaction,
    ),
)
