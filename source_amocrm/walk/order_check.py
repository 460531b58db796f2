"""Whether a list comes in the order of its cursor field because that was asked for, or by chance."""

from __future__ import annotations

from source_amocrm.walk.cursor_filter import bounds
from source_amocrm.walk.directed_list import Dated, DirectedList
from source_amocrm.walk.interval_set import FOREVER
from source_amocrm.walk.listing import OrderIgnored, key
from source_amocrm.walk.page_size import PageSizer
from source_amocrm.walk.tie_order import monotone

ROWS_TO_PROVE = 25
"""So many rows that are in the order asked for, and in no other, are not so by chance."""


def prove_order(view: DirectedList, near: int, dated: list[Dated], sizer: PageSizer) -> None:
    """Checks that a page is in order because that was asked for. Raises OrderIgnored if it is not.

    A page may be in order by chance: it may be in another order as well, in which the server lists rows whatever is
    asked. Then the list is asked for in the opposite order as well: it must begin behind the page's last row. A page of
    one second proves nothing, and needs no order. `near`: the page has every row from that place on.
    """
    listing = view.listing
    if view.traits.ordered or not listing.ordered or dated[0].place == dated[-1].place:
        return
    rows = [row for _, row in dated]
    if len(rows) >= ROWS_TO_PROVE and not any(monotone(rows, column) for column in listing.other_orders):
        view.traits.ordered = True
    elif listing.own_order:
        _prove_whole(view, near, dated, sizer)
    else:
        asked = {**bounds(listing, *view.bounds(near - 1)), **view.order(not view.ascending)}
        raw = listing.ask(asked, limit=min(listing.limit, ROWS_TO_PROVE))
        places = [place for row in raw.rows if (place := view.place(row)) is not None]
        if places and places[0] >= dated[-1].place:
            view.traits.ordered = True
        elif places:
            _prove_whole(view, near, dated, sizer)


def _prove_whole(view: DirectedList, near: int, dated: list[Dated], sizer: PageSizer) -> None:
    """Asks for all rows up to the last second of the page: the page must have all of them. Raises OrderIgnored."""
    near, far = near - 1, dated[-1].place - 1
    if near > far:
        return
    low, high = (near, far) if view.ascending else (-far, -near)
    raw = sizer.ask(view.listing, bounds(view.listing, low, min(high, FOREVER)))
    met = {key(row) for _, row in dated}
    if raw.may_go_on or any(key(row) not in met for row in raw.rows):
        raise OrderIgnored
    view.traits.ordered = True
