"""Pages that are too much for the server (504, or no answer in time) or for our memory: smaller ones are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.listing import Listing, Params, RawPage, smaller

T = TypeVar("T")

PAGES_OF_CAUTION = 10
"""After a page that was too large, ask this many smaller ones before the full size is tried again."""


def with_smaller_pages(listing: Listing, read: Callable[[Listing], T]) -> T:
    """What `read` makes of the list; made again from the start with smaller pages when one was too large."""
    while True:
        try:
            return read(listing)
        except PageTooLarge:
            listing = in_smaller_pages(listing)


def with_smaller_pages_in_parts(listing: Listing, read: Callable[[Listing], Iterator[T]]) -> Iterator[T]:
    """As `with_smaller_pages`, part by part: what had come when a page was too large comes again."""
    while True:
        try:
            yield from read(listing)
            return
        except PageTooLarge:
            listing = in_smaller_pages(listing)


def in_smaller_pages(listing: Listing) -> Listing:
    """The list in smaller pages; Raises the PageTooLarge that is being handled when there are none."""
    less = smaller(listing.limit)
    if less is None:
        raise
    return replace(listing, limit=less)


class PageSizer:
    """The page size of a walk that asks from the last row seen: smaller after a page was too large, then back."""

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
        """A page was too large. Raises the PageTooLarge that is being handled when there are no smaller ones."""
        less = smaller(self.now)
        if less is None:
            raise
        self._less, self._cautious = less, PAGES_OF_CAUTION

    def page_came(self) -> None:
        """A page came."""
        self._cautious = max(0, self._cautious - 1)


class LargestPage:
    """How many rows a page has at most, where some servers give more than is `documented`: one page that is needed
    anyway is asked for with as many as are `hoped` for, and what comes is believed.

    A server falls back to fewer rows than are documented when it is asked for more than it gives.
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
