"""The keyset walk: always page 1, asked from the last second seen.

Why it cannot skip: the list is ordered by its cursor field and each request starts at the last second that was read,
so whatever moves while we read (an edited row jumps to "now", a deleted one leaves) only moves rows that are ahead
of us or already read; nothing ever shifts across a page boundary, for there is only one page. Rows of the last
second that were delivered before are dropped by id. A second with more rows than a page is read on its own.

Progress rule: every request either moves to a later second or ends in reading one second whole and stepping over it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from source_amocrm.walk.bounds import believe, bounds
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Page, Row, key
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.spans import FOREVER
from source_amocrm.walk.ties import one_second, undated
from source_amocrm.walk.window import Window

ROWS_TO_PROVE = 25


@dataclass(slots=True)
class Edges:
    """What amoCRM does not document, learned from the answers.

    `inclusive`: whether the edge of the filter is, on the side from which the walk comes; None while unknown.
    `ordered`: the order that was asked for is obeyed; `proof` is held while one walker finds that out for all.
    One object for all walkers of a list and direction: another may learn it at any moment.
    """

    inclusive: bool | None = None
    ordered: bool = False
    proof: threading.Lock = field(default_factory=threading.Lock)


class Dated(NamedTuple):
    place: int
    """The row's second, counted in the direction of the walk: it never falls."""
    row: Row


def keyset(
    listing: Listing, window: Window, edges: Edges, ascending: bool = True, found: Found | None = None
) -> Iterator[Page]:
    """Read `window` of a list that can be filtered by its cursor field and comes in the order of it.

    `ascending`: the order to ask for and to rely on. `found`: the first page of the window, where it was asked for.
    Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests on.
    """
    return _Walk(listing, window, edges, ascending).pages(found)


class _Walk:
    def __init__(self, listing: Listing, window: Window, edges: Edges, ascending: bool) -> None:
        self._listing = listing
        self._window = window
        self._edges = edges
        self._appetite = Appetite(listing.limit)
        self._ascending = ascending
        self._sign = 1 if ascending else -1
        self._undated: set[int | str] = set()
        """Rows without a date, where they were read on their own."""

    def pages(self, found: Found | None) -> Iterator[Page]:
        here = self._sign * (self._window.low if self._ascending else self._window.high)
        delivered: set[int | str] = set()
        while here <= self._far():
            found = found or self._ask(here, bool(delivered))
            dated = self._dated(found, here)
            last = dated[-1].place if dated else here
            if found.more and last <= here:
                yield self._whole_second(here, found, delivered)
                here, delivered = here + 1, set()
            else:
                fresh = [
                    item
                    for item in dated
                    if item.place >= here and not (item.place == here and key(item.row) in delivered)
                ]
                if first := next((item.place for item in fresh if self._place(item.row) is not None), None):
                    self._window.began(self._sign * first)
                far = self._claim(last if found.more else FOREVER, len(fresh))
                if found.more and self._listing.ordered and not self._edges.ordered:
                    yield Page([])  # others may begin with what lies ahead
                    with self._edges.proof:
                        self._prove_order(here, dated)
                over = not found.more or last > far
                yield Page(
                    [row for place, row in fresh if place <= far],
                    self._span(here, far if over else last - 1),
                )
                if over:
                    return
                delivered = {key(row) for place, row in dated if place == last}
                here = last
            found = None

    def _far(self) -> int:
        return self._sign * (self._window.high if self._ascending else self._window.low)

    def _claim(self, place: int, rows: int) -> int:
        low, high = self._window.claim(self._sign * place, rows, self._ascending)
        return self._sign * (high if self._ascending else low)

    def _span(self, near: int, far: int) -> tuple[int, int] | None:
        if near > far:
            return None
        return (near, far) if self._ascending else (-far, -near)

    def _whole_second(self, here: int, found: Found, delivered: set[int | str]) -> Page:
        """A page beyond which the walk does not come by its dates: the rest of a second, or rows without any."""
        if all(self._place(row) is None for row in found.rows):
            if not self._ascending or here > 0:
                raise OrderIgnored
            rows = undated(self._listing)
            self._undated.update(key(row) for row in rows)
            return Page(rows)
        second = self._sign * here
        rows = one_second(self._listing, second)
        self._claim(here + 1, len(rows))
        return Page([row for row in rows if key(row) not in delivered], (second, second))

    def _ask(self, here: int, delivered: bool) -> Found:
        """Ask from `here` on, so that rows of that very second are certainly included."""
        if here == 0 and self._ascending:
            return self._ask_from(-1)
        if self._edges.inclusive is None and not delivered:
            found = self._ask_from(here - 1)
            if found.more and all((self._place(row) or 0) < here for row in found.rows):
                found = self._ask_from(here)
            return found
        if self._edges.inclusive is False:
            return self._ask_from(here - 1)
        found = self._ask_from(here)
        if not self._edges.inclusive:
            # The row seen at `here` did not come: the edge is exclusive, or the row has moved since.
            found = self._ask_from(here - 1)
            if any(self._place(row) == here for row in found.rows):
                self._edges.inclusive = False
        return found

    def _ask_from(self, edge: int) -> Found:
        low, high = self._bounds(edge)
        found = self._appetite.ask(self._listing, {**bounds(self._listing, low, high), **self._order(self._ascending)})
        believe(self._listing, found, low, high)
        if any(self._place(row) == edge for row in found.rows):
            self._edges.inclusive = True
        return found

    def _prove_order(self, here: int, dated: list[Dated]) -> None:
        """A page may be in order by chance. Asked the other way round, the list begins behind that page's end."""
        if self._edges.ordered:
            return
        if self._listing.own_order:
            self._prove_whole(here, dated)
            return
        last = dated[-1].place
        low, high = self._bounds(here - 1)
        asked = {**bounds(self._listing, low, high), **self._order(not self._ascending)}
        found = self._listing.ask(asked, limit=min(self._listing.limit, ROWS_TO_PROVE))
        places = [place for row in found.rows if (place := self._place(row)) is not None]
        if places and places[0] >= last:
            self._edges.ordered = True
        elif any(one < other for one, other in pairwise(places)):
            self._prove_whole(here, dated)

    def _prove_whole(self, here: int, dated: list[Dated]) -> None:
        """For a list that keeps its own order whatever is asked: nothing lies before the page's end but the page."""
        near, far = here - 1, dated[-1].place - 1
        low, high = (near, far) if self._ascending else (-far, -near)
        found = self._appetite.ask(self._listing, bounds(self._listing, low, min(high, FOREVER)))
        met = {key(row) for _, row in dated}
        if found.more or any(key(row) not in met for row in found.rows):
            raise OrderIgnored
        self._edges.ordered = True

    def _bounds(self, edge: int) -> tuple[int, int]:
        """The seconds from `edge` on to the end of the window, in order; one more there, where it may be exclusive."""
        far = self._far() + 1
        return (edge, min(far, FOREVER)) if self._ascending else (-far, min(-edge, FOREVER))

    def _order(self, ascending: bool) -> dict[str, str]:
        return {f"order[{self._listing.cursor}]": "asc" if ascending else "desc"} if self._listing.ordered else {}

    def _place(self, row: Row) -> int | None:
        second = self._listing.second_of(row)
        return None if second is None else self._sign * second

    def _dated(self, found: Found, here: int) -> list[Dated]:
        """The rows with their places; a row without a date stands where its neighbour stands."""
        dated: list[Dated] = []
        place = here
        for row in found.rows:
            own = self._place(row)
            if own is None and key(row) in self._undated:
                continue
            if own is not None:
                if dated and own < place:
                    raise OrderIgnored
                place = own
            dated.append(Dated(place, row))
        return dated
