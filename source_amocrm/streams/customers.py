"""Customers, and what belongs to them. An account may have them switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import ABSENT, CUSTOMERS, EntityList
from source_amocrm.streams.field_values import field_table
from source_amocrm.streams.rows import customers, tombstones
from source_amocrm.streams.rows.field_values import customer_fields
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Dictionary, Entities
from source_amocrm.walk.listing import Row


def _customers(_: Sync, __: EntityList, found: list[Row]) -> Iterator[list[Row]]:
    return ([customers.customer(customer)] for customer in found)


def _customer_gone(_: EntityList, gone: Deletion, account_id: Any) -> Row:
    return tombstones.customer(gone.id, account_id, gone.by, gone.at)


def _list(part: str, row: Callable[[Any], Row]) -> Callable[[Account], Iterable[Row]]:
    path = f"{CUSTOMERS.path}/{part}"

    def rows(account: Account) -> Iterable[Row]:
        account.require_customers(path)
        return map(row, account.dictionary(path, part))

    return rows


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
    Dictionary(
        name="customer_statuses",
        key=("customer_status_id",),
        rows=_list("statuses", customers.customer_status),
        absent=ABSENT,
    ),
    Dictionary(
        name="customer_segments", key=("segment_id",), rows=_list("segments", customers.customer_segment), absent=ABSENT
    ),
    Dictionary(
        name="customer_transactions",
        key=("transaction_id",),
        rows=_list("transactions", customers.customer_transaction),
        absent=ABSENT,
    ),
)
