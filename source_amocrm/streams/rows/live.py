"""Rows of what is there now."""

from __future__ import annotations

from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row

_LIVE = Record("live_entities", entity_id="id")


def live_entity(card: Json, entity_type: str, listed_at: int) -> Row:
    """The row of a deal, contact, company or customer that is listed. Raises RowError when it has no id.

    `listed_at`: Unix seconds of a moment before the reading of the list.
    """
    return _LIVE(card, entity_type=entity_type, listed_at=listed_at)
