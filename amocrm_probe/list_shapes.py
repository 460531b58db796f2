"""The shape of a list: at each place of its rows the JSON types, how often it is absent, the greatest length, and the
values of closed vocabularies. No other value.

A place is named by the keys that lead to it: `_embedded.tags.name`. The elements of an array are counted at the array's
own place, behind `.*` if they are no objects.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from amocrm_probe.answer import Unanswered
from amocrm_probe.lists import LISTS, List
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.shapes import REPEATED
from source_amocrm.account import event_kinds
from source_amocrm.streams.activity import ELEMENT_TYPE, NOTE_TYPE_IDS
from source_amocrm.streams.custom_fields import FIELD_TYPES
from source_amocrm.streams.known_fields import KnownField
from source_amocrm.streams.schema_drift import KNOWN

Shape = dict[str, Any]
KEY = re.compile(r"[a-z_]{1,40}", re.ASCII)
"""A key that looks like amoCRM's own: others may be ids, or texts that people typed."""
DEEPEST, MOST_PLACES = 8, 300
"""Keys that lead to a place, and places of a list. What is beyond them is left out."""
OWN_FIELD = "custom_field_value_changed"
"""Stands for the event types that name a field: `custom_field_123_value_changed`."""
TYPES = {bool: "boolean", int: "integer", float: "number", str: "text", list: "array", dict: "object"}


def _kind_of_event(word: str) -> str | None:
    if event_kinds.FIELD.fullmatch(word):
        return OWN_FIELD
    return word if word in event_kinds.EVENT_KINDS else None


def _one_of(words: Iterable[str]) -> Callable[[str], str | None]:
    known = frozenset(words)
    return lambda word: word if word in known else None


VOCABULARIES: Mapping[str, Mapping[str, Callable[[str], str | None]]] = {
    "events": {"type": _kind_of_event, "entity_type": _one_of(event_kinds.ENTITIES)},
    "event_types": {"key": _kind_of_event},
    "tasks": {"entity_type": _one_of(ELEMENT_TYPE)},
    **{name: {"note_type": _one_of(NOTE_TYPE_IDS)} for name in LISTS if name.endswith("_notes")},
    **{name: {"type": _one_of(FIELD_TYPES)} for name in LISTS if name.endswith("_fields")},
    **{
        name: {"custom_fields_values.field_type": _one_of(FIELD_TYPES)}
        for name in ("leads", "contacts", "companies", "customers")
    },
}
"""The words that a shape may name, by list and place: each as itself or by its substitute; None is left out."""


def word_of(vocabularies: Mapping[str, Callable[[str], str | None]], place: str, value: Any) -> str | None:
    """Returns the word of a place's vocabulary that a value is, None if it is none."""
    known = vocabularies.get(place)
    return known(value) if known and isinstance(value, str) else None


@dataclass
class _Place:
    """`rows`: numbers of the rows that have it. `known`: whether the connector has the name."""

    known: bool
    types: Counter[str] = field(default_factory=Counter)
    rows: set[int] = field(default_factory=set)
    longest: int = 0
    words: Counter[str] = field(default_factory=Counter)


class _Looking:
    def __init__(self, of: List) -> None:
        self.places: dict[str, _Place] = {}
        self.objects = defaultdict[str, int](int)
        self._vocabularies = VOCABULARIES.get(of.name, {})

    def object(self, value: Mapping[str, Any], place: str, known: KnownField | None, row: int, depth: int = 0) -> None:
        self.objects[place] += 1
        for name, inner in value.items():
            if depth < DEEPEST and KEY.fullmatch(name):
                inside = known.inside.get(name) if known else None
                is_known = known is not None and name in known.names
                self._value(inner, f"{place}.{name}".lstrip("."), inside, is_known, row, depth + 1)

    def _value(self, value: Any, name: str, inside: KnownField | None, is_known: bool, row: int, depth: int) -> None:
        if name not in self.places and len(self.places) >= MOST_PLACES:
            return
        place = self.places.setdefault(name, _Place(is_known or name in self._vocabularies))
        place.rows.add(row)
        place.types["null" if value is None else TYPES[type(value)]] += 1
        if isinstance(value, str | list):
            place.longest = max(place.longest, len(value))
        if word := word_of(self._vocabularies, name, value):
            place.words[word] += 1
        for part in value if isinstance(value, list) else [value] if isinstance(value, dict) else ():
            if isinstance(part, dict):
                self.object(part, name, inside, row, depth)
            elif depth < DEEPEST:
                self._value(part, f"{name}.*", None, is_known, row, depth + 1)


def shapes(ask: Asking) -> dict[str, Shape]:
    """Returns the shape of the first page of each list that the account gives. Raises AmocrmError."""
    found = {}
    for of in LISTS.values():
        with suppress(Unanswered):
            found[of.name] = shape(of, ask.sample(of).rows)
    return found


def shape(of: List, rows: Iterable[Any]) -> Shape:
    """Returns the rows' number and the places that they have, by name.

    A place that the connector does not know is told if at least REPEATED rows have it.
    """
    looking, count = _Looking(of), 0
    known = KNOWN.get(of.path)
    for count, row in enumerate(rows, 1):
        if isinstance(row, dict):
            looking.object(row, "", known, count)
    told = {
        name: _told(place, looking.objects[name.rpartition(".")[0]], name)
        for name, place in sorted(looking.places.items())
        if place.known or len(place.rows) >= REPEATED
    }
    return {"rows": count, "places": told}


def _told(place: _Place, objects: int, name: str) -> Shape:
    told: Shape = dict(sorted(place.types.items()))
    absent = 0 if name.endswith(".*") else objects - place.types.total()
    if absent:
        told["absent"] = absent
    if place.longest:
        told["longest"] = 1 << (place.longest - 1).bit_length()
    if place.words:
        told["words"] = dict(sorted(place.words.items()))
    return told
