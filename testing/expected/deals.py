"""Expected deals, and their moves between stages."""

from __future__ import annotations

from sandbox.account import Account
from sandbox.store import Event

from .common import Row, amount, elements, first, shown_fields, stamp, tags

LOST = 143


def deals(account: Account) -> list[Row]:
    reasons = {reason["id"]: reason["name"] for reason in account.loss_reasons}
    return [
        {
            "lead_id": lead["id"],
            "name": lead["name"],
            "responsible_user_id": lead["responsible_user_id"],
            "created_by": lead["created_by"],
            "updated_by": lead["updated_by"],
            "account_id": lead["account_id"],
            "pipeline_id": lead["pipeline_id"],
            "status_id": lead["status_id"],
            "main_contact": account.main_contact("leads", lead["id"]),
            "group_id": lead["group_id"],
            "company": first(account.linked("leads", lead["id"], "companies")),
            "contacts": account.linked("leads", lead["id"], "contacts"),
            "loss_reason_id": lead["loss_reason_id"],
            "loss_reason_name": reasons.get(lead["loss_reason_id"]),
            "sale": amount(account, lead["price"]),
            "date": stamp(lead["updated_at"]),
            "created_at": stamp(lead["created_at"]),
            "updated_at": stamp(lead["updated_at"]),
            "closed_at": stamp(lead["closed_at"]),
            "closest_task_at": stamp(lead["closest_task_at"]),
            "tags": tags(account, "leads", lead["id"]),
            "custom_fields": shown_fields(account, lead),
            "is_deleted": False,
            **_source(account, lead, ("id", "name")),
            "score": lead["score"],
            "labor_cost": lead["labor_cost"],
            "is_price_modified_by_robot": lead["is_price_modified_by_robot"],
            "catalog_elements": elements(account, "leads", lead["id"]),
            "is_price_computed": lead["is_price_computed"],
            **_source(account, lead, ("external_id", "type")),
        }
        for lead in account.tables["leads"]
    ]


def _source(account: Account, lead: Row, names: tuple[str, ...]) -> Row:
    """Returns the columns of a lead's source. Those that the account does not show are None."""
    visible = {
        "embedded": ("id", "name", "external_id", "type"),
        "documented": ("id", "name"),
        "top": ("id",),
        "absent": (),
    }[account.switches.lead_source]
    known = next((source for source in account.sources if source["id"] == lead["source_id"]), {})
    shown = {name: value for name, value in {"type": "widget", **known}.items() if known and name in visible}
    return {f"source_{name}": shown.get(name) for name in names}


def deal_statuses(account: Account) -> list[Row]:
    moves = [event for event in account.events if event.type == "lead_status_changed"]
    newest: dict[int, Event] = {}
    for event in sorted(moves, key=lambda event: (event.created_at, event.id)):
        if event.value_after[0]["lead_status"]["id"] == LOST:
            newest[event.entity_id] = event
    return [_move(account, event, newest.get(event.entity_id)) for event in moves]


def _move(account: Account, event: Event, newest_loss: Event | None) -> Row:
    new, [old] = event.value_after[0]["lead_status"], event.value_before or [{"lead_status": {}}]
    old = old["lead_status"]
    lead = account.tables["leads"].get(event.entity_id)
    explains = event is newest_loss and lead is not None and lead["status_id"] == LOST
    return {
        "note_id": event.id,
        "lead_id": event.entity_id,
        "created_by": event.created_by,
        "created_at": stamp(event.created_at),
        "updated_at": stamp(event.created_at),
        "pipeline_id_new": new["pipeline_id"],
        "pipeline_id_old": old.get("pipeline_id"),
        "status_new": new["id"],
        "status_old": old.get("id"),
        "loss_reason_id": lead["loss_reason_id"] if explains and lead else None,
    }
