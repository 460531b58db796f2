"""The streams of all tables, one module a family. Each table's `name` stands in its class, or in a call of `table`."""

from __future__ import annotations

from source_amocrm.streams import (
    activity,
    administration,
    cards,
    catalogs,
    chats,
    custom_fields,
    events,
    links,
    per_entity,
)
from source_amocrm.streams.base import AmocrmStream

_FAMILIES = (custom_fields, catalogs, cards, activity, events, links, chats, administration, per_entity)
_FIRST = (
    *("deals", "custom_fields_deals", "contacts", "companies", "statuses", "users", "groups", "note_types"),
    *("task_types", "element_types", "custom_fields", "tasks", "notes", "events", "deal_statuses"),
)
"""The fifteen tables that an analyst begins with: `discover` and the documentation list them first."""
_BY_NAME: dict[str, type[AmocrmStream]] = {
    stream.name: stream
    for family in _FAMILIES
    for declared in vars(family).values()
    for stream in (declared if isinstance(declared, list) else [declared])
    # in Python 3.10 isinstance(…, type) also holds for `list[int]`
    if issubclass(type(stream), type) and issubclass(stream, AmocrmStream) and "name" in vars(stream)
}
STREAMS: dict[str, type[AmocrmStream]] = {**{name: _BY_NAME[name] for name in _FIRST}, **_BY_NAME}
