"""Notes of deals, contacts, companies and customers, and the calls among them."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.resources import NOTES
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.fixed import ELEMENT_TYPE
from source_amocrm.streams.values import Json, Row, child
from source_amocrm.sync.declaration import Context

EDITABLE_NOTES = frozenset(
    {
        "common",
        "call_in",
        "call_out",
        "service_message",
        "message_cashier",
        "geolocation",
        "sms_in",
        "sms_out",
        "extended_service_message",
        "attachment",
    }
)
"""The note types that amoCRM's documentation allows to change."""
CALLS = {"call_in": "in", "call_out": "out"}
"""The direction of a call, by the type of its note."""


def is_editable(note: Json) -> bool | None:
    kind = note.get("note_type")
    return None if kind is None else kind in EDITABLE_NOTES if type(kind) is str else False


def attachment_of(note: Json) -> Json:
    """The name of the attached file as its owner called it, or as amoCRM stores it."""
    params = note.get("params")
    return child(params, "original_name") or child(params, "file_name")


class Notes(IncrementalStream):
    name = "notes"
    primary_key = ["element_type", "note_id"]
    relations = {
        **to.ELEMENT,
        "note_type": to.NOTE_TYPE,
        "responsible_user_id": to.NOTE_OWNER,
        "group_id": to.GROUP,
        **to.AUTHORS,
        "account_id": to.ACCOUNT,
    }
    resources = NOTES
    deletable = True
    extras = {"is_pinned": ("is_pinned",)}
    found = {"is_editable": is_editable, "attachment": attachment_of}

    def row(self, record: Row, context: Context) -> Row:
        return self.record(record, element_type=ELEMENT_TYPE[context.entity_type])

    def tombstone_columns(self, context: Context) -> Row:
        return {"element_type": ELEMENT_TYPE[context.entity_type], **super().tombstone_columns(context)}


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
    exploded = True
    found = {"direction": lambda note: CALLS[note["note_type"]]}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        kind = self.record.to.source(record).get("note_type")
        if type(kind) is str and kind in CALLS:
            yield self.record(record, element_type=ELEMENT_TYPE[context.entity_type])
