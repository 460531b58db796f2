"""Tasks, notes, the calls among the notes, and their types. amoCRM has no list of note types, so they stand here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from source_amocrm.account.resources import NOTES, TASKS
from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams.base import AccountStream, FixedStream, IncrementalStream
from source_amocrm.streams.values import Json, Row, child
from source_amocrm.walk import Deletion

_ELEMENTS = (
    (1, "contacts", "Контакт"),
    (2, "leads", "Сделка"),
    (3, "companies", "Компания"),
    (4, "tasks", "Задача"),
    (12, "customers", "Покупатель"),
)
ELEMENT_TYPE: Mapping[str, int] = {code: number for number, code, _ in _ELEMENTS if code != "tasks"}
"""By code, the number of each entity type that a task or a note may belong to."""
EDITABLE_NOTES: Mapping[str, int | None] = {
    "common": 4, "attachment": 5, "call_in": 10, "call_out": 11, "sms_in": 102, "sms_out": 103, "service_message": 25,
    "extended_service_message": 34, "message_cashier": 28, "geolocation": 24,
}  # fmt: skip
"""The note types that amoCRM documents as editable."""
NOTE_TYPE_IDS = {
    **EDITABLE_NOTES, "amomail_message": 15, "site_visit": 16, "link_followed": 32, "transaction": 23,
    "targeting_in": None, "targeting_out": None, "invoice_paid": None, "bill_paid": 36, "zoom_meeting": 35,
    "dropbox_attachment": 101, "ai_result": None, "chat": None, "lead_auto_created": 20,
}  # fmt: skip
"""By its code in API v4, the number of a note type in API v2; None where it is not known."""
CALLS = {"call_in": "in", "call_out": "out"}  # The direction of a call, by the type of its note


def result_of(task: Json) -> Json:
    """Returns a task's result. amoCRM sends `[]` for none, and `{"text": …}` for one; a bare text is taken as it is."""
    result = task.get("result")
    return child(result, "text") if type(result) in (list, dict) else result


def element_type_of(task: Json) -> int | None:
    kind = task.get("entity_type")
    return ELEMENT_TYPE.get(kind) if type(kind) is str else None


def is_editable(note: Json) -> bool | None:
    kind = note.get("note_type")
    return None if kind is None else kind in EDITABLE_NOTES if type(kind) is str else False


def attachment_of(note: Json) -> Json:
    """Returns the original name of the attached file, or else the name under which amoCRM stores it."""
    params = note.get("params")
    return child(params, "original_name") or child(params, "file_name")


TaskTypes = AccountStream.table("task_types", collection="task_types", account_extras=("task_types",))


class Tasks(IncrementalStream):
    name = "tasks"
    resources = (TASKS,)
    deletable = True
    found = {"element_type": element_type_of, "result": result_of}


class Notes(IncrementalStream):
    name = "notes"
    resources = NOTES
    deletable = True
    found = {"is_editable": is_editable, "attachment": attachment_of}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        return [self.record(record, element_type=ELEMENT_TYPE[context.entity_type])]

    def tombstone(self, deletion: Deletion, context: Context) -> Row:
        row = super().tombstone(deletion, context)
        row["element_type"] = ELEMENT_TYPE[context.entity_type]
        return row


class Calls(IncrementalStream):
    name = "calls"
    resources = NOTES
    exploded = True
    found = {"direction": lambda note: CALLS[note["note_type"]]}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        kind = self.record.source(record).get("note_type")
        if type(kind) is str and kind in CALLS:
            yield self.record(record, element_type=ELEMENT_TYPE[context.entity_type])


class NoteTypes(FixedStream):
    name = "note_types"
    fixed = [{"note_type_id": number, "code": code} for code, number in NOTE_TYPE_IDS.items()]


class ElementTypes(FixedStream):
    name = "element_types"
    fixed = [{"element_type_id": number, "code": code, "name": name} for number, code, name in _ELEMENTS]
