"""Messages: SMS, which are notes, and messages of chats, which are events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.event_kinds import CHATS, ENTITIES
from source_amocrm.account.resources import EVENTS, NOTES
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.chat_texts import ChatTexts
from source_amocrm.streams.coercion import Coercion
from source_amocrm.streams.fixed import ELEMENT_TYPE
from source_amocrm.streams.talks import talk_ids
from source_amocrm.streams.values import Json, Row, child, given
from source_amocrm.sync.declaration import Context

SMS = {"sms_in": "in", "sms_out": "out"}
"""The direction of an SMS, by the type of its note."""


SHOWN_BY_TALKS = (
    *("author_id", "author_type", "author_name", "message_type", "delivery_status"),
    *("attachment_name", "attachment_link"),
)
"""The columns that, beside the text, a chat event does not tell and the messages of its talk do."""


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
            **dict.fromkeys(SHOWN_BY_TALKS),
        }
    ]


def chat(to: Coercion, event: Json, shown: Callable[[int | None, Json], Row] = lambda *_: {}) -> list[Row]:
    """The row of an event that tells of a message in a chat; none of any other event. May raise RowError.

    The event does not hold what was written. `shown`: by the ids of the talk and the message, what its talk shows.
    """
    event = to.source(event)
    kind, entity = event.get("type"), event.get("entity_type")
    if type(kind) is not str or kind not in CHATS:
        return []
    message, related = child(event.get("value_after"), "message"), child(event.get("_embedded"), "entity")
    contact = given(child(related, "linked_talk_contact_id"), event.get("linked_talk_contact_id"))
    talk_id, chat_message_id = to.integer(child(message, "talk_id"), "talk_id"), child(message, "id")
    written = shown(talk_id, chat_message_id)
    return [
        {
            "message_id": to.text_key(event.get("id"), event, "message_id"),
            "channel": "chat" if CHATS[kind] else "direct",
            "direction": CHATS[kind],
            "element_type": ELEMENT_TYPE.get(ENTITIES.get(entity, "")) if type(entity) is str else None,
            "element_id": to.integer(event.get("entity_id"), "element_id"),
            "phone": None,
            "text": to.text(written.get("text"), "text"),
            "note_id": None,
            "chat_message_id": to.text(chat_message_id, "chat_message_id"),
            "talk_contact_id": to.integer(contact, "talk_contact_id"),
            "talk_id": talk_id,
            "origin": to.text(child(message, "origin"), "origin"),
            **_when(to, event, event.get("created_at")),
            **{column: to.text(written.get(column), column) for column in SHOWN_BY_TALKS},
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

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._texts = ChatTexts(account) if account.config.chat_texts else None

    def prepare(self, records: Iterable[Row], context: Context) -> None:
        if self._texts and context.entity_type == EVENTS.name:
            chats = (event for event in records if event.get("type") in CHATS)
            self._texts.ask(talk_id for event in chats for talk_id in talk_ids(event))

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if context.entity_type == EVENTS.name:
            made = chat(self.record.to, record, *([self._texts.message] if self._texts else []))
        else:
            made = sms(self.record.to, record, context.entity_type)
        return map(self.record.to.row, made)
