"""Values that a stream takes from another list: from rows that this sync reads, otherwise by id."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from source_amocrm.account import Account
from source_amocrm.account.by_ids import by_ids, one_by_one
from source_amocrm.account.resources import CLOSED
from source_amocrm.engine.stream_interface import Lookup
from source_amocrm.errors import AmocrmError, PageTooLarge, Throttled, error_copy
from source_amocrm.walk import Row
from source_amocrm.walk.by_page_number import in_id_order

LOGGER = logging.getLogger("airbyte")


class Resolver:
    """Finds the values of one lookup by id: among the records that were read, else by requesting them.

    If the list is read in the same sync (`expected`), `values` waits until that reading has ended.
    """

    def __init__(self, account: Account, lookup: Lookup, expected: bool) -> None:
        self._account = account
        self.resource = lookup.resource
        self._value = lookup.value
        self._known: dict[int, Any] = {}  # By id, the value of a record; None if it has none, or if there is no record
        self._whole = False
        self._requested = 0  # How many records were requested one by one
        self._pages: float = 1  # How many pages the list has, at least
        self._number = 1  # The number of the next page to request to learn that
        self._failure: AmocrmError | None = None
        self._ready = threading.Event()
        if not expected:
            self._ready.set()

    def observe(self, rows: Iterable[Row]) -> None:
        self._known.update((row["id"], self._value(row)) for row in rows if isinstance(row.get("id"), int))

    def finish(self, whole: bool, failure: AmocrmError | None) -> None:
        """Ends the waiting of `values`. `whole`: the reading brought all of the list, not only what changed."""
        self._whole, self._failure = whole, failure
        self._ready.set()

    def values(self, ids: Iterable[int]) -> dict[int, Any]:
        """Returns the values by id; an id without a value is left out.

        Raises Throttled if the reading of the list ended with it: requests by ID would only wait once more.
        """
        self._ready.wait()
        wanted = set(ids)
        missing = {record_id for record_id in wanted if record_id not in self._known}
        if missing and isinstance(self._failure, Throttled):
            raise error_copy(self._failure)
        if missing and not self._whole:
            try:
                self.observe(by_ids(self._account, self.resource, missing, unfiltered=self._unfiltered))
                for record_id in missing:
                    self._known.setdefault(record_id, None)
            except CLOSED as error:
                self._whole = True  # the token's user may see no more
                LOGGER.warning(
                    "What is taken from %s is left empty in other tables. Once the list can be read, refresh these: "
                    "their rows do not come again by themselves. %s",
                    self.resource.name,
                    error,
                )
        return {record_id: value for record_id in wanted if (value := self._known.get(record_id)) is not None}

    def _unfiltered(self, ids: Iterable[int]) -> Iterator[Row]:
        """Yields the records with these `ids` from a list whose filter is off, and perhaps other records.

        Requests them one by one, or the whole list, whichever takes fewer requests. How many pages the list has is not
        known, so pages 1, 2, 4, … are requested until the list has more pages than there are ids, or ends. That takes
        at most twice the requests of the cheaper way, and these few.
        """
        left, listing = set(ids), self._account.listing(self.resource)
        some = listing.narrowed({"order[id]": "asc"}).retrying_empty(1)
        while left and self._requested + len(left) > self._pages:
            number, self._number = self._number, self._number * 2
            try:
                raw = some.ask({}, number)
            except PageTooLarge:
                self._pages = math.inf
                break
            self._pages = number + 1
            if not raw.may_go_on:
                # the list is this page, or is read once more from its beginning
                pages = [raw] if number == 1 and raw.rows else in_id_order(listing)
                yield from (row for page in pages for row in page.rows)
                self._whole = True
                return
            yield from raw.rows
            left.difference_update(row["id"] for row in raw.rows if isinstance(row.get("id"), int))
        self._requested += len(left)
        yield from one_by_one(self._account, self.resource, sorted(left))
