"""The keyset walk: asked from the last row seen, so that nothing shifts across a page boundary.

Why it cannot skip: the list is ordered by its cursor field and a page is one snapshot of it, so it holds every row from
where it begins to where it ends. A page is taken only if it begins no later than where what was read ends: it was
asked for from the last second read, or begins before that second, or, where the rows of one second have been seen to
come in the order of their ids and those of this page do, at the last row read or before it. Whatever moves while we
read (an edited row jumps to "now", a deleted one leaves) is ahead of us or already read. Rows that were delivered
before are dropped. Where rows of one second come in any order, and a page ends among them, `TiesShuffled` says so.

Progress rule: a page that brings nothing new is behind the last one, or a step back, and there are few of these in
turn. Changes that come faster than they are read are not chased: what is changed after the walk has reached the time of
its start is left to the next walk. What is dated more than an hour ahead is read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from source_amocrm.errors import TooFat
from source_amocrm.walk.directed import Dated, Directed
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Page, PageMark, Row, key
from source_amocrm.walk.prefetch import Prefetcher
from source_amocrm.walk.proof import prove_order
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.spans import Span
from source_amocrm.walk.ties import one_second, undated
from source_amocrm.walk.traits import ListTraits
from source_amocrm.walk.windows import Window

AN_HOUR = 3_600
MOST_BARREN = 12
"""Pages in turn that bring nothing new, before a second is read on its own."""
REMEMBERED_KEYS = 5_000
"""Rows of one second that are told from others by their keys; where they are more, by their order."""


class TiesShuffled(Exception):
    """The rows of a second come in another order each time, and it cannot be read on in the order of its dates.

    `since`: every row of an earlier second is delivered, and of that one, those that are `delivered`.
    """

    def __init__(self, since: int, delivered: Set[int | str]) -> None:
        super().__init__(since)
        self.since = since
        self.delivered = delivered


def keyset(
    listing: Listing,
    span: Span,
    traits: ListTraits,
    ascending: bool = True,
    found: Found | None = None,
    hands: Hands | None = None,
) -> Iterator[Page]:
    """Read the seconds `span` of a list that can be filtered by its cursor field and comes in the order of it.

    `ascending`: the order to ask for and to rely on. `found`: the first page of the span, where it was asked for.
    `hands` ask for pages ahead. Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests
    on, and TiesShuffled where the list can be read in the order of ids instead.
    """
    walk = _Walk(Directed(listing, traits, ascending, span), hands)
    try:
        yield from walk.pages(found)
    finally:
        walk.ahead.drop()


class _Walk:
    def __init__(self, view: Directed, hands: Hands | None) -> None:
        self._view = view
        self._listing = view.listing
        self._traits = view.traits
        self._ties = view.traits.ties
        self._hands = hands
        self._appetite = Appetite(view.listing.limit)
        self._widest = view.listing.limit
        """The most rows that the server gives in a page, as far as it has shown."""
        self._here = view.near
        """Every row of an earlier place is delivered."""
        self._last: Dated | None = None
        """The last row of the page before, where that ended at `here`."""
        self._delivered: set[int | str] = set()
        """The rows at `here` that are delivered, while they are few."""
        self._many = False
        self._passed = 0
        """How many rows at `here` are delivered."""
        self._undated: set[int | str] = set()
        """Rows without a date, where they were read on their own."""
        self._trusted: set[int] = set()
        """Places at which two pages were joined by the order of ties alone."""
        self._back = 0
        """By how many rows earlier than it had to a page begins that is asked for instead of one that did not join."""
        self._barren = 0
        self._dry = False
        """A page beyond the end was asked for."""
        self._emptied: Window | None = None
        """A page behind which the list was seen to be empty."""
        self._begun: int | None = None
        """When the first page came."""
        self._caught_up: int | None = None
        """When the walk had come as far as that."""
        self.ahead = Prefetcher(hands, view, view.listing.limit)

    def pages(self, found: Found | None) -> Iterator[Page]:
        while self._here <= self._view.far:
            guessed = None if found else self._prefetched()
            if guessed:
                found, window = guessed
            elif found:
                window = Window(self._view.near - 1, 1, 0, 0, self._view.near)
            else:
                found, window = self._ask()
            self._begun = self._begun or found.latest
            dated = self._view.dated(found, self._here, self._undated)
            if self._barren > MOST_BARREN:
                yield from self._whole_second(found)
            elif not guessed and not self._follows(dated, window):
                self._step_back(window, dry=not dated)
            else:
                yield from self._take(found, window, dated, guessed is not None)
            found = None

    def _take(self, found: Found, window: Window, dated: list[Dated], guessed: bool) -> Iterator[Page]:
        """A page that follows on what was read."""
        here, last = self._here, dated[-1].place if dated else self._here
        fresh = [one for one in dated if self._is_fresh(one)]
        yield from self._learn(dated, fresh, window)
        if found.more and last <= here and not (self._ties.known and fresh):
            yield from self._stuck(found, window, dated)
            return
        self._came(window, dated, guessed, found.more)
        over = not found.more or last > self._view.far
        if found.more:
            self.ahead.fill(self._known_end(found))
            near = here if window.begins is not None else dated[0].place + 2
            prove_order(self._view, near, dated, self._appetite)
        again = over and guessed and self._changes(found, last)
        ended = over and not again
        end = self._view.far if ended else last - 1
        rows = [row for place, row in fresh if place <= self._view.far]
        self._passed = (self._passed if last == here else 0) + sum(place == last for place, _ in fresh)
        yield (None if ended else self._within(rows, dated)) or Page(rows, self._view.finished(here, end))
        if ended:
            self._here = self._view.far + 1
            return
        self._reached(dated, last)
        if (further := self._unchased(self._here, found)) > self._here:
            self._leave_for(further)

    def _within(self, rows: list[Row], dated: list[Dated]) -> Page | None:
        """A page that ends in the second in which it begins, where its rows come in the order of ids, up."""
        last = dated[-1] if dated else None
        if not last or last.place != self._here or not self._ties.ascending or not self._view.ascending:
            return None
        own = last.row.get("id")
        return Page(rows, mark=PageMark(self._passed, own), second=last.place) if isinstance(own, int) else None

    def _is_fresh(self, one: Dated) -> bool:
        if one.place != self._here:
            return one.place > self._here
        if self._many and self._last and self._ties.in_turn(one.row, self._last.row):
            return False
        return key(one.row) not in self._delivered

    def _learn(self, dated: list[Dated], fresh: list[Dated], window: Window) -> Iterator[Page]:
        """From a page's order; where it contradicts what was relied on, that is read again."""
        if fresh:
            self._ties.look(dated[max(0, dated.index(fresh[0]) - 1) :])
        if self._ties.broken and self._trusted:
            places, self._trusted = sorted(self._trusted), set()
            for place in places:
                for rows in one_second(self._listing, self._view.second(place), self._hands):
                    yield Page(rows)
        elif self._last and not self._begins(window) and dated and dated[0].place == self._here:
            self._trusted.add(self._here)

    def _came(self, window: Window, dated: list[Dated], guessed: bool, more: bool) -> None:
        if more and window.number == 1 and len(dated) < min(window.limit, self.ahead.limit):
            self._widest = max(1, len(dated))
            self._resize()
        self.ahead.came(window, [place for place, _ in dated], [key(row) for _, row in dated], guessed)
        self._back = 0
        if guessed:
            self._digest()

    def _reached(self, dated: list[Dated], last: int) -> None:
        """The walk has come to the end of a page."""
        if last > self._here:
            self._delivered, self._many = set(), False
        self._here = last
        self._delivered.update(key(row) for place, row in dated if place == last)
        if len(self._delivered) > REMEMBERED_KEYS and self._ties.known:
            self._delivered, self._many = set(), True
        self._last = dated[-1] if dated else None
        self._barren, self._dry, self._emptied = 0, False, None

    def _leave_for(self, place: int) -> None:
        """Go on from a place, as if nothing had been read there."""
        self.ahead.drop()
        self._here, self._last, self._delivered, self._many = place, None, set(), False
        self._barren, self._back, self._dry, self._emptied = 0, 0, False, None

    def _unchased(self, here: int, found: Found) -> int:
        """Where to go on: `here`, or behind what people have changed since the walk caught up with them."""
        now = found.latest
        if not self._view.ascending or self._begun is None or not self._begun < here <= now:
            return here
        if self._caught_up is None:
            self._caught_up = now
        if here <= self._caught_up:
            return here
        self._traits.behind = True
        return now + AN_HOUR

    def _prefetched(self) -> tuple[Found, Window] | None:
        """A page that was asked for ahead, if it follows on what was read and goes beyond it."""
        try:
            while (found := self.ahead.head()) and (dated := self._view.dated(found, self._here, self._undated)):
                joins = self.ahead.begins(self._here) or self._joins(dated)
                further = dated[-1].place > self._here or (
                    self._last is not None
                    and self._ties.known
                    and dated[-1].place == self._here
                    and not self._ties.in_turn(dated[-1].row, self._last.row)
                )
                if joins and (further or not found.more):
                    return found, self.ahead.pop()
                if further:
                    self._refuse()
                    return None
                self.ahead.pop()
            self.ahead.drop()
        except TooFat:
            self.ahead.drop()
            self._shrink()
        return None

    def _refuse(self) -> None:
        """The page that was asked for ahead begins behind what was read."""
        tied = 0 if self._ties.known else len(self._delivered) + 1
        self.ahead.refused(tied)
        if self._ties.broken and len(self._delivered) > 1:
            self._hand_over()

    def _hand_over(self) -> None:
        """Raises TiesShuffled where there is an order that is the same each time."""
        if self._listing.ordered and not self._listing.own_order and self._view.ascending:
            raise TiesShuffled(self._here, self._delivered)

    def _joins(self, dated: list[Dated]) -> bool:
        """Nothing is between what was read and this page."""
        first = dated[0]
        if first.place != self._here or self._last is None:
            return first.place < self._here
        tied = [one for one in dated if one.place == self._here]
        return self._ties.bears_out(tied) and self._ties.in_turn(first.row, self._last.row)

    def _follows(self, dated: list[Dated], window: Window) -> bool:
        """Whether a page that was asked for just now can be taken."""
        return self._begins(window) or (bool(dated) and self._joins(dated))

    def _begins(self, window: Window) -> bool:
        """Whether it was asked for from `here` or from before it on, and so cannot leave anything out."""
        return window.begins is not None and window.begins <= self._here

    def _step_back(self, window: Window, dry: bool) -> None:
        """The page begins behind what was read, or there is none: an earlier one is asked for, each time twice as far
        back."""
        self.ahead.drop()
        self._dry = dry
        self._back = max(2 * self._back, window.limit // 4, 1)
        self._barren += 1

    def _known_end(self, found: Found) -> int | None:
        """The place of the last row that there may be; None where it is not known."""
        if not self._view.ascending:
            return self._view.far if self._view.far < 0 else None
        return min(self._view.far, found.latest)

    def _changes(self, found: Found, last: int) -> bool:
        """People are at work, and the last page may have been read before one that comes earlier: what was changed in
        between lies behind it."""
        return self._view.ascending and not found.more and self._begun is not None and last >= self._begun

    def _ask(self) -> tuple[Found, Window]:
        """The next page. In a second of many rows in order from the last one of them on, else from `here` on."""
        while True:
            try:
                planned = None
                if self._last and self._ties.known and (self._many or len(self._delivered) > self.ahead.limit // 4):
                    planned = self.ahead.behind(self._back)
                found, window = (self._page(planned), planned) if planned else self._from_here()
            except TooFat:
                self._shrink()
                continue
            self._digest()
            return found, window

    def _page(self, window: Window) -> Found:
        found = self._listing.ask(self._view.params(window.edge), window.number, window.limit)
        return self._view.believed(found, window.edge)

    def _from_here(self) -> tuple[Found, Window]:
        """A first page, so that rows of that very second are certainly included."""
        here, inclusive = self._here, self._traits.inclusive
        if here == 0 and self._view.ascending:
            return self._first(-1)
        if inclusive is None and not self._delivered:
            found, window = self._first(here - 1)
            if found.more and all((self._view.place(row) or 0) < here for row in found.rows):
                found, window = self._first(here)
            return found, window
        if inclusive is False:
            return self._first(here - 1)
        found, window = self._first(here)
        if not self._traits.inclusive:
            # The row seen at `here` did not come: the edge is exclusive, or the row has moved since.
            found, window = self._first(here - 1)
            if any(self._view.place(row) == here for row in found.rows):
                self._traits.inclusive = False
        return found, window

    def _first(self, edge: int) -> tuple[Found, Window]:
        window = self.ahead.first(edge, self._here, self._appetite.now)
        return self._page(window), window

    def _stuck(self, found: Found, window: Window, dated: list[Dated]) -> Iterator[Page]:
        """A page that promises a next one and does not lead beyond the last row read."""
        if found.rows and all(self._view.place(row) is None for row in found.rows):
            if not self._view.ascending or self._here > 0:
                raise OrderIgnored
            rows = undated(self._listing)
            self._undated.update(key(row) for row in rows)
            yield Page(rows)
            self._leave_for(self._unchased(self._here + 1, found))
        elif self._last is None or not self._ties.known:
            if self._ties.broken:
                self._hand_over()
            yield from self._whole_second(found)
        elif len(dated) >= window.limit and not self._dry:
            self._barren += 1
            self._came(window, dated, False, found.more)
        elif self._page(window._replace(number=window.number + 1)).rows:
            self._dry = False
            if len(dated) < window.limit:
                yield from self._whole_second(found)
        elif self._emptied == window:
            yield self._ended(found)
        else:
            self._emptied = window
            self._barren += 1
            again = self._page(window)  # rows may have left just now
            yield from self._take(again, window, self._view.dated(again, self._here, self._undated), False)

    def _whole_second(self, found: Found) -> Iterator[Page]:
        """A second read on its own, and stepped over."""
        self.ahead.drop()
        for rows in one_second(self._listing, self._view.second(self._here), self._hands):
            yield Page([row for row in rows if key(row) not in self._delivered])
        yield self._ended(found)

    def _ended(self, found: Found) -> Page:
        """Nothing is left to read of a second."""
        here = self._here
        self._leave_for(self._unchased(here + 1, found))
        return Page([], self._view.finished(here, here))

    def _shrink(self) -> None:
        """A page was too fat. Raises the TooFat that is being handled when there are no smaller ones."""
        self._appetite.shrink()
        self._resize()

    def _digest(self) -> None:
        self._appetite.digest()
        self._resize()

    def _resize(self) -> None:
        size = min(self._widest, self._appetite.now)
        if size != self.ahead.limit:
            self.ahead.resize(size)
