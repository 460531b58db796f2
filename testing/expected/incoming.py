"""Expected unsorted requests, talks, bots and types of events."""

from __future__ import annotations

from sandbox.account import Account
from sandbox.endpoints.event_types import STANDARD

from .common import Row, stamp
from .communication import CHATS


def unsorted(account: Account) -> list[Row]:
    if "unsorted" in account.switches.off:
        return []
    return [
        {
            "unsorted_id": lead["uid"],
            "source_uid": lead["source_uid"],
            "source_name": lead["source_name"],
            "category": lead["category"],
            "pipeline_id": lead["pipeline_id"],
            "created_at": stamp(lead["created_at"]),
            "metadata": lead["metadata"],
            "account_id": lead["account_id"],
            "leads": [lead["lead"]],
            "contacts": [lead["contact"]],
            "companies": [],
        }
        for lead in account.unsorted.values()
    ]


def talks(account: Account) -> list[Row]:
    """Returns the talks in the list, and those that events of chat messages name."""
    if not account.switches.talks:
        return []
    new = account.switches.talks_shape == "2026"
    ids = sorted(talk["talk_id"] for talk in account.talks)
    listed = ids if account.switches.talks_shown is None else ids[-account.switches.talks_shown :]
    named = {event.value_after[0]["message"].get("talk_id") for event in account.events if event.type in CHATS}
    return [
        {
            "talk_id": talk["talk_id"],
            "created_at": stamp(talk["created_at"]),
            "updated_at": stamp(talk["updated_at"]),
            "rate": talk["rate"],
            "contact_id": talk["contact_id"],
            "chat_id": talk["chat_id"],
            "entity_id": talk["entity_id"],
            "entity_type": talk["entity_type"],
            "status": talk["status"] if new else None,
            "is_in_work": talk["is_in_work"],
            "is_read": talk["is_read"],
            "origin": talk["origin"],
            "source_id": talk["source_id"] if new else None,
            "missed_at": None if new else stamp(talk["missed_at"]),
            "account_id": talk["account_id"],
            "contacts": [talk["contact_id"]] if talk["contact_id"] else [],
            "leads": [talk["entity_id"]] if talk["entity_type"] == "lead" else [],
            "customers": [talk["entity_id"]] if talk["entity_type"] == "customer" else [],
        }
        for talk in account.talks
        if talk["talk_id"] in {*listed, *named}
    ]


def bots(account: Account) -> list[Row]:
    return [{"bot_id": bot["id"], "name": bot["name"]} for bot in account.bots if account.switches.bots]


def event_types(account: Account) -> list[Row]:
    rows: list[Row] = [{"code": code, "event_type_id": number, "name": name} for code, number, name in STANDARD]
    for kind in ("leads", "contacts", "companies", "customers"):
        rows += [
            {
                "code": f"custom_field_{field['id']}_value_changed",
                "event_type_id": 24,
                "name": f'Изменение поля "{field["name"]}"',
            }
            for field in account.fields[kind]
        ]
    return rows
