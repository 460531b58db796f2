"""Streams with one list for each kind of entities (leads/tags, contacts/tags, …), and the ids of all live cards."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

from source_amocrm.account import Account
from source_amocrm.account.availability import in_parts, whole
from source_amocrm.account.resources import CARDS
from source_amocrm.engine.stream_interface import READ_AT, Context
from source_amocrm.errors import REFUSALS, AmocrmError, NotFound, combined_error
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.record import Record
from source_amocrm.walk.listing import Listing, Row

LOGGER = logging.getLogger("airbyte")
CATALOGS = "/api/v4/catalogs"
SEGMENTS = "/api/v4/customers/segments"
OF_CARDS = tuple(card.path for card in CARDS)

_CATALOGS = Record("catalogs")


def kinds_at(account: Account, path: str) -> dict[str, Context]:
    """Returns the context of each kind of entities at `path`, by its list's path. Each catalog is a kind of its own."""
    if path != CATALOGS:
        return {path: Context(path.rpartition("/")[2])}
    ids = map(catalog_id, account.dictionary(CATALOGS, "catalogs"))
    return {f"{CATALOGS}/{number}": Context("catalogs", number) for number in ids}


def catalog_id(catalog: Row) -> int:
    """Returns the id of a catalog. Raises RowError if it has none."""
    number: int = _CATALOGS.key(catalog.get("id"), catalog, "catalog_id")
    return number


class PerEntityStream(FullRefreshStream):
    """A stream of the records of one list for each kind of entities.

    `kinds`: the paths of the lists of entities. `list_path`: the suffix to a kind's path that makes the path of the
    stream's list. `needed`: the suffixes of other lists that the stream needs.
    """

    kinds: tuple[str, ...]
    needed: tuple[str, ...] = ()

    def paths(self) -> Iterator[str]:
        """Yields the path of each list; if the catalogs are refused, the path of their own list in place of these."""
        for part in (self.list_path, *self.needed):
            for path in self.kinds:
                try:
                    yield from (kind + part for kind in kinds_at(self.account, path))
                except REFUSALS:
                    yield CATALOGS

    def probe(self, path: str) -> None:
        if path == CATALOGS:
            kinds_at(self.account, path)  # memoized: `paths` has requested the list already
        else:
            super().probe(path)

    def records(self) -> Iterator[tuple[Row, Context]]:
        """Yields the records of every kind of entities. Raises a kind's failure after the records of all others."""
        failures: list[AmocrmError] = []
        for path in self.kinds:
            try:
                kinds = kinds_at(self.account, path)
            except AmocrmError as error:
                failures.append(error)
                continue
            for kind, context in kinds.items():
                try:
                    yield from self.records_of(kind, context)
                except AmocrmError as error:
                    unknown = isinstance(error, NotFound) and context.catalog_id is not None
                    if self.account.lacks(error) or (unknown and not self._is_listed(context.catalog_id)):
                        LOGGER.info("Not in this account: %s", error)
                    else:
                        failures.append(_rows_missing(context.catalog_id, error) if unknown else error)
        if failures:
            raise combined_error(failures)

    def records_of(self, path: str, context: Context) -> Iterable[tuple[Row, Context]]:
        """Returns the records of the entities whose list is at `path`."""
        listed = self.account.dictionary(path + self.list_path, self.collection)
        of_list = replace(context, read_at=self.account.read_at[path + self.list_path])
        return [(record, of_list) for record in listed]

    def _is_listed(self, catalog: int | None) -> bool:
        """Requests the catalogs again: one that was deleted since the first request is not listed any more."""
        try:
            return catalog in {catalog_id(one) for one in whole(Listing(self.account.get, CATALOGS, "catalogs"))}
        except AmocrmError:
            return True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        owner = {"entity_type": context.entity_type, "catalog_id": context.catalog_id}
        columns: Row = {name: value for name, value in owner.items() if value is not None and name in self.record.blank}
        row = self.record(record, **columns)
        if READ_AT in row:
            row[READ_AT] = context.read_at
        return [row]


def _rows_missing(catalog: int | None, error: AmocrmError) -> AmocrmError:
    return AmocrmError(
        f"amoCRM does not know {error.path} (404), though it lists the catalog {catalog}, so the rows of that "
        "catalog are missing. Run the sync again; if it repeats, report it to amoCRM support with that address.",
        status=error.status,
        path=error.path,
    )


class LiveEntities(PerEntityStream):
    """The ids of all cards that exist. A card that left without an event, as in a merge, is missing in this table."""

    name = "live_entities"
    kinds = OF_CARDS
    list_path = ""
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return [self.record(record, entity_type=context.entity_type, listed_at=self.account.facts().started)]

    def records_of(self, path: str, context: Context) -> Iterator[tuple[Row, Context]]:
        """Returns all cards of one kind or raises, because readers take a missing card for gone."""
        self.account.facts()  # requested before the list, because `listed_at` must not be later than the list
        self.account.require(path)
        listed = in_parts(Listing(self.account.get, path, context.entity_type, pool=self.account.pool))
        found = {self.record.key(row.get("id"), row, "entity_id"): row.get("updated_at") for row in listed}
        return (({"id": entity_id, "updated_at": at}, context) for entity_id, at in found.items())
