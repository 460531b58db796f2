"""The fields that each list's records are known to have: which columns hold them, and what personal data is in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.base import AccountStream, AmocrmStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.per_entity import PerEntityStream
from source_amocrm.streams.values import Json, Row

STAYS, GOES, NUMBER, ANY = "stays", "goes", "number", "any"
"""Rules beside the kinds of `schema.PERSONAL`. STAYS: not personal. GOES: any value but a flag is replaced. NUMBER: a
number or a flag, which becomes null. ANY: a value of a personal custom field."""
CUSTOM_FIELDS = "custom_fields_values"
_ID_IN_PATH = re.compile(r"/\d+(?=/|$)", re.ASCII)
_EVERYWHERE = frozenset(("_links", "request_id"))
"""Fields without data of the record: addresses of the API, and the mark of the request that wrote the record."""


@dataclass
class KnownField:
    """A field of a record, or a whole record, with the fields inside of it.

    `rule`: what personal data it holds. `kept`: True if a column holds it, False if it is left out on purpose, None if
    only fields inside are known. `collection`: of a whole record, the key of its list in `_embedded`; "" if a response
    is one record. `others`: stands for every unknown field inside. `plain`: names of fields without personal data, at
    any depth. A further field inside has the same rule; the texts of one inside a field that stays count as personal.
    """

    rule: str = "texts"
    kept: bool | None = None
    inside: dict[str, KnownField] = field(default_factory=dict)
    collection: str = ""
    others: KnownField | None = None
    plain: frozenset[str] = frozenset()

    def declare(self, path: str, rule: str, kept: bool, plain: frozenset[str] = frozenset()) -> None:
        """Makes the field at `path` known. If one table keeps it, or takes it for personal, all tables do."""
        known = self
        for name in path.split("."):
            known = known.inside.setdefault(name, KnownField())
        if known.kept is None or known.rule == STAYS:
            known.rule = rule
        known.kept = kept or bool(known.kept)
        known.plain |= plain

    def at(self, name: str) -> KnownField:
        known = self.inside.get(name) or self.others
        return known or (self if name in self.plain else OF_RULE["texts" if self.rule == STAYS else self.rule])

    @cached_property
    def names(self) -> frozenset[str]:
        return _EVERYWHERE | self.inside.keys()

    @cached_property
    def opened(self) -> dict[str, KnownField]:
        """The fields that no table keeps or leaves out as a whole: only fields inside of them are known."""
        return {name: known for name, known in self.inside.items() if known.kept is None}


OF_RULE = {rule: KnownField(rule) for rule in (*schema.PERSONAL, STAYS, GOES, NUMBER)}
"""By rule, a field of which only the rule is known."""


def records_in(lists: Mapping[str, KnownField], path: str, body: Row | None) -> tuple[str, KnownField, Json]:
    """Finds the records in the response body of `path`; the body may be one record itself.

    Returns the path without ids, the known fields of its records, and the records. The records are None if the body
    holds none, or if the list is not known.
    """
    bare = _ID_IN_PATH.sub("", path)
    known = lists.get(bare)
    if known is None or not body:
        return bare, OF_RULE[STAYS], None
    embedded = body.get("_embedded")
    if known.collection and isinstance(embedded, dict) and known.collection in embedded:
        return bare, known, embedded[known.collection]
    return bare, known, None if known.collection and bare == path else body


def columns_in_records(stream: type[AmocrmStream]) -> list[schema.Column]:
    """Returns the columns that stand in the records of the stream's lists."""
    return [one for one in schema.columns(stream.name) if one.explicit or not stream.exploded]


def by_list(chosen: Collection[tuple[str, str]] = ()) -> dict[str, KnownField]:
    """Returns the known fields of each list's records, by the path without ids. `chosen`: further personal columns."""
    found: dict[str, KnownField] = {}
    for stream in STREAMS.values():
        for list_path, collection, prefix in _lists_of(stream):
            record = found.setdefault(list_path, KnownField(collection=collection))
            for path in schema.left_out(stream.name):
                record.declare(prefix + path, STAYS, kept=False)
            for column in columns_in_records(stream):
                rule = column.personal or STAYS
                if (stream.name, column.name) in chosen and rule in (STAYS, "colleague"):
                    rule = NUMBER if column.type == "number" else GOES
                for path in column.paths:
                    inner = "own" if path == CUSTOM_FIELDS else STAYS if path.rpartition(".")[2] == "id" else rule
                    record.declare(prefix + path, inner, kept=True, plain=column.inside)
    return found


def _lists_of(stream: type[AmocrmStream]) -> Iterator[tuple[str, str, str]]:
    """Yields the lists that a stream's rows are made of: the path without ids, the key of the records in `_embedded`,
    and the prefix of the paths in the part of a record that makes a row; "" for the whole record."""
    if issubclass(stream, IncrementalStream):
        yield from ((resource.path, resource.collection, "") for resource in stream.inputs())
    elif issubclass(stream, PerEntityStream):
        yield from ((path + stream.list_path, stream.collection, "") for path in stream.kinds)
    elif issubclass(stream, AccountStream):
        yield ACCOUNT_PATH, "", f"_embedded.{stream.collection}." if hasattr(stream, "collection") else ""
    elif issubclass(stream, FullRefreshStream) and stream.list_path:
        yield stream.list_path, stream.collection, ""
