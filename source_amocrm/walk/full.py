"""A list read whole whatever its order is: a dictionary of the account, or the last resort of another walk.

Why it cannot skip: one page is one snapshot. Several overlap (see `slices`): where each begins with a row of the one
before, nothing lies between the two, and in the order of ids that is all, for ids never change. In another order
every page must begin with the very row that it was to begin with, for then no row has moved across it meanwhile.
Where one does not, the list is read in passes.

Progress rule: `PageProgress`, each page reaches farther than the one before or is a step back, and passes are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, PageProgress, Row, key
from source_amocrm.walk.passes import newest, one_pass, repeated
from source_amocrm.walk.sizes import shrinking, shrinking_parts
from source_amocrm.walk.slice_prefetch import SlicePrefetcher
from source_amocrm.walk.slices import Course


def full(listing: Listing, hands: Hands | None = None) -> list[Row]:
    """Every row of the list, each once."""
    return shrinking(listing, lambda some: _full(some, hands))


def in_passes(listing: Listing, hands: Hands | None = None, lasting: bool = False) -> Iterator[list[Row]]:
    """Every row of the list, in parts, a row as often as it is met. `lasting`: rows never leave the list."""

    def read(some: Listing) -> Iterator[list[Row]]:
        return repeated(some.path, lambda: (found.rows for found in one_pass(some, hands)), lasting)

    return shrinking_parts(listing, read)


def _full(listing: Listing, hands: Hands | None) -> list[Row]:
    first = listing.ask({})
    if not first.more:
        return first.rows
    try:
        return _Overlapping(listing, hands).rows(first)
    except OrderIgnored:
        return newest(in_passes(listing, hands))


class _Overlapping:
    """One reading of a list in slices that overlap. Raises OrderIgnored where they cannot be seen to join."""

    def __init__(self, listing: Listing, hands: Hands | None) -> None:
        self._listing = listing
        self._course = Course(listing)
        self._progress = PageProgress(listing.path)
        self._ahead = SlicePrefetcher(listing, hands)
        self._places: list[int | str] = []
        """What was seen at each place, the last time that it was seen."""
        self._known: dict[int | str, Row] = {}
        self._moved = False
        """A slice did not begin with the row that was at its place."""
        self._orders = {1, -1}
        """The orders of ids in which all pages are, up and down."""

    def rows(self, first: Found) -> list[Row]:
        found: Found | None = first
        read, more = 0, True
        try:
            while more:
                page = found or self._ahead.take() or self._course.part.ask(self._listing)
                found = None
                self._progress.meet(page)
                if not self._joins(page):
                    self._ahead.drop()
                    self._course.back()
                    self._moved = True
                    continue
                fresh = self._add(page)
                read += 1
                more = self._course.on(page, fresh)
                if more:
                    self._ahead.fill(self._course.part, self._course.most, read // 2)
        finally:
            self._ahead.drop()
        if self._moved and not self._orders:
            raise OrderIgnored
        return list(self._known.values())

    def _joins(self, page: Found) -> bool:
        start = self._course.part.start
        if start == 0:
            return True
        return bool(page.rows) and key(page.rows[0]) in self._known

    def _add(self, page: Found) -> bool:
        start, keys = self._course.part.start, [key(row) for row in page.rows]
        shared = self._places[start : start + len(keys)]
        self._moved = self._moved or keys[: len(shared)] != shared
        self._places[start : start + len(keys)] = keys
        self._orders = {step for step in self._orders if all(_step(*pair) == step for pair in pairwise(keys))}
        before = len(self._known)
        self._known.update(zip(keys, page.rows, strict=True))
        return len(self._known) > before


def _step(one: int | str, other: int | str) -> int:
    if isinstance(one, int) and isinstance(other, int):
        return (one < other) - (one > other)
    return 0
