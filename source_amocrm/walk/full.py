"""Reads a list whole, whatever its order is: a dictionary of the account, or the last resort of another walk.

Why it cannot skip: one page is one snapshot, and pages overlap (see `page_windows`). Where each page begins with a row
of the one before, no row lies between the two. In the order of ids that is enough, for ids never change. In another
order every page must begin with the row that was last seen at that position, for then no row has moved across it. If
one page does not, the list is read in passes.

Progress rule: `PageProgress`, each page reaches farther than the one before or is a step back, and passes are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import orjson

from source_amocrm.walk.listing import Listing, OrderIgnored, PageProgress, RawPage, Row, TooLong, key
from source_amocrm.walk.page_prefetch import PagePrefetcher
from source_amocrm.walk.page_size import with_smaller_pages, with_smaller_pages_in_parts
from source_amocrm.walk.page_windows import WindowPlan
from source_amocrm.walk.passes import one_pass, passes_until_complete
from source_amocrm.walk.worker_pool import WorkerPool

MOST_KEPT = 48 << 20
"""Bytes of JSON of the most rows that a list may have that is kept whole; in memory they take some four times that."""


def full(listing: Listing, pool: WorkerPool | None = None) -> list[Row]:
    """Every row of the list, each once."""
    return with_smaller_pages(listing, lambda some: _full(some, pool))


def in_passes(listing: Listing, pool: WorkerPool | None = None, lasting: bool = False) -> Iterator[RawPage]:
    """Pages with every row of the list, a row as often as it is met. `lasting`: rows never leave the list."""

    def read(some: Listing) -> Iterator[RawPage]:
        return passes_until_complete(some.path, lambda: one_pass(some, pool), lasting)

    return with_smaller_pages_in_parts(listing, read)


def _full(listing: Listing, pool: WorkerPool | None) -> list[Row]:
    first = listing.ask({})
    if not first.may_go_on:
        return first.rows
    try:
        return _Overlapping(listing, pool).rows(first)
    except OrderIgnored:
        kept = _Kept(listing.path)
        for raw in in_passes(listing, pool):
            kept.add(raw)
        return list(kept.rows.values())


class _Kept:
    """Each row of a list once, in the version that was seen last. Raises TooLong past MOST_KEPT."""

    def __init__(self, path: str) -> None:
        self.rows: dict[int | str, Row] = {}
        self._path = path
        self._bytes = 0

    def add(self, raw: RawPage) -> bool:
        """Whether the page brings a row that was not there."""
        fresh = {row_key: row for row in raw.rows if (row_key := key(row)) not in self.rows}
        self._bytes += len(orjson.dumps(list(fresh.values())))
        if self._bytes > MOST_KEPT:
            raise TooLong(self._path)
        self.rows.update((key(row), row) for row in raw.rows)
        return bool(fresh)


class _Overlapping:
    """One reading of a list in windows that overlap. Raises OrderIgnored if these cannot be seen to join."""

    def __init__(self, listing: Listing, pool: WorkerPool | None) -> None:
        self._listing = listing
        self._plan = WindowPlan(listing)
        self._progress = PageProgress(listing.path)
        self._prefetcher = PagePrefetcher(listing, pool)
        self._keys: list[int | str] = []
        """The key that was last seen at each position."""
        self._kept = _Kept(listing.path)
        self._moved = False
        """A page did not show the rows that were last seen at its positions."""
        self._orders = {1, -1}
        """The orders of ids (1 ascending, -1 descending) that no page has contradicted."""

    def rows(self, first: RawPage) -> list[Row]:
        raw: RawPage | None = first
        read, more = 0, True
        try:
            while more:
                page = raw or self._prefetcher.take() or self._plan.window.ask(self._listing)
                raw = None
                goes_on = self._progress.meet(page)
                if not self._joins(page):
                    self._prefetcher.drop()
                    self._plan.step_back()
                    self._moved = True
                    continue
                fresh = self._add(page)
                read += 1
                more = self._plan.advance(page, fresh) and goes_on
                if more:
                    self._prefetcher.fill(self._plan.window, self._plan.most, read // 2)
        finally:
            self._prefetcher.drop()
        if self._moved and not self._orders:
            raise OrderIgnored
        return list(self._kept.rows.values())

    def _joins(self, page: RawPage) -> bool:
        start = self._plan.window.start
        if start == 0:
            return True
        return bool(page.rows) and key(page.rows[0]) in self._kept.rows

    def _add(self, page: RawPage) -> bool:
        start, keys = self._plan.window.start, [key(row) for row in page.rows]
        shared = self._keys[start : start + len(keys)]
        self._moved = self._moved or keys[: len(shared)] != shared
        self._keys[start : start + len(keys)] = keys
        self._orders = {step for step in self._orders if all(_step(*pair) == step for pair in pairwise(keys))}
        return self._kept.add(page)


def _step(one: int | str, other: int | str) -> int:
    if isinstance(one, int) and isinstance(other, int):
        return (one < other) - (one > other)
    return 0
