"""Prefetches the pages of a keyset walk.

The API knows pages by number only, but of any size and behind any bound of the filter: page 3 of 240 rows begins after
the first 480 rows behind the bound. A window is such a page. Windows are counted from an anchor, the first row of a
second, for the filter can request that row as the first row of a page.

Rows move meanwhile, so the row at which a window begins is a guess. The walk sees from a page's rows whether the page
follows on the rows read: a wrong guess costs a request and nothing else.

Sort keys are seconds in the direction of the walk (see `OrderedList`); positions count rows from where the walk began.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from source_amocrm.walk.listing import Key, RawPage
from source_amocrm.walk.page_windows import PagePlan, reaching
from source_amocrm.walk.server_order import OrderedList, SortedRow

LEAST_OVERLAP = 2.0
"""The least that a page overlaps the page before (rows), so that the two can be shown to join: the last row, and a row
of an earlier second."""
MOST_OVERLAP = 1 / 8
"""The most that pages overlap (share of a page). A second with more rows says nothing of others, and adds one row."""
OVERLAP_DECAY = 1 / 32
"""By how many rows the overlap shrinks with each page that joined. A page that did not join adds a row or more."""
ESTIMATE_MARGIN = 1.2  # How many times the estimated rest of the list is requested at most
KEPT_PAGES = 10
"""How many pages back anchors are kept. Older ones are dropped, except for the last KEPT_ANCHORS of all."""
KEPT_ANCHORS = 4
MOST_REPEATED = 8
"""An anchor that may repeat so many rows of the second before is not used until the filter's `inclusive` is known."""
LEAST_GAIN = 1 / 8
"""The least part of a window that no earlier window requests (share of a page). A window with less is not requested."""
SHORTFALL_PER_ANCHOR = 1 / 100
"""Stop trying older anchors once the best window is within (anchors tried)/100 rows of a full page: newer anchors have
moved least."""
POLL_INTERVAL = 0.05
"""How often a walk that waits for a page looks whether the pool has room for another request (seconds)."""


@dataclass(slots=True, eq=False)
class Anchor:
    """The first row of a second, with its `sort_key` and its `position`.

    `bound`: the filter's bound by which the row came as the first of a page, if it did. `repeated`: how many rows
    (MOST_REPEATED at most) come before the row if the filter starts at the sort key before.
    """

    position: int
    sort_key: int
    bound: int | None = None
    repeated: int = 0


class KeysetWindow(NamedTuple):
    """Page `number` of `limit` rows behind the `bound` of the filter, which is to show the rows from `anchor` on."""

    bound: int
    number: int
    limit: int
    anchor: Anchor

    def ask(self, ordered: OrderedList) -> RawPage:
        """Requests the page. Raises FilterIgnored."""
        raw = ordered.listing.ask(ordered.params(self.bound), self.number, self.limit)
        ordered.check(raw.rows, self.bound)
        return raw

    def begins_by(self, sort_key: int) -> bool:
        """Whether the page has every row from `sort_key` or an earlier one on, so that it cannot leave a row out."""
        return self.number == 1 and self.anchor.sort_key <= sort_key

    @property
    def start(self) -> int:
        """The position at which the window begins, by the present position of its anchor."""
        return self.anchor.position + (self.number - 1) * self.limit

    @property
    def end(self) -> int:
        return self.start + self.limit


def best_window(anchors: Iterable[tuple[Anchor, int]], wanted: int, end: int, limit: int) -> KeysetWindow | None:
    """The window that begins at the position `wanted`, or shortly before it, and reaches farthest behind `end`.

    `anchors`: each with the bound to request it from. None if no window reaches far enough.
    """
    best, reach = None, end + round(limit * LEAST_GAIN)
    for looked_at, (anchor, bound) in enumerate(anchors):
        if reach + looked_at * SHORTFALL_PER_ANCHOR >= wanted + limit:
            break
        if anchor.position <= wanted:
            page = reaching(wanted - anchor.position, limit)
            if anchor.position + page.end > reach:
                best = KeysetWindow(bound, page.number, page.limit, anchor)
                reach = best.end
    return best


class KeysetPrefetcher(PagePlan[KeysetWindow]):
    """Plans the windows of a walk and their size, and requests them ahead."""

    def __init__(self, ordered: OrderedList) -> None:
        super().__init__(ordered.listing)
        self._ordered = ordered
        # a prefetched window may lie behind the end of the list, so an empty response is not retried
        self._not_retrying = replace(ordered, listing=ordered.listing.retrying_empty(0))
        self._overlap = LEAST_OVERLAP
        self._refused: KeysetWindow | None = None  # A window whose page did not follow on the rows read
        self._bound_requested = False
        self._anchors: deque[Anchor] = deque()
        self._page: list[SortedRow] = []
        self._index: dict[Key, int] = {}
        self._start = 0
        """Of the last page that was read: its rows, the index of each key, the first position."""
        self._end = 0  # The position behind the last row that was read
        self._reshuffled = False  # Whether rows of the last page came again in another order
        self._pages = 0
        self._first_sort_key: int | None = None
        self._latest: int = 0
        """When the last page came (Unix seconds, the later clock): no row is dated later unless it is dated ahead."""

    def next_page(self) -> tuple[RawPage, KeysetWindow] | None:
        """Waits for the next page, and meanwhile requests others behind it. None if no page was requested. Raises the
        request's error."""
        if not self.requests:
            return None
        window, page = self.requests[0]
        while not wait([page], POLL_INTERVAL).done:
            self.fill()
        return page.result(), window

    def count_repeated(self, window: KeysetWindow, sorted_rows: list[SortedRow]) -> int:
        """How many rows of the last page this page begins with, each at its own position in the list.

        0 once rows of the list were seen in two orders, or if the window may begin earlier than planned.
        """
        start, shared = window.start, self._end - window.start
        if not self._start <= start < self._end < start + len(sorted_rows):
            return 0
        if self._shifts(window, sorted_rows) != [self._start - start] * shared or self._reshuffled:
            return 0
        traits, anchor = self._ordered.traits, window.anchor
        sure = window.bound in (anchor.bound, anchor.sort_key) or not anchor.repeated
        if not sure and traits.inclusive is None:
            self._ordered.learn_bound(window.bound + 1)
        # else a row that moved may be at the position where the window was planned to begin
        return shared if sure or traits.inclusive is False else 0

    def refuse(self, needed: int) -> None:
        """Notes that the next page does not follow on the rows read, and lets later pages overlap more.

        The page is kept once, for it may follow on the page that is read instead. `needed`: how many rows it should
        have shared with the page before it.
        """
        most = max(LEAST_OVERLAP, self.limit * MOST_OVERLAP)
        self._overlap = min(most, max(self._overlap + 1, needed if needed <= most else 0))
        window = self.requests[0][0]
        if self._refused is window:
            self.drop()
        self._refused = window

    def take_note(self, raw: RawPage, window: KeysetWindow, sorted_rows: list[SortedRow], prefetched: bool) -> None:
        """Notes a page that follows on the rows read."""
        if raw.may_go_on and window.number == 1 and len(sorted_rows) < min(window.limit, self.limit):
            self.drop()
            self.widest = max(1, len(sorted_rows))
        shifts = self._shifts(window, sorted_rows)
        start = self._start - shifts[0] if shifts else window.start
        if self._begins_at_anchor(window):
            # rows that left or entered have moved the anchor and the anchors before it
            moved, position = start - window.start, window.anchor.position
            for anchor in self._anchors if moved else ():
                anchor.position += moved * (anchor.position <= position)
        elif window.number == 1 and (not self._anchors or self._anchors[-1].position < start):
            self._anchors.append(Anchor(start, window.anchor.sort_key, window.bound))
        self._add_anchors([one.sort_key for one in sorted_rows], start)
        self._page, self._start, self._end = sorted_rows, start, start + len(sorted_rows)
        self._index = {one.key: at for at, one in enumerate(sorted_rows)}
        self._pages, self._latest = self._pages + 1, raw.latest
        if self._first_sort_key is None and sorted_rows:
            self._first_sort_key = sorted_rows[0].sort_key
        if prefetched:
            self._overlap = max(LEAST_OVERLAP, self._overlap - OVERLAP_DECAY)
            self.sizer.count_page()

    def _begins_at_anchor(self, window: KeysetWindow) -> bool:
        """Whether the window was counted from a row that was read, and its bound shows the rows from there on."""
        anchor = window.anchor
        return anchor in self._anchors and window.bound in (anchor.bound, self._ordered.bound_of(anchor.sort_key))

    def first_window(self, bound: int, sort_key: int) -> KeysetWindow:
        """The window of the first page from a sort key on."""
        known = (anchor.position for anchor in reversed(self._anchors) if anchor.sort_key == sort_key)
        return KeysetWindow(bound, 1, self.sizer.now, Anchor(next(known, self._end), sort_key))

    def next_window(self, back: int) -> KeysetWindow | None:
        """The window that follows on the rows read and begins `back` rows earlier than it must."""
        wanted = self._end - 1 - back
        return best_window(self._usable_anchors(), wanted, wanted if back else self._end, self.limit)

    def fill(self) -> None:
        """Requests as many pages as the request budget has room for; none behind a page that has shown the end."""
        most, weight = self._pages_left(), self.sizer.weight
        while self.pool and len(self.requests) < most and self.pool.may_go_ahead(len(self.requests) * weight):
            if self.end_in_sight:
                return
            end = max(self._end, self.requests[-1][0].end) if self.requests else self._end
            window = best_window(self._usable_anchors(), end - round(self._overlap), end, self.limit)
            page = window and self.pool.submit_if_free(partial(window.ask, self._not_retrying))
            if not window or not page:
                return
            self.requests.append((window, page))

    def _pages_left(self) -> int:
        """Estimates how many pages are left, by how dense the rows of the last page and of all pages are. If the end of
        the list is not known: half as many pages as were read."""
        proven, last_sort_key = self._pages // 2, self._ordered.last_sort_key
        if self._ordered.ascending:
            last_sort_key = min(last_sort_key, self._latest)
        elif last_sort_key >= 0:
            return proven
        first, last = self._page[0].sort_key, self._page[-1].sort_key
        left = ESTIMATE_MARGIN * max(0, last_sort_key - last)
        by_page = math.ceil(left / max(1, last - first))
        read = last - (self._first_sort_key or 0)
        by_all = math.ceil(left * self._pages / read) if read else 0
        return min(by_page, max(by_all, proven))

    def _usable_anchors(self) -> Iterator[tuple[Anchor, int]]:
        """The anchors that windows can be counted from, the last one first, each with its bound.

        A window must not begin behind a crowded second while the many rows of that second might come, too.
        """
        for anchor in reversed(self._anchors):
            if anchor.repeated < MOST_REPEATED or self._ordered.traits.inclusive is not None:
                yield anchor, self._ordered.bound_of(anchor.sort_key) if anchor.bound is None else anchor.bound
            elif self.pool and not self._bound_requested:
                self._bound_requested = True
                self.pool.submit(partial(self._ordered.learn_bound, anchor.sort_key))

    def _shifts(self, window: KeysetWindow, sorted_rows: list[SortedRow]) -> list[int]:
        """For each row that was on the last page, too: how many rows farther down on this page it is.

        Notes whether these rows came in another order, for then positions counted by them are not sure. A single row
        shows another order if it is not at its planned position.
        """
        shifts = [at - self._index[one.key] for at, one in enumerate(sorted_rows) if one.key in self._index]
        planned = {self._start - window.start} if self._begins_at_anchor(window) else set(shifts[:1])
        self._reshuffled = self._reshuffled or not planned.issuperset(shifts)
        return shifts

    def _add_anchors(self, sort_keys: Sequence[int], start: int) -> None:
        last = self._anchors[-1].position if self._anchors else -1
        for index in range(max(1, last + 1 - start), len(sort_keys)):
            sort_key, before, repeated = sort_keys[index], sort_keys[index - 1], 0
            if before == sort_key - 1:
                nearest = sort_keys[max(0, index - MOST_REPEATED) : index]
                # if all of these rows are of one second, the page before may have more of them
                repeated = MOST_REPEATED if nearest[0] == before else nearest.count(before)
            if before != sort_key:
                self._anchors.append(Anchor(start + index, sort_key, None, repeated))
        oldest = start - KEPT_PAGES * self.limit
        while len(self._anchors) > KEPT_ANCHORS and self._anchors[1].position < oldest:
            self._anchors.popleft()
