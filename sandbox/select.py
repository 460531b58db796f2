"""Selects the rows of a list by conditions, orders them, and slices them into pages of ids."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, groupby
from random import Random
from typing import Any
from zlib import crc32

from .store import EventTable, Key, Table
from .switches import Ties

INFINITY = 1 << 62


@dataclass(frozen=True)
class Range:
    """Whole numbers `low` to `high`, both included."""

    field: str
    low: int = -INFINITY
    high: int = INFINITY


@dataclass(frozen=True)
class OneOf:
    field: str
    values: frozenset[Any]


@dataclass(frozen=True)
class Test:
    """Any other condition. `name`: equal for equal conditions, as the key of the cache."""

    __test__ = False  # pytest would take it for a class of tests

    name: str
    passes: Callable[[Any], bool] = field(compare=False)


Condition = Range | OneOf | Test


@dataclass(frozen=True)
class Order:
    field: str
    descending: bool = False


class Selection:
    """A range of sorted keys, of which a page is a slice."""

    def __init__(self, keys: list[Key], low: int, high: int, order: Order) -> None:
        self._keys = keys
        self._low = low
        self._high = high
        self._order = order

    def __len__(self) -> int:
        return self._high - self._low

    def ids(self, offset: int, count: int, ties: Ties = "id_asc", shuffle: int = 0) -> list[Any]:
        """Returns `count` ids from `offset` on. `shuffle`: a number that differs between requests."""
        start = min(offset, len(self))
        stop = min(offset + count, len(self))
        if start >= stop:
            return []
        if self._order.descending:
            first, last = self._high - stop, self._high - start
        else:
            first, last = self._low + start, self._low + stop
        natural = "id_desc" if self._order.descending else "id_asc"
        if ties in (natural, "mirrored") or self._order.field == "id":
            ids = [row_id for _, row_id in self._keys[first:last]]
            return ids[::-1] if self._order.descending else ids
        return self._with_ties(first, last, ties, shuffle)

    def _with_ties(self, first: int, last: int, ties: Ties, shuffle: int) -> list[Any]:
        """Widens the slice to whole groups of equal values, reorders each group, and cuts the slice out again."""
        keys, low, high = self._keys, self._low, self._high
        wide_first = max(low, bisect_left(keys, (keys[first][0],)))
        wide_last = min(high, bisect_left(keys, (keys[last - 1][0] + 1,)))
        groups = [[row_id for _, row_id in group] for _, group in groupby(keys[wide_first:wide_last], lambda k: k[0])]
        if self._order.descending:
            groups.reverse()
        for number, group in enumerate(groups):
            if ties == "id_desc":
                group.sort(reverse=True)
            elif ties == "any":
                group.sort(key=lambda row_id: crc32(str(row_id).encode()))
            elif ties == "shuffled":
                Random(shuffle * 1_000_003 + number).shuffle(group)
        flat = [row_id for group in groups for row_id in group]
        skip = wide_last - last if self._order.descending else first - wide_first
        return flat[skip : skip + last - first]


class Selector:
    """Selects rows of one table, and caches the last REMEMBERED selections that no index could answer."""

    REMEMBERED = 12

    def __init__(self, table: Table[Any]) -> None:
        self.table = table
        self._version = -1
        self._cache: dict[Any, list[Key]] = {}

    def select(self, conditions: Iterable[Condition], order: Order) -> Selection:
        conditions = tuple(conditions)
        if not conditions:
            keys = self.table.index(order.field)
            return Selection(keys, 0, len(keys), order)
        if len(conditions) == 1 and isinstance(conditions[0], Range) and conditions[0].field == order.field:
            keys = self.table.index(order.field)
            low, high = _bounds(keys, conditions[0])
            return Selection(keys, low, max(low, high), order)
        keys = self._computed(conditions, order.field)
        return Selection(keys, 0, len(keys), order)

    def _computed(self, conditions: tuple[Condition, ...], order_field: str) -> list[Key]:
        if self._version != self.table.version:
            self._cache.clear()
            self._version = self.table.version
        cache_key = (conditions, order_field)
        keys = self._cache.get(cache_key)
        if keys is None:
            if len(self._cache) >= self.REMEMBERED:
                self._cache.pop(next(iter(self._cache)))
            keys = self._cache[cache_key] = self._compute(conditions, order_field)
        return keys

    def _compute(self, conditions: tuple[Condition, ...], order_field: str) -> list[Key]:
        table, rows = self.table, self.table.rows
        sources = [source for condition in conditions if (source := self._source(condition, conditions))]
        best = min(sources, key=lambda source: source.size, default=None)
        if best is not None and best.field == order_field and all(condition in best.covers for condition in conditions):
            return best.runs[0] if len(best.runs) == 1 else sorted(chain.from_iterable(best.runs))
        ids: Iterable[Any] = best.ids() if best else rows
        for condition in conditions:
            if best is None or condition not in best.covers:
                test = _test(table, condition)
                ids = [row_id for row_id in ids if test(rows[row_id])]
        return sorted((table.order_value(rows[row_id], order_field), row_id) for row_id in ids)

    def _source(self, condition: Condition, conditions: tuple[Condition, ...]) -> _Source | None:
        """Finds the candidates of one condition by an index; for events, also of a range of time."""
        table = self.table
        if isinstance(condition, OneOf) and condition.field == "id":
            known = [row_id for row_id in condition.values if row_id in table.rows]
            return _Source("", (condition,), [[(0, row_id) for row_id in known]])
        if isinstance(condition, Range):
            keys = table.index(condition.field)
            low, high = _bounds(keys, condition)
            return _Source(condition.field, (condition,), [keys[low:high]])
        by_field = isinstance(condition, OneOf) and condition.field in ("type", "entity_type")
        if isinstance(condition, OneOf) and by_field and isinstance(table, EventTable):
            window = next((c for c in conditions if isinstance(c, Range) and c.field == "created_at"), None)
            runs = [table.by(condition.field).get(value, []) for value in condition.values]
            if window is None:
                return _Source("created_at", (condition,), runs)
            cuts = [_bounds(keys, window) for keys in runs]
            runs = [keys[low:high] for keys, (low, high) in zip(runs, cuts, strict=True)]
            return _Source("created_at", (condition, window), runs)
        return None


@dataclass(frozen=True)
class _Source:
    """Keys that satisfy the conditions in `covers`, in runs that are each sorted by `field`."""

    field: str
    covers: tuple[Condition, ...]
    runs: list[list[Key]]

    @property
    def size(self) -> int:
        return sum(map(len, self.runs))

    def ids(self) -> Iterable[Any]:
        return [row_id for keys in self.runs for _, row_id in keys]


def _bounds(keys: list[Key], wanted: Range) -> tuple[int, int]:
    return bisect_left(keys, (wanted.low,)), bisect_left(keys, (wanted.high + 1,))


def _test(table: Table[Any], condition: Condition) -> Callable[[Any], bool]:
    value = table.value
    if isinstance(condition, Test):
        return condition.passes
    if isinstance(condition, OneOf):
        return lambda row: value(row, condition.field) in condition.values
    return lambda row: condition.low <= table.order_value(row, condition.field) <= condition.high
