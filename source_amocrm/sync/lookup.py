"""Values that a stream takes from another list: from rows that this sync reads, otherwise by id."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any

from source_amocrm.account import Account
from source_amocrm.account.by_ids import Unfiltered, by_ids
from source_amocrm.account.resources import CLOSED
from source_amocrm.errors import AmocrmError, Throttled, error_copy
from source_amocrm.sync.declaration import Lookup
from source_amocrm.walk import Row

LOGGER = logging.getLogger("airbyte")


class Resolver:
    """Finds the values of one lookup by id: among the records that were read, else by asking for them.

    If the list is read in the same sync (`expected`), `of` waits until that reading has ended.
    """

    def __init__(self, account: Account, lookup: Lookup, expected: bool) -> None:
        self._account = account
        self._resource = lookup.resource
        self._unfiltered = Unfiltered(account, lookup.resource)
        self._value = lookup.value
        self._known: dict[int, Any] = {}
        """By id, the value of a record; None if it has none, or if there is no record."""
        self._whole = False
        self._failure: AmocrmError | None = None
        self._ready = threading.Event()
        if not expected:
            self._ready.set()

    def observe(self, rows: Iterable[Row]) -> None:
        self._known.update((row["id"], self._value(row)) for row in rows if isinstance(row.get("id"), int))

    def finish(self, whole: bool, failure: AmocrmError | None) -> None:
        """Ends the waiting of `of`. `whole`: the reading brought all of the list, not only what changed."""
        self._whole, self._failure = whole, failure
        self._ready.set()

    def of(self, ids: Iterable[int]) -> dict[int, Any]:
        """Returns the values of those `ids` that have one.

        Raises Throttled if the reading of the list ended with it: asking by id would only wait once more.
        """
        self._ready.wait()
        wanted = set(ids)
        missing = {own for own in wanted if own not in self._known}
        if missing and isinstance(self._failure, Throttled):
            raise error_copy(self._failure)
        if missing and not self._whole:
            try:
                self.observe(by_ids(self._account, self._resource, missing, unfiltered=self._unfiltered.rows))
                self._whole = self._unfiltered.whole
                for own in missing:
                    self._known.setdefault(own, None)
            except CLOSED as error:
                self._whole = True  # as much as may be seen
                LOGGER.warning("What is taken from %s is left empty in other tables. %s", self._resource.name, error)
        return {own: value for own in wanted if (value := self._known.get(own)) is not None}
