"""Pages that are too much for the server (504, or no answer in time): asked for again in smaller ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from source_amocrm.errors import TooFat
from source_amocrm.walk.listing import Found, Listing, Params, smaller

T = TypeVar("T")

PAGES_OF_CAUTION = 10
"""After a page that was too fat, ask this many smaller ones before the full size is tried again."""


def shrinking(listing: Listing, read: Callable[[Listing], T]) -> T:
    """What `read` makes of the list; made again from the start with smaller pages when one was too fat."""
    while True:
        try:
            return read(listing)
        except TooFat:
            listing = shrunk(listing)


def shrunk(listing: Listing) -> Listing:
    """The list in smaller pages; raises the TooFat that is being handled when there are none."""
    less = smaller(listing.limit)
    if less is None:
        raise
    return replace(listing, limit=less)


@dataclass(slots=True)
class Appetite:
    """The page size of one walker that asks for first pages only: smaller after one was too fat, then back."""

    limit: int
    cautious: int = 0

    def ask(self, listing: Listing, params: Params) -> Found:
        while True:
            limit = self.limit if self.cautious else listing.limit
            try:
                found = listing.ask(params, limit=limit)
            except TooFat:
                less = smaller(limit)
                if less is None:
                    raise
                self.limit, self.cautious = less, PAGES_OF_CAUTION
                continue
            self.cautious = max(0, self.cautious - 1)
            return found
