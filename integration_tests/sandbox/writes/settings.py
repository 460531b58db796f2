"""What an administrator does: users, stages, fields, unsorted."""

from __future__ import annotations

from ..account import Account
from ..generate.dictionaries import rights
from .cards import move_status
from .core import author, locked


@locked
def add_user(account: Account, name: str, group_id: int | None = None) -> int:
    user_id = account.next_id("users")
    account.users[user_id] = {
        "id": user_id,
        "name": name,
        "email": f"user{user_id}@example.com",
        "lang": "ru",
        "rights": rights(False, group_id, account.roles[0]["id"], True, False),
    }
    return user_id


@locked
def remove_user(account: Account, user_id: int) -> None:
    """Disappears from the list; cards keep the id."""
    del account.users[user_id]


@locked
def rename_status(account: Account, pipeline_id: int, status_id: int, name: str) -> None:
    status = next(s for s in account.pipeline(pipeline_id)["statuses"] if s["id"] == status_id)
    status["name"] = name


@locked
def remove_field(account: Account, kind: str, field_id: int) -> None:
    """Vanishes from the dictionary and from every card, and no card's updated_at tells of it."""
    account.fields[kind] = [f for f in account.fields[kind] if f["id"] != field_id]
    table = account.table(kind)
    for row in list(table):
        filled = row["custom_fields_values"] or []
        rest = [f for f in filled if f["field_id"] != field_id]
        if len(rest) < len(filled):
            table.put(row["id"], {**row, "custom_fields_values": rest or None})


@locked
def accept_unsorted(account: Account, uid: str, *, by: int | None = None) -> int:
    """The request becomes an ordinary deal, its contact an ordinary contact; returns the deal's id."""
    who, at = author(account, by), account.clock.now()
    record = account.unsorted.pop(uid)
    lead_id: int = record["lead"]
    hidden = account.hidden["leads"].pop(lead_id, None)
    if hidden is not None:
        account.table("leads").put(lead_id, hidden)
    contact = account.hidden["contacts"].pop(record["contact"])
    dated = {"updated_at": at, "updated_by": who} if account.switches.accept_bumps else {}
    account.table("contacts").put(contact["id"], {**contact, "is_unsorted": False, **dated})
    added = {"note": {"id": account.next_id("notes")}}
    account.record("contact_added", "contact", contact["id"], by=who, at=at, after=[added])
    move_status(account, lead_id, account.pipeline(record["pipeline_id"])["statuses"][1]["id"], by=by)
    return lead_id
