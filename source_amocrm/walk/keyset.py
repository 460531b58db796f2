"""The keyset walk: each page is asked for from the last row seen, so that no row shifts across a page boundary.

Why it cannot skip: the list is ordered by its cursor field and a page is one snapshot of it, so a page holds every row
from its first to its last. A page is taken only if it begins no later than where the last page ended. It does if it was
asked for from the last second read, or begins before that second. It also does if it begins with the last row read or
an earlier row of the same second, provided that rows of one second have always come in the order of their ids.
In a list whose rows do not change (events) it also does if it repeats the last rows of the page before at their own
positions and has no other row of that second a second time: a frozen query has as many positions between the two ends
of a second as the second has rows, so if all of these hold different rows, every row was seen.
Whatever moves meanwhile (an edited row jumps to "now", a deleted one leaves) is ahead of the walk or already read. Rows
that were delivered before are dropped. If rows of one second come in any order and a page ends among them, the walk
raises TiesShuffled.

Progress rule: a page that brings nothing new lies behind the last one or is a step back, and there are at most
MOST_BARREN of these in a row. Changes that come faster than they are read are not chased: what is changed after the
walk has reached the time of its start is left to the next walk. Rows dated more than an hour ahead are read all the
same.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.directed_list import Dated, DirectedList
from source_amocrm.walk.interval_set import Interval
from source_amocrm.walk.keyset_pager import KeysetPager
from source_amocrm.walk.keyset_position import KeysetPosition
from source_amocrm.walk.keyset_prefetch import KeysetPrefetcher
from source_amocrm.walk.keyset_windows import KeysetWindow
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import MOST_ROWS, Listing, OrderIgnored, Page, RawPage, TooLong, key
from source_amocrm.walk.order_check import prove_order
from source_amocrm.walk.same_second import one_second, undated
from source_amocrm.walk.worker_pool import WorkerPool

AN_HOUR = 3_600
MOST_BARREN = 12
"""How many pages in a row may bring nothing new before the second is read on its own."""


class TiesShuffled(Exception):
    """Rows of one second come in another order each time, so that the list cannot be read on in the order of its dates.

    `since`: that second; every row of an earlier one is delivered. `delivered`: the keys of its own delivered rows.
    """

    def __init__(self, since: int, delivered: Set[int | str]) -> None:
        super().__init__(since)
        self.since = since
        self.delivered = delivered


def keyset(
    listing: Listing,
    interval: Interval,
    traits: ListTraits,
    ascending: bool = True,
    raw: RawPage | None = None,
    pool: WorkerPool | None = None,
) -> Iterator[Page]:
    """Reads the seconds `interval` of a list that can be filtered by its cursor field and comes in the order of it.

    `ascending`: the order to ask for and to rely on. `raw`: the first page of the interval, if it was asked for.
    `pool` asks for pages ahead. Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests
    on, and TiesShuffled where the list can be read in the order of ids instead.
    """
    walk = _Walk(DirectedList(listing, traits, ascending, interval), pool)
    try:
        yield from walk.pages(raw)
    finally:
        walk.prefetcher.drop()


class _Walk:
    def __init__(self, view: DirectedList, pool: WorkerPool | None) -> None:
        self._view = view
        self._listing = view.listing
        self._ties = view.traits.ties
        self._pool = pool
        self._position = KeysetPosition(view)
        self.prefetcher = KeysetPrefetcher(pool, view)
        self._pager = KeysetPager(view, self._position, self.prefetcher)
        self._undated: set[int | str] = set()
        """The keys of rows without a date, once they were read on their own."""
        self._uncounted: RawPage | None = None
        """A page that shows rows of a crowded second so that nothing tells whether all of them were seen."""
        self._trusted: set[int] = set()
        """Places at which two pages were joined by the order of ties alone."""
        self._back = 0
        """How many rows the next page begins earlier than it must, because the last one did not join."""
        self._barren = 0
        self._dry = False
        """Whether the last page lay behind the end of the list."""
        self._emptied: KeysetWindow | None = None
        """The window behind which the list was seen to be empty."""
        self._begun: int | None = None
        """The second when the first page came."""
        self._caught_up: int | None = None
        """The second when the walk reached that one."""

    def pages(self, raw: RawPage | None) -> Iterator[Page]:
        position = self._position
        while position.here <= self._view.far:
            guessed = None if raw else self._prefetched()
            if self._uncounted:
                yield from self._whole_second(self._uncounted)
                continue
            if guessed:
                raw, window = guessed
            elif raw:
                window = KeysetWindow(self._view.near - 1, 1, 0, 0, self._view.near)
            else:
                raw, window = self._pager.next(self._back)
            self._begun = self._begun or raw.latest
            dated = self._dated(raw)
            counted = self._counted(window, dated)
            if self._barren > MOST_BARREN:
                yield from self._whole_second(raw)
            elif guessed or counted or position.begins(window) or (dated and position.joins(dated)):
                yield from self._take(raw, window, dated, guessed is not None, counted)
            elif self._is_lost(dated):
                yield from self._whole_second(raw)
            else:
                self._step_back(window, dry=not dated)
            raw = None

    def _counted(self, window: KeysetWindow, dated: list[Dated]) -> bool:
        """Whether a page goes on with a second of a list whose rows do not change, and every position up to its end
        holds another row."""
        if not self._listing.own_order or not dated or dated[0].place != self._position.here:
            return False
        repeated = self.prefetcher.repeated(window, [key(row) for _, row in dated])
        return repeated > 0 and self._position.holds_none_of(dated[repeated:])

    def _is_lost(self, dated: list[Dated]) -> bool:
        """Whether a page begins among so many rows of a second that they are best read on their own."""
        here = self._position.here
        crowd = self._pager.crowd
        return (
            self._listing.own_order
            and not self._ties.known
            and bool(dated)
            and dated[0].place == here
            and self._position.crowded(crowd)
        )

    def _take(
        self, raw: RawPage, window: KeysetWindow, dated: list[Dated], guessed: bool, counted: bool
    ) -> Iterator[Page]:
        """Takes a page that follows on what was read."""
        here, last = self._position.here, dated[-1].place if dated else self._position.here
        fresh = [one for one in dated if self._position.is_fresh(one)]
        yield from self._learn(dated, fresh, counted or self._position.begins(window))
        if raw.may_go_on and last <= here and not ((self._ties.known or counted) and fresh):
            try:
                yield from self._stuck(raw, window, dated)
            except PageTooLarge:
                self.prefetcher.drop()
                self._pager.shrink()
            return
        self._came(window, dated, guessed, raw.may_go_on)
        if raw.may_go_on:
            self.prefetcher.fill(self._known_end(raw))
            near = here if window.begins is not None else dated[0].place + 2
            prove_order(self._view, near, dated, self._pager.sizer)
        ended = not raw.may_go_on or last > self._view.far
        # The last page was prefetched and may be older than the walk: rows that were changed since lie behind it
        if guessed and not raw.may_go_on and self._view.ascending and self._begun is not None and last >= self._begun:
            ended = False
        rows = [row for place, row in fresh if place <= self._view.far]
        within = None if ended else self._position.within(rows, dated)
        page = within or Page(rows, self._view.finished(here, self._view.far if ended else last - 1))
        yield replace(page, answered=(raw.answered,))
        self._position.advance(dated, fresh)
        if self._position.rows > MOST_ROWS:
            raise TooLong(self._listing.path)
        self._barren, self._dry, self._emptied = 0, False, None
        if ended:
            self._leave_for(self._view.far + 1)
        elif (further := self._unchased(self._position.here, raw)) > self._position.here:
            self._leave_for(further)

    def _dated(self, raw: RawPage) -> list[Dated]:
        return self._view.dated(raw, self._position.here, self._undated)

    def _learn(self, dated: list[Dated], fresh: list[Dated], proven: bool) -> Iterator[Page]:
        """Learns from a page's order, and reads a second again that was joined by an order which now proves wrong.

        `proven`: the page joins whatever the order of ties is.
        """
        if fresh:
            self._ties.look(dated[max(0, dated.index(fresh[0]) - 1) :])
        here = self._position.here
        if self._position.last and not proven and dated and dated[0].place == here:
            self._trusted.add(here)
        if self._ties.broken and self._trusted:
            places, self._trusted = sorted(self._trusted), set()
            for place in places:
                yield from one_second(self._listing, self._view.second(place), self._pool)

    def _came(self, window: KeysetWindow, dated: list[Dated], guessed: bool, more: bool) -> None:
        if more and window.number == 1:
            self._pager.first(window, len(dated))
        self.prefetcher.came(window, [place for place, _ in dated], [key(row) for _, row in dated], guessed)
        self._back = 0
        if guessed:
            self._pager.page_came()

    def _leave_for(self, place: int) -> None:
        """Goes on from a place of which nothing has been read."""
        self.prefetcher.drop()
        self._position.leave_for(place)
        self._barren, self._back, self._dry, self._emptied = 0, 0, False, None

    def _unchased(self, here: int, raw: RawPage) -> int:
        """The place to go on from: `here`, or one behind the rows that people change faster than they are read."""
        now = raw.latest
        if not self._view.ascending or self._begun is None or not self._begun < here <= now:
            return here
        if self._caught_up is None:
            self._caught_up = now
        if here <= self._caught_up:
            return here
        self._view.traits.behind = True
        return now + AN_HOUR

    def _prefetched(self) -> tuple[RawPage, KeysetWindow] | None:
        """The next prefetched page, if it follows on what was read and goes beyond it."""
        try:
            while (raw := self.prefetcher.head()) and (dated := self._dated(raw)):
                window = self.prefetcher.window
                counted = self._counted(window, dated)
                joins = counted or self._position.begins(window) or self._position.joins(dated)
                further = counted or self._position.goes_beyond(dated[-1])
                if joins and (further or not raw.may_go_on):
                    return raw, self.prefetcher.pop()
                if self._is_lost(dated):
                    self._uncounted = raw
                    return None
                if further:
                    self._refuse()
                    return None
                self.prefetcher.pop()
            self.prefetcher.drop()
        except PageTooLarge:
            self.prefetcher.drop()
            self._pager.shrink()
        return None

    def _refuse(self) -> None:
        """Refuses a prefetched page that begins behind what was read."""
        tied = len(self._position.delivered)
        self.prefetcher.refused(0 if self._ties.known else tied + 1)
        if self._ties.broken and tied > 1:
            self._hand_over()

    def _hand_over(self) -> None:
        """Raises TiesShuffled if the list can be read in the order of ids instead."""
        if self._listing.ordered and not self._listing.own_order and self._view.ascending:
            raise TiesShuffled(self._position.here, self._position.delivered)

    def _step_back(self, window: KeysetWindow, dry: bool) -> None:
        """Asks for an earlier page, because this one begins behind what was read or is empty; each time twice as far
        back."""
        self.prefetcher.drop()
        self._dry = dry
        self._back = max(2 * self._back, window.limit // 4, 1)
        self._barren += 1

    def _known_end(self, raw: RawPage) -> int | None:
        """The place of the last row that the list can have; None while it is not known."""
        if not self._view.ascending:
            return self._view.far if self._view.far < 0 else None
        return min(self._view.far, raw.latest)

    def _stuck(self, raw: RawPage, window: KeysetWindow, dated: list[Dated]) -> Iterator[Page]:
        """Handles a page that promises a next one but does not lead beyond the last row read."""
        if raw.rows and all(self._view.place(row) is None for row in raw.rows):
            if not self._view.ascending or self._position.here > 0:
                raise OrderIgnored
            rows = undated(self._listing)
            self._undated.update(key(row) for row in rows)
            yield Page(rows)
            self._leave_for(self._unchased(self._position.here + 1, raw))
        elif self._position.last is None or not self._ties.known:
            if self._ties.broken:
                self._hand_over()
            yield from self._whole_second(raw)
        elif len(dated) >= window.limit and not self._dry:
            self._barren += 1
            self._came(window, dated, False, raw.may_go_on)
        elif self._pager.page(window._replace(number=window.number + 1)).rows:
            self._dry = False
            if len(dated) < window.limit:
                yield from self._whole_second(raw)
        elif self._emptied == window:
            yield self._ended(raw)
        else:
            self._emptied = window
            self._barren += 1
            again = self._pager.page(window)  # rows may have left just now
            yield from self._take(again, window, self._dated(again), False, False)

    def _whole_second(self, raw: RawPage) -> Iterator[Page]:
        """Reads the second on its own and goes on behind it."""
        self._uncounted = None
        self.prefetcher.drop()
        second, delivered = self._view.second(self._position.here), self._position.delivered
        yield from one_second(self._listing, second, self._pool, delivered)
        yield self._ended(raw)

    def _ended(self, raw: RawPage) -> Page:
        """Goes on behind a second of which nothing is left to read."""
        here = self._position.here
        self._leave_for(self._unchased(here + 1, raw))
        return Page([], self._view.finished(here, here))
