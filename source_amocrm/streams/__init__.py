"""The tables, one module a family. Each class of a family that has a name is a stream."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from source_amocrm.streams import (
    account,
    catalogs,
    contacts,
    custom_fields,
    customers,
    deals,
    events,
    files,
    fixed,
    history,
    links,
    live,
    messages,
    notes,
    pipelines,
    talks,
    tasks,
    users,
)
from source_amocrm.streams.base import AmocrmStream

_FAMILIES = (
    *(deals, contacts, custom_fields, pipelines, users, tasks, notes, events, history, fixed),
    *(links, messages, talks, customers, catalogs, account, files, live),
)


def _of(family: ModuleType) -> Iterator[type[AmocrmStream]]:
    own = (one for one in vars(family).values() if isinstance(one, type) and one.__module__ == family.__name__)
    yield from (one for one in own if issubclass(one, AmocrmStream) and "name" in vars(one))


_KNOWN: dict[str, type[AmocrmStream]] = {stream.name: stream for family in _FAMILIES for stream in _of(family)}
_FIRST = (
    *("deals", "custom_fields_deals", "contacts", "companies", "statuses", "users", "groups", "note_types"),
    *("task_types", "element_types", "custom_fields", "tasks", "notes", "events", "deal_statuses"),
)
"""The fifteen tables that an analyst begins with, which pages list before the others."""
STREAMS: dict[str, type[AmocrmStream]] = {**{name: _KNOWN[name] for name in _FIRST}, **_KNOWN}
