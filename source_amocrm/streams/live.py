"""The ids of all cards that exist now. A card that left without an event, as in a merge, shows by its absence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from source_amocrm.account.availability import in_parts
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.per_entity import Kind, cards, customers, per_entity
from source_amocrm.streams.values import Row
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Listing

_KINDS = (cards, customers)


class LiveEntities(FullRefreshStream):
    name = "live_entities"
    primary_key = ["entity_type", "entity_id"]
    relations = {"entity_id": to.OneOf("entity_type", to.BY_LIST)}
    exploded = True

    def paths(self) -> Iterator[str]:
        yield from (kind.path for kinds in _KINDS for kind in kinds(self.account))

    def records(self) -> Iterator[tuple[Row, Context]]:
        return per_entity(self.account, _KINDS, self._listed)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return [self.record(record, entity_type=context.entity_type, listed_at=self.account.facts().started)]

    def _listed(self, kind: Kind) -> Iterator[tuple[Row, Context]]:
        """Returns all cards of one kind or raises, because readers take a missing card for gone."""
        self.account.facts()  # before the list, for it tells when the sync began
        self.account.require(kind.path)
        listing = Listing(self.account.get, kind.path, kind.entity_type)
        found = {row.get("id"): row.get("updated_at") for rows in in_parts(listing, self.account.pool) for row in rows}
        context = Context(kind.entity_type)
        return (({"id": own, "updated_at": at}, context) for own, at in found.items())
