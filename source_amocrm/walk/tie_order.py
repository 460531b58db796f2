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
        self.broken = False
        """Two neighbours were seen in another order than those before."""

    @property
    def known(self) -> bool:
        """Enough pairs were seen, and all of them in one order."""
        return not self.broken and abs(self._pairs) >= PAIRS_TO_KNOW

    @property
    def ascending(self) -> bool:
        """The order is known: that of the ids, up."""
        return self.known and self._pairs > 0

    def look(self, dated: Sequence[tuple[int, Row]]) -> None:
        """Learns from rows that were not seen before, each with its place."""
        for step in _steps(dated):
            self.broken = self.broken or step == 0 or step * self._pairs < 0
            self._pairs += step

    def bears_out(self, dated: Sequence[tuple[int, Row]]) -> bool:
        """Whether the order is known and these rows are in it."""
        return self.known and all(step * self._pairs > 0 for step in _steps(dated))

    def in_turn(self, row: Row, last: Row) -> bool:
        """Whether `row` comes no later than `last`, a row of the same second, so that none is between the two."""
        return self.known and (key(row) == key(last) or _compared(row, last) * self._pairs > 0)


def _steps(dated: Sequence[tuple[int, Row]]) -> list[int]:
    """How each row of a second compares to the one that follows it in that second."""
    return [_compared(row, other) for (place, row), (after, other) in pairwise(dated) if place == after]


def _compared(row: Row, other: Row) -> int:
    """1 where the first id is the lower one, -1 where it is the higher; 0 where they cannot be compared."""
    one, two = key(row), key(other)
    if isinstance(one, int) and isinstance(two, int):
        return (one < two) - (one > two)
    if isinstance(one, str) and isinstance(two, str):
        return (one < two) - (one > two)
    return 0
