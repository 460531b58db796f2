"""Messages: SMS, which are notes, and messages of chats, which are events."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.event_kinds import CHATS, ENTITIES
from source_amocrm.account.resources import EVENTS, NOTES
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.coercion import Coercion
from source_amocrm.streams.fixed import ELEMENT_TYPE
from source_amocrm.streams.values import Json, Row, child, given
from source_amocrm.sync.declaration import Context

SMS = {"sms_in": "in", "sms_out": "out"}
"""The direction of an SMS, by the type of its note."""


def sms(to: Coercion, note: Json, entity: str) -> list[Row]:
    """The row of a note that is an SMS, from the list of `entity`; none of any other note. May raise RowError."""
    note = to.source(note)
    kind, params = note.get("note_type"), note.get("params")
    if type(kind) is not str or kind not in SMS:
        return []
    own = to.integer_key(note.get("id"), note, "message_id")
    return [
        {
            "message_id": f"{entity}/{own}",
            "channel": "sms",
            "direction": SMS[kind],
            "element_type": ELEMENT_TYPE[entity],
            "element_id": to.integer(note.get("entity_id"), "element_id"),
            "phone": to.text(child(params, "phone"), "phone"),
            "text": to.text(child(params, "text"), "text"),
            "note_id": own,
            "chat_message_id": None,
            "talk_contact_id": None,
            "talk_id": None,
            "origin": None,
            **_when(to, note, note.get("updated_at")),
        }
    ]


def chat(to: Coercion, event: Json) -> list[Row]:
    """The row of an event that tells of a message in a chat; none of any other event. May raise RowError.

    The event does not hold what was written.
    """
    event = to.source(event)
    kind, entity = event.get("type"), event.get("entity_type")
    if type(kind) is not str or kind not in CHATS:
        return []
    message, related = child(event.get("value_after"), "message"), child(event.get("_embedded"), "entity")
    contact = given(child(related, "linked_talk_contact_id"), event.get("linked_talk_contact_id"))
    return [
        {
            "message_id": to.text_key(event.get("id"), event, "message_id"),
            "channel": "chat" if CHATS[kind] else "direct",
            "direction": CHATS[kind],
            "element_type": ELEMENT_TYPE.get(ENTITIES.get(entity, "")) if type(entity) is str else None,
            "element_id": to.integer(event.get("entity_id"), "element_id"),
            "phone": None,
            "text": None,
            "note_id": None,
            "chat_message_id": to.text(child(message, "id"), "chat_message_id"),
            "talk_contact_id": to.integer(contact, "talk_contact_id"),
            "talk_id": to.integer(child(message, "talk_id"), "talk_id"),
            "origin": to.text(child(message, "origin"), "origin"),
            **_when(to, event, event.get("created_at")),
        }
    ]


def _when(to: Coercion, source: dict[str, Json], updated_at: Json) -> Row:
    return {
        "created_by": to.integer(source.get("created_by"), "created_by"),
        "created_at": to.timestamp(source.get("created_at"), "created_at"),
        "updated_at": to.timestamp(updated_at, "updated_at"),
        "account_id": to.integer(source.get("account_id"), "account_id"),
    }


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
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if context.entity_type == EVENTS.name:
            return chat(self.record.to, record)
        return sms(self.record.to, record, context.entity_type)
