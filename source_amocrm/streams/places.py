"""Where in the records of each list stands what the tables' schemas tell of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.base import AccountStream, AmocrmStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.per_entity import PerEntityStream
from source_amocrm.streams.values import Json

STAYS, GOES, NUMBER = "stays", "goes", "number"
"""Rules beside the kinds of `schema.PERSONAL`: for what is not personal, for any value, for a listed number."""
FIELDS = "custom_fields_values"
_ID_IN_PATH = re.compile(r"/\d+(?=/|$)", re.ASCII)
_EVERYWHERE = frozenset(("_links", "request_id"))
"""Fields that tell nothing of a record: addresses of the API, and the mark of a request that wrote."""


@dataclass
class Place:
    """A place in a record, and the places inside of it.

    `rule`: what personal data stands there. `kept`: whether a column holds it, or it is left out on purpose; None where
    only places inside are known. `collection`: of a whole record, the key of its list in `_embedded`; "" where an
    answer is one record.
    """

    rule: str = "texts"
    kept: bool | None = None
    inside: dict[str, Place] = field(default_factory=dict)
    collection: str = ""

    def declare(self, path: str, rule: str, kept: bool) -> None:
        """Makes a place known. What one table keeps or takes for personal, it is for all tables."""
        place = self
        for name in path.split("."):
            place = place.inside.setdefault(name, Place())
        if place.kept is None or place.rule == STAYS:
            place.rule = rule
        place.kept = kept or bool(place.kept)

    def at(self, name: str) -> Place:
        return self.inside.get(name) or _LEAVES[self.rule]

    @cached_property
    def stays(self) -> bool:
        return self.rule == STAYS and all(place.stays for place in self.inside.values())

    @cached_property
    def names(self) -> frozenset[str]:
        return _EVERYWHERE | self.inside.keys()

    @cached_property
    def opened(self) -> dict[str, Place]:
        """The inner places that no table keeps or leaves out: only places inside of them are known."""
        return {name: place for name, place in self.inside.items() if place.kept is None}


_LEAVES = {rule: Place(rule) for rule in (*schema.PERSONAL, STAYS, GOES, NUMBER)}


def records_in(lists: Mapping[str, Place], path: str, body: dict[str, Json] | None) -> tuple[str, Place, Json]:
    """Finds the records in the body of an answer that came to `path`, which may be one record itself.

    Returns the path without ids, a whole record of that list, and the records; None for no records, or an unknown list.
    """
    bare = _ID_IN_PATH.sub("", path)
    place = lists.get(bare)
    if place is None or not body:
        return bare, _LEAVES[STAYS], None
    embedded = body.get("_embedded")
    if place.collection and isinstance(embedded, dict) and place.collection in embedded:
        return bare, place, embedded[place.collection]
    return bare, place, None if place.collection and bare == path else body


def lists_of(stream: type[AmocrmStream]) -> Iterator[tuple[str, str]]:
    """Yields the paths, without ids, of the lists that a stream's rows are made of, and the key of their records."""
    if issubclass(stream, IncrementalStream):
        yield from ((resource.path, resource.collection) for resource in stream.inputs())
    elif issubclass(stream, PerEntityStream):
        yield from ((path + stream.list_path, stream.collection) for path in stream.kinds)
    elif issubclass(stream, AccountStream):
        yield ACCOUNT_PATH, ""
    elif issubclass(stream, FullRefreshStream) and stream.list_path:
        yield stream.list_path, stream.collection


def columns_in_records(stream: type[AmocrmStream]) -> list[schema.Column]:
    """Returns the columns that stand in the records of the stream's lists."""
    return [one for one in schema.columns(stream.name) if one.explicit or not stream.exploded]


def places(chosen: Collection[tuple[str, str]] = ()) -> dict[str, Place]:
    """Returns a whole record of each list, by the path without ids. `chosen`: columns that are personal, too."""
    found: dict[str, Place] = {}
    for stream in STREAMS.values():
        # What comes with `/account` is embedded there.
        embedded = issubclass(stream, AccountStream) and hasattr(stream, "collection")
        before = f"_embedded.{stream.collection}." if embedded else ""
        for of, collection in lists_of(stream):
            record = found.setdefault(of, Place(collection=collection))
            for path in schema.left_out(stream.name):
                record.declare(before + path, STAYS, kept=False)
            for column in columns_in_records(stream):
                rule = column.personal or STAYS
                if (stream.name, column.name) in chosen and rule in (STAYS, "colleague"):
                    rule = NUMBER if column.type == "number" else GOES
                for path in column.paths:
                    where = before + path
                    own = "own" if where == FIELDS else STAYS if where.rpartition(".")[2] == "id" else rule
                    record.declare(where, own, kept=True)
    return found
