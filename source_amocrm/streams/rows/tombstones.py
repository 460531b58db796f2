"""Rows of what was deleted in amoCRM: the key, who, when, `is_deleted`; everything else is no longer known.

`updated_at` is the second of the deletion, so the row wins over every earlier one with its key. Which deletions get a
row is decided in sync/entity_reading.py.
"""

from __future__ import annotations

from functools import cache

from source_amocrm.streams import schema
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row


def tombstone(
    stream: str, key: str, element_id: Json, account_id: Json, updated_by: Json, updated_at: Json, **others: Json
) -> Row:
    """The tombstone of an element of `stream`, with its id in the column `key`; `updated_at` in Unix seconds.

    `others`: columns that a deletion leaves as they are. Raises RowError without an id.
    """
    to, row = _coercion(stream), schema.blank_row(stream)
    row[key] = to.integer_key({"id": element_id, "updated_at": updated_at}, "id", key)
    row["account_id"] = to.integer(account_id, "account_id")
    row["updated_by"] = to.integer(updated_by, "updated_by")
    row["updated_at"] = to.timestamp(updated_at, "updated_at")
    row["is_deleted"] = True
    if "date" in row:
        row["date"] = row["updated_at"]
    row.update(others)
    return row


@cache
def _coercion(stream: str) -> Coercion:
    """One for all tombstones of a stream: it tells of each odd value once."""
    return Coercion(stream)
