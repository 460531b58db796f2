"""Deletions, returns, and changes of links and tags, which only events and the trash tell.

Events are read once for all lists.
"""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from source_amocrm.account import Account, Memoized, Resource, by_ids
from source_amocrm.account.by_ids import IDS_AT_ONCE
from source_amocrm.account.event_kinds import (
    ADDED,
    DELETED,
    ENTITIES,
    LINKED,
    MERGED,
    NOTE_DELETED,
    RESTORED,
    TAGGED,
    TRASHED,
)
from source_amocrm.account.resources import CARDS
from source_amocrm.engine.event_reading import events_between
from source_amocrm.engine.read_plan import ReadPlan
from source_amocrm.errors import REFUSALS, AmocrmError, BadRequest
from source_amocrm.walk import Deletion, Listing, Row
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import LARGEST_ID, numeric_id, php_array, rows_of, seconds
from source_amocrm.walk.page_size import with_smaller_pages

LOGGER = logging.getLogger("airbyte")
_KEPT_FIELDS = frozenset({"id", "type", "created_at", "created_by", "account_id", "entity_id", "entity_type"})
_VALUE_FIELDS = frozenset({"value_before", "value_after"})
_KINDS_WITH_VALUES = LINKED | {NOTE_DELETED}  # The kinds whose values name the other entity or the note
_TOUCHING = ADDED | LINKED | TAGGED  # the kinds whose entity is read again


@dataclass
class Changes:
    """The changes of one list's entities, by their events.

    By entity, `deleted` and `merged`: the last such event; `restored`: the last return from the trash (Unix seconds).
    `born`: entities that entered the list. `touched`: these, and entities whose links or tags changed.
    """

    deleted: dict[int, Deletion] = field(default_factory=dict)
    restored: dict[int, int] = field(default_factory=dict)
    merged: dict[int, Deletion] = field(default_factory=dict)
    born: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)

    def to_read_again(self, delivered: Set[int | str], deleted_since: int) -> set[int]:
        """Returns the ids that events name and the walk has not `delivered`, which must be read by id.

        Includes entities deleted at `deleted_since` or later, because they may be back.
        """
        deleted = {entity_id for entity_id, gone in self.deleted.items() if gone.at >= deleted_since}
        return set(self.restored) | (self.touched | set(self.merged)) - delivered | deleted

    def gone(self, not_found: Set[int]) -> dict[int, Deletion]:
        """Returns the deletions. A merged entity that was `not_found` counts as deleted at its merge."""
        merged = not_found & self.merged.keys() - self.deleted.keys()
        return self.deleted | {entity_id: self.merged[entity_id] for entity_id in merged}

    def apply(self, kind: str, gone: Deletion, recent: bool) -> None:
        """Applies an event. `gone`: the event, as a deletion of its entity. `recent`: the entity may have been
        delivered before, so it must be read again.

        An entity deleted and restored within one second is in both dicts: only its row tells which came last.
        """
        if kind in DELETED or kind == NOTE_DELETED:
            self.deleted[gone.id] = gone
            if self.restored.get(gone.id) != gone.at:
                self.restored.pop(gone.id, None)
        elif kind in RESTORED:
            if not (recent and gone.id in self.deleted and self.deleted[gone.id].at == gone.at):
                self.deleted.pop(gone.id, None)
            if recent:
                self.restored[gone.id] = gone.at
        elif recent and kind in _TOUCHING:
            self.touched.add(gone.id)
            if kind in ADDED:
                self.born.add(gone.id)
        elif recent and kind == MERGED:
            self.merged[gone.id] = gone


def trim(event: Row) -> Row:
    """Returns the fields that `changes_of` reads: a first sync keeps all deletions of the account in memory."""
    kept = _KEPT_FIELDS | _VALUE_FIELDS if str(event.get("type")) in _KINDS_WITH_VALUES else _KEPT_FIELDS
    return {name: value for name, value in event.items() if name in kept}


def changes_of(events: Iterable[Row], resource: Resource, deletions_since: int, changes_since: int) -> Changes:
    """Returns what `events` (oldest first) tell of a list."""
    changes = Changes()
    for event in events:
        kind, at = str(event.get("type")), seconds(event.get("created_at"))
        if at is None or at < deletions_since or (kind == NOTE_DELETED) is not resource.holds_notes:
            continue
        for list_name, entity_id in _entities_of(kind, event):
            if list_name == resource.name:
                gone = Deletion(entity_id, at, event.get("created_by"), event.get("account_id"))
                changes.apply(kind, gone, at >= changes_since)
    return changes


def _entities_of(kind: str, event: Row) -> Iterator[tuple[str, int]]:
    """Yields the event's entity, with both ends of a link, or the deleted notes: each as the list's name and the ID."""
    named = [(event.get("entity_type"), event.get("entity_id"))]
    if kind == NOTE_DELETED:
        notes = (element.get("note") for element in _elements(event))
        named = [(event.get("entity_type"), note.get("id")) for note in notes if isinstance(note, dict)]
    elif kind in LINKED:
        links = (link for element in _elements(event) for link in element.values() if isinstance(link, dict))
        linked = (link.get("entity") for link in links)
        named += [(entity.get("type"), entity.get("id")) for entity in linked if isinstance(entity, dict)]
    for of, entity_id in named:
        if (number := numeric_id(entity_id)) is not None and str(of) in ENTITIES:
            yield ENTITIES[str(of)], number


def _elements(event: Row) -> Iterator[Row]:
    for value in (php_array(event.get("value_after")), php_array(event.get("value_before"))):
        yield from (element for element in value if isinstance(element, dict)) if isinstance(value, list) else ()


CARD_NAMES = tuple(resource.name for resource in CARDS)


def linked_cards(card: Row) -> Iterator[tuple[str, int]]:
    """Yields the cards that a record embeds, each as the list's name and the ID. Passes over whatever is no card."""
    sent = card.get("_embedded")
    embedded: Row = sent if isinstance(sent, dict) else {}
    for name in CARD_NAMES:
        elements = php_array(embedded.get(name))
        for element in elements if isinstance(elements, list) else ():
            number = numeric_id(element.get("id")) if isinstance(element, dict) else None
            if number is not None and 0 < number < LARGEST_ID:
                yield name, number


class WalkedLinks:
    """The cards that the walk of one list has read, at 16 bytes each, and their links, at 24. Two threads may use it.

    `ended`: set unless a walk of the list is under way.
    """

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.ended.set()
        self._cards, self._changed_at = array("q"), array("q")
        self._links = array("q")  # flat: the card, the other card's list as an index of CARD_NAMES, the other card

    def note(self, rows: Iterable[Row]) -> None:
        for row in rows:
            number = row.get("id")
            if isinstance(number, int) and 0 < number < LARGEST_ID:
                self._cards.append(number)
                self._changed_at.append(seconds(row.get("updated_at")) or 0)
                for name, other in linked_cards(row):
                    self._links.extend((number, CARD_NAMES.index(name), other))

    def changed_at(self, moments: Set[int]) -> set[int]:
        """Waits for the walk's end. Returns the cards whose date is one of these (Unix seconds)."""
        self.ended.wait()
        return {card for card, at in zip(self._cards, self._changed_at, strict=True) if at in moments}

    def of(self, cards: Set[int]) -> tuple[set[tuple[str, int]], set[int]]:
        """Waits for the walk's end. Returns what these cards are linked to, and those of them that it has not read."""
        self.ended.wait()
        triples = zip(*[iter(self._links)] * 3, strict=True)
        linked: set[tuple[str, int]] = {(CARD_NAMES[at], other) for card, at, other in triples if card in cards}
        return linked, {*cards}.difference(self._cards)


class EventLog:
    """The account's events of some kinds, read once in a sync for every list that needs them.

    `kinds_since`: the kinds to request, each with the earliest second that a list needs (Unix seconds).
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.kinds_since: dict[str, int] = {}
        self.events = Memoized(self._read)
        self.walked = {resource.name: WalkedLinks() for resource in CARDS}
        self.refused = False
        """Whether the events could not be read and nobody wanted the deletions: changed links and tags stay pending."""
        self._telling = threading.Lock()
        self._linked_to = {resource.name: Memoized(partial(self._cards, resource)) for resource in CARDS}

    def want(self, resource: Resource, plan: ReadPlan, mark_deleted: bool) -> bool:
        """Adds the kinds of events that a stream needs of a list. Returns whether it needs any."""
        kinds: dict[str, int] = {}
        if plan.changes_since < FOREVER and resource.has_links:
            kinds = dict.fromkeys({*ADDED, *LINKED, *TAGGED, MERGED, *RESTORED, *TRASHED}, plan.changes_since)
        elif plan.changes_since < FOREVER:
            returns = (kind for kind, entity in RESTORED.items() if ENTITIES[entity] in resource.belongs_to)
            kinds = dict.fromkeys(returns, plan.changes_since)
        if mark_deleted:
            wanted = {NOTE_DELETED} if resource.holds_notes else {f"{resource.entity}_deleted"} & DELETED.keys()
            # where all live rows come in this sync, those that were restored are among them
            if not (plan.needs_everything and resource.has_trash):
                wanted |= RESTORED.keys() & {f"{resource.entity}_restored"}
            kinds |= {kind: min(plan.deletions_since, kinds.get(kind, plan.deletions_since)) for kind in wanted}
        for kind, since in kinds.items():
            self.kinds_since[kind] = min(since, self.kinds_since.get(kind, since))
        return bool(kinds)

    def changes(self, resource: Resource, plan: ReadPlan) -> Changes:
        """Raises AmocrmError if the events are refused and deleted rows are to be marked; else warns of it, once."""
        try:
            events = self.events()
        except REFUSALS as error:
            if self.account.config.mark_deleted:
                raise AmocrmError(
                    "The rows are read, but not which of them were deleted, restored or linked to others: only the "
                    f'events tell that. {error} The other remedy is the option deleted_rows: with "ignore" deleted '
                    "rows stay as they were, and the tables are read to their end.",
                    failure_type=error.failure_type,
                    status=error.status,
                ) from None
            with self._telling:  # all lists learn it at the same moment
                if not self.refused:
                    LOGGER.warning(
                        "Links and tags that changed without their card come with its next change: %s", error
                    )
                self.refused = True
            return Changes()
        changes = changes_of(events, resource, plan.deletions_since, plan.changes_since)
        if resource.has_links and plan.changes_since < FOREVER:
            others = [linked() for name, linked in self._linked_to.items() if name != resource.name]
            changes.touched |= {card_id for cards in others for name, card_id in cards if name == resource.name}
        return changes

    def returned(self, resource: Resource, plan: ReadPlan) -> Iterator[tuple[str, list[int]]]:
        """Yields the cards that came back from the trash and whose notes or tasks `resource` lists, by their own list.

        amoCRM may hide notes and tasks as long as their card is in the trash. They come back with their old dates.
        """
        for card in () if self.refused else CARDS:
            if card.name in resource.belongs_to:
                cards = sorted(changes_of(self.events(), card, plan.changes_since, plan.changes_since).restored)
                yield from (
                    (card.name, cards[start : start + IDS_AT_ONCE]) for start in range(0, len(cards), IDS_AT_ONCE)
                )

    def _read(self) -> list[Row]:
        """Reads the events (oldest first)."""
        by_since: dict[int, list[str]] = {}
        for kind, since in self.kinds_since.items():
            by_since.setdefault(since, []).append(kind)
        parts = (events_between(self.account, kinds, since, keep=trim) for since, kinds in by_since.items())
        return sorted(chain(*parts), key=lambda event: (seconds(event.get("created_at")) or 0, str(event.get("id"))))

    def walk_of(self, resource: Resource) -> WalkedLinks | None:
        """Returns where the walk that begins notes the links of the list's cards; None for a list of no cards."""
        if not resource.has_links:
            return None
        self.walked[resource.name].ended.clear()
        return self.walked[resource.name]

    @property
    def wants_links(self) -> bool:
        """Whether a list needs the cards whose links changed by what happened to another card."""
        return MERGED in self.kinds_since

    def _cards(self, resource: Resource) -> set[tuple[str, int]]:
        """Finds cards whose links changed because a linked card of this list was born, trashed, restored or merged.

        Such a change may leave the card itself without a new `updated_at` and without an event. The event names the
        other card, and that card names the cards linked to it: a new one in the walk, which has mostly read it. The
        event of a merge may name the card that is gone: the other one is among those with the date of the merge. Of a
        card in the trash only `/links` may tell. If it does not, the link stays in the rows of the linked cards until
        these change.
        """
        since = self.kinds_since[MERGED]  # the second since which the links of a delivered card may have changed
        changes = changes_of(self.events(), resource, since, since)
        walked = self.walked[resource.name]
        linked, unread = walked.of(changes.born | walked.changed_at({gone.at for gone in changes.merged.values()}))
        live = unread | changes.restored.keys() | changes.merged.keys()
        with suppress(*REFUSALS):  # the token's user sees no card of this list
            for row in by_ids(self.account, resource, live, {"with": resource.links_with}):
                linked.update(linked_cards(row))
        with suppress(*REFUSALS, BadRequest):
            for name, sent in self._linked_to_trashed(resource, sorted(changes.deleted)):
                if name in CARD_NAMES and (number := numeric_id(sent)) is not None:
                    linked.add((name, number))
        return linked

    def _linked_to_trashed(self, resource: Resource, ids: list[int]) -> Iterator[tuple[Any, Any]]:
        for start in range(0, len(ids), IDS_AT_ONCE):
            params = {"filter[entity_id][]": ids[start : start + IDS_AT_ONCE]}
            body = self.account.get(f"{resource.path}/links", params).body
            yield from ((link.get("to_entity_type"), link.get("to_entity_id")) for link in rows_of(body or {}, "links"))


def in_trash(account: Account, resource: Resource, plan: ReadPlan) -> list[Deletion]:
    listing = account.listing(resource, {"with": "only_deleted", "order[updated_at]": "desc"})
    since = plan.deletions_since
    return list(with_smaller_pages(listing, lambda some: deletions_in(some, since, since < plan.changes_since)))


def deletions_in(trash: Listing, since: int, first_sync: bool) -> Iterator[Deletion]:
    """Yields the deletions at `since` or later, from as few pages as possible.

    A trash that is not listed from the newest deletion down is read whole only in a first sync: afterwards the events
    tell of new deletions.

    Progress rule: every page brings an id that was not met.
    """
    met: set[int] = set()
    page, promised, enough = 1, False, False
    while not enough:
        # a small account mostly has an empty trash, so its first page is not retried
        raw = (trash if promised else trash.retrying_empty(0)).ask({}, page)
        deleted = [row for row in raw.rows if row.get("is_deleted") is True and isinstance(row.get("id"), int)]
        known = len(met)
        met |= {row["id"] for row in deleted}
        for row in deleted:
            at = trash.second_of(row)
            if at is not None and at >= since:
                yield Deletion(row["id"], at, row.get("updated_by"), row.get("account_id"))
        dated = [trash.second_of(row) or 0 for row in deleted]
        newest_first = dated == sorted(dated, reverse=True)
        enough = (bool(dated) and dated[-1] < since) if newest_first else not first_sync
        enough = enough or len(met) == known or not raw.may_go_on
        page, promised = page + 1, raw.more
