"""Counts schema drift (fields of amoCRM's records without a column, types that no table knows); shows no values.

Which fields are known is derived from the tables' schemas, list by list. An unknown field is named only if its name
looks like amoCRM's own: the keys of an object may be ids, or texts that people typed.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from source_amocrm.account import event_kinds
from source_amocrm.account.resources import EVENTS, NOTES, TASKS
from source_amocrm.streams import known_fields
from source_amocrm.streams.activity import ELEMENT_TYPE, NOTE_TYPE_IDS
from source_amocrm.streams.custom_fields import FIELD_TYPES, CustomFields
from source_amocrm.streams.known_fields import KnownField
from source_amocrm.streams.values import Json, as_list

KNOWN = known_fields.by_list()  # By the path of a list without ids, the fields that its records are known to have
FIELD_NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})*", re.ASCII)
MOST_COUNTED = 1_000  # unknown fields and types; of further ones only their lists are counted
MOST_NAMED = 40  # names in the warning; further ones are counted together
OTHER = ""  # Stands for a name that is not shown
_CATALOG = re.compile(r"catalog_\d{1,18}", re.ASCII)
_Met = Counter[tuple[str | None, str]]


def _kind_of_event(kind: str) -> bool:
    return kind in event_kinds.EVENT_KINDS or event_kinds.FIELD.fullmatch(kind) is not None


_TYPES: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    TASKS.path: {"entity_type": ELEMENT_TYPE.__contains__},
    **{resource.path: {"note_type": NOTE_TYPE_IDS.__contains__} for resource in NOTES},
    EVENTS.path: {
        "type": _kind_of_event,
        "entity_type": lambda entity: entity in event_kinds.ENTITIES or bool(_CATALOG.fullmatch(entity)),
    },
    "/api/v4/events/types": {"key": _kind_of_event},
    **{f"{path}/custom_fields": {"type": FIELD_TYPES.__contains__} for path in CustomFields.kinds},
}
"""By the path of a list and the name of a field whose values are types, the function that tells a known type."""


def _compare(known: KnownField, records: list[dict[str, Json]], met: _Met, prefix: str = "") -> None:
    """Counts the unknown fields of records in `met`, by name behind the `prefix` of the objects around."""
    if not set().union(*records) <= known.names:
        # a name with a point may be a domain that somebody typed
        unknown = (name for record in records for name in record if name not in known.names)
        met.update((None, OTHER if "." in name else prefix + name) for name in unknown)
    for name, inner in known.opened.items():
        parts = [part for record in records if (value := record.get(name)) for part in _objects(value)]
        if parts:
            _compare(inner, parts, met, f"{prefix}{name}.")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field of the list that is not known, or a type in `field`. `name`: OTHER if it is not shown."""

    list_name: str
    field: str | None
    name: str
    times: int


class SchemaDrift:
    """Compares records with the known fields of each list, by its path without ids. Safe to share by threads."""

    def __init__(self, known: Mapping[str, KnownField]) -> None:
        self._known = known
        self._lock = threading.Lock()
        self._met: Counter[tuple[str, str | None, str]] = Counter()

    def look(self, path: str, body: dict[str, Json] | None) -> None:
        """Compares the response body of `path`."""
        bare, known, records = known_fields.records_in(self._known, path, body)
        if records is None:
            return
        met = _Met()
        types = _TYPES.get(bare, {})
        objects = _objects(records)
        _compare(known, objects, met)
        for name, is_known in types.items():
            kinds = [kind for record in objects if type(kind := record.get(name)) is str]
            for kind in set(kinds):
                if not is_known(kind):
                    met[name, kind if "." not in kind else OTHER] += kinds.count(kind)
        list_name = bare.removeprefix("/api/v4/").removeprefix("/v1.0/")
        with self._lock:
            for (typed, name), times in met.items():
                one = (list_name, typed, name if FIELD_NAME.fullmatch(name) else OTHER)
                kept = one if one in self._met or len(self._met) < MOST_COUNTED else (list_name, None, OTHER)
                self._met[kept] += times

    def found(self) -> list[Unknown]:
        with self._lock:
            found = [Unknown(*one, times) for one, times in self._met.items()]
        return sorted(found, key=lambda one: (one.list_name, one.field or "", one.name))


def drift_warning(found: Collection[Unknown]) -> str | None:
    """Returns the warning for the log; None if every field is known."""
    if not found:
        return None
    named = [one for one in found if one.name][:MOST_NAMED]
    unnamed = sum(one.times for one in found if one not in named)
    lists: dict[str, list[str]] = {}
    for one in named:
        label = one.name if one.field is None else f"{one.field} = {one.name}"
        lists.setdefault(one.list_name, []).append(f"{label} ({one.times:,})")
    parts = [f"{list_name}: {', '.join(names)}" for list_name, names in lists.items()]
    parts += [f"under other names ({unnamed:,})"] if unnamed else []
    return (
        f"amoCRM sent fields that no column holds, or types that no table knows: {'; '.join(parts)}. The numbers are "
        "how often they came. Nothing else is affected; a newer version of this source may have columns for them, and "
        "raw_records keeps whole records meanwhile."
    )


def _objects(value: Json) -> list[dict[str, Json]]:
    """Returns the objects of what should be one, or an array of them; PHP also writes an array as `{"0": …}`."""
    if type(value) is dict and value and not next(iter(value)).isdecimal():
        return [value]
    parts = [part for part in as_list(value) if type(part) is dict]
    return parts or ([value] if type(value) is dict else [])
