"""Tables that are made of one list for each kind of entities."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from source_amocrm.account.account import Account, lacks
from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.errors import AmocrmError, all_of
from source_amocrm.streams.rows import dictionaries
from source_amocrm.walk.listing import Row

LOGGER = logging.getLogger("airbyte")
CATALOGS = "/api/v4/catalogs"
SEGMENTS = "/api/v4/customers/segments"


@dataclass(frozen=True)
class Kind:
    """A kind of entities; `path` of its list. `optional`: not every account has it."""

    entity_type: str
    path: str
    catalog_id: int | None = None
    optional: bool = True


Kinds = Callable[[Account], list[Kind]]


def cards(_: Account) -> list[Kind]:
    return [Kind(name, f"/api/v4/{name}", optional=False) for name in ("leads", "contacts", "companies")]


def customers(account: Account) -> list[Kind]:
    account.require_customers(CUSTOMERS.path)
    return [Kind("customers", CUSTOMERS.path)]


def segments(account: Account) -> list[Kind]:
    account.require_customers(SEGMENTS)
    return [Kind("segments", SEGMENTS)]


def catalogs(account: Account) -> list[Kind]:
    ids = map(dictionaries.catalog_id, account.dictionary(CATALOGS, "catalogs"))
    return [Kind("catalogs", f"{CATALOGS}/{own}", own) for own in ids]


def each(account: Account, *kinds: Kinds, part: str, collection: str) -> Iterator[tuple[Kind, Row]]:
    """The rows of the list `part` of every kind. One that may not be read does not keep the others back."""
    failures: list[AmocrmError] = []
    for some in kinds:
        known: list[Kind] = []
        with _despite(failures, optional=True):
            known = some(account)
        for kind in known:
            with _despite(failures, kind.optional):
                yield from ((kind, row) for row in account.dictionary(kind.path + part, collection))
    if failures:
        raise all_of(failures)


@contextmanager
def _despite(failures: list[AmocrmError], optional: bool) -> Iterator[None]:
    try:
        yield
    except AmocrmError as error:
        if optional and lacks(error):
            LOGGER.info("Not in this account: %s", error)
        else:
            failures.append(error)
