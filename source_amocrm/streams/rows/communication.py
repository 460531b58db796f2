"""Rows of `calls` and `messages`."""

from __future__ import annotations

from source_amocrm.account.event_kinds import CHATS, ENTITIES
from source_amocrm.streams.rows.activity import ELEMENT_TYPE, talk_contact
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import Json, Row, child

CALLS = {"call_in": "in", "call_out": "out"}
SMS = {"sms_in": "in", "sms_out": "out"}


_CALLS = Coercion("calls")
_MESSAGES = Coercion("messages")


def call(note: Json, entity: str) -> list[Row]:
    """The row of a note that tells of a call, from the list of `entity`; none of any other note. May raise RowError."""
    to, note = _CALLS, _CALLS.source(note)
    get, params = note.get, note.get("params")
    kind = get("note_type")
    if type(kind) is not str or kind not in CALLS:
        return []
    return [
        {
            "note_id": to.integer_key(note, "id", "note_id"),
            "element_type": ELEMENT_TYPE[entity],
            "element_id": to.integer(get("entity_id"), "element_id"),
            "direction": CALLS[kind],
            "phone": to.text(child(params, "phone"), "phone"),
            "duration": to.integer(child(params, "duration"), "duration"),
            "status": to.integer(child(params, "call_status"), "status"),
            "result": to.text(child(params, "call_result"), "result"),
            "link": to.text(child(params, "link"), "link"),
            "source": to.text(child(params, "source"), "source"),
            "uniq": to.text(child(params, "uniq"), "uniq"),
            "call_responsible": to.text(child(params, "call_responsible"), "call_responsible"),
            "responsible_user_id": to.integer(get("responsible_user_id"), "responsible_user_id"),
            "created_by": to.integer(get("created_by"), "created_by"),
            "created_at": to.timestamp(get("created_at"), "created_at"),
            "updated_at": to.timestamp(get("updated_at"), "updated_at"),
            "account_id": to.integer(get("account_id"), "account_id"),
        }
    ]


def sms(note: Json, entity: str) -> list[Row]:
    """The row of a note that is an SMS, from the list of `entity`; none of any other note. May raise RowError."""
    to, note = _MESSAGES, _MESSAGES.source(note)
    kind, params = note.get("note_type"), note.get("params")
    if type(kind) is not str or kind not in SMS:
        return []
    own = to.integer_key(note, "id", "message_id")
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
            **_when(note, note.get("updated_at")),
        }
    ]


def chat(event: Json) -> list[Row]:
    """The row of an event that tells of a message in a chat; none of any other event. May raise RowError.

    amoCRM's interface for reading does not give what was written.
    """
    to, event = _MESSAGES, _MESSAGES.source(event)
    kind, entity = event.get("type"), event.get("entity_type")
    if type(kind) is not str or kind not in CHATS:
        return []
    message = child(event.get("value_after"), "message")
    return [
        {
            "message_id": to.text_key(event, "id", "message_id"),
            "channel": "chat" if CHATS[kind] else "direct",
            "direction": CHATS[kind],
            "element_type": ELEMENT_TYPE.get(ENTITIES.get(entity, "")) if type(entity) is str else None,
            "element_id": to.integer(event.get("entity_id"), "element_id"),
            "phone": None,
            "text": None,
            "note_id": None,
            "chat_message_id": to.text(child(message, "id"), "chat_message_id"),
            "talk_contact_id": to.integer(talk_contact(event), "talk_contact_id"),
            "talk_id": to.integer(child(message, "talk_id"), "talk_id"),
            "origin": to.text(child(message, "origin"), "origin"),
            **_when(event, event.get("created_at")),
        }
    ]


def _when(source: dict[str, Json], updated_at: Json) -> Row:
    to = _MESSAGES
    return {
        "created_by": to.integer(source.get("created_by"), "created_by"),
        "created_at": to.timestamp(source.get("created_at"), "created_at"),
        "updated_at": to.timestamp(updated_at, "updated_at"),
        "account_id": to.integer(source.get("account_id"), "account_id"),
    }
