"""Which fields of amoCRM's lists the tables hold, and which they leave out on purpose, list by list.

Derived from the tables' schemas. A field that stands in none of them is new: the log of a sync names it
(see `account/schema_drift.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from source_amocrm.account import event_kinds
from source_amocrm.account.resources import EVENTS, NOTES, TASKS
from source_amocrm.account.schema_drift import Fields
from source_amocrm.http.api import ACCOUNT_PATH
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.base import AccountStream, AmocrmStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.fixed import ELEMENT_TYPE, NOTE_TYPE_IDS
from source_amocrm.streams.per_entity import PerEntityStream

Path = tuple[str, ...]

_FIELD_TYPES = """
    text numeric textarea price streetaddress tracking_data monetary checkbox url date date_time birthday
    select multiselect radiobutton category multitext smart_address legal_entity items linked_entity chained_list
    file payer supplier org_legal_name
"""
FIELD_TYPES = frozenset(_FIELD_TYPES.split())
"""The types of custom fields that amoCRM documents, or its own library knows."""

_CATALOG = re.compile(r"catalog_\d{1,18}", re.ASCII)


def _one_of(known: Collection[str]) -> Callable[[str], bool]:
    return frozenset(known).__contains__


def _kind_of_event(kind: str) -> bool:
    return kind in event_kinds.KINDS or event_kinds.FIELD.fullmatch(kind) is not None


def _entity_of_event(entity: str) -> bool:
    return entity in event_kinds.ENTITIES or _CATALOG.fullmatch(entity) is not None


_TYPES: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    TASKS.path: {"entity_type": _one_of(ELEMENT_TYPE)},
    **{resource.path: {"note_type": _one_of(NOTE_TYPE_IDS)} for resource in NOTES},
    EVENTS.path: {"type": _kind_of_event, "entity_type": _entity_of_event},
    "/api/v4/events/types": {"key": _kind_of_event},
    **{path: {"type": _one_of(FIELD_TYPES)} for path in STREAMS["custom_fields"].parts[0].lists},  # type: ignore[attr-defined]
}
"""By the path of a list, the fields whose values are types, and which of these are known."""


def _lists(stream: type[AmocrmStream]) -> Iterator[tuple[str, str]]:
    """The paths of the lists whose records a stream's rows are made of, without ids, and the key of these records."""
    if issubclass(stream, IncrementalStream):
        yield from ((resource.path, resource.collection) for resource in stream.inputs())
    elif issubclass(stream, PerEntityStream):
        yield from ((path, stream.parts[0].collection) for path in stream.parts[0].lists)
    elif issubclass(stream, AccountStream):
        yield ACCOUNT_PATH, ""
    elif issubclass(stream, FullRefreshStream) and hasattr(stream, "list_path"):
        yield stream.list_path, stream.collection


def _held(stream: type[AmocrmStream]) -> Iterator[Path]:
    """Where in the records of its list stands what a stream's columns keep."""
    for column in schema.columns(stream.name):
        if column.explicit or not stream.exploded:
            yield from (tuple(path.split(".")) for path in column.paths)


def _within(stream: type[AmocrmStream], paths: Iterable[Path]) -> Iterator[Path]:
    """The paths from the record of the list on: what comes with `/account` is embedded there."""
    embedded = issubclass(stream, AccountStream) and hasattr(stream, "collection")
    before = ("_embedded", stream.collection) if embedded else ()
    return ((*before, *path) for path in paths)


def _fields(held: Collection[Path], left_out: Collection[Path], **told: object) -> Fields:
    """A field that is held is held with everything inside."""
    whole = frozenset(path[0] for path in held if len(path) == 1)
    nothing = frozenset(path[0] for path in left_out if len(path) == 1) - whole
    parts = {path[0] for path in (*held, *left_out)} - whole - nothing
    inside = {name: _fields(_below(name, held), _below(name, left_out)) for name in sorted(parts)}
    return Fields(whole, nothing, inside, **told)  # type: ignore[arg-type]


def _below(name: str, paths: Iterable[Path]) -> list[Path]:
    return [path[1:] for path in paths if path[0] == name and len(path) > 1]


def _known() -> Mapping[str, Fields]:
    held: dict[str, set[Path]] = {}
    left_out: dict[str, set[Path]] = {}
    collections: dict[str, str] = {}
    for stream in STREAMS.values():
        for path, collection in _lists(stream):
            collections[path] = collection
            held.setdefault(path, set()).update(_within(stream, _held(stream)))
            hidden = (tuple(field.split(".")) for field in schema.left_out(stream.name))
            left_out.setdefault(path, set()).update(_within(stream, hidden))
    return {
        path: _fields(held[path], left_out[path], types=_TYPES.get(path, {}), collection=collection)
        for path, collection in collections.items()
    }


KNOWN: Mapping[str, Fields] = _known()
"""By the path of the list, without ids."""
