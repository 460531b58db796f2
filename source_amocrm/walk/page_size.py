"""How many rows a page request asks for: fewer for a while after a page that was too large for the server or for us.

A page is too large for the server if it answers 504 or not in time, and for us if its body exceeds the body cap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.http import Params
from source_amocrm.walk.listing import SIZES, Listing, RawPage

T = TypeVar("T")

PAGES_OF_CAUTION = 10
"""How many smaller pages follow one that was too large before the walk tries the full size again."""


def with_smaller_pages(listing: Listing, read: Callable[[Listing], T]) -> T:
    """The result of `read`. If a page was too large, calls `read` again with smaller pages."""
    while True:
        try:
            return read(listing)
        except PageTooLarge as error:
            listing = in_smaller_pages(listing, error)


def with_smaller_pages_in_parts(listing: Listing, read: Callable[[Listing], Iterator[T]]) -> Iterator[T]:
    """As `with_smaller_pages`, for a generator: items before the page that was too large are yielded again."""
    while True:
        try:
            yield from read(listing)
            return
        except PageTooLarge as error:
            listing = in_smaller_pages(listing, error)


def in_smaller_pages(listing: Listing, error: PageTooLarge) -> Listing:
    """The listing with the next smaller page size. Raises `error` when the page size is already the smallest."""
    return replace(listing, limit=_smaller(listing.limit, error))


def _smaller(limit: int, error: PageTooLarge) -> int:
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

    @property
    def now(self) -> int:
        return self._reduced if self._cautious else self._full

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
        self._reduced, self._cautious = _smaller(self.now, error), PAGES_OF_CAUTION

    def count_page(self) -> None:
        self._cautious = max(0, self._cautious - 1)


class LargestPage:
    """Learns the largest page that a server gives, which may be larger than the `documented` one.

    The first page of a walk asks for `hoped` rows, and its length decides. A server that gives no more than documented
    falls back to even fewer rows when a request asks for more.
    """

    def __init__(self, hoped: int, documented: int) -> None:
        self._documented = documented
        self.now = hoped

    def ask(self, listing: Listing, params: Params) -> tuple[RawPage, Listing]:
        """A first page, and the listing with the largest page size that the server gives."""
        limit = self.now
        try:
            raw = listing.ask(params, limit=limit)
            if raw.more and len(raw.rows) < limit:
                self.now = max(self._documented, min(self.now, len(raw.rows)))
        except PageTooLarge:
            self.now = min(self.now, self._documented)
            raw = PageSizer(self.now).ask(listing, params)
        return raw, replace(listing, limit=self.now)
