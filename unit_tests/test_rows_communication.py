"""Rows of calls and messages."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.streams import schema
from source_amocrm.streams.record import RowError
from testing.row_functions import call, chat, sms
from testing.sample_files import sample

NOTE = {**sample("notes_list_by_type", "_embedded", "notes", 0), "id": 12}
CHAT = {**sample("event_detail"), **sample("event_value_shapes", "chat_messages")}


def note(kind: str, **given: Any) -> dict[str, Any]:
    return {**NOTE, "note_type": kind, "params": {**sample("note_params_by_type", kind), **given}}


@pytest.mark.parametrize(("kind", "direction", "who"), [("call_in", "in", "Василий"), ("call_out", "out", "504141")])
def test_documented_calls(kind: str, direction: str, who: str) -> None:
    [row] = call(note(kind, call_status=4, call_result="Дозвонились"), "contacts")
    assert row == {
        "note_id": 12,
        "element_type": 1,
        "element_id": NOTE["entity_id"],
        "direction": direction,
        "phone": "+79999999999",
        "duration": 60,
        "status": 4,
        "result": "Дозвонились",
        "link": "https://example.com",
        "source": "onlinePBX",
        "uniq": "8f52d38a-5fb3-406d-93a3-a4832dc28f8b",
        "call_responsible": who,
        "responsible_user_id": NOTE["responsible_user_id"],
        "created_by": NOTE["created_by"],
        "created_at": "2018-10-24T18:58:15Z",
        "updated_at": "2018-10-24T19:11:57Z",
        "account_id": NOTE["account_id"],
    }
    assert list(row) == list(schema.load("calls")["properties"])


@pytest.mark.parametrize(("kind", "direction"), [("sms_in", "in"), ("sms_out", "out")])
def test_documented_sms(kind: str, direction: str) -> None:
    [row] = sms(note(kind), "leads")
    wanted = {
        "message_id": "leads/12",
        "channel": "sms",
        "direction": direction,
        "element_type": 2,
        "phone": "+79999999999",
        "text": sample("note_params_by_type", kind, "text"),
        "note_id": 12,
        "talk_contact_id": None,
        "talk_id": None,
        "origin": None,
        "updated_at": "2018-10-24T19:11:57Z",
    }
    assert wanted.items() <= row.items()
    assert list(row) == list(schema.load("messages")["properties"])


@pytest.mark.parametrize(
    ("kind", "channel", "direction"),
    [
        ("incoming_chat_message", "chat", "in"),
        ("outgoing_chat_message", "chat", "out"),
        ("entity_direct_message", "direct", None),
    ],
)
def test_chats(kind: str, channel: str, direction: str | None) -> None:
    [row] = chat({**CHAT, "type": kind, "linked_talk_contact_id": 8})
    wanted = {
        "message_id": CHAT["id"],
        "channel": channel,
        "direction": direction,
        "element_type": 2,
        "element_id": CHAT["entity_id"],
        "chat_message_id": "1508b51c-aab0-428e-9322-611d847ae747",
        "talk_contact_id": 8,
        "updated_at": row["created_at"],
    }
    assert wanted.items() <= row.items()
    assert list(row) == list(schema.load("messages")["properties"])


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (0, {"direction": "out", "created_by": 15648532, "origin": "pro.wappi.tg"}),
        (1, {"direction": "in", "created_by": 0, "origin": "com.wazzup.whatsapp"}),
    ],
)
def test_chats_as_amocrm_tells_them(index: int, wanted: dict[str, Any]) -> None:
    shown = sample("events_chat_messages", "_embedded", "events", index)
    at = ("2025-07-31T22:13:21Z", "2025-07-31T22:13:20Z")[index]
    assert chat(shown) == [
        {
            "message_id": shown["id"],
            "channel": "chat",
            "element_type": 2,
            "element_id": 50101349,
            "phone": None,
            "text": None,
            "note_id": None,
            "chat_message_id": shown["value_after"][0]["message"]["id"],
            "talk_contact_id": 77345755,
            "talk_id": 3040,
            "created_at": at,
            "updated_at": at,
            "account_id": 31000000,
            **dict.fromkeys(("author_id", "author_type", "author_name", "message_type", "delivery_status")),
            **dict.fromkeys(("attachment_name", "attachment_link")),
            **wanted,
        }
    ]


@pytest.mark.parametrize("params", [None, [], {}, ""])
def test_notes_without_params(params: Any) -> None:
    assert call({**NOTE, "note_type": "call_in", "params": params}, "leads")[0]["phone"] is None
    assert sms({**NOTE, "note_type": "sms_in", "params": params}, "leads")[0]["text"] is None


@pytest.mark.parametrize("kind", ["common", None, [], 10])
def test_other_notes_and_events(kind: Any) -> None:
    assert call({**NOTE, "note_type": kind}, "leads") == []
    assert sms({**NOTE, "note_type": kind}, "leads") == []
    assert chat({**CHAT, "type": kind}) == []


def test_without_an_id() -> None:
    with pytest.raises(RowError, match="note_id"):
        call({"note_type": "call_in"}, "leads")
    with pytest.raises(RowError, match="message_id"):
        sms({"note_type": "sms_in"}, "leads")
    with pytest.raises(RowError, match="message_id"):
        chat({"type": "incoming_chat_message"})
