"""The tables, one module a family. Each class of a family is a stream, unless its name ends with Stream.

Streams that differ in what they declare alone stand in lists (`AmocrmStream.table`)."""

from __future__ import annotations

from source_amocrm.streams import account, activity, cards, chats, custom_fields, events, links, per_entity
from source_amocrm.streams.base import AmocrmStream

_FAMILIES = (custom_fields, cards, activity, events, links, chats, account, per_entity)
_FIRST = (
    *("deals", "custom_fields_deals", "contacts", "companies", "statuses", "users", "groups", "note_types"),
    *("task_types", "element_types", "custom_fields", "tasks", "notes", "events", "deal_statuses"),
)
"""The fifteen tables that an analyst begins with, which pages list before the others."""
_KNOWN: dict[str, type[AmocrmStream]] = {
    stream.name: stream
    for family in _FAMILIES
    for declared in vars(family).values()
    for stream in (declared if isinstance(declared, list) else [declared])
    if isinstance(stream, type) and issubclass(stream, AmocrmStream) and "name" in vars(stream)
}
STREAMS: dict[str, type[AmocrmStream]] = {**{name: _KNOWN[name] for name in _FIRST}, **_KNOWN}
