"""The walk from the newest row down to a known second, for a list whose filter is switched off.

Why it cannot skip: a page is one snapshot, so it holds every row of the seconds between its first and its last. Each
page is asked so that it begins among rows newer than the end of the one before, and is believed only if it does,
whatever was edited, deleted or restored in between: then nothing lies between the two. Where it does not, rows have
left the list, and the walk steps back. Where the last second of a page has so many rows that the next page cannot
begin before it, that second is read again until nothing new comes, for the server may list its rows in any order.

Progress rule: `PageProgress`, and each page reaches farther than the one before or is a step back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from source_amocrm.errors import TooFat
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Page, PageProgress, Row, each_page, key
from source_amocrm.walk.sizes import shrunk
from source_amocrm.walk.spans import FOREVER
from source_amocrm.walk.ties import repeated


def recent(listing: Listing, since: int) -> Iterator[Page]:
    """The rows whose cursor is `since` or later, newest first. Raises OrderIgnored when that cannot be relied on."""
    listing = listing.narrowed({f"order[{listing.cursor}]": "desc"})
    delivered: dict[int | str, int | None] = {}
    while True:
        try:
            yield from _Recent(listing, since, delivered).pages()
            return
        except TooFat:
            listing = shrunk(listing)


class _Slice(NamedTuple):
    """A part of the list: `limit` rows after the first `start`, which is a multiple of that."""

    start: int
    limit: int


class _Recent:
    """`delivered`: the rows so far, with their seconds."""

    def __init__(self, listing: Listing, since: int, delivered: dict[int | str, int | None]) -> None:
        self._listing = listing
        self._since = since
        self._delivered = delivered
        self._widest = 0
        """The most rows that came in a page: a limit above the server's own is not obeyed."""

    def pages(self) -> Iterator[Page]:
        progress = PageProgress(self._listing.path)
        asked = _Slice(0, self._listing.limit)
        reached = FOREVER
        """Every row of a later second is delivered."""
        while True:
            found = replace(self._listing, limit=asked.limit).ask({}, asked.start // asked.limit + 1)
            progress.meet(found)
            seconds = _seconds(self._listing, found)
            if asked.start and (not seconds or seconds[0] < reached):
                asked = _Slice(asked.start - asked.limit, asked.limit)
                continue
            self._widest = max(self._widest, len(found.rows))
            rows = self._new(found.rows)
            through = not found.more or seconds[-1] < reached
            if asked.start and seconds[0] == reached and through:
                rows += self._new(self._tied(reached, asked.start))
            reached = min([reached, *seconds[-1:]])
            over = not found.more or reached < self._since
            yield Page(
                sorted(rows, key=lambda row: self._listing.second_of(row) or 0, reverse=True),
                (self._since if over else reached + 1, FOREVER),
            )
            if over:
                return
            asked = self._following(asked.start, found, reached)

    def _new(self, rows: list[Row]) -> list[Row]:
        fresh = []
        for row in rows:
            second = self._listing.second_of(row)
            wanted = second is None or second >= self._since
            if wanted and self._delivered.get(key(row), -1) != second:
                self._delivered[key(row)] = second
                fresh.append(row)
        return fresh

    def _following(self, start: int, found: Found, reached: int) -> _Slice:
        """The next slice: from a row newer than the second reached, if that brings enough; else from the last row."""
        end = start + len(found.rows)
        newer = [place for place, row in enumerate(found.rows, start) if (self._listing.second_of(row) or 0) > reached]
        if newer and _end(best := self._slice(newer[-1])) >= end + self._widest // 4 + 1:
            return best
        best = self._slice(end - 1)
        if _end(best) <= end:
            raise OrderIgnored  # pages of half a dozen rows cannot overlap everywhere
        return best

    def _slice(self, place: int) -> _Slice:
        """The slice with this place in it that reaches farthest."""
        limit = max(range(self._widest, 0, -1), key=lambda limit: place // limit * limit + limit)
        return _Slice(place // limit * limit, limit)

    def _tied(self, second: int, start: int) -> list[Row]:
        """Every row of a second that stands around the place `start`."""
        listing = replace(self._listing, limit=self._widest)
        first = start // self._widest + 1

        def read() -> list[Row]:
            nonlocal first
            while (rows := _from(listing, second, first)) is None:
                first -= 1
            return rows

        return repeated(listing, read)


def _end(part: _Slice) -> int:
    return part.start + part.limit


def _seconds(listing: Listing, found: Found) -> list[int]:
    """Those of the page's rows that have one."""
    dated = [second for row in found.rows if (second := listing.second_of(row)) is not None]
    if any(one < other for one, other in pairwise(dated)) or (found.more and not dated):
        raise OrderIgnored
    return dated


def _from(listing: Listing, second: int, first: int) -> list[Row] | None:
    """The rows of a second on the pages from `first` on; None where it may begin before that."""
    rows: list[Row] = []
    for number, found in enumerate(each_page(listing, first), first):
        seconds = _seconds(listing, found)
        if number == first > 1 and not (seconds and seconds[0] > second):
            return None
        rows += [row for row in found.rows if listing.second_of(row) == second]
        if seconds and seconds[-1] < second:
            break
    return rows
