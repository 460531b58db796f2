"""Values that the generator and the writes share."""

from __future__ import annotations

import json
from typing import Any

from .store import Row

# the type of the event that a new note writes, by the note's type
NOTE_EVENTS = {
    "common": "common_note_added",
    "attachment": "attachment_note_added",
    "call_in": "incoming_call",
    "call_out": "outgoing_call",
    "sms_in": "incoming_sms",
    "sms_out": "outgoing_sms",
    "geolocation": "geo_note_added",
    "service_message": "service_note_added",
    "site_visit": "site_visit_note_added",
    "message_cashier": "message_to_cashier_note_added",
    "targeting_in": "targeting_in_note_added",
    "link_followed": "link_followed",
    "amomail_message": "incoming_mail",
}
# the numbers by which events name the types of fields
FIELD_TYPES = {
    "text": 1, "numeric": 2, "checkbox": 3, "select": 4, "multiselect": 5, "date": 6, "url": 7, "multitext": 8,
    "textarea": 9, "radiobutton": 10, "streetaddress": 11, "smart_address": 13, "birthday": 14,
    "legal_entity": 15, "items": 16,
}  # fmt: skip


def event_field_value(field: Row, value: dict[str, Any]) -> dict[str, Any]:
    """Returns one element of `value_after` or `value_before` in the event of a changed custom field."""
    text = value.get("value")
    return {
        "custom_field_value": {
            "field_id": field["id"],
            "field_type": FIELD_TYPES.get(field["type"], 1),
            "enum_id": value.get("enum_id"),
            "text": text if isinstance(text, str) else json.dumps(text, ensure_ascii=False),
        }
    }
