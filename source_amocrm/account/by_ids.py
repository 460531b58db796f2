"""Reads entities by id: many at once where the list's filter works, otherwise one by one or from the whole list."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.errors import NotFound, PageTooLarge, Unpaid
from source_amocrm.http import Params
from source_amocrm.walk import FilterIgnored, Row
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.full import full
from source_amocrm.walk.listing import identified, key

IDS_AT_ONCE = 50
"""More ids in one request have been answered with «HTTP URL too long»."""


def by_ids(
    account: Account,
    resource: Resource,
    ids: Iterable[int],
    params: Params | None = None,
    unfiltered: Callable[[list[int]], Iterator[Row]] | None = None,
) -> Iterator[Row]:
    """Yields the entities that exist among `ids`. Without a working filter `unfiltered` finds them, or one by one."""
    left = sorted(set(ids))
    try:
        while left and account.filter_works(resource):
            rows = full(account.listing(resource, params).of_ids(left[:IDS_AT_ONCE]))
            left = left[IDS_AT_ONCE:]
            yield from rows
    except (FilterIgnored, Unpaid):
        account.filter_is_ignored()
    yield from unfiltered(left) if unfiltered else one_by_one(account, resource, left, params)


def one_by_one(account: Account, resource: Resource, ids: Iterable[int], params: Params | None = None) -> Iterator[Row]:
    """Yields the entities that exist among `ids`, with a request for each."""
    for entity_id in ids:
        try:
            body = account.get_believed(f"{resource.path}/{entity_id}", params or {}).body
        except NotFound:
            continue
        # A list shows neither what is in the trash nor what waits in «Неразобранное».
        body = identified(body) if body else None
        if body and key(body) == entity_id and not body.get("is_deleted") and not body.get("is_unsorted"):
            yield body


class Unfiltered:
    """Finds entities by id in a list whose filter is off, with about as few requests as possible; for one thread.

    One by one, or the whole list, whichever takes fewer requests. How many pages the list has is not known. So its
    first page is asked for, its second, its fourth …, until the list has more pages than there are ids, or ends. That
    takes at most twice the requests of the cheaper way, and these few.

    `whole`: all of the list has come.
    """

    def __init__(self, account: Account, resource: Resource) -> None:
        self._account = account
        self._resource = resource
        self.whole = False
        self._asked = 0
        """How many entities were asked for one by one."""
        self._pages: float = 1
        """How many pages the list has, at least."""
        self._number = 1
        """The number of the next page that is asked for to learn that."""

    def rows(self, ids: Iterable[int]) -> Iterator[Row]:
        """Yields the entities that exist among `ids`, and perhaps others."""
        left = set(ids)
        listing = self._account.listing(self._resource).narrowed({"order[id]": "asc"}).retrying_empty(1)
        while left and self._asked + len(left) > self._pages:
            number, self._number = self._number, self._number * 2
            try:
                raw = listing.ask({}, number)
            except PageTooLarge:
                self._pages = math.inf
                break
            self._pages = number + 1
            if not raw.may_go_on:
                if number == 1 and raw.rows:  # the list is this page
                    yield from raw.rows
                else:
                    for page in in_id_order(self._account.listing(self._resource), self._account.pool):
                        yield from page.rows
                self.whole = True
                return
            yield from raw.rows
            left.difference_update(row["id"] for row in raw.rows if isinstance(row.get("id"), int))
        self._asked += len(left)
        yield from one_by_one(self._account, self._resource, sorted(left))
