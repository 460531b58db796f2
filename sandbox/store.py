"""Tables of raw rows with sorted indexes, so that any page of a large account costs a few milliseconds."""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

Row = dict[str, Any]  # an entity as in the API, without `_links` and `_embedded`; never changed in place
Key = tuple[int, Any]  # (order value, id)


class Event(NamedTuple):
    """One row of `/events`. Events may share their `value_after` and `value_before`, so these are never changed."""

    id: str
    type: str
    entity_id: int
    entity_type: str
    created_by: int
    created_at: int
    value_after: list[dict[str, Any]]
    value_before: list[dict[str, Any]]
    linked_talk_contact_id: int | None = None


R = TypeVar("R")
HASH = "~hash"  # a stable order without meaning, for lists "in no particular order"


class Table(Generic[R]):
    """Rows by id, and an index per order field built on first use and kept up by `put` and `remove`."""

    def __init__(self, field: Callable[[R, str], Any]) -> None:
        self._field = field
        self.rows: dict[Any, R] = {}
        self.version = 0  # grows with every change, which makes cached selections invalid
        self._indexes: dict[str, list[Key]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, row_id: object) -> bool:
        return row_id in self.rows

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows.values())

    def get(self, row_id: Any) -> R | None:
        return self.rows.get(row_id)

    def load(self, rows: Iterable[tuple[Any, R]]) -> None:
        """Adds many rows at once. The indexes are built again when they are next used."""
        self.rows.update(rows)
        self._indexes.clear()
        self.version += 1

    def put(self, row_id: Any, row: R) -> None:
        old = self.rows.get(row_id)
        self.rows[row_id] = row
        self.version += 1
        for field, index in self._indexes.items():
            new_key = (self.order_value(row, field), row_id)
            if old is not None:
                old_key = (self.order_value(old, field), row_id)
                if old_key == new_key:
                    continue
                del index[bisect_left(index, old_key)]
            insort(index, new_key)

    def remove(self, row_id: Any) -> R:
        row = self.rows.pop(row_id)
        self.version += 1
        for field, index in self._indexes.items():
            del index[bisect_left(index, (self.order_value(row, field), row_id))]
        return row

    def index(self, field: str) -> list[Key]:
        """Returns all keys in ascending order of `field`, then id. The caller must not change the list."""
        index = self._indexes.get(field)
        if index is None:
            index = sorted((self.order_value(row, field), row_id) for row_id, row in self.rows.items())
            self._indexes[field] = index
        return index

    def value(self, row: R, field: str) -> Any:
        return self._field(row, field)

    def order_value(self, row: R, field: str) -> int:
        if field == HASH:
            return zlib.crc32(str(self._field(row, "id")).encode())
        value = self._field(row, field)
        return value if isinstance(value, int) else 0


def row_table() -> Table[Row]:
    return Table(dict.get)


class EventTable(Table[Event]):
    """Events, with a further index by time for each type and each entity type, which clients filter by."""

    def __init__(self) -> None:
        super().__init__(getattr)
        self._by: dict[str, dict[str, list[Key]]] = {}

    def load(self, rows: Iterable[tuple[Any, Event]]) -> None:
        super().load(rows)
        self._by.clear()

    def put(self, row_id: Any, row: Event) -> None:
        super().put(row_id, row)
        for field, groups in self._by.items():
            insort(groups.setdefault(getattr(row, field), []), (row.created_at, row.id))

    def by(self, field: str) -> dict[str, list[Key]]:
        """Returns the sorted keys (created_at, id) for each value of `field`, `type` or `entity_type`."""
        groups = self._by.get(field)
        if groups is None:
            groups = {}
            for key in self.index("created_at"):
                groups.setdefault(getattr(self.rows[key[1]], field), []).append(key)
            self._by[field] = groups
        return groups


class Links:
    """The links between entities, kept in both directions, in the order in which they were made."""

    def __init__(self) -> None:
        self._out: dict[tuple[str, str], dict[int, tuple[int, ...]]] = {}
        self.main: dict[tuple[str, int], int] = {}  # ("leads" | "customers", id) -> id of the main contact
        self.elements: dict[tuple[str, int], tuple[dict[str, Any], ...]] = {}  # attached catalog elements

    def of(self, kind: str, row_id: int, to: str) -> tuple[int, ...]:
        return self._out.get((kind, to), {}).get(row_id, ())

    def add(self, kind: str, row_id: int, to: str, to_id: int) -> None:
        for a, x, b, y in ((kind, row_id, to, to_id), (to, to_id, kind, row_id)):
            side = self._out.setdefault((a, b), {})
            if y not in side.get(x, ()):
                side[x] = (*side.get(x, ()), y)

    def drop(self, kind: str, row_id: int, to: str, to_id: int) -> None:
        for a, x, b, y in ((kind, row_id, to, to_id), (to, to_id, kind, row_id)):
            side = self._out.get((a, b), {})
            if x in side:
                side[x] = tuple(other for other in side[x] if other != y)
            if b == "contacts" and self.main.get((a, x)) == y:
                self._promote(a, x)

    def _promote(self, kind: str, row_id: int) -> None:
        rest = self.of(kind, row_id, "contacts")
        if rest:
            self.main[kind, row_id] = rest[0]
        else:
            del self.main[kind, row_id]
