"""The keyset walk: each page is requested from the last row seen, so that no row shifts across a page boundary.

Why it cannot skip: the list is in the order of its cursor field and a page is one snapshot, so a page holds every row
from its first to its last. The walk takes a page only if the page begins no later than the last page ended. That is so

* if it was requested from the last second read, or begins before that second;
* if it begins with the last row read or an earlier row of the same second, and rows of one second have always come in
  the order of their IDs;
* in a list whose rows do not change (events), if it repeats the last rows of the page before at their own positions and
  shows no other row of that second again. Events never move: if n positions showed n different events, we have all n.

Whatever moves meanwhile (an edited row jumps to "now", a deleted one leaves) is ahead of the walk or already read. The
walk dedupes rows. If rows of one second come in any order in a list that can be read in the
order of IDs, it raises TiesShuffled.

If nothing proves that a page joins inside a crowded second (a robot's mass edit), `one_second` reads that second on its
own: in the order of IDs if the list can be ordered so, else in passes. Within one second rows can only leave, which
shifts the rest to the front.

Progress rule: a page that brings nothing new lies behind the last one or is a step back, and there are at most
MOST_STALLED of these in a row. The walk does not chase changes that come faster than it reads them: once it has reached
the time of its start, rows that change later are left to the next walk. Rows dated more than an hour ahead are read all
the same.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk import Listing, OrderIgnored, Page, PageCheckpoint, RawPage, Row
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.full import first_versions, in_passes
from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.keyset_prefetch import KeysetPrefetcher, KeysetWindow
from source_amocrm.walk.listing import REMEMBERED_KEYS, Key, TiesShuffled, bounds, check_filter, key
from source_amocrm.walk.progress_rule import check_length
from source_amocrm.walk.server_order import ListTraits, OrderedList, SortedRow, prove_order

AN_HOUR = 3_600
MOST_STALLED = 12  # The most pages in a row without a new row. Past it the walk reads the second on its own.
CROWDED_SHARE = 1 / 4
"""If rows of one second fill this share of a page, the next page begins with the last of them, not the first."""


def keyset(
    listing: Listing, interval: Interval, traits: ListTraits, ascending: bool = True, raw: RawPage | None = None
) -> Iterator[Page]:
    """Yields the rows of the seconds `interval` from a list that is filtered and ordered by its cursor field.

    `ascending`: the order to request and to rely on. `raw`: the first page of the interval, if it has come already.
    Raises FilterIgnored or OrderIgnored if the server ignores the filter or the order, and TiesShuffled if the list can
    be read in the order of IDs instead.
    """
    return _Walk(OrderedList(listing, traits, ascending, interval)).pages(raw)


@dataclass(slots=True)
class _Position:
    """How far the walk has come: it is at `sort_key`, and every row of an earlier sort key is delivered.

    `last`: the last row of the page before. `rows`: how many rows at `sort_key` are delivered. `delivered`: their keys,
    while they are few; then the order of ties tells which rows are delivered.

    The attempts of the walk since the last page that it took: `back`: how many rows earlier the next page begins than
    it must, because the last page did not join. `stalled`: how many pages in a row brought no new row. `was_empty`: the
    last of them lay behind the end of the list. `empty_behind`: the window behind which the list was seen to be empty.
    """

    traits: ListTraits
    sort_key: int
    last: SortedRow | None = None
    rows: int = 0
    delivered: set[Key] = field(default_factory=set)
    back: int = 0
    stalled: int = 0
    was_empty: bool = False
    empty_behind: KeysetWindow | None = None

    @property
    def _keys_dropped(self) -> bool:
        return len(self.delivered) < self.rows

    def is_fresh(self, one: SortedRow) -> bool:
        """Whether a row is not delivered yet."""
        if one.sort_key != self.sort_key:
            return one.sort_key > self.sort_key
        if self._keys_dropped and self.last and self.traits.is_no_later(one, self.last):
            return False
        return one.key not in self.delivered

    def joins(self, sorted_rows: list[SortedRow]) -> bool:
        """Whether no row can lie between the rows read and the first of these rows."""
        first = sorted_rows[0]
        if first.sort_key != self.sort_key or self.last is None:
            return first.sort_key < self.sort_key
        tied = [one for one in sorted_rows if one.sort_key == self.sort_key]
        return self.traits.ties_hold_for(tied) and self.traits.is_no_later(first, self.last)

    def holds_none_of(self, sorted_rows: list[SortedRow]) -> bool:
        """Whether it is known that none of these rows is delivered and no two of them are the same row."""
        keys = {one.key for one in sorted_rows}
        return not self._keys_dropped and len(keys) == len(sorted_rows) and keys.isdisjoint(self.delivered)

    def is_before(self, last: SortedRow) -> bool:
        """Whether a page that ends with this row leads beyond the rows read."""
        if last.sort_key != self.sort_key or self.last is None:
            return last.sort_key > self.sort_key
        return self.traits.ties_known and not self.traits.is_no_later(last, self.last)

    def is_crowded(self, limit: int) -> bool:
        """Whether the walk is among so many rows of one second that they fill a good part of a page of `limit` rows."""
        return self.last is not None and self.rows > round(limit * CROWDED_SHARE)

    def advance(self, sorted_rows: list[SortedRow], fresh: list[SortedRow]) -> None:
        """Moves to the end of a page that was taken."""
        sort_key = sorted_rows[-1].sort_key if sorted_rows else self.sort_key
        if sort_key > self.sort_key:
            self.sort_key, self.rows, self.delivered = sort_key, 0, set()
        self.delivered.update(one.key for one in sorted_rows if one.sort_key == sort_key)
        self.rows += sum(one.sort_key == sort_key for one in fresh)
        if len(self.delivered) > REMEMBERED_KEYS and self.traits.ties_known:
            self.delivered = set()
        self.last = sorted_rows[-1] if sorted_rows else None
        self.stalled, self.was_empty, self.empty_behind = 0, False, None

    def page_within(self, rows: list[Row], sorted_rows: list[SortedRow]) -> Page | None:
        """The page of these rows with a checkpoint, if they end in the second that the walk is in and its rows come in
        ascending order of IDs; else None."""
        within = (
            self.traits.ties_known
            and self.traits.tied_pairs > 0
            and sorted_rows
            and sorted_rows[-1].sort_key == self.sort_key
        )
        row_id = sorted_rows[-1].row.get("id") if within else None
        if not isinstance(row_id, int):
            return None
        return Page(rows, checkpoint=PageCheckpoint(self.rows + len(rows), row_id), second=self.sort_key)


class _NextPage(NamedTuple):
    """A page that was requested to follow on the rows read.

    `joins`: no row can lie between the rows read and the page. `counted`: the positions of its rows show that. `lost`:
    the page does not join, and begins in a crowded second, which the walk then reads on its own.
    """

    raw: RawPage
    window: KeysetWindow
    sorted_rows: list[SortedRow]
    joins: bool
    counted: bool
    lost: bool
    prefetched: bool


class _Walk:
    def __init__(self, ordered: OrderedList) -> None:
        self._ordered = ordered
        self._listing = ordered.listing
        self._traits = ordered.traits
        self._position = _Position(ordered.traits, ordered.first_sort_key)
        self._prefetcher = KeysetPrefetcher(ordered)
        self._trusted: set[int] = set()  # Sort keys at which two pages were joined by the order of ties alone
        self._started_at = 0  # When the first page came (Unix seconds, the later clock)
        self._caught_up_at = 0  # When the walk reached the second `_started_at` (Unix seconds, the later clock)

    def pages(self, raw: RawPage | None) -> Iterator[Page]:
        # the limit of a page that has come already is not known
        window = self._prefetcher.first_window(self._ordered.first_sort_key - 1, self._ordered.first_sort_key)._replace(
            limit=0
        )
        candidate = self._inspect(raw, window) if raw else None
        try:
            while self._position.sort_key <= self._ordered.last_sort_key:
                try:
                    yield from self._proceed(candidate or self._next_prefetched() or self._next())
                except PageTooLarge as error:
                    self._prefetcher.shrink(error)
                candidate = None
        finally:
            self._prefetcher.drop()

    def _proceed(self, candidate: _NextPage) -> Iterator[Page]:
        """Goes on with a page that was requested to follow on the rows read."""
        position = self._position
        self._started_at = self._started_at or candidate.raw.latest
        if position.stalled > MOST_STALLED or candidate.lost:
            yield from self._read_second(candidate.raw)
        elif candidate.joins:
            yield from self._take(candidate)
        else:
            # the page leaves a gap, or is empty: the next page begins earlier, each time twice as far
            self._prefetcher.drop()
            position.was_empty = not candidate.sorted_rows
            position.back = max(2 * position.back, candidate.window.limit // 4, 1)
            position.stalled += 1

    def _next(self) -> _NextPage:
        """Requests the next page. It begins with the first row of the second that the walk is in; in a crowded second,
        with the last row that was read, or `back` rows before that."""
        continues = self._traits.ties_known or self._listing.own_order
        crowded = continues and self._position.is_crowded(self._prefetcher.limit)
        window = self._prefetcher.next_window(self._position.back) if crowded else None
        raw, window = (window.ask(self._ordered), window) if window else self._from_second()
        self._prefetcher.sizer.count_page()
        return self._inspect(raw, window)

    def _from_second(self) -> tuple[RawPage, KeysetWindow]:
        """Requests the first page from the second that the walk is in, including the rows of that second."""
        sort_key, traits = self._position.sort_key, self._traits
        unknown = traits.inclusive is None and bool(self._position.delivered)
        raw, window = self._first(sort_key if unknown else self._ordered.bound_of(sort_key))
        if unknown and not traits.inclusive:
            # The row seen at `sort_key` did not come: the bound is exclusive, or the row has moved since.
            raw, window = self._first(sort_key - 1)
            if any(self._ordered.sort_key(row) == sort_key for row in raw.rows):
                traits.inclusive = False
        elif (
            raw.more and max(map(self._ordered.second, self._listing.seconds_of(raw.rows)), default=sort_key) < sort_key
        ):
            raw, window = self._first(sort_key)
        return raw, window

    def _first(self, bound: int) -> tuple[RawPage, KeysetWindow]:
        window = self._prefetcher.first_window(bound, self._position.sort_key)
        return window.ask(self._ordered), window

    def _inspect(self, raw: RawPage, window: KeysetWindow, prefetched: bool = False) -> _NextPage:
        position, sorted_rows, counted = self._position, self._sorted(raw), False
        begins_unordered = (
            self._listing.own_order and bool(sorted_rows) and sorted_rows[0].sort_key == position.sort_key
        )
        if begins_unordered:
            repeated = self._prefetcher.count_repeated(window, sorted_rows)
            counted = repeated > 0 and position.holds_none_of(sorted_rows[repeated:])
        joins = counted or window.begins_by(position.sort_key) or (bool(sorted_rows) and position.joins(sorted_rows))
        unknown = begins_unordered and not self._traits.ties_known
        lost = unknown and not joins and position.is_crowded(self._prefetcher.limit)
        return _NextPage(raw, window, sorted_rows, joins, counted, lost, prefetched)

    def _sorted(self, raw: RawPage) -> list[SortedRow]:
        """The rows with sort keys; a row without a date has its neighbour's. Raises OrderIgnored if sort keys fall."""
        sort_key, sorted_rows = self._position.sort_key, list[SortedRow]()
        for row in raw.rows:
            own_sort_key = self._ordered.sort_key(row)
            if own_sort_key is not None:
                if sorted_rows and own_sort_key < sort_key:
                    raise OrderIgnored
                sort_key = own_sort_key
            sorted_rows.append(SortedRow(sort_key, key(row), row))
        return sorted_rows

    def _next_prefetched(self) -> _NextPage | None:
        """The next prefetched page, if it joins and goes beyond the rows read, or is `lost`."""
        while prefetched := self._prefetcher.next_page():
            candidate = self._inspect(*prefetched, prefetched=True)
            if not candidate.sorted_rows:
                break
            further = candidate.counted or self._position.is_before(candidate.sorted_rows[-1])
            if candidate.lost or (candidate.joins and (further or not candidate.raw.may_go_on)):
                self._prefetcher.requests.popleft()
                return candidate
            if further:
                # the page begins behind the rows read
                tied = len(self._position.delivered)
                self._prefetcher.refuse(0 if self._traits.ties_known else tied + 1)
                if tied > 1:
                    self._raise_if_shuffled()
                return None
            self._prefetcher.requests.popleft()
        self._prefetcher.drop()
        return None

    def _raise_if_shuffled(self) -> None:
        """Raises TiesShuffled if ties come in no order and the list can be read in the order of IDs instead."""
        if self._traits.ties_broken and not self._listing.own_order and self._ordered.ascending:
            raise TiesShuffled(self._position.sort_key, self._position.delivered)

    def _take(self, candidate: _NextPage) -> Iterator[Page]:
        """Takes a page that follows on the rows read."""
        raw, window, sorted_rows = candidate.raw, candidate.window, candidate.sorted_rows
        position, ordered = self._position, self._ordered
        sort_key, last = position.sort_key, sorted_rows[-1].sort_key if sorted_rows else position.sort_key
        fresh = [one for one in sorted_rows if position.is_fresh(one)]
        yield from self._learn(candidate, fresh)
        if raw.may_go_on and last <= sort_key and not ((self._traits.ties_known or candidate.counted) and fresh):
            yield from self._leave_second(candidate)
            return
        self._note(candidate)
        if raw.may_go_on:
            self._prefetcher.fill()
            whole_from = sort_key if window.number == 1 else sorted_rows[0].sort_key + 2
            prove_order(ordered, whole_from, sorted_rows, self._prefetcher.sizer)
        ended = not raw.may_go_on or last > ordered.last_sort_key
        # The last page was prefetched: rows that were changed since it was requested lie behind it
        if candidate.prefetched and not raw.may_go_on and ordered.ascending and last >= self._started_at:
            ended = False
        rows = [one.row for one in fresh if one.sort_key <= ordered.last_sort_key]
        within = None if ended or not ordered.ascending else position.page_within(rows, sorted_rows)
        page = within or Page(rows, ordered.seconds_between(sort_key, ordered.last_sort_key if ended else last - 1))
        yield replace(page, answered=(raw.answered,))
        position.advance(sorted_rows, fresh)
        check_length(self._listing.path, position.rows)
        if ended:
            self._move_to(ordered.last_sort_key + 1)
        elif (ahead := self._sort_key_to_read(position.sort_key, raw)) > position.sort_key:
            self._move_to(ahead)

    def _learn(self, candidate: _NextPage, fresh: list[SortedRow]) -> Iterator[Page]:
        """Learns from a page's order, and reads a second again that was joined by an order which now proves wrong."""
        sorted_rows, sort_key = candidate.sorted_rows, self._position.sort_key
        if fresh:
            self._traits.learn_ties(sorted_rows[max(0, sorted_rows.index(fresh[0]) - 1) :])
        proven = candidate.counted or candidate.window.begins_by(sort_key)
        if self._position.last and not proven and sorted_rows and sorted_rows[0].sort_key == sort_key:
            self._trusted.add(sort_key)
        if self._traits.ties_broken and self._trusted:
            trusted, self._trusted = sorted(self._trusted), set()
            for one in trusted:
                yield from one_second(self._listing, self._ordered.second(one))

    def _note(self, candidate: _NextPage) -> None:
        self._prefetcher.take_note(candidate.raw, candidate.window, candidate.sorted_rows, candidate.prefetched)
        self._position.back = 0

    def _leave_second(self, candidate: _NextPage) -> Iterator[Page]:
        """Handles a page that may go on but does not lead beyond the last row read."""
        raw, window, position = candidate.raw, candidate.window, self._position
        if raw.rows and all(self._ordered.sort_key(row) is None for row in raw.rows):
            raise OrderIgnored  # a page without a date
        if position.last is None or not self._traits.ties_known:
            self._raise_if_shuffled()
            yield from self._read_second(raw)
        elif len(candidate.sorted_rows) >= window.limit and not position.was_empty:
            position.stalled += 1
            self._note(candidate)
        elif window._replace(number=window.number + 1).ask(self._ordered).rows:
            position.was_empty = False
            if len(candidate.sorted_rows) < window.limit:
                yield from self._read_second(raw)
        elif position.empty_behind == window:
            yield Page([], self._ordered.seconds_between(position.sort_key, position.sort_key))
            self._move_to(self._sort_key_to_read(position.sort_key + 1, raw))
        else:
            position.empty_behind = window
            position.stalled += 1
            again = self._inspect(window.ask(self._ordered), window)  # rows may have left just now
            yield from self._take(again._replace(counted=False))

    def _read_second(self, raw: RawPage) -> Iterator[Page]:
        """Reads the second on its own and goes on behind it."""
        self._prefetcher.drop()
        sort_key = self._position.sort_key
        yield from one_second(self._listing, self._ordered.second(sort_key), self._position.delivered)
        self._move_to(self._sort_key_to_read(sort_key + 1, raw))

    def _move_to(self, sort_key: int) -> None:
        """Goes on from a sort key of which nothing has been read."""
        self._prefetcher.drop()
        self._position = _Position(self._traits, sort_key)

    def _sort_key_to_read(self, sort_key: int, raw: RawPage) -> int:
        """Where to go on from: `sort_key`, or an hour from now if people change rows faster than the walk reads."""
        now = raw.latest
        if not self._ordered.ascending or not self._started_at < sort_key <= now:
            return sort_key
        self._caught_up_at = self._caught_up_at or now
        if sort_key <= self._caught_up_at:
            return sort_key
        self._traits.behind = True
        return now + AN_HOUR


def one_second(
    listing: Listing, second: int, delivered: Container[Key] = (), checkpoint: PageCheckpoint | None = None
) -> Iterator[Page]:
    """Yields the rows of `second` once each, without the `delivered` keys, and behind the `checkpoint` if there is one.

    Raises FilterIgnored.
    """
    tied = listing.narrowed(_filter_of(listing, second))
    if checkpoint or not listing.own_order:
        pages = in_id_order(tied, checkpoint)
    else:
        pages = first_versions(in_passes(tied, lasting=listing.own_order), set())
    for page in pages:
        check_filter(listing, page.rows, second - 1, second + 1)
        rows = [row for row in page.rows if listing.second_of(row) == second and key(row) not in delivered]
        yield replace(page, rows=rows, second=second) if checkpoint else Page(rows, answered=page.answered)
    yield Page([], (second, second))


def _filter_of(listing: Listing, second: int) -> Params:
    """The narrowest filter that shows the second, whether the server takes the filter's bounds as inclusive or not."""
    for low, high in ((second, second), (second - 1, second), (second, second + 1)):
        params = bounds(listing, low, high)
        if any(listing.second_of(row) == second for row in listing.ask(params, limit=1).rows):
            return params
    return bounds(listing, second - 1, second + 1)
