"""The keyset walk: always page 1, asked from the last second seen.

Why it cannot skip: the list is ordered by its cursor field and each request starts at the last second that was read,
so whatever moves while we read (an edited row jumps to "now", a deleted one leaves) only moves rows that are ahead
of us or already read; nothing ever shifts across a page boundary, for there is only one page. Rows of the last
second that were delivered before are dropped by id. A second with more rows than a page is read on its own.

Progress rule: every request either moves to a later second or ends in reading one second whole and stepping over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from source_amocrm.errors import TooFat
from source_amocrm.walk.listing import FilterIgnored, Found, Listing, OrderIgnored, Page, Row, key, smaller
from source_amocrm.walk.spans import FOREVER
from source_amocrm.walk.ties import one_second
from source_amocrm.walk.window import Window

PAGES_OF_CAUTION = 10
"""After a page that was too fat, ask this many smaller ones before the full size is tried again."""


@dataclass(slots=True)
class Edges:
    """Whether a filter's edge is inclusive, which amoCRM does not document: learned from the answers.

    None while unknown. One object for all walkers of a list and direction: another may learn it at any moment.
    """

    inclusive: bool | None = None


@dataclass(slots=True)
class Appetite:
    """The page size of one walker: smaller after a page was too fat, then back."""

    limit: int
    cautious: int = 0

    def ask(self, listing: Listing, params: dict[str, int | str]) -> Found:
        while True:
            limit = self.limit if self.cautious else listing.limit
            try:
                found = listing.ask(params, limit=limit)
            except TooFat:
                less = smaller(limit)
                if less is None:
                    raise
                self.limit, self.cautious = less, PAGES_OF_CAUTION
                continue
            self.cautious = max(0, self.cautious - 1)
            return found


class Dated(NamedTuple):
    place: int
    """The row's second, counted in the direction of the walk: it never falls."""
    row: Row


def keyset(
    listing: Listing,
    window: Window,
    edges: Edges,
    ascending: bool | None = True,
    found: Found | None = None,
) -> Iterator[Page]:
    """Read `window` of a list that can be filtered by its cursor field.

    `ascending`: the order to ask for and to rely on; None where the list documents no order: then the first page tells.
    `found`: the first page of the window, where it was asked for before.
    Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests on.
    """
    appetite = Appetite(listing.limit)
    if ascending is not None:
        yield from _Walk(listing, window, edges, appetite, ascending).pages(found)
        return
    todo = [window]
    while todo:
        window = todo.pop()
        found = _first_page(listing, window, appetite, found)
        ascending = direction(listing, found)
        if ascending is None:
            # A full first page of one second, and no order to rely on: read that second, then what lies on either side.
            second = next(second for row in found.rows if (second := listing.second_of(row)) is not None)
            if not window.low <= second <= window.high:
                raise FilterIgnored
            yield Page(one_second(listing, second), (second, second))
            sides = ((window.low, min(second - 1, window.high)), (max(second + 1, window.low), window.high))
            todo += [Window(low, high) for low, high in sides if low <= high]
        else:
            yield from _Walk(listing, window, edges, appetite, ascending).pages(found)
        found = None


def _first_page(listing: Listing, window: Window, appetite: Appetite, found: Found | None) -> Found:
    """Asked a second wider on either side, for the filter's edges may be exclusive; exactly, where they are not."""
    low, high = window.low - 1, window.high + 1
    outside = {low, high}
    found = found or appetite.ask(listing, bounds(listing, low, high))
    while found.more and (beyond := {listing.second_of(row) for row in found.rows}) <= outside:
        if not beyond & {low, high}:
            raise FilterIgnored
        low, high = low + (low in beyond), high - (high in beyond)
        found = appetite.ask(listing, bounds(listing, low, high))
    return found


def bounds(listing: Listing, low: int, high: int) -> dict[str, int | str]:
    asked: dict[str, int | str] = {}
    if low > 0:
        asked[f"filter[{listing.cursor}][from]"] = low
    if high < FOREVER:
        asked[f"filter[{listing.cursor}][to]"] = high
    return asked


def direction(listing: Listing, found: Found) -> bool | None:
    """True for ascending, False for descending, None when the page cannot tell: all its rows are of one second."""
    dated = [second for row in found.rows if (second := listing.second_of(row)) is not None]
    if not dated or not found.more:
        return dated == sorted(dated)
    if dated[0] == dated[-1]:
        if len(set(dated)) > 1:
            raise OrderIgnored
        return None
    return dated[0] < dated[-1]


class _Walk:
    def __init__(self, listing: Listing, window: Window, edges: Edges, appetite: Appetite, ascending: bool) -> None:
        self._listing = listing
        self._window = window
        self._edges = edges
        self._appetite = appetite
        self._ascending = ascending
        self._sign = 1 if ascending else -1
        self._order: dict[str, int | str] = (
            {f"order[{listing.cursor}]": "asc" if ascending else "desc"} if listing.ordered else {}
        )

    def pages(self, found: Found | None) -> Iterator[Page]:
        here = self._sign * (self._window.low if self._ascending else self._window.high)
        delivered: set[int | str] = set()
        while here <= self._far():
            found = found or self._ask(here, bool(delivered))
            dated = self._dated(found, here)
            last = dated[-1].place if dated else here
            if found.more and last <= here:
                yield self._whole_second(here, delivered)
                here, delivered = here + 1, set()
            else:
                fresh = [
                    item
                    for item in dated
                    if item.place >= here and not (item.place == here and key(item.row) in delivered)
                ]
                if fresh:
                    self._window.began(self._sign * fresh[0].place)
                far = self._claim(last if found.more else FOREVER, len(fresh))
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

    def _whole_second(self, here: int, delivered: set[int | str]) -> Page:
        second = self._sign * here
        rows = one_second(self._listing, second)
        self._claim(here + 1, len(rows))
        return Page([row for row in rows if key(row) not in delivered], (second, second))

    def _ask(self, here: int, delivered: bool) -> Found:
        """Ask from `here` on, so that rows of that very second are certainly included."""
        if self._edges.inclusive is None and not delivered:
            found = self._ask_from(here - 1)
            if found.more and all((self._place(row) or here) < here for row in found.rows):
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
        far = self._far() + 1
        low, high = (edge, far) if self._ascending else (-far, -edge)
        found = self._appetite.ask(self._listing, {**bounds(self._listing, low, min(high, FOREVER)), **self._order})
        places = [place for row in found.rows if (place := self._place(row)) is not None]
        asked = edge if (low if self._ascending else FOREVER - high) > 0 else None
        if asked is not None and any(place < asked for place in places):
            raise FilterIgnored
        if any(place > far for place in places) and far < FOREVER:
            raise FilterIgnored
        if asked is not None and asked in places:
            self._edges.inclusive = True
        return found

    def _place(self, row: Row) -> int | None:
        second = self._listing.second_of(row)
        return None if second is None else self._sign * second

    def _dated(self, found: Found, here: int) -> list[Dated]:
        """The rows with their places; a row without a date stands where its neighbour stands."""
        dated: list[Dated] = []
        place = here
        for row in found.rows:
            own = self._place(row)
            if own is not None:
                if dated and own < place:
                    raise OrderIgnored
                place = own
            dated.append(Dated(place, row))
        return dated
