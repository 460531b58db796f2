"""In which order the server lists rows of one second, as the rows themselves show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from source_amocrm.walk.listing import Row, key

PAIRS_TO_KNOW = 20
"""How many pairs of neighbours must be in the order of their ids before that counts as known: 2**20 to 1 by chance."""


def monotone(rows: Sequence[Row], column: str) -> bool:
    """Whether the rows are in the order of a column, up or down."""
    values: list[Any] = [row.get(column) for row in rows]
    if not all(isinstance(value, int) for value in values) and not all(isinstance(value, str) for value in values):
        return False
    return all(one <= other for one, other in pairwise(values)) or all(one >= other for one, other in pairwise(values))


class TieOrder:
    """Learns whether rows of one second always come in the order of their ids, up or down."""

    def __init__(self) -> None:
        self._pairs = 0
        """How many pairs were seen: positive for ascending ids, negative for descending, 0 before the first."""
        self.broken = False
        """Two neighbours were seen in another order than those before."""

    @property
    def known(self) -> bool:
        """Whether enough pairs were seen, all of them in one order."""
        return not self.broken and abs(self._pairs) >= PAIRS_TO_KNOW

    @property
    def ascending(self) -> bool:
        """Whether the order is known, and ascending."""
        return self.known and self._pairs > 0

    def look(self, dated: Sequence[tuple[int, Row]]) -> None:
        """Learns from rows that were not seen before, each given with its place."""
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
    """How each row compares to the next one, where both are of one second."""
    return [_compared(row, other) for (place, row), (after, other) in pairwise(dated) if place == after]


def _compared(row: Row, other: Row) -> int:
    """1 if the first id is lower, -1 if it is higher, 0 if the two cannot be compared."""
    one, two = key(row), key(other)
    if isinstance(one, int) and isinstance(two, int):
        return (one < two) - (one > two)
    if isinstance(one, str) and isinstance(two, str):
        return (one < two) - (one > two)
    return 0
