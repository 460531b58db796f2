"""Changes of deals' fields, and notes that were deleted: what only events tell of the generated account."""

from __future__ import annotations

from random import Random

from ..account import Account, Gone
from ..values import event_field_value
from .history import History, Values
from .timeline import Timeline


def add_changes(account: Account, rng: Random, time: Timeline, history: History, by: int) -> None:
    fields = {field["id"]: field for field in account.fields["leads"]}
    own_kind = account.switches.field_event_type == "with_id"
    for lead in account.tables["leads"]:
        for filled in lead["custom_fields_values"] or ():
            if rng.random() < 0.15:
                field_id = filled["field_id"]
                after = [event_field_value(fields[field_id], value) for value in filled["values"]]
                before: Values = []
                if rng.random() < 0.4:
                    before, after = after, after[:1] if rng.random() < 0.5 else []
                kind = f"custom_field_{field_id}_value_changed" if own_kind else "custom_field_value_changed"
                moment = time.after(lead["created_at"], 30)
                history.write(kind, "lead", lead["id"], rng.choice((by, 0)), moment, after, before)
    _delete_notes(account, rng, time, history, by)


def _delete_notes(account: Account, rng: Random, time: Timeline, history: History, by: int) -> None:
    table = account.tables["leads/notes"]
    common = [note for note in table if note["note_type"] == "common"]
    for note in rng.sample(common, len(common) // 50):
        at = time.after(note["updated_at"])
        table.remove(note["id"])
        account.gone["leads/notes", note["id"]] = Gone("leads/notes", note["id"], at, by, "delete", note)
        named: Values = [{"note": {"id": note["id"]}}]
        values = {account.switches.note_deleted_shape: named}
        history.write("common_note_deleted", "lead", note["entity_id"], by, at, **values)
