"""The keyset walk: asked from the last second seen, so that nothing shifts across a page boundary.

Why it cannot skip: the list is ordered by its cursor field and a page is one snapshot of it, so it holds every row from
where it begins to where it ends. Each page is asked from the last second that was read on; one that was asked for by
number, ahead of the walk, is taken only if it begins before that. Whatever moves while we read (an edited row jumps to
"now", a deleted one leaves) is ahead of us or already read. Rows of the last second that were delivered before are
dropped by id. A second with more rows than a page is read on its own.

Progress rule: every request either moves to a later second or ends in reading one second whole and stepping over it.
Changes that come faster than they are read are not chased: what is changed after the walk has reached the time of its
start is left to the next walk. What is dated more than an hour ahead is read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from source_amocrm.errors import TooFat
from source_amocrm.walk.ahead import Ahead
from source_amocrm.walk.bounds import believe, bounds
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Page, Row, key
from source_amocrm.walk.order import TieOrder, monotone
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.spans import FOREVER, Span
from source_amocrm.walk.ties import one_second, undated

ROWS_TO_PROVE = 25
AN_HOUR = 3_600


@dataclass(slots=True)
class Edges:
    """What amoCRM does not document, learned from the answers to the walks over one list in one direction.

    `inclusive`: whether the edge of the filter is, on the side from which the walk comes; None while unknown.
    `ordered`: the order that was asked for is obeyed. `ties`: the order of the rows of one second. `behind`: people
    changed rows faster than they were read, so that the newest changes are left to the next walk.
    """

    inclusive: bool | None = None
    ordered: bool = False
    ties: TieOrder = field(default_factory=TieOrder)
    behind: bool = False


class Dated(NamedTuple):
    place: int
    """The row's second, counted in the direction of the walk: it never falls."""
    row: Row


def keyset(
    listing: Listing,
    span: Span,
    edges: Edges,
    ascending: bool = True,
    found: Found | None = None,
    hands: Hands | None = None,
) -> Iterator[Page]:
    """Read the seconds `span` of a list that can be filtered by its cursor field and comes in the order of it.

    `ascending`: the order to ask for and to rely on. `found`: the first page of the span, where it was asked for.
    `hands` ask for pages ahead. Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests
    on.
    """
    walk = _Walk(listing, span, edges, ascending, hands)
    try:
        yield from walk.pages(found)
    finally:
        walk.ahead.drop()


class _Walk:
    def __init__(self, listing: Listing, span: Span, edges: Edges, ascending: bool, hands: Hands | None) -> None:
        self._listing = listing
        self._edges = edges
        self._appetite = Appetite(listing.limit)
        self._ascending = ascending
        self._sign = 1 if ascending else -1
        low, high = span
        self._near, self._far = (low, high) if ascending else (-high, -low)
        self._undated: set[int | str] = set()
        """Rows without a date, where they were read on their own."""
        self._limit = listing.limit
        """With which the last page was asked for that was not asked ahead."""
        self._last: Dated | None = None
        """The last row of the page before."""
        self._begun: int | None = None
        """When the first page came."""
        self._caught_up: int | None = None
        """When the walk had come as far as that."""
        self.ahead = Ahead(hands, self._ask_ahead, self._edge, listing.limit)

    def pages(self, found: Found | None) -> Iterator[Page]:
        here = self._near
        delivered: set[int | str] = set()
        while here <= self._far:
            guessed = None if found else self._next(here)
            found = found or guessed or self._ask(here, bool(delivered))
            self._begun = self._begun or found.latest
            dated = self._dated(found, here)
            last = dated[-1].place if dated else here
            if found.more and last <= here:
                self.ahead.drop()
                yield self._whole_second(here, found, delivered)
                here, delivered, self._last = self._unchased(here + 1, found), set(), None
            else:
                self._learn(dated, here, guessed is not None)
                if found.more:
                    self.ahead.fill(self._known_end(found))
                    self._prove_order(here, dated)
                over = not found.more or last > self._far
                again = over and guessed is not None and self._changes(found, last)
                yield Page(
                    [
                        row
                        for place, row in dated
                        if here <= place <= self._far and not (place == here and key(row) in delivered)
                    ],
                    self._finished(here, self._far if over and not again else last - 1),
                )
                if over and not again:
                    return
                delivered = {key(row) for place, row in dated if place == last}
                here, self._last = last, dated[-1]
                if (further := self._unchased(here, found)) > here:
                    self.ahead.drop()
                    here, delivered, self._last = further, set(), None
            found = None

    def _unchased(self, here: int, found: Found) -> int:
        """Where to go on: `here`, or behind what people have changed since the walk caught up with them."""
        now = found.latest
        if not self._ascending or self._begun is None or not self._begun < here <= now:
            return here
        if self._caught_up is None:
            self._caught_up = now
        if here <= self._caught_up:
            return here
        self._edges.behind = True
        return now + AN_HOUR

    def _next(self, here: int) -> Found | None:
        """A page that was asked for ahead, if it follows on what was read."""
        try:
            while (found := self.ahead.head()) and (dated := self._dated(found, here)):
                further = dated[-1].place > here
                if (further or not found.more) and (self.ahead.begins(here) or self._joins(dated[0], here)):
                    return found
                if further:
                    self.ahead.refused()
                    return None
                self.ahead.pop()
            self.ahead.drop()
        except TooFat:
            self.ahead.drop()
            self._appetite.shrink()
        return None

    def _joins(self, first: Dated, here: int) -> bool:
        """Nothing is between what was read and this row."""
        if first.place != here or self._last is None:
            return first.place < here
        return self._edges.ties.in_turn(first.row, self._last.row)

    def _learn(self, dated: list[Dated], here: int, guessed: bool) -> None:
        places = [place for place, _ in dated]
        if guessed:
            self.ahead.joined(places)
            self._appetite.digest()
        else:
            self.ahead.read(places, here)
        self._edges.ties.look(dated)

    def _known_end(self, found: Found) -> int | None:
        """The place of the last row that there may be; None where it is not known."""
        if not self._ascending:
            return self._far if self._far < 0 else None
        return min(self._far, found.latest)

    def _changes(self, found: Found, last: int) -> bool:
        """People are at work, and the last page may have been read before one that comes earlier: what was changed in
        between lies behind it."""
        return self._ascending and not found.more and self._begun is not None and last >= self._begun

    def _finished(self, near: int, far: int) -> Span | None:
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
        self._limit = self._appetite.now
        return self._believed(self._appetite.ask(self._listing, self._from(edge)), edge)

    def _ask_ahead(self, edge: int, number: int) -> Found:
        """Whether there is such a page is not known, so its emptiness is no surprise."""
        return self._believed(self._listing.believing(0).ask(self._from(edge), number, self._limit), edge)

    def _from(self, edge: int) -> dict[str, int | str]:
        return {**bounds(self._listing, *self._bounds(edge)), **self._order(self._ascending)}

    def _believed(self, found: Found, edge: int) -> Found:
        believe(self._listing, found, *self._bounds(edge))
        if any(self._place(row) == edge for row in found.rows):
            self._edges.inclusive = True
        return found

    def _edge(self, places: Sequence[int], index: int) -> int | None:
        """From where to ask so that the row at `index` comes first."""
        place, before = places[index], places[index - 1]
        if before == place or self._appetite.now != self._limit:
            return None
        if self._edges.inclusive is None and before == place - 1:
            return None
        return place if self._edges.inclusive else place - 1

    def _prove_order(self, here: int, dated: list[Dated]) -> None:
        """A page may be in order by chance: where it is in another order as well, which may be the server's own. Asked
        the other way round, the list then begins behind that page's end."""
        if self._edges.ordered or not self._listing.ordered:
            return
        rows = [row for _, row in dated]
        if len(rows) >= ROWS_TO_PROVE and not any(monotone(rows, column) for column in self._listing.other_orders):
            self._edges.ordered = True
            return
        if self._listing.own_order:
            self._prove_whole(here, dated)
            return
        last = dated[-1].place
        asked = {**bounds(self._listing, *self._bounds(here - 1)), **self._order(not self._ascending)}
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
        """The seconds from `edge` on to the end of the span, in order; one more there, where it may be exclusive."""
        far = self._far + 1
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
