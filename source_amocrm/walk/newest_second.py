"""The newest row of a list that comes in no order, and that rows never leave: where a window over it can end.

Why it cannot be too early: seconds are left out only where the list was seen to have no row in them, or none later than
the newest row met.

Progress rule: the later half of what is left is asked for; either it is empty, or nothing before it is left.
"""

from __future__ import annotations

from source_amocrm.walk.either_direction import first_page
from source_amocrm.walk.interval_set import Interval
from source_amocrm.walk.listing import Listing
from source_amocrm.walk.page_size import PageSizer


def newest_second(listing: Listing, interval: Interval) -> int | None:
    """The second of the newest row of the interval, or of one that has come since; None where there is none.

    Raises FilterIgnored.
    """
    (low, high), sizer = interval, PageSizer(listing.limit)
    newest, halved = None, False
    while low <= high:
        start = (low + high + 1) // 2 if halved else low
        raw = first_page(listing, (start, high), sizer)
        dated = (listing.second_of(row) for row in raw.rows)
        found = [second for second in dated if second is not None and start <= second <= high]
        if found:
            newest = max(found)
            low = newest + 1
            if not raw.may_go_on:
                break
        else:
            high = start - 1
        halved = bool(found) and not halved
    return newest
