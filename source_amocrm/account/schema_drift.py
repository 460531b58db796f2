"""Schema drift: fields of amoCRM's records without a column, and types that no table knows. Counted, never shown.

A field is named only if its name looks like amoCRM's own: the keys of an object may be ids, or texts that people typed.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})*", re.ASCII)
MOST_KEPT = 1_000
MOST_TOLD = 40
OTHER = ""
"""In place of a name that is not told."""

EVERYWHERE = frozenset({"_links", "request_id"})
"""Fields that tell nothing of a record: addresses of the API, and the mark of a request that wrote."""

_ID = re.compile(r"/\d+(?=/|$)", re.ASCII)


@dataclass(frozen=True)
class Fields:
    """The known fields of the records of a list, or of an object inside of them.

    `held`: what is in a column, with everything inside; `left_out`: what is in none on purpose. `inside`: objects, and
    lists of them, of which only parts are known. `types`: fields whose values are types, and which of them are known.
    `collection`: the key of the records in `_embedded`; "" where an answer is one record.
    """

    held: frozenset[str]
    left_out: frozenset[str] = frozenset()
    inside: Mapping[str, Fields] = field(default_factory=dict)
    types: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    collection: str = ""

    @property
    def names(self) -> frozenset[str]:
        return self.held | self.left_out | self.inside.keys()


@dataclass(frozen=True, slots=True, order=True)
class Unknown:
    """What came in the list `of` that is not known: a field, or a type of `field`. `name`: OTHER where not told."""

    of: str
    field: str | None
    name: str
    times: int


class SchemaDrift:
    """Compares what comes with what is known, by the path of the list without ids. Safe to share by threads."""

    def __init__(self, known: Mapping[str, Fields]) -> None:
        self._lists = {path: (fields.collection, _Node(fields)) for path, fields in known.items()}
        self._lock = threading.Lock()
        self._met: Counter[tuple[str, str | None, str]] = Counter()

    def look(self, path: str, body: dict[str, Json] | None) -> None:
        """An answer that came to `path`."""
        bare = _ID.sub("", path)
        known = self._lists.get(bare)
        if known is None or not body:
            return
        collection, node = known
        embedded = body.get("_embedded")
        records = embedded.get(collection) if collection and isinstance(embedded, dict) else None
        if records is None and (not collection or bare != path):
            records = [body]
        met: Counter[tuple[str | None, str]] = Counter()
        for record in _objects(records):
            node.compare(record, met)
        if met:
            self._count(_called(bare), met)

    def found(self) -> list[Unknown]:
        """Returns all drift so far, by list and name."""
        with self._lock:
            met = dict(self._met)
        order = sorted(met, key=lambda one: (one[0], one[1] or "", one[2]))
        return [Unknown(of, typed, name, met[of, typed, name]) for of, typed, name in order]

    def _count(self, of: str, met: Counter[tuple[str | None, str]]) -> None:
        with self._lock:
            for (typed, name), times in met.items():
                one = (of, typed, name if NAME.fullmatch(name) else OTHER)
                kept = one if one in self._met or len(self._met) < MOST_KEPT else (of, None, OTHER)
                self._met[kept] += times


def drift_warning(found: Collection[Unknown]) -> str | None:
    """Returns the warning for the log; None if every field is known."""
    if not found:
        return None
    named = [one for one in found if one.name][:MOST_TOLD]
    unnamed = sum(one.times for one in found if one not in named)
    lists: dict[str, list[str]] = {}
    for one in named:
        what = one.name if one.field is None else f"{one.field} = {one.name}"
        lists.setdefault(one.of, []).append(f"{what} ({one.times:,})")
    parts = [f"{of}: {', '.join(names)}" for of, names in lists.items()]
    parts += [f"under other names ({unnamed:,})"] if unnamed else []
    return (
        f"amoCRM sent fields that no column holds, or types that no table knows: {'; '.join(parts)}. The numbers are "
        "how often they came. Nothing else is affected; a newer version of this source may have columns for them, and "
        "raw_records keeps whole records meanwhile."
    )


class _Node:
    """Fields prepared for the comparison with many records."""

    def __init__(self, fields: Fields, prefix: str = "") -> None:
        self._prefix = prefix
        self._names = fields.names | EVERYWHERE
        self._types = tuple(fields.types.items())
        self._inside = tuple((name, _Node(inner, f"{prefix}{name}.")) for name, inner in fields.inside.items())

    def compare(self, record: dict[str, Json], met: Counter[tuple[str | None, str]]) -> None:
        if not record.keys() <= self._names:
            met.update((None, self._called(name)) for name in record.keys() - self._names)
        for name, known in self._types:
            value = record.get(name)
            if type(value) is str and not known(value):
                met[f"{self._prefix}{name}", value if "." not in value else OTHER] += 1
        for name, inner in self._inside:
            value = record.get(name)
            if value:
                for part in value if type(value) is list else _objects(value):
                    if type(part) is dict:
                        inner.compare(part, met)

    def _called(self, name: str) -> str:
        """Behind the names of the objects that it is in. A point of its own may be that of a domain."""
        return f"{self._prefix}{name}" if "." not in name else OTHER


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    """The objects of what should be one, or an array of them; PHP also writes an array as `{"0": …, "1": …}`."""
    if type(value) is dict:
        if value and all(name.isdecimal() and type(part) is dict for name, part in value.items()):
            value = list(value.values())
        else:
            yield value
            return
    if type(value) is list:
        yield from (part for part in value if type(part) is dict)


def _called(path: str) -> str:
    return path.removeprefix("/api/v4/").removeprefix("/v1.0/")
