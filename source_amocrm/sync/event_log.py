"""What only events tell: deletions, restores, merges, and links and tags that may change without a new updated_at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from source_amocrm.account.account import Account, Once
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
)
from source_amocrm.account.resources import EVENTS_PATH
from source_amocrm.errors import REFUSALS, AmocrmError, PageTooLarge
from source_amocrm.walk.cursor_filter import bounds
from source_amocrm.walk.either_direction import keyset_either_way
from source_amocrm.walk.embedded import own_id
from source_amocrm.walk.full import in_passes
from source_amocrm.walk.interval_set import FOREVER
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import FilterIgnored, Listing, OrderIgnored, RawPage, Row, seconds
from source_amocrm.walk.passes import latest_versions


@dataclass(frozen=True, slots=True)
class Deletion:
    """An entity of a list that is gone: since when (Unix seconds) and by whom."""

    id: int
    at: int
    by: Any
    account_id: Any


@dataclass
class Changes:
    """What happened to the entities of one list. Ids with the second of the last event of that kind."""

    deleted: dict[int, Deletion] = field(default_factory=dict)
    restored: dict[int, int] = field(default_factory=dict)
    merged: dict[int, Deletion] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)


class EventLog:
    """The account's events of these kinds since a second, read once for every list that wants them.

    `types_since`: the kinds to ask for, with the earliest second that any list needs.
    """

    def __init__(self, account: Account, types_since: dict[str, int]) -> None:
        self._account = account
        self._types_since = types_since
        self._events = Once(self._read)

    def prefetch(self) -> None:
        """Read the events before a list wants them."""
        self._events()

    def of(self, name: str, note_list: bool, deletions_since: int, changes_since: int | None) -> Changes:
        """The changes of the list `name` (of its notes, for a `note_list`)."""
        changes = Changes()
        for event in self._told():
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

    def _told(self) -> list[Row]:
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
        """By their second, the older ones first."""
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
        EVENTS_PATH,
        "events",
        account.events_pages.now,
        params,
        cursor="created_at",
        own_order=True,
        other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
    )


def events_between(account: Account, kinds: Iterable[str], since: int, until: int | None = None) -> list[Row]:
    """The events of these kinds between two seconds, both included, each once; `until` None: the start of the sync."""
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
        return [row for page in pages for row in page.rows]
    except (FilterIgnored, OrderIgnored):
        return in_no_order(account, listing, since, end)


def _until(listing: Listing, raw: RawPage, end: int) -> RawPage | None:
    """The page without what is later; None where nothing is left of it that could tell where it ends."""
    rows = [row for row in raw.rows if (listing.second_of(row) or 0) <= end]
    return replace(raw, rows=rows) if rows or not raw.more else None


def in_no_order(account: Account, listing: Listing, since: int, until: int) -> list[Row]:
    """A frozen window, each row once, the oldest first, from a server whose events come in no order at all."""
    frozen = listing.narrowed(bounds(listing, since - 1, until + 1))
    rows = latest_versions(in_passes(frozen, account.pool, lasting=True))
    return sorted(
        (row for row in rows if since <= (listing.second_of(row) or 0) <= until),
        key=lambda row: listing.second_of(row) or 0,
    )


def _apply(changes: Changes, name: str, event: Row, at: int, recent: bool) -> None:
    """`recent`: something of before may have been delivered, so that what came back must be read again.

    What was deleted and came back in one second is in both: which was last, only its row tells.
    """
    kind, own = event.get("type"), own_id(event.get("entity_id"))
    if kind in LINKED | TAGGED:
        changes.touched |= {other for list_name, other in _touched(event) if list_name == name}
    elif own is not None and ENTITIES.get(str(event.get("entity_type"))) == name:
        deletion = Deletion(own, at, event.get("created_by"), event.get("account_id"))
        if kind in ADDED:
            changes.touched.add(own)
        elif kind in DELETED:
            changes.deleted[own] = deletion
            if changes.restored.get(own) != at:
                changes.restored.pop(own, None)
        elif kind in RESTORED:
            if not (recent and own in changes.deleted and changes.deleted[own].at == at):
                changes.deleted.pop(own, None)
            if recent:
                changes.restored[own] = at
        elif kind == MERGED:
            changes.merged[own] = deletion


def _touched(event: Row) -> Iterator[tuple[str, int]]:
    """Both sides of a link, or the entity that was tagged."""
    sides = [(event.get("entity_type"), event.get("entity_id"))]
    for value in (event.get("value_after"), event.get("value_before")):
        for element in value if isinstance(value, list) else ():
            for link in element.values() if isinstance(element, dict) else ():
                entity = link.get("entity") if isinstance(link, dict) else None
                if isinstance(entity, dict):
                    sides.append((entity.get("type"), entity.get("id")))
    for kind, own in sides:
        if (number := own_id(own)) is not None and str(kind) in ENTITIES:
            yield ENTITIES[str(kind)], number


def _apply_to_notes(changes: Changes, name: str, event: Row, at: int) -> None:
    if event.get("type") != NOTE_DELETED or ENTITIES.get(str(event.get("entity_type"))) != name:
        return
    for value in (event.get("value_before"), event.get("value_after")):
        for element in value if isinstance(value, list) else ():
            note = element.get("note") if isinstance(element, dict) else None
            own = own_id(note.get("id")) if isinstance(note, dict) else None
            if own is not None:
                changes.deleted[own] = Deletion(own, at, event.get("created_by"), event.get("account_id"))
