"""Slices of a list that are asked for before the walk has come to them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from functools import partial

from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Found, Listing
from source_amocrm.walk.slices import Slice, following

MOST_AHEAD = 8
"""Pages that may wait in memory, or be asked for beyond the end of the list."""


class SlicePrefetcher:
    """Whether there are such slices is not known, so their emptiness is no surprise."""

    def __init__(self, listing: Listing, pool: Hands | None) -> None:
        self._listing = listing.believing(0)
        self._pool = pool
        self._asked: deque[tuple[Slice, Future[Found]]] = deque()

    def take(self) -> Found | None:
        """The slice that was asked for first, where it came and is not empty."""
        if not self._asked:
            return None
        _, asked = self._asked.popleft()
        if asked.cancel():
            return None
        found = asked.result()
        return found if found.rows else None

    def fill(self, part: Slice, size: int, most: int) -> None:
        """Ask for `part`, and behind it for so many slices of that size as there are hands free."""
        if self._asked and self._asked[0][0] != part:
            self.drop()
        next_one: Slice | None = part
        if self._asked:
            next_one = following(self._asked[-1][0].end, size)
        while (
            self._pool
            and next_one
            and len(self._asked) <= min(most, MOST_AHEAD)
            and (not self._asked or self._pool.offer())
        ):
            self._asked.append((next_one, self._pool.start(partial(next_one.ask, self._listing))))
            next_one = following(next_one.end, size)

    def drop(self) -> None:
        """Whatever is under way leads nowhere."""
        while self._asked:
            self._asked.pop()[1].cancel()
