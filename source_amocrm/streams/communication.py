"""Calls and messages: of the notes that `notes` reads, and of the events that `events` reads."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.event_kinds import CHATS
from source_amocrm.account.resources import NOTES, EntityList
from source_amocrm.streams.history import of_each
from source_amocrm.streams.rows import communication
from source_amocrm.sync.sync import Sync
from source_amocrm.sync.tables import Entities, FromEvents
from source_amocrm.walk.listing import Row


def _calls(_: Sync, entities: EntityList, notes: list[Row]) -> Iterator[list[Row]]:
    return (communication.call(note, entities.name) for note in notes)


def _sms(_: Sync, entities: EntityList, notes: list[Row]) -> Iterator[list[Row]]:
    return (communication.sms(note, entities.name) for note in notes)


TABLES = (
    Entities(name="calls", key=("element_type", "note_id"), cursor="updated_at", lists=NOTES, rows=_calls),
    Entities(
        name="messages",
        key=("message_id",),
        cursor="updated_at",
        lists=NOTES,
        rows=_sms,
        events=FromEvents(kinds=tuple(CHATS), rows=of_each(communication.chat)),
    ),
)
