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
from source_amocrm.account.resources import EVENTS_LIMIT, EVENTS_PATH
from source_amocrm.errors import REFUSALS, AmocrmError, TooFat
from source_amocrm.walk.bounds import bounds
from source_amocrm.walk.elements import own_id
from source_amocrm.walk.keyset import Edges
from source_amocrm.walk.listing import FilterIgnored, Found, Listing, OrderIgnored, Row, seconds
from source_amocrm.walk.sizes import shrinking
from source_amocrm.walk.spans import FOREVER
from source_amocrm.walk.ties import one_pass, repeated
from source_amocrm.walk.undirected import undirected


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


class History:
    """The account's events of these kinds since a second, read once for every list that wants them.

    `types_since`: the kinds to ask for, with the earliest second that any list needs.
    """

    def __init__(self, account: Account, types_since: dict[str, int]) -> None:
        self._account = account
        self._types_since = types_since
        self._events = Once(self._read)

    def ahead(self) -> None:
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
        EVENTS_LIMIT,
        params,
        cursor="created_at",
        own_order=True,
        other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
    )


def events_between(account: Account, kinds: Iterable[str], since: int, until: int | None = None) -> list[Row]:
    """The events of these kinds between two seconds, both included, each once; `until` None: the start of the sync."""
    # that there are none is the rule
    listing = events_listing(account, kinds).believing(1)
    first = None if until or account.facts.known else _first_page(listing, since)
    end = until or account.facts().started

    def read() -> list[Row]:
        pages = undirected(listing, (since, end), Edges(), first and _until(listing, first, end), account.hands)
        return [row for page in pages for row in page.rows]

    try:
        return read()
    except (FilterIgnored, OrderIgnored):
        return in_no_order(listing, since, end)


def _first_page(listing: Listing, since: int) -> Found | None:
    """It is asked for while the start of the sync is not known yet."""
    try:
        return listing.ask(bounds(listing, since - 1, FOREVER))
    except TooFat:
        return None


def _until(listing: Listing, found: Found, end: int) -> Found | None:
    """The page without what is later; None where nothing is left of it that could tell where it ends."""
    rows = [row for row in found.rows if (listing.second_of(row) or 0) <= end]
    return replace(found, rows=rows) if rows or not found.more else None


def in_no_order(listing: Listing, since: int, until: int) -> list[Row]:
    """A frozen window, each row once, the oldest first, from a server whose events come in no order at all."""
    rows = shrinking(listing, lambda smaller: repeated(smaller, lambda: _numbered_pass(smaller, since, until)))
    return sorted(rows, key=lambda row: listing.second_of(row) or 0)


def _numbered_pass(listing: Listing, since: int, until: int) -> list[Row]:
    rows = one_pass(listing, bounds(listing, since - 1, until + 1))
    return [row for row in rows if since <= (listing.second_of(row) or 0) <= until]


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
