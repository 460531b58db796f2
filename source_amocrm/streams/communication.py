"""Calls and messages: of the notes that `notes` reads, and of the events that `events` reads."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import CHATS
from source_amocrm.account.resources import NOTES
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.rows import communication
from source_amocrm.sync.declaration import EVENTS, Context
from source_amocrm.walk.listing import Row


class Calls(IncrementalStream):
    name = "calls"
    primary_key = ["element_type", "note_id"]
    resources = NOTES

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return communication.call(record, context.entity_type)


class Messages(IncrementalStream):
    name = "messages"
    primary_key = ["message_id"]
    resources = NOTES
    kinds = tuple(CHATS)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if context.entity_type == EVENTS:
            return communication.chat(record)
        return communication.sms(record, context.entity_type)


STREAMS = (Calls, Messages)
