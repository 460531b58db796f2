"""The filter by a list's cursor field: its parameters, and a check that the server obeyed it."""

from __future__ import annotations

from source_amocrm.walk.interval_set import FOREVER
from source_amocrm.walk.listing import FilterIgnored, Listing, Row


def bounds(listing: Listing, low: int, high: int) -> dict[str, int | str]:
    """The parameters that ask for the seconds `low` to `high`; a negative `low` or a `high` of FOREVER is left out."""
    asked: dict[str, int | str] = {}
    if low >= 0:
        asked[f"filter[{listing.cursor}][from]"] = low
    if high < FOREVER:
        asked[f"filter[{listing.cursor}][to]"] = high
    return asked


def check_filter(listing: Listing, rows: list[Row], low: int, high: int) -> None:
    """Raises FilterIgnored if a row lies outside of the seconds `low` to `high`, both included."""
    for row in rows:
        second = listing.second_of(row)
        if second is not None and not low <= second <= high:
            raise FilterIgnored
