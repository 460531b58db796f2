"""Finds cards whose links changed because a linked card was trashed, restored or merged.

Such a change may leave the card itself without a new `updated_at` and without an event. The event names the other card,
and that card names the cards linked to it. Of a card in the trash only `/links` may tell; where amoCRM tells nothing
there, the link stays in the rows of the cards that had it until these change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from source_amocrm.account.account import Account
from source_amocrm.account.by_ids import IDS_AT_ONCE, by_ids
from source_amocrm.account.once import Once
from source_amocrm.account.resources import CARDS, Resource
from source_amocrm.errors import REFUSALS, BadRequest
from source_amocrm.sync.changes import changes_of
from source_amocrm.walk.listing import Row, numeric_id, rows_of

NAMES = tuple(resource.name for resource in CARDS)
Card = tuple[str, int]
"""The name of a list, and an id in it."""


class LinkedCards:
    """The cards linked to every card that `events` say was trashed, restored or merged at `since` or later."""

    def __init__(self, account: Account, events: Once[list[Row]], since: int) -> None:
        self._account = account
        self._events = events
        self._since = since
        self._linked_to = {resource.name: Once(partial(self._cards, resource)) for resource in CARDS}

    def of(self, name: str) -> set[int]:
        """The ids of such cards in the list `name`."""
        others = [linked() for kind, linked in self._linked_to.items() if kind != name]
        return {card_id for cards in others for kind, card_id in cards if kind == name}

    def _cards(self, resource: Resource) -> set[Card]:
        changes = changes_of(self._events(), resource.name, False, self._since, self._since)
        try:
            live = self._of_live(resource, changes.restored.keys() | changes.merged.keys())
            return {*live, *self._of_trashed(resource, changes.deleted)}
        except REFUSALS:
            return set()  # the token's user sees no card of this list, nor links to it

    def _of_live(self, resource: Resource, ids: Iterable[int]) -> Iterator[Card]:
        for row in by_ids(self._account, resource, ids, {"with": resource.links_with}):
            for other in NAMES:
                for link in rows_of(row, other):
                    if (card_id := numeric_id(link.get("id"))) is not None:
                        yield other, card_id

    def _of_trashed(self, resource: Resource, ids: Iterable[int]) -> Iterator[Card]:
        left = sorted(ids)
        while left:
            asked, left = left[:IDS_AT_ONCE], left[IDS_AT_ONCE:]
            try:
                body = self._account.get(f"{resource.path}/links", {"filter[entity_id][]": asked}).body
            except BadRequest:
                return
            for link in rows_of(body or {}, "links"):
                card_id, other = numeric_id(link.get("to_entity_id")), link.get("to_entity_type")
                if card_id is not None and other in NAMES:
                    yield str(other), card_id
