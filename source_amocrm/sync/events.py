"""Events: what only they tell of entities, read once for all lists, and the list of events as a stream's input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from functools import partial

from source_amocrm.account import Account, Memoized
from source_amocrm.account.by_ids import IDS_AT_ONCE, by_ids
from source_amocrm.account.event_kinds import (
    ADDED,
    DELETED,
    ENTITIES,
    LIFE,
    LINKED,
    MERGED,
    NOTE_DELETED,
    RESTORED,
    TAGGED,
    TRASHED,
)
from source_amocrm.account.resources import CARDS, EVENTS, Resource
from source_amocrm.errors import REFUSALS, AmocrmError, BadRequest, PageTooLarge
from source_amocrm.sync.declaration import Batch, Deletion
from source_amocrm.sync.read_plan import ReadPlan
from source_amocrm.walk.either_direction import direction, keyset_either_way, newest_second
from source_amocrm.walk.full import in_passes, latest_versions
from source_amocrm.walk.intervals import FOREVER, Interval
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import (
    REMEMBERED_KEYS,
    FilterIgnored,
    Listing,
    OrderIgnored,
    Page,
    RawPage,
    Row,
    bounds,
    key,
    numeric_id,
    rows_of,
    seconds,
)

_KEPT_FIELDS = frozenset({"id", "type", "created_at", "created_by", "account_id", "entity_id", "entity_type"})
_VALUE_FIELDS = frozenset({"value_before", "value_after"})
_KINDS_WITH_VALUES = LINKED | TAGGED | {NOTE_DELETED}
"""The kinds whose values name the other entity, the tag or the note."""


@dataclass
class Changes:
    """What events tell of the entities of one list.

    `deleted`, `merged`: the last such event by entity. `restored`: the second of the last return from the trash (Unix
    seconds). `touched`: entities whose links or tags changed.
    """

    deleted: dict[int, Deletion] = field(default_factory=dict)
    restored: dict[int, int] = field(default_factory=dict)
    merged: dict[int, Deletion] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)

    def to_read_again(self, delivered: Set[int | str], deleted_since: int | None) -> set[int]:
        """Returns the ids that events name and the walk has not `delivered`, which must be read by id.

        Includes entities deleted at `deleted_since` or later, because they may be back; None includes none of them.
        """
        wanted = set(self.restored) | (self.touched | set(self.merged)) - delivered
        if deleted_since is not None:
            wanted |= {entity_id for entity_id, gone in self.deleted.items() if gone.at >= deleted_since}
        return wanted

    def gone(self, not_found: Set[int]) -> dict[int, Deletion]:
        """Returns the deletions. A merged entity that was `not_found` counts as deleted at its merge."""
        merged = {
            entity_id: self.merged[entity_id] for entity_id in not_found & self.merged.keys() - self.deleted.keys()
        }
        return {**self.deleted, **merged}


def trimmed(event: Row) -> Row:
    """Returns the fields that `changes_of` reads: a first sync keeps all deletions of the account in memory."""
    kept = _KEPT_FIELDS | _VALUE_FIELDS if event.get("type") in _KINDS_WITH_VALUES else _KEPT_FIELDS
    return {name: value for name, value in event.items() if name in kept}


def changes_of(
    events: Iterable[Row], name: str, note_list: bool, deletions_since: int, changes_since: int | None
) -> Changes:
    """Returns what `events` (oldest first) tell of the list `name`, or of its notes for a `note_list`."""
    changes = Changes()
    for event in events:
        at = seconds(event.get("created_at"))
        kind = event.get("type")
        if at is None or at < deletions_since:
            continue
        recent = changes_since is not None and at >= changes_since
        if note_list:
            _apply_to_notes(changes, name, event, at)
        elif kind in LIFE or recent:
            _apply(changes, name, event, at, recent)
    return changes


def _apply(changes: Changes, name: str, event: Row, at: int, recent: bool) -> None:
    """Applies one event. `recent`: the entity may have been delivered before, so a restored one must be read again.

    An entity deleted and restored within one second is in both dicts: only its row tells which came last.
    """
    kind, entity_id = event.get("type"), numeric_id(event.get("entity_id"))
    if kind in LINKED | TAGGED:
        changes.touched |= {other for list_name, other in _touched(event) if list_name == name}
    elif entity_id is not None and ENTITIES.get(str(event.get("entity_type"))) == name:
        deletion = Deletion(entity_id, at, event.get("created_by"), event.get("account_id"))
        if kind in ADDED:
            changes.touched.add(entity_id)
        elif kind in DELETED:
            changes.deleted[entity_id] = deletion
            if changes.restored.get(entity_id) != at:
                changes.restored.pop(entity_id, None)
        elif kind in RESTORED:
            if not (recent and entity_id in changes.deleted and changes.deleted[entity_id].at == at):
                changes.deleted.pop(entity_id, None)
            if recent:
                changes.restored[entity_id] = at
        elif kind == MERGED:
            changes.merged[entity_id] = deletion


def _touched(event: Row) -> Iterator[tuple[str, int]]:
    """Yields both ends of a link, or the tagged entity, as names of lists with ids."""
    links = [link for element in _elements(event) for link in element.values() if isinstance(link, dict)]
    linked = [entity for link in links if isinstance(entity := link.get("entity"), dict)]
    sides = [(event.get("entity_type"), event.get("entity_id"))]
    sides += [(entity.get("type"), entity.get("id")) for entity in linked]
    for kind, entity_id in sides:
        if (number := numeric_id(entity_id)) is not None and str(kind) in ENTITIES:
            yield ENTITIES[str(kind)], number


def _apply_to_notes(changes: Changes, name: str, event: Row, at: int) -> None:
    if event.get("type") != NOTE_DELETED or ENTITIES.get(str(event.get("entity_type"))) != name:
        return
    for element in _elements(event):
        note = element.get("note")
        note_id = numeric_id(note.get("id")) if isinstance(note, dict) else None
        if note_id is not None:
            changes.deleted[note_id] = Deletion(note_id, at, event.get("created_by"), event.get("account_id"))


def _elements(event: Row) -> Iterator[Row]:
    for value in (event.get("value_after"), event.get("value_before")):
        yield from (element for element in value if isinstance(element, dict)) if isinstance(value, list) else ()


def kinds_needed(resource: Resource, plan: ReadPlan, mark_deleted: bool) -> dict[str, int]:
    """Returns the kinds of events that a stream needs of a list, each with the first second that it needs."""
    kinds: dict[str, int] = {}
    if plan.changes_since is not None and resource.has_links:
        entered = ADDED & {f"{resource.entity}_added"}
        kinds = dict.fromkeys({*entered, *LINKED, *TAGGED, MERGED, *RESTORED, *TRASHED}, plan.changes_since)
    if mark_deleted:
        wanted = {NOTE_DELETED} if resource.holds_notes else {f"{resource.entity}_deleted"} & DELETED.keys()
        # where all live rows come in this sync, those that were restored are among them
        if not (plan.at_first and resource.has_trash):
            wanted |= RESTORED.keys() & {f"{resource.entity}_restored"}
        kinds |= {kind: min(plan.deletions_since, kinds.get(kind, plan.deletions_since)) for kind in wanted}
    return kinds


CARD_NAMES = tuple(resource.name for resource in CARDS)
Card = tuple[str, int]
"""The name of a list, and an id in it."""


class LinkedCards:
    """Finds cards whose links changed because a linked card was trashed, restored or merged at `since` or later.

    Such a change may leave the card itself without a new `updated_at` and without an event. The event names the other
    card, and that card names the cards linked to it. Of a card in the trash only `/links` may tell; where amoCRM tells
    nothing there, the link stays in the rows of the cards that had it until these change.
    """

    def __init__(self, account: Account, events: Memoized[list[Row]], since: int) -> None:
        self._account = account
        self._events = events
        self._since = since
        self._linked_to = {resource.name: Memoized(partial(self._cards, resource)) for resource in CARDS}

    def of(self, name: str) -> set[int]:
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
            for other in CARD_NAMES:
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
                if card_id is not None and other in CARD_NAMES:
                    yield str(other), card_id


class EventLog:
    """The account's events of some kinds, read once in a sync for every list that needs them.

    `types_since`: the kinds to ask for, each with the earliest second that any list needs. `links_since`: the earliest
    second at which links of a delivered card may have changed (Unix seconds); None where nothing was delivered.
    """

    def __init__(self, account: Account, types_since: dict[str, int], links_since: int | None = None) -> None:
        self._account = account
        self._types_since = types_since
        self._events = Memoized(self._read)
        self._linked = None if links_since is None else LinkedCards(account, self._events, links_since)

    def prefetch(self) -> None:
        self._events()

    def of(self, resource: Resource, plan: ReadPlan) -> Changes:
        events = self._known_events()
        changes = changes_of(events, resource.name, resource.holds_notes, plan.deletions_since, plan.changes_since)
        if self._linked and resource.has_links and plan.changes_since is not None:
            changes.touched |= self._linked.of(resource.name)
        return changes

    def _known_events(self) -> list[Row]:
        try:
            return self._events()
        except REFUSALS as error:
            raise AmocrmError(
                "The rows are read, but not which of them were deleted, restored or linked to others: only the events "
                f"tell that. {error}",
                failure_type=error.failure_type,
                status=error.status,
            ) from None

    def _read(self) -> list[Row]:
        """Reads the events (oldest first)."""
        by_start: dict[int, list[str]] = {}
        for kind, since in self._types_since.items():
            by_start.setdefault(since, []).append(kind)
        events = [event for since, kinds in by_start.items() for event in events_between(self._account, kinds, since)]
        return sorted(events, key=lambda event: (seconds(event.get("created_at")) or 0, str(event.get("id"))))


def events_listing(account: Account, kinds: Iterable[str] = ()) -> Listing:
    kinds = sorted(kinds)
    params = {"filter[type][]": kinds} if kinds else {}
    return Listing(
        account.get,
        EVENTS.path,
        EVENTS.collection,
        account.events_pages.now,
        params,
        cursor=EVENTS.cursor,
        own_order=True,
        other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
    )


def events_between(account: Account, kinds: Iterable[str], since: int, until: int | None = None) -> list[Row]:
    """Reads the events of these kinds between two seconds, both included, each once, with the fields of `trimmed`.

    `until`: None means the start of the sync.
    """
    # that there are none is the rule
    listing = events_listing(account, kinds).retrying_empty(1)
    # it is asked for while the start of the sync is not known yet
    known = until or (account.facts().until if account.facts.known else None)
    try:
        first, listing = account.events_pages.ask(listing, bounds(listing, since - 1, known + 1 if known else FOREVER))
    except PageTooLarge:
        first = None
    end = known or account.facts().until
    try:
        pages = keyset_either_way(
            listing, (since, end), ListTraits(), first and _until(listing, first, end), account.pool
        )
        return [trimmed(row) for page in pages for row in page.rows]
    except (FilterIgnored, OrderIgnored):
        return in_no_order(account, listing, since, end, trimmed)[0]


def _until(listing: Listing, raw: RawPage, end: int) -> RawPage | None:
    """Returns the page without the events after `end`; None if no event is left, so that the page's end is unknown."""
    rows = [row for row in raw.rows if (listing.second_of(row) or 0) <= end]
    return replace(raw, rows=rows) if rows or not raw.may_go_on else None


def in_no_order(
    account: Account, listing: Listing, since: int, until: int, keep: Callable[[Row], Row] = lambda row: row
) -> tuple[list[Row], int]:
    """Reads the events between two seconds from a server that lists them in no order.

    Returns each event once (oldest first, as `keep` trims it) and the second up to which the window is complete, except
    for events that are indexed late. Passes over a window that events still enter may not end. By a clock that is
    ahead, `until` has not come yet, so the window ends with the newest event.
    """
    started = account.facts().started
    end = _newest(listing, max(since, started + 1), until) or min(started, until)
    frozen = listing.narrowed(bounds(listing, since - 1, end + 1))
    passes = in_passes(frozen, account.pool, lasting=True) if end >= since else ()
    parts = (replace(raw, rows=[keep(row) for row in raw.rows]) for raw in passes)
    rows = sorted(
        (row for row in latest_versions(parts) if since <= (listing.second_of(row) or 0) <= end),
        key=lambda row: listing.second_of(row) or 0,
    )
    return rows, end if end <= started else end - 1


def _newest(listing: Listing, low: int, high: int) -> int | None:
    try:
        return newest_second(listing, (low, high))
    except FilterIgnored:
        return high


PAGES_AT_ONCE = 40
"""Pages of one stretch of time, about. Stretches are read where the newest events are wanted first and listed last."""


@dataclass(frozen=True)
class EventReading:
    """One reading of the list of events, up to the start of the sync.

    `kinds`: empty for all. `newest_first`: reads a later stretch of time before an earlier one.
    """

    account: Account
    plan: ReadPlan
    kinds: tuple[str, ...] = ()
    newest_first: bool = False

    def batches(self) -> Iterator[Batch]:
        listing = events_listing(self.account, self.kinds)
        until = self.account.facts().until
        parts = [(low, min(high, until)) for low, high in reversed(self.plan.seconds.intervals)]
        for low, high in parts:
            if low <= high:
                yield from map(partial(Batch, EVENTS.name), self._part(listing, low, high))

    def _part(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        delivered: set[int | str] = set()
        try:
            for page in self._walk(listing, low, high):
                if len(delivered) < REMEMBERED_KEYS:  # a list in no order shows itself soon
                    delivered.update(key(row) for row in page.rows)
                yield page
        except (FilterIgnored, OrderIgnored):
            rows, covered = in_no_order(self.account, listing, low, high)
            fresh = [row for row in rows if key(row) not in delivered]
            yield Page(fresh, (low, covered) if low <= covered else None)

    def _walk(self, listing: Listing, low: int, high: int) -> Iterator[Page]:
        anchored = self.plan.requested_since if low == self.plan.since else low
        raw, listing = self.account.events_pages.ask(listing, bounds(listing, anchored - 1, high + 1))
        if self.newest_first and raw.may_go_on and direction(listing, raw) is not False:
            return self._stretches(listing, low, high, raw)
        return self._interval(listing, (anchored, high), raw)

    def _interval(self, listing: Listing, interval: Interval, raw: RawPage | None = None) -> Iterator[Page]:
        return keyset_either_way(listing, interval, ListTraits(), raw, self.account.pool)

    def _stretches(self, listing: Listing, low: int, high: int, raw: RawPage) -> Iterator[Page]:
        """Reads stretches of time, the newest first, from a server that lists the oldest events first."""
        oldest = next(second for row in raw.rows if (second := listing.second_of(row)) is not None)
        length = max(1, (high - oldest) // 64)
        while high >= low:
            start = max(low, high - length) if high - length > oldest else low
            rows = 0
            for page in self._interval(listing, (start, high)):
                rows += len(page.rows)
                yield page
            high = start - 1
            length = max(1, min(length * 4, length * PAGES_AT_ONCE * listing.limit // max(1, rows)))
