"""Reads entities by id: many at once where the list's filter works, otherwise one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.errors import NotFound, Unpaid
from source_amocrm.http import Params
from source_amocrm.walk import FilterIgnored, Row
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
