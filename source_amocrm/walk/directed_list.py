"""A list as it is read in one direction between two seconds: what to ask, and what the rows of an answer tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from source_amocrm.walk.cursor_filter import bounds, check_filter
from source_amocrm.walk.interval_set import FOREVER, Interval
from source_amocrm.walk.keyset_windows import KeysetWindow
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import Listing, OrderIgnored, RawPage, Row, key


class Dated(NamedTuple):
    place: int
    """The row's second, counted in the direction of the walk (see DirectedList)."""
    row: Row


@dataclass(frozen=True)
class DirectedList:
    """A list in the order `ascending` says, from the second where the walk begins to the one where it ends.

    A place is a second counted in the direction of the walk: the second itself in an ascending walk, the negated
    second in a descending one. So places never fall, and a walk goes from the place `near` to the place `far`.
    """

    listing: Listing
    traits: ListTraits
    ascending: bool
    interval: Interval

    @property
    def near(self) -> int:
        return self.interval[0] if self.ascending else -self.interval[1]

    @property
    def far(self) -> int:
        return self.interval[1] if self.ascending else -self.interval[0]

    def second(self, place: int) -> int:
        return place if self.ascending else -place

    def finished(self, near: int, far: int) -> Interval | None:
        """The seconds from the place `near` to the place `far`; None if there are none."""
        if near > far:
            return None
        return (near, far) if self.ascending else (-far, -near)

    def place(self, row: Row) -> int | None:
        second = self.listing.second_of(row)
        return None if second is None else self.second(second)

    def params(self, edge: int) -> dict[str, int | str]:
        """The parameters that ask for the rows from a place on, in order."""
        return {**bounds(self.listing, *self.bounds(edge)), **self.order(self.ascending)}

    def order(self, ascending: bool) -> dict[str, str]:
        return {f"order[{self.listing.cursor}]": "asc" if ascending else "desc"} if self.listing.ordered else {}

    def bounds(self, edge: int) -> tuple[int, int]:
        """The seconds from `edge` to one behind the end of the interval, where the filter's edge may be exclusive."""
        far = self.far + 1
        return (edge, min(far, FOREVER)) if self.ascending else (-far, min(-edge, FOREVER))

    def ask_ahead(self, window: KeysetWindow) -> RawPage:
        """Asks for a page that may lie behind the end of the list, so that an empty answer is believed at once."""
        asked = self.listing.retrying_empty(0).ask(self.params(window.edge), window.number, window.limit)
        return self.checked(asked, window.edge)

    def checked(self, raw: RawPage, edge: int) -> RawPage:
        """Raises FilterIgnored."""
        check_filter(self.listing, raw.rows, *self.bounds(edge))
        if any(self.place(row) == edge for row in raw.rows):
            self.traits.inclusive = True
        return raw

    def edge(self, place: int) -> int:
        """The edge to ask from so that all rows of this place come. It is the place itself if the filter is known to be
        inclusive, else the place before it."""
        return place if self.traits.inclusive else place - 1

    def look_at_edge(self, place: int) -> None:
        """Asks for one row at a place that has rows, to learn whether the edge of the filter is inclusive."""
        raw = self.checked(self.listing.ask(self.params(place), limit=1), place)
        if raw.rows and not self.traits.inclusive:
            self.traits.inclusive = False

    def dated(self, raw: RawPage, here: int, without: Collection[int | str]) -> list[Dated]:
        """The rows with their places. A row without a date gets its neighbour's place, unless its key is in `without`:
        then it is left out, for it has been delivered. Raises OrderIgnored."""
        dated: list[Dated] = []
        place = here
        for row in raw.rows:
            own_place = self.place(row)
            if own_place is None and key(row) in without:
                continue
            if own_place is not None:
                if dated and own_place < place:
                    raise OrderIgnored
                place = own_place
            dated.append(Dated(place, row))
        return dated
