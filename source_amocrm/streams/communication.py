"""Calls and messages: of the notes that `notes` reads, and of the events that `events` reads."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import CHATS
from source_amocrm.account.resources import EVENTS, NOTES
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.rows import communication
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class Calls(IncrementalStream):
    name = "calls"
    primary_key = ["element_type", "note_id"]
    relations = {
        "note_id": to.NOTE,
        **to.ELEMENT,
        "responsible_user_id": to.NOTE_OWNER,
        "created_by": to.AUTHOR,
        "account_id": to.ACCOUNT,
    }
    resources = NOTES

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return communication.call(record, context.entity_type)


class Messages(IncrementalStream):
    name = "messages"
    primary_key = ["message_id"]
    relations = {
        **to.ELEMENT,
        "note_id": to.NOTE,
        "talk_contact_id": to.CONTACT,
        "talk_id": to.TALK,
        "created_by": to.AUTHOR,
        "account_id": to.ACCOUNT,
    }
    resources = NOTES
    kinds = tuple(CHATS)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if context.entity_type == EVENTS.name:
            return communication.chat(record)
        return communication.sms(record, context.entity_type)


STREAMS = (Calls, Messages)
