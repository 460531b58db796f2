"""In which order a server lists rows, as far as the rows themselves tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from source_amocrm.walk.listing import Row, key

PAIRS_TO_KNOW = 20
"""Neighbours of one second that must all be in the order of their ids: by chance that is one in a million."""


def monotone(rows: Sequence[Row], column: str) -> bool:
    """Whether the rows are in the order of a column, up or down."""
    values: list[Any] = [row.get(column) for row in rows]
    if not all(isinstance(value, int) for value in values) and not all(isinstance(value, str) for value in values):
        return False
    return all(one <= other for one, other in pairwise(values)) or all(one >= other for one, other in pairwise(values))


class TieOrder:
    """Whether rows of one second come in the order of their ids, up or down, every time."""

    def __init__(self) -> None:
        self._pairs = 0
        """Seen so far: counted up or down, 0 before the first."""
        self._broken = False

    def look(self, dated: Sequence[tuple[int, Row]]) -> None:
        """At the rows of a page, each with its place."""
        for (place, row), (other_place, other) in pairwise(dated):
            if place != other_place or self._broken:
                continue
            step = _compared(row, other)
            self._broken = step == 0 or step * self._pairs < 0
            self._pairs += step

    def in_turn(self, row: Row, last: Row) -> bool:
        """Whether `row` comes no later than `last`, a row of the same second, so that none is between the two."""
        if self._broken or abs(self._pairs) < PAIRS_TO_KNOW:
            return False
        return key(row) == key(last) or _compared(row, last) * self._pairs > 0


def _compared(row: Row, other: Row) -> int:
    """1 where the first id is the lower one, -1 where it is the higher; 0 where they cannot be compared."""
    one, two = key(row), key(other)
    if isinstance(one, int) and isinstance(two, int):
        return (one < two) - (one > two)
    if isinstance(one, str) and isinstance(two, str):
        return (one < two) - (one > two)
    return 0
