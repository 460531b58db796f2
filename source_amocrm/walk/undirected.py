"""The keyset walk over a list that documents no order of its own (events): the first page tells which it is.

Why it cannot skip: the keyset walk's order is checked on every page. Where a first page is of one second and so tells
nothing, that second is read on its own, and then what lies on either side.

Progress rule: that of the keyset walk; a second read on its own is in no part that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from source_amocrm.walk.bounds import believe, bounds
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.listing import Found, Listing, OrderIgnored, Page
from source_amocrm.walk.sizes import Appetite
from source_amocrm.walk.spans import Span
from source_amocrm.walk.ties import one_second
from source_amocrm.walk.traits import ListTraits


def undirected(
    listing: Listing, span: Span, traits: ListTraits, found: Found | None = None, hands: Hands | None = None
) -> Iterator[Page]:
    """Read the seconds `span` of a list that can be filtered by its cursor field.

    `found`: the first page, where the span, a second wider on either side, was asked for before. `hands` ask for pages
    ahead. Raises FilterIgnored or OrderIgnored when the server does not do what the walk rests on.
    """
    appetite = Appetite(listing.limit)
    parts = [span]
    while parts:
        part = low, high = parts.pop()
        found = _first_page(listing, part, appetite, found)
        ascending = direction(listing, found)
        if ascending is None:
            second = next(second for row in found.rows if (second := listing.second_of(row)) is not None)
            if low <= second <= high:
                for rows in one_second(listing, second, hands):
                    yield Page(rows)
                yield Page([], (second, second))
            sides = (low, min(second - 1, high)), (max(second + 1, low), high)
            parts += [side for side in sides if side[0] <= side[1]]
        else:
            if not found.more:
                found = replace(found, rows=sorted(found.rows, key=lambda row: listing.second_of(row) or 0))
            yield from keyset(listing, part, traits, ascending, found, hands)
        found = None


def direction(listing: Listing, found: Found) -> bool | None:
    """True for ascending, False for descending, None when the page cannot tell: all its rows are of one second.

    A page that is the whole list is taken as ascending. Raises OrderIgnored when it is neither.
    """
    dated = [second for row in found.rows if (second := listing.second_of(row)) is not None]
    if not dated or not found.more:
        return True
    if dated[0] == dated[-1]:
        if len(set(dated)) > 1:
            raise OrderIgnored
        return None
    return dated[0] < dated[-1]


def _first_page(listing: Listing, span: Span, appetite: Appetite, found: Found | None) -> Found:
    """Asked a second wider on either side, for the filter's edges may be exclusive; exactly, where they are not."""
    wider = low, high = span[0] - 1, span[1] + 1
    while True:
        found = found or appetite.ask(listing, bounds(listing, low, high))
        believe(listing, found.rows, low, high)
        met = {listing.second_of(row) for row in found.rows}
        if not found.more or not met <= set(wider):
            return found
        low, high = low + (low in met), high - (high in met)
        found = None
