"""Page windows: which rows of a list a request can ask for, and which window is best asked for next.

The API knows pages by number only, but of any size, and behind any edge of the filter: page 3 of 240 rows behind an
edge begins after the first 480 rows there. A window plan counts rows from an anchor, a row of which it is known how to
ask for it as the first one: the first row of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

ENOUGH = 0.9
"""Of a page; where a few sizes bring less, all are looked through."""
LEAST_GAIN = 1 / 8
"""A window must bring that share of a page, at least, that no other has asked for."""


@dataclass(slots=True)
class Anchor:
    """The first row of a second: `place` in the direction of the walk, `position` rows behind where the walk began.

    `edge`: what to ask the filter from so that it comes first, where that was asked. `crowded`: the second before has
    many rows, which would come too if they were asked for.
    """

    position: int
    place: int
    edge: int | None = None
    crowded: bool = False


class KeysetWindow(NamedTuple):
    """Page `number` of `limit` rows behind the `edge` of the filter; it is expected to begin at the position `start`.

    `begins`: the place from which on every row is asked for; None for a page that is not the first.
    """

    edge: int
    number: int
    limit: int
    start: int
    begins: int | None
    anchor: Anchor | None = None


def best_window(anchors: Iterable[tuple[Anchor, int]], wanted: int, end: int, limit: int) -> KeysetWindow | None:
    """The window that begins at the position `wanted`, or not far before it, and reaches farthest behind `end`.

    `anchors`: each with the edge to ask from. None where no window reaches far enough.
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
    """The size and the number of the page that has a row so far behind the anchor in it, and reaches farthest."""

    def reach(size: int) -> int:
        return (distance // size + 1) * size

    whole = distance // limit
    size = max((limit, *(distance // parts for parts in (whole + 1, whole + 2) if parts <= distance)), key=reach)
    if reach(size) < distance + limit * ENOUGH:
        size = max(range(limit, limit // 2, -1), key=reach)
    return size, distance // size + 1
