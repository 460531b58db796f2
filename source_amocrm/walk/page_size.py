"""How many rows a page is asked for: fewer after one that was too much for the server or for the memory.

Too much for the server is a page that it answers with 504, or not in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.http.answer import Params
from source_amocrm.walk.listing import Listing, RawPage, smaller

T = TypeVar("T")

PAGES_OF_CAUTION = 10
"""How many smaller pages are asked for after one that was too large, before the full size is tried again."""


def with_smaller_pages(listing: Listing, read: Callable[[Listing], T]) -> T:
    """What `read` makes of the list. If a page was too large, it is called again with the list in smaller pages."""
    while True:
        try:
            return read(listing)
        except PageTooLarge:
            listing = in_smaller_pages(listing)


def with_smaller_pages_in_parts(listing: Listing, read: Callable[[Listing], Iterator[T]]) -> Iterator[T]:
    """As `with_smaller_pages`, for a generator: what had come before the page that was too large comes again."""
    while True:
        try:
            yield from read(listing)
            return
        except PageTooLarge:
            listing = in_smaller_pages(listing)


def in_smaller_pages(listing: Listing) -> Listing:
    """The list in smaller pages. Raises the PageTooLarge that is being handled if there are none."""
    less = smaller(listing.limit)
    if less is None:
        raise
    return replace(listing, limit=less)


class PageSizer:
    """The page size of a walk that can change it between two pages: smaller for a while after one was too large."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._less = full
        self._cautious = 0

    @property
    def now(self) -> int:
        return self._less if self._cautious else self._full

    def ask(self, listing: Listing, params: Params) -> RawPage:
        while True:
            try:
                raw = listing.ask(params, limit=self.now)
            except PageTooLarge:
                self.shrink()
                continue
            self.page_came()
            return raw

    def shrink(self) -> None:
        """Asks for smaller pages from now on. Raises the PageTooLarge that is being handled if there are none."""
        less = smaller(self.now)
        if less is None:
            raise
        self._less, self._cautious = less, PAGES_OF_CAUTION

    def page_came(self) -> None:
        """Counts a page that came."""
        self._cautious = max(0, self._cautious - 1)


class LargestPage:
    """Learns how many rows a page has at most, for some servers give more than is `documented`.

    The first page of a walk is asked for with as many rows as are `hoped` for, and what comes is the answer. A server
    that gives no more than documented falls back to even fewer rows when it is asked for more.
    """

    def __init__(self, hoped: int, documented: int) -> None:
        self._documented = documented
        self.now = hoped

    def ask(self, listing: Listing, params: Params) -> tuple[RawPage, Listing]:
        """A first page, and the list with pages as large as the server gives them."""
        limit = self.now
        try:
            raw = listing.ask(params, limit=limit)
            if raw.more and len(raw.rows) < limit:
                self.now = max(self._documented, min(self.now, len(raw.rows)))
        except PageTooLarge:
            self.now = min(self.now, self._documented)
            raw = PageSizer(self.now).ask(listing, params)
        return raw, replace(listing, limit=self.now)
