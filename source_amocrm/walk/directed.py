"""A list as it is read in one direction between two seconds: what to ask, and what the rows of an answer tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from source_amocrm.walk.bounds import believe, bounds
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Row, key
from source_amocrm.walk.spans import FOREVER, Span
from source_amocrm.walk.traits import ListTraits
from source_amocrm.walk.windows import Window


class Dated(NamedTuple):
    place: int
    """The row's second, counted in the direction of the walk: it never falls."""
    row: Row


@dataclass(frozen=True)
class Directed:
    """`ascending`: the order to ask for and to rely on. Seconds are counted from `near` to `far`, up or down."""

    listing: Listing
    traits: ListTraits
    ascending: bool
    span: Span

    @property
    def near(self) -> int:
        return self.span[0] if self.ascending else -self.span[1]

    @property
    def far(self) -> int:
        return self.span[1] if self.ascending else -self.span[0]

    def second(self, place: int) -> int:
        return place if self.ascending else -place

    def finished(self, near: int, far: int) -> Span | None:
        """The seconds between two places; None where there are none."""
        if near > far:
            return None
        return (near, far) if self.ascending else (-far, -near)

    def place(self, row: Row) -> int | None:
        second = self.listing.second_of(row)
        return None if second is None else self.second(second)

    def params(self, edge: int) -> dict[str, int | str]:
        """What to ask for the rows from an edge on, in order."""
        return {**bounds(self.listing, *self.bounds(edge)), **self.order(self.ascending)}

    def order(self, ascending: bool) -> dict[str, str]:
        return {f"order[{self.listing.cursor}]": "asc" if ascending else "desc"} if self.listing.ordered else {}

    def bounds(self, edge: int) -> tuple[int, int]:
        """The seconds from `edge` on to the end of the span, in order; one more there, where it may be exclusive."""
        far = self.far + 1
        return (edge, min(far, FOREVER)) if self.ascending else (-far, min(-edge, FOREVER))

    def ask_ahead(self, window: Window) -> Found:
        """Whether there is such a page is not known, so its emptiness is no surprise."""
        asked = self.listing.believing(0).ask(self.params(window.edge), window.number, window.limit)
        return self.believed(asked, window.edge)

    def believed(self, found: Found, edge: int) -> Found:
        """Raises FilterIgnored."""
        believe(self.listing, found.rows, *self.bounds(edge))
        if any(self.place(row) == edge for row in found.rows):
            self.traits.inclusive = True
        return found

    def edge(self, place: int) -> int:
        """From where to ask so that no row of this place is left out; the one before comes too where that is not known
        to be needless."""
        return place if self.traits.inclusive else place - 1

    def look_at_edge(self, place: int) -> None:
        """Learns whether the edge of the filter is inclusive, from a place that has rows."""
        found = self.believed(self.listing.ask(self.params(place), limit=1), place)
        if found.rows and not self.traits.inclusive:
            self.traits.inclusive = False

    def dated(self, found: Found, here: int, without: Collection[int | str]) -> list[Dated]:
        """The rows with their places, but those `without` a date that are known; any other without one stands where
        its neighbour stands. Raises OrderIgnored."""
        dated: list[Dated] = []
        place = here
        for row in found.rows:
            own = self.place(row)
            if own is None and key(row) in without:
                continue
            if own is not None:
                if dated and own < place:
                    raise OrderIgnored
                place = own
            dated.append(Dated(place, row))
        return dated
