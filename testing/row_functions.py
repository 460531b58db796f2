"""What makes the rows of each table of a record alone, as the stream of an account that is not there does."""

from __future__ import annotations

from datetime import timezone, tzinfo
from functools import cache, partial
from typing import Any

from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams.base import AmocrmStream

from .offline import stream

Row = dict[str, Any]


@cache
def _stream(table: str) -> AmocrmStream:
    return stream(table)


def rows(
    table: str,
    record: Any,
    entity: str = "",
    catalog_id: int | None = None,
    zone: tzinfo = timezone.utc,
    system_fields: dict[int, bool | None] | None = None,
) -> list[Row]:
    """The rows of a record from the list of `entity`, of a catalog, in an account of that time zone."""
    return [dict(row) for row in _stream(table).rows(record, Context(entity, catalog_id, zone, system_fields or {}))]


def row(table: str, record: Any, entity: str = "", catalog_id: int | None = None) -> Row:
    [only] = rows(table, record, entity, catalog_id)
    return only


def tombstone(table: str, key: str, *deletion: Any, **others: Any) -> Row:
    """The row of what was deleted: its id, the account's, by whom, and when."""
    return {**_stream(table).record.tombstone(key, *deletion), **others}


deal = partial(row, "deals")
contact = partial(row, "contacts")
company = partial(row, "companies")
task = partial(row, "tasks")
note = partial(row, "notes")
event = partial(row, "events")
call = partial(rows, "calls")
sms = partial(rows, "messages")
chat = partial(rows, "messages", entity="events")
responsible_change = partial(rows, "deal_responsible_changes")
sale_change = partial(rows, "deal_sale_changes")
field_changes = partial(rows, "deal_field_changes")
deletions = partial(rows, "deleted_entities")
deal_fields = partial(rows, "custom_fields_deals")


def deal_status(record: Any) -> Row | None:
    return next(iter(rows("deal_statuses", record)), None)
