"""Reads entities by id: many at once where the list's filter works, otherwise one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.errors import NotFound, Unpaid
from source_amocrm.http import Params
from source_amocrm.walk import FilterIgnored, Row
from source_amocrm.walk.full import full
from source_amocrm.walk.listing import key, with_numeric_id

IDS_AT_ONCE = 50  # The most ids in one request. More have been answered with «HTTP URL too long».


def by_ids(
    account: Account,
    resource: Resource,
    ids: Iterable[int],
    params: Params | None = None,
    unfiltered: Callable[[list[int]], Iterator[Row]] | None = None,
) -> Iterator[Row]:
    """Yields the entities that exist among `ids`. If the filter does not work, uses `unfiltered`, or `one_by_one`."""
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
    """Yields the entities that exist among `ids`, by one request for each."""
    for entity_id in ids:
        try:
            body = account.get_retrying_empty(f"{resource.path}/{entity_id}", params or {}).body
        except NotFound:
            continue
        # What is in the trash or waits in «Неразобранное» is not in the list, either.
        body = with_numeric_id(body) if body else None
        if body and key(body) == entity_id and not body.get("is_deleted") and not body.get("is_unsorted"):
            yield body
