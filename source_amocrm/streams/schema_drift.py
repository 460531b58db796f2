"""Schema drift: fields of amoCRM's records without a column, and types that no table knows. Counted, never shown.

Which fields are known is derived from the tables' schemas, list by list. An unknown field is named only if its name
looks like amoCRM's own: the keys of an object may be ids, or texts that people typed.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from source_amocrm.account import event_kinds
from source_amocrm.account.resources import EVENTS, NOTES, TASKS
from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.activity import ELEMENT_TYPE, NOTE_TYPE_IDS
from source_amocrm.streams.base import AccountStream, AmocrmStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.custom_fields import CustomFields
from source_amocrm.streams.per_entity import PerEntityStream
from source_amocrm.streams.values import Json

Path = tuple[str, ...]
Types = Mapping[str, Callable[[str], bool]]

FIELD_NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})*", re.ASCII)
MOST_COUNTED = 1_000
MOST_TOLD = 40
OTHER = ""
"""In place of a name that is not told."""
EVERYWHERE = frozenset({"_links", "request_id"})
"""Fields that tell nothing of a record: addresses of the API, and the mark of a request that wrote."""
_FIELD_TYPES = """
    text numeric textarea price streetaddress tracking_data monetary checkbox url date date_time birthday
    select multiselect radiobutton category multitext smart_address legal_entity items linked_entity chained_list
    file payer supplier org_legal_name
"""
FIELD_TYPES = frozenset(_FIELD_TYPES.split())
"""The types of custom fields that amoCRM documents, or its own library knows."""
ID_IN_PATH = re.compile(r"/\d+(?=/|$)", re.ASCII)
_CATALOG = re.compile(r"catalog_\d{1,18}", re.ASCII)


def _kind_of_event(kind: str) -> bool:
    return kind in event_kinds.EVENT_KINDS or event_kinds.FIELD.fullmatch(kind) is not None


_TYPES: Mapping[str, Types] = {
    TASKS.path: {"entity_type": ELEMENT_TYPE.__contains__},
    **{resource.path: {"note_type": NOTE_TYPE_IDS.__contains__} for resource in NOTES},
    EVENTS.path: {
        "type": _kind_of_event,
        "entity_type": lambda entity: entity in event_kinds.ENTITIES or bool(_CATALOG.fullmatch(entity)),
    },
    "/api/v4/events/types": {"key": _kind_of_event},
    **{f"{path}/custom_fields": {"type": FIELD_TYPES.__contains__} for path in CustomFields.kinds},
}
"""By the path of a list, the fields whose values are types, and which of these are known."""


class Fields:
    """The known fields of the records of a list, or of an object inside of them.

    `held`: paths of what is in a column, with everything inside; `left_out`: paths of what is in none on purpose.
    `types`: fields whose values are types, and which of them are known. `collection`: the key of the records in
    `_embedded`; "" where an answer is one record. `prefix`: the names of the objects that these are in.
    """

    def __init__(
        self, held: Collection[Path], left_out: Collection[Path], types: Types, collection: str = "", prefix: str = ""
    ) -> None:
        self.held = frozenset(path[0] for path in held if len(path) == 1)
        self.left_out = frozenset(path[0] for path in left_out if len(path) == 1) - self.held
        self.types = types
        self.collection = collection
        self.inside = {
            name: Fields(_below(name, held), _below(name, left_out), {}, prefix=f"{prefix}{name}.")
            for name in sorted({path[0] for path in (*held, *left_out)} - self.held - self.left_out)
        }
        self._prefix = prefix
        self._names = self.held | self.left_out | self.inside.keys() | EVERYWHERE

    def compare(self, record: dict[str, Json], met: Counter[tuple[str | None, str]]) -> None:
        if not record.keys() <= self._names:
            # A point in a name may be that of a domain.
            met.update((None, OTHER if "." in name else self._prefix + name) for name in record.keys() - self._names)
        for name, known in self.types.items():
            value = record.get(name)
            if type(value) is str and not known(value):
                met[name, value if "." not in value else OTHER] += 1
        for name, inner in self.inside.items():
            value = record.get(name)
            if value:
                for part in value if type(value) is list else _objects(value):
                    if type(part) is dict:
                        inner.compare(part, met)


def _below(name: str, paths: Iterable[Path]) -> list[Path]:
    return [path[1:] for path in paths if path[0] == name and len(path) > 1]


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
        self._known = known
        self._lock = threading.Lock()
        self._met: Counter[tuple[str, str | None, str]] = Counter()

    def look(self, path: str, body: dict[str, Json] | None) -> None:
        """Compares the body of an answer that came to `path`."""
        bare = ID_IN_PATH.sub("", path)
        known = self._known.get(bare)
        if known is None or not body:
            return
        embedded = body.get("_embedded")
        records = embedded.get(known.collection) if known.collection and isinstance(embedded, dict) else None
        if records is None and (not known.collection or bare != path):
            records = [body]
        met: Counter[tuple[str | None, str]] = Counter()
        for record in _objects(records):
            known.compare(record, met)
        if met:
            self._count(bare.removeprefix("/api/v4/").removeprefix("/v1.0/"), met)

    def found(self) -> list[Unknown]:
        with self._lock:
            met = dict(self._met)
        order = sorted(met, key=lambda one: (one[0], one[1] or "", one[2]))
        return [Unknown(of, typed, name, met[of, typed, name]) for of, typed, name in order]

    def _count(self, of: str, met: Counter[tuple[str | None, str]]) -> None:
        with self._lock:
            for (typed, name), times in met.items():
                one = (of, typed, name if FIELD_NAME.fullmatch(name) else OTHER)
                kept = one if one in self._met or len(self._met) < MOST_COUNTED else (of, None, OTHER)
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


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yields the objects of what should be one, or an array of them; PHP also writes an array as `{"0": …}`."""
    if type(value) is dict:
        if value and all(name.isdecimal() and type(part) is dict for name, part in value.items()):
            value = list(value.values())
        else:
            yield value
            return
    if type(value) is list:
        yield from (part for part in value if type(part) is dict)


def lists_of(stream: type[AmocrmStream]) -> Iterator[tuple[str, str]]:
    """Yields the paths, without ids, of the lists that a stream's rows are made of, and the key of their records."""
    if issubclass(stream, IncrementalStream):
        yield from ((resource.path, resource.collection) for resource in stream.inputs())
    elif issubclass(stream, PerEntityStream):
        yield from ((path + stream.parts[0], stream.collection) for path in stream.kinds)
    elif issubclass(stream, AccountStream):
        yield ACCOUNT_PATH, ""
    elif issubclass(stream, FullRefreshStream) and hasattr(stream, "list_path"):
        yield stream.list_path, stream.collection


def columns_in(stream: type[AmocrmStream]) -> tuple[Path, list[schema.Column]]:
    """Returns where in an answer's record the stream's own record stands, and the columns that stand in that one."""
    # What comes with `/account` is embedded there.
    embedded = issubclass(stream, AccountStream) and hasattr(stream, "collection")
    shown = [one for one in schema.columns(stream.name) if one.explicit or not stream.exploded]
    return ("_embedded", stream.collection) if embedded else (), shown


def _known() -> Mapping[str, Fields]:
    held: dict[tuple[str, str], set[Path]] = {}
    left_out: dict[tuple[str, str], set[Path]] = {}
    for stream in STREAMS.values():
        before, shown = columns_in(stream)
        for of in lists_of(stream):
            columns = held.setdefault(of, set())
            columns |= {(*before, *path.split(".")) for column in shown for path in column.paths}
            hidden = left_out.setdefault(of, set())
            hidden |= {(*before, *path.split(".")) for path in schema.left_out(stream.name)}
    return {of[0]: Fields(held[of], left_out[of], _TYPES.get(of[0], {}), of[1]) for of in held}


KNOWN: Mapping[str, Fields] = _known()
"""By the path of the list, without ids."""
