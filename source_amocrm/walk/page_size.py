"""How many rows a page has.

A page is too large for the server if the server answers 504 or not in time, and for us if its body exceeds the body
cap. The pages after it have fewer rows for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk.listing import SIZES, Listing, RawPage

T = TypeVar("T")

PAGES_OF_CAUTION = 10
"""How many smaller pages follow one that was too large before the walk tries the full size again. Twice as many each
time that the full size is still too large, for a server may need a minute to say so."""


def with_smaller_pages(listing: Listing, read: Callable[[Listing], Iterable[T]]) -> Iterator[T]:
    """Yields from `read`. If a page was too large, begins again with smaller pages."""
    while True:
        try:
            yield from read(listing)
            return
        except PageTooLarge as error:
            listing = replace(listing, limit=smaller(listing.limit, error))


def smaller(limit: int, error: PageTooLarge) -> int:
    """The next smaller page size. Raises `error` when the page size is already the smallest."""
    size = next((size for size in SIZES if size < limit), None)
    if size is None:
        raise error
    return size


class PageSizer:
    """The page size of a walk that can change the size between two pages."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._reduced = full
        self._cautious = 0
        self._caution = PAGES_OF_CAUTION

    @property
    def now(self) -> int:
        return self._reduced if self._cautious else self._full

    @property
    def weight(self) -> int:
        """How many pages one counts as while rows are so large that pages have fewer of them."""
        return self._full // self.now

    def ask(self, listing: Listing, params: Params) -> RawPage:
        while True:
            try:
                raw = listing.ask(params, limit=self.now)
            except PageTooLarge as error:
                self.shrink(error)
                continue
            self.count_page()
            return raw

    def shrink(self, error: PageTooLarge) -> None:
        """Makes the next pages smaller. Raises `error` when the page size is already the smallest."""
        self._reduced, self._cautious = smaller(self.now, error), self._caution

    def count_page(self) -> None:
        if not self._cautious:
            self._caution = PAGES_OF_CAUTION
        elif self._cautious == 1:
            self._caution *= 2
        self._cautious = max(0, self._cautious - 1)
