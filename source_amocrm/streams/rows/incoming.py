"""Rows of what comes in by itself: leads that wait to be accepted, and talks."""

from __future__ import annotations

from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row, child

_UNSORTED = Record("unsorted", unsorted_id="uid")
_TALKS = Record("talks")


def unsorted(lead: Json) -> Row:
    """The row of an incoming lead. Raises RowError when it has no uid."""
    return _UNSORTED(lead, **_linked(lead, "leads", "contacts", "companies"))


def talk(talk: Json) -> Row:
    """The row of a talk. Raises RowError when it has no id."""
    return _TALKS(talk, **_linked(talk, "contacts", "leads", "customers"))


def _linked(record: Json, *kinds: str) -> dict[str, Json]:
    return {kind: child(child(record, "_embedded"), kind) for kind in kinds}
