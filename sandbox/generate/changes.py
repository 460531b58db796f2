"""Changes of cards and deletions of notes, which only events show in the generated account."""

from __future__ import annotations

from random import Random

from ..account_data import SINGULAR, AccountData, Gone
from ..store import Row
from ..values import event_field_value
from .history import History, Values
from .timeline import Timeline


def add_changes(account: AccountData, rng: Random, time: Timeline, history: History, by: int) -> None:
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
    for kind in ("contacts", "companies", *(("customers",) if account.switches.customers != "off" else ())):
        _change_cards(account, Random(f"{kind} {account.id}"), kind, history, by)


def _change_cards(account: AccountData, rng: Random, kind: str, history: History, by: int) -> None:
    """Gives one card in ten another responsible user for half of its life, and clears and refills a field of others.

    At least one card of either sort, if there are any.
    """
    users = list(account.users)
    cards, handed, refilled = list(account.tables[kind]), [], []
    for card in cards:
        if rng.random() < 0.1:
            handed.append((card, rng.choice(users)))
        if card["custom_fields_values"] and rng.random() < 0.1:
            refilled.append(card)
    for card, user in handed or [(card, users[0]) for card in cards[:1]]:
        moment = (card["created_at"] + card["updated_at"]) // 2
        history.responsible(kind, card["id"], by, moment, card["responsible_user_id"], user)
    for card in refilled or [card for card in cards if card["custom_fields_values"]][:1]:
        _refill(account, kind, card, history, by)


def _refill(account: AccountData, kind: str, card: Row, history: History, by: int) -> None:
    moment, filled = (card["created_at"] + card["updated_at"]) // 2, card["custom_fields_values"][0]
    [field] = [one for one in account.fields[kind] if one["id"] == filled["field_id"]]
    after = [event_field_value(field, value) for value in filled["values"]]
    own_kind = account.switches.field_event_type == "with_id"
    event = f"custom_field_{field['id']}_value_changed" if own_kind else "custom_field_value_changed"
    history.write(event, SINGULAR[kind], card["id"], by, moment, [], after)
    history.write(event, SINGULAR[kind], card["id"], by, moment, after)


def _delete_notes(account: AccountData, rng: Random, time: Timeline, history: History, by: int) -> None:
    table = account.tables["leads/notes"]
    common = [note for note in table if note["note_type"] == "common"]
    for note in rng.sample(common, len(common) // 50):
        at = time.after(note["updated_at"])
        table.remove(note["id"])
        account.gone["leads/notes", note["id"]] = Gone("leads/notes", note["id"], at, by, "delete", note)
        named: Values = [{"note": {"id": note["id"]}}]
        values = {account.switches.note_deleted_shape: named}
        history.write("common_note_deleted", "lead", note["entity_id"], by, at, **values)
