"""What happened to deals, and what was deleted: tables of events, from the reading that `events` has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from source_amocrm.account.event_kinds import LIFE, RESPONSIBLE_CHANGED, SALE_CHANGED
from source_amocrm.streams.rows import history
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Events
from source_amocrm.walk.listing import Row


def of_each(make: Callable[[Any], list[Row]]) -> Callable[[Sync, list[Row]], Iterator[list[Row]]]:
    """The rows of every event, by a function that makes those of one."""
    return lambda _, events: map(make, events)


TABLES = (
    Events(
        name="deal_responsible_changes",
        key=("event_id",),
        cursor="created_at",
        kinds=(RESPONSIBLE_CHANGED,),
        rows=of_each(history.responsible_change),
    ),
    Events(
        name="deal_sale_changes",
        key=("event_id",),
        cursor="created_at",
        kinds=(SALE_CHANGED,),
        rows=of_each(history.sale_change),
    ),
    # All events: each field may have a kind of its own, and amoCRM refuses to be asked for several of these together.
    Events(
        name="deal_field_changes",
        key=("event_id", "custom_field_id"),
        cursor="created_at",
        rows=of_each(history.field_changes),
    ),
    Events(
        name="deleted_entities",
        key=("event_id", "entity_id"),
        cursor="created_at",
        kinds=tuple(sorted(LIFE)),
        rows=of_each(history.deletions),
    ),
)
