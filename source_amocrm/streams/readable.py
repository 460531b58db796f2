"""Readable deals: the account's custom fields as columns of deals, contacts and companies, where that is wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import CLOSED
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.readable import Column, column, field_columns
from source_amocrm.sync.tables import Entities, Table
from source_amocrm.walk.listing import Row

LOGGER = logging.getLogger("airbyte")

Rows = Callable[[list[Row]], Iterator[list[Row]]]
"""The rows of each record in turn."""


def discovered(account: Account, table: Table) -> dict[str, Mapping[str, Any]]:
    """The schemas of the columns that the account's fields make in this table."""
    if not isinstance(table, Entities) or table.fields is None:
        return {}
    try:
        fields = account.dictionary(table.fields, "custom_fields")
    except CLOSED as error:
        LOGGER.warning("The custom fields of %s are no columns of it: %s", table.name, error)
        return {}
    made = (column(field) for field in fields)
    return {each.name: each.schema for each in made if each}


def widened(name: str, account: Account, columns: Mapping[int, Column], rows: Rows) -> Rows:
    """What `rows` makes, with the columns of each record's custom fields."""
    to = Coercion(name)

    def wide(records: list[Row]) -> Iterator[list[Row]]:
        zone = account.facts().timezone
        for record, made in zip(records, rows(records), strict=True):
            own = field_columns(to, record, columns, zone)
            yield [{**row, **own} for row in made]

    return wide
