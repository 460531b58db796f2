"""Tables that no list of amoCRM's API gives: their rows are known without asking."""

from __future__ import annotations

from collections.abc import Mapping

from source_amocrm.streams.base import FixedStream

ELEMENT_TYPE: Mapping[str, int] = {"contacts": 1, "leads": 2, "companies": 3, "customers": 12}
"""The number of the entity that a task, or a note, belongs to."""

_NAMES = {
    "contacts": "Контакт",
    "leads": "Сделка",
    "companies": "Компания",
    "tasks": "Задача",
    "customers": "Покупатель",
}

NOTE_TYPE_IDS: Mapping[str, int | None] = {
    "common": 4,
    "attachment": 5,
    "call_in": 10,
    "call_out": 11,
    "sms_in": 102,
    "sms_out": 103,
    "service_message": 25,
    "extended_service_message": 34,
    "message_cashier": 28,
    "geolocation": 24,
    "amomail_message": 15,
    "site_visit": 16,
    "link_followed": 32,
    "transaction": 23,
    "targeting_in": None,
    "targeting_out": None,
    "invoice_paid": None,
    "bill_paid": 36,
    "zoom_meeting": 35,
    "dropbox_attachment": 101,
    "ai_result": None,
    "chat": None,
    "lead_auto_created": 20,
}
"""amoCRM's API v4 has codes and no list of them; the numbers are those of its API v2, where known."""


class NoteTypes(FixedStream):
    name = "note_types"
    primary_key = ["code"]
    fixed = [{"note_type_id": number, "code": code} for code, number in NOTE_TYPE_IDS.items()]


class ElementTypes(FixedStream):
    name = "element_types"
    primary_key = ["element_type_id"]
    fixed = [
        {"element_type_id": number, "code": code, "name": _NAMES[code]}
        for code, number in sorted({**ELEMENT_TYPE, "tasks": 4}.items(), key=lambda one: one[1])
    ]
