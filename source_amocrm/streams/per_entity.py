"""Streams with one list for each kind of entities (leads/tags, contacts/tags, …), and the ids of all live cards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from source_amocrm.account import Account
from source_amocrm.account.availability import in_parts, whole
from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.errors import REFUSALS, AmocrmError, NotFound, combined_error
from source_amocrm.streams import schema
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.values import Coercion
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Listing, Row

_CATALOGS = Coercion("catalogs")

LOGGER = logging.getLogger("airbyte")
T = TypeVar("T")
CATALOGS = "/api/v4/catalogs"
SEGMENTS = "/api/v4/customers/segments"


@dataclass(frozen=True)
class EntityKind:
    """A kind of entities; `path` of its list."""

    entity_type: str
    path: str
    catalog_id: int | None = None


@dataclass(frozen=True)
class Kinds:
    """Kinds of entities, by the `paths` of their lists without ids."""

    paths: tuple[str, ...]

    def of(self, account: Account) -> list[EntityKind]:
        return [EntityKind(path.rpartition("/")[2], path) for path in self.paths]


class EachCatalog(Kinds):
    """Each catalog is a kind of its own."""

    def of(self, account: Account) -> list[EntityKind]:
        ids = map(catalog_id, account.dictionary(CATALOGS, "catalogs"))
        return [EntityKind("catalogs", f"{CATALOGS}/{own}", own) for own in ids]


OF_CARDS = Kinds(("/api/v4/leads", "/api/v4/contacts", "/api/v4/companies"))
OF_CUSTOMERS = Kinds((CUSTOMERS.path,))
OF_SEGMENTS = Kinds((SEGMENTS,))
OF_CATALOGS = EachCatalog((CATALOGS,))


def catalog_id(catalog: Row) -> int:
    """Returns the id of a catalog from their list. Raises RowError when it has none."""
    catalog = _CATALOGS.source(catalog)
    return _CATALOGS.integer_key(catalog.get("id"), catalog, "catalog_id")


@dataclass(frozen=True)
class Parts:
    """The list `part` of each of some kinds of entities: leads/tags, contacts/tags, …"""

    kinds: tuple[Kinds, ...]
    part: str
    collection: str

    @property
    def lists(self) -> Iterator[str]:
        """The paths of the lists, without the ids of catalogs."""
        return (path + self.part for some in self.kinds for path in some.paths)

    def of(self, account: Account, kind: EntityKind) -> list[Row]:
        return account.dictionary(kind.path + self.part, self.collection)

    def paths(self, account: Account) -> Iterator[str]:
        """Yields where each list is; that of the catalogs where they may not be seen."""
        for some in self.kinds:
            try:
                yield from (kind.path + self.part for kind in some.of(account))
            except REFUSALS:
                yield CATALOGS


class PerEntityStream(FullRefreshStream):
    """A stream with the records of each list of `parts`."""

    parts: tuple[Parts, ...]

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self.collection = self.parts[0].collection
        self._told = {"entity_type", "catalog_id"} & {column.name for column in schema.columns(self.name)}

    def paths(self) -> Iterator[str]:
        for parts in self.parts:
            yield from parts.paths(self.account)

    def probe(self, path: str) -> None:
        if path == CATALOGS:
            OF_CATALOGS.of(self.account)  # the list has been asked for already, to learn the paths
        else:
            super().probe(path)

    def records(self) -> Iterable[tuple[Row, Context]]:
        return per_entity(self.account, self.parts[0].kinds, self.records_of)

    def records_of(self, kind: EntityKind) -> Iterable[tuple[Row, Context]]:
        context = Context(kind.entity_type, kind.catalog_id)
        return [(record, context) for record in self.parts[0].of(self.account, kind)]

    def row(self, record: Row, context: Context) -> Row:
        told = {name: getattr(context, name) for name in self._told}
        return self.record(record, **{name: value for name, value in told.items() if value is not None})


def per_entity(account: Account, kinds: Iterable[Kinds], rows: Callable[[EntityKind], Iterable[T]]) -> Iterator[T]:
    """Yields the rows of every kind of entities. The failure of one kind is raised after the rows of the others."""
    failures: list[AmocrmError] = []
    for some in kinds:
        try:
            known = some.of(account)
        except AmocrmError as error:
            failures.append(error)
            continue
        for kind in known:
            try:
                yield from rows(kind)
            except NotFound as error:
                if account.lacks(error) or not _listed(account, kind):
                    LOGGER.info("Not in this account: %s", error)
                else:
                    failures.append(_withheld(kind, error))
            except AmocrmError as error:
                if account.lacks(error):
                    LOGGER.info("Not in this account: %s", error)
                else:
                    failures.append(error)
    if failures:
        raise combined_error(failures)


def _listed(account: Account, kind: EntityKind) -> bool:
    """Asks for the catalogs again: one that was deleted since they were listed is not among them any more."""
    try:
        return kind.catalog_id is None or kind.catalog_id in map(
            catalog_id, whole(Listing(account.get, CATALOGS, "catalogs"))
        )
    except AmocrmError:
        return True


def _withheld(kind: EntityKind, error: NotFound) -> AmocrmError:
    if kind.catalog_id is None:
        return error
    return AmocrmError(
        f"amoCRM does not know {error.path} (404), though it lists the catalog {kind.catalog_id}, so the rows of that "
        "catalog are missing. Run the sync again; if it repeats, report it to amoCRM support with that address.",
        status=error.status,
        path=error.path,
    )


class LiveEntities(FullRefreshStream):
    """A card that left without an event, as in a merge, shows by its absence here."""

    name = "live_entities"
    kinds = (OF_CARDS, OF_CUSTOMERS)
    exploded = True

    def paths(self) -> Iterator[str]:
        yield from (kind.path for kinds in self.kinds for kind in kinds.of(self.account))

    def records(self) -> Iterator[tuple[Row, Context]]:
        return per_entity(self.account, self.kinds, self._listed)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return [self.record(record, entity_type=context.entity_type, listed_at=self.account.facts().started)]

    def _listed(self, kind: EntityKind) -> Iterator[tuple[Row, Context]]:
        """Returns all cards of one kind or raises, because readers take a missing card for gone."""
        self.account.facts()  # before the list, for it tells when the sync began
        self.account.require(kind.path)
        listing = Listing(self.account.get, kind.path, kind.entity_type)
        found = {row.get("id"): row.get("updated_at") for rows in in_parts(listing, self.account.pool) for row in rows}
        context = Context(kind.entity_type)
        return (({"id": own, "updated_at": at}, context) for own, at in found.items())
