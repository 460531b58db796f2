"""Entities by id, of a list whose filter is off: one by one, or the whole list, whichever takes fewer requests.

How many pages the list has is not known. So its first page is asked for, its second, its fourth …, until the list has
more pages than there are ids, or ends. That takes at most twice the requests of the cheaper way, and these few.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.errors import PageTooLarge
from source_amocrm.walk.listing import RawPage, Row
from source_amocrm.walk.page_number import by_page_number


class ById:
    """Everything that is asked of one list by id in a sync, from one thread. `whole`: all of the list has come."""

    def __init__(self, account: Account, entities: Resource) -> None:
        self._account = account
        self._entities = entities
        self.whole = False
        self._asked = 0
        """How many entities were asked for one by one."""
        self._pages: float = 1
        """How many pages the list has, at least."""
        self._number = 1
        """The number of the next page that is asked for to learn that."""

    def rows(self, ids: Iterable[int]) -> Iterator[Row]:
        """The entities that exist among `ids`, and perhaps others."""
        left = set(ids)
        while left and self._asked + len(left) > self._pages:
            raw = self._page()
            if raw and not raw.more:
                yield from self._list(raw)
                self.whole = True
                return
            rows = raw.rows if raw else []
            yield from rows
            left.difference_update(row["id"] for row in rows if isinstance(row.get("id"), int))
        self._asked += len(left)
        yield from self._account.one_by_one(self._entities, sorted(left))

    def _page(self) -> RawPage | None:
        """A page that is twice as far in the list as the one before; None if the server cannot give it."""
        number, self._number = self._number, self._number * 2
        listing = self._account.listing(self._entities).narrowed({"order[id]": "asc"})
        try:
            raw = listing.retrying_empty(1).ask({}, number)
        except PageTooLarge:
            self._pages = math.inf
            return None
        self._pages = number + 1
        return raw

    def _list(self, last: RawPage) -> Iterator[Row]:
        """The whole list, whose end was found; a list of one page has come already."""
        if self._number == 2 and last.rows:
            yield from last.rows
            return
        for page in by_page_number(self._account.listing(self._entities), self._account.pool):
            yield from page.rows
