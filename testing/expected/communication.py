"""Expected calls and messages, from notes and events."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sandbox.account import Account
from sandbox.account_data import ENTITIES, SINGULAR

from .activity import ELEMENT_TYPES, talk_contact
from .common import Row, stamp

CHATS = {
    "incoming_chat_message": ("chat", "in"),
    "outgoing_chat_message": ("chat", "out"),
    "entity_direct_message": ("direct", None),
}


WRITTEN = (
    *("author_id", "author_type", "author_name", "message_type", "delivery_status"),
    *("attachment_name", "attachment_link"),
)
"""Columns that only the messages of a talk fill."""


def calls(account: Account) -> list[Row]:
    return [
        {
            "note_id": note["id"],
            "element_type": ELEMENT_TYPES[kind],
            "element_id": note["entity_id"],
            "direction": "in" if note["note_type"] == "call_in" else "out",
            "phone": note["params"].get("phone"),
            "duration": note["params"].get("duration"),
            "status": note["params"].get("call_status"),
            "result": note["params"].get("call_result"),
            "link": note["params"].get("link"),
            "source": note["params"].get("source"),
            "uniq": note["params"].get("uniq"),
            "call_responsible": _text(note["params"].get("call_responsible")),
            "responsible_user_id": note["responsible_user_id"],
            "created_by": note["created_by"],
            "created_at": stamp(note["created_at"]),
            "updated_at": stamp(note["updated_at"]),
            "account_id": note["account_id"],
        }
        for kind, note in _notes(account, "call_in", "call_out")
    ]


def messages(account: Account) -> list[Row]:
    sms = [
        {
            "message_id": f"{kind}/{note['id']}",
            "channel": "sms",
            "direction": "in" if note["note_type"] == "sms_in" else "out",
            "element_type": ELEMENT_TYPES[kind],
            "element_id": note["entity_id"],
            "phone": note["params"].get("phone"),
            "text": note["params"].get("text"),
            "note_id": note["id"],
            "chat_message_id": None,
            "talk_contact_id": None,
            "talk_id": None,
            "origin": None,
            "created_by": note["created_by"],
            "created_at": stamp(note["created_at"]),
            "updated_at": stamp(note["updated_at"]),
            "account_id": note["account_id"],
            **dict.fromkeys(WRITTEN),
        }
        for kind, note in _notes(account, "sms_in", "sms_out")
    ]
    plural = {entity: kind for kind, entity in SINGULAR.items()}
    chats = [
        {
            "message_id": event.id,
            "channel": CHATS[event.type][0],
            "direction": CHATS[event.type][1],
            "element_type": ELEMENT_TYPES[plural[event.entity_type]],
            "element_id": event.entity_id,
            "phone": None,
            "text": None,
            "note_id": None,
            "chat_message_id": event.value_after[0]["message"]["id"],
            "talk_contact_id": talk_contact(account, event),
            "talk_id": event.value_after[0]["message"].get("talk_id"),
            "origin": event.value_after[0]["message"].get("origin"),
            "created_by": event.created_by,
            "created_at": stamp(event.created_at),
            "updated_at": stamp(event.created_at),
            "account_id": account.id,
            **dict.fromkeys(WRITTEN),
        }
        for event in account.events
        if event.type in CHATS
    ]
    return sms + chats


def messages_with_texts(account: Account) -> list[Row]:
    """Returns the rows of `messages` when the texts of chats are read."""
    talk_ids = {talk["talk_id"] for talk in account.talks}
    rows = messages(account)
    for row in rows:
        message = account.chat_messages.get(row["chat_message_id"])
        if message and message["talk_id"] in talk_ids:
            attachment = message.get("attachment", {})
            row |= {
                "text": message["text"],
                "author_id": message["author"]["id"],
                "author_type": message["author"]["type"],
                "author_name": message["author"]["name"],
                "message_type": message["message_type"],
                "delivery_status": message.get("delivery_status"),
                "attachment_name": attachment.get("file_name"),
                "attachment_link": attachment.get("link"),
            }
    return rows


def _notes(account: Account, *types: str) -> Iterator[tuple[str, Row]]:
    for kind in ENTITIES:
        if kind != "customers" or account.switches.customers != "off":
            for note in account.tables[f"{kind}/notes"]:
                if note["note_type"] in types:
                    yield kind, note


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)


KEYS_OF: dict[Callable[[Account], list[Row]], tuple[str, ...]] = {
    calls: ("element_type", "note_id"),
    messages: ("message_id",),
}
