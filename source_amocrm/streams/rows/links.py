"""Rows of what a list embeds in its records: links to other entities, and tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, as_list, child, given

Read = Callable[[Coercion, Json, str], Json]
"""Brings a value to the type of a column."""


@dataclass(frozen=True)
class Links:
    """A table of links: the columns of the record's id and date, of the linked entity's id, and further ones.

    `collection` is their place in the record's `_embedded`; `columns`: where in the link's JSON each is, and its type.
    What is not there is looked for in the link itself, under the same name.
    """

    table: Coercion
    record: str
    date: str
    collection: str
    linked: str
    columns: Mapping[str, tuple[tuple[str, ...], Read]] = field(default_factory=dict)


def links(kind: Links, record: Json) -> list[Row]:
    """One row per link of the record. Raises RowError when the record, or a link, has no id."""
    to, record = kind.table, kind.table.source(record)
    own = to.integer_key(record, "id", kind.record)
    updated_at = to.timestamp(record.get("updated_at"), kind.date)
    rows: dict[int, Row] = {}
    for link in as_list(child(record.get("_embedded"), kind.collection)):
        linked = to.integer_key(to.source(link), "id", kind.linked)
        rows[linked] = {
            kind.record: own,
            kind.linked: linked,
            **{name: read(to, _at(link, path), name) for name, (path, read) in kind.columns.items()},
            kind.date: updated_at,
        }
    return list(rows.values())


def _at(link: Json, path: tuple[str, ...]) -> Json:
    value = link
    for name in path:
        value = child(value, name)
    return given(value, child(link, path[-1]))
