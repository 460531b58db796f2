"""What only events tell: deletions, restores, merges, and links and tags that may change without a new updated_at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

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
from source_amocrm.walk.listing import Row, numeric_id, seconds

_TOLD = frozenset({"id", "type", "created_at", "created_by", "account_id", "entity_id", "entity_type"})
_VALUES = frozenset({"value_before", "value_after"})
_NAMING = LINKED | TAGGED | {NOTE_DELETED}
"""The kinds whose values name what the event is about."""


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

    def to_read_again(self, delivered: Set[int | str], deleted_since: int | None) -> set[int]:
        """The ids of entities that must be read by id, for events name them and the walk has not `delivered` them.

        Entities that were deleted at `deleted_since` or later are among them: they may be back. None: they are not.
        """
        wanted = set(self.restored) | (self.touched | set(self.merged)) - delivered
        if deleted_since is not None:
            wanted |= {entity_id for entity_id, gone in self.deleted.items() if gone.at >= deleted_since}
        return wanted

    def gone(self, not_found: Set[int]) -> dict[int, Deletion]:
        """The deletions. A merged entity that was `not_found` is deleted since its merge, if no event tells when."""
        merged = {
            entity_id: self.merged[entity_id] for entity_id in not_found & self.merged.keys() - self.deleted.keys()
        }
        return {**self.deleted, **merged}


def essence(event: Row) -> Row:
    """What `changes_of` asks of an event: the first sync of an old account keeps all its deletions in memory."""
    kept = _TOLD | _VALUES if event.get("type") in _NAMING else _TOLD
    return {name: value for name, value in event.items() if name in kept}


def changes_of(
    events: Iterable[Row], name: str, note_list: bool, deletions_since: int, changes_since: int | None
) -> Changes:
    """What the events, the older ones first, tell of the list `name` (of its notes, for a `note_list`)."""
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


def with_trash(
    gone: Mapping[int, Deletion], in_trash: Iterable[Deletion], present: Iterable[int]
) -> dict[int, Deletion]:
    """The deletions that events tell and those that the trash shows, the later of both, but for entities that are
    `present`: these came in this sync, and if they are gone since, the next sync's events tell."""
    all_gone = dict(gone)
    for deletion in in_trash:
        known = all_gone.get(deletion.id)
        if known is None or known.at < deletion.at:
            all_gone[deletion.id] = deletion
    for entity_id in present:
        all_gone.pop(entity_id, None)
    return all_gone


def _apply(changes: Changes, name: str, event: Row, at: int, recent: bool) -> None:
    """`recent`: something of before may have been delivered, so that what came back must be read again.

    What was deleted and came back in one second is in both: which was last, only its row tells.
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
    """Both sides of a link, or the entity that was tagged."""
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
    """The objects in the values that an event tells of, after it and before it."""
    for value in (event.get("value_after"), event.get("value_before")):
        yield from (element for element in value if isinstance(element, dict)) if isinstance(value, list) else ()
