"""Which rows of a filtered list a request can ask for, and which of these windows is best asked for next.

The API knows pages by number only, but of any size and behind any edge of the filter: page 3 of 240 rows behind an edge
begins after the first 480 rows there. Windows are counted from an anchor. That is the first row of a second, for the
filter can ask for it as the first row of a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

ENOUGH = 0.9
"""The share of a page that a window should bring; if the first few sizes bring less, all sizes are tried."""
LEAST_GAIN = 1 / 8
"""The share of a page that a window must bring of rows that no other window asks for."""


@dataclass(slots=True)
class Anchor:
    """The first row of a second, at a `place` (see DirectedList) and `position` rows behind where the walk began.

    `edge`: the filter's edge that made it the first row of a page, if that was asked. `crowded`: the second before it
    has many rows, which come too if the filter must be asked from there.
    """

    position: int
    place: int
    edge: int | None = None
    crowded: bool = False


class KeysetWindow(NamedTuple):
    """Page `number` of `limit` rows behind the `edge` of the filter; it should begin at the position `start`.

    `begins`: the place from which on a first page has every row; None for a later page.
    """

    edge: int
    number: int
    limit: int
    start: int
    begins: int | None
    anchor: Anchor | None = None


def best_window(anchors: Iterable[tuple[Anchor, int]], wanted: int, end: int, limit: int) -> KeysetWindow | None:
    """The window that begins at the position `wanted`, or shortly before it, and reaches farthest behind `end`.

    `anchors`: each with the edge to ask from. None if no window reaches far enough.
    """
    best: KeysetWindow | None = None
    reach = end + round(limit * LEAST_GAIN)
    most = wanted + limit
    for anchor, edge in anchors:
        distance = wanted - anchor.position
        if distance < 0:
            continue
        size, number = _pages(distance, limit)
        start = anchor.position + (number - 1) * size
        if start + size > reach:
            best = KeysetWindow(edge, number, size, start, anchor.place if number == 1 else None, anchor)
            reach = start + size
            if reach >= most:
                break
    return best


def _pages(distance: int, limit: int) -> tuple[int, int]:
    """The size and number of the page that contains the row `distance` rows behind the anchor and reaches farthest."""

    def reach(size: int) -> int:
        return (distance // size + 1) * size

    whole = distance // limit
    size = max((limit, *(distance // parts for parts in (whole + 1, whole + 2) if parts <= distance)), key=reach)
    if reach(size) < distance + limit * ENOUGH:
        size = max(range(limit, limit // 2, -1), key=reach)
    return size, distance // size + 1
