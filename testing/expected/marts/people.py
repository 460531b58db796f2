"""Expected marts of calls, tasks, users' work, contacts, companies, customers and duplicates."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .. import Row
from .conversations import author, conversations
from .deal_activity import completions, tasks
from .deals import began, caller, deals, gone_at, reach, stages
from .known import KINDS, Known, amount, at, memoized

COUNTS = (
    "calls_in", "calls_out", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done", "tasks_due",
    "tasks_late", "deals_created", "first_responses", "response_seconds", "response_working_seconds",
)  # fmt: skip
COUNTED_FROM = dict(zip(COUNTS, (
    *("calls",) * 3, "messages", "notes", "deal_statuses", *("tasks",) * 3, "deals", *("messages",) * 3,
), strict=True))  # fmt: skip
"""The table without which a count is unknown."""


@memoized
def entity_names(known: Known) -> dict[tuple[str | None, int], str | None]:
    return {
        (entity, row[id_column]): row["name"]
        for entity, table, id_column in (
            ("deal", "deals", "lead_id"), ("contact", "contacts", "contact_id"),
            ("company", "companies", "company_id"), ("customer", "customers", "customer_id"),
        )
        for row in known.all(table)
    }  # fmt: skip


def deal_then(known: Known, of_contact: list[Row], moment: datetime) -> int | None:
    """Returns the contact's only deal that was open at this moment; if none was, the newest that had begun."""
    begun = [deal for deal in of_contact if deal["created_at"] and deal["created_at"] <= moment]
    open_then = []
    for deal in begun:
        stays = stages(known)[deal["deal_id"]]
        closed = deal["closed_at"] or (stays[-1][0] if stays else None)
        if deal["stage_kind"] not in ("won", "lost") or closed is None or closed > moment:
            open_then.append(deal)
    if len(open_then) > 1:
        return None
    newest = max(open_then or begun, key=lambda deal: (deal["created_at"], deal["deal_id"]), default=None)
    return int(newest["deal_id"]) if newest else None


@memoized
def calls(known: Known) -> list[Row]:
    names = entity_names(known)
    by_contact: dict[int | None, list[Row]] = {}
    mains: dict[int, int | None] = {}
    for deal in deals(known):
        mains[deal["deal_id"]] = deal["main_contact_id"]
        if not deal["is_deleted"] and deal["main_contact_id"] is not None:
            by_contact.setdefault(deal["main_contact_id"], []).append(deal)
    answers: dict[tuple[str | None, int], list[datetime]] = {}
    for row in (*known.all("calls"), *known.all("messages")):
        is_call = "call_responsible" in row
        by_person = caller(known, row)[1] not in (None, "robot") if is_call else author(row) == "person"
        if (row["direction"] == "out" and by_person) or (row["direction"] == "in" and is_call and row["duration"]):
            moment = at(row["created_at"])
            assert moment is not None
            answers.setdefault((KINDS.get(row["element_type"] or 0), row["element_id"]), []).append(moment)
    found = {}
    for call in known.all("calls"):
        kind, number = KINDS[call["element_type"]], call["element_id"]
        moment = at(call["created_at"])
        assert moment is not None
        of_contact = by_contact.get(number, []) if kind == "contact" else []
        deal_id = number if kind == "deal" else deal_then(known, of_contact, moment)
        back = None
        if is_missed := call["direction"] == "in" and not call["duration"]:
            contact = number if kind == "contact" else mains.get(number) if kind == "deal" else None
            cards = {(kind, number), ("contact", contact)}
            cards |= {("deal", deal["deal_id"]) for deal in by_contact.get(contact, ())}
            back = min((one for card in cards for one in answers.get(card, ()) if one > moment), default=None)
        found[call["note_id"], call["element_type"]] = {
            "deal_id": deal_id, "is_missed": is_missed, "called_back_at": back,
            "is_called_back_in_hour": (back is not None and back <= moment + timedelta(hours=1)) if is_missed else None,
        }  # fmt: skip
    return [
        found[call["note_id"], call["element_type"]]
        | {
            "note_id": call["note_id"],
            "entity_type": KINDS[call["element_type"]],
            "entity_id": call["element_id"],
            "entity_name": names.get((KINDS[call["element_type"]], call["element_id"])),
            "direction": call["direction"],
            "phone": call["phone"],
            "manager_id": caller(known, call)[0],
            "manager_name": caller(known, call)[1],
            "seconds": call["duration"],
            "status": call["status"],
            "result": call["result"],
            "telephony": call["source"],
            "link": call["link"],
            "created_at": at(call["created_at"]),
            "created_at_local": known.local(at(call["created_at"])),
        }
        for call in known.all("calls")
    ]


def is_in_work(deal: Row) -> bool:
    return deal["stage_kind"] in ("open", "unsorted") and not deal["is_deleted"]


@memoized
def tasks_open(known: Known) -> list[Row]:
    types, names = known.by("task_types", "task_type_id"), entity_names(known)
    rows = []
    for task in tasks(known):
        if task["is_completed"]:
            continue
        due = at(task["complete_till_at"])
        assert due is not None
        entity = KINDS.get(task["element_type"])
        rows.append({
            "task_id": task["task_id"],
            "task_type": types.get(task["task_type"]),
            "text": task["text"],
            "entity_type": entity,
            "entity_id": task["element_id"],
            "entity_name": names.get((entity, task["element_id"])),
            "responsible_user_id": task["responsible_user_id"],
            "responsible_name": known.user(task["responsible_user_id"]),
            "created_at_local": known.local(at(task["created_at"])),
            "due_at": due,
            "due_at_local": known.local(due),
            "is_overdue": known.now > due,
            "days_overdue": (known.now - due).days if known.now > due else None,
        })  # fmt: skip
    return rows


@memoized
def manager_activity(known: Known) -> list[Row]:
    counted: dict[tuple[str, int | None, str | None], Counter[str]] = {}

    def count(user: int | None, moment: Any, **values: int) -> None:
        if user:
            add(user, known.user(user), moment, values)

    def add(user: int | None, name: str | None, moment: Any, values: dict[str, int]) -> None:
        day = known.local(moment)
        if day:
            counted.setdefault((f"{day:%Y-%m-%d}", user, name), Counter()).update(values)

    for call in known.all("calls"):
        values = {f"calls_{call['direction']}": 1, "talk_seconds": call["duration"] or 0}
        add(*caller(known, call), at(call["created_at"]), values)
    for message in known.all("messages"):
        if author(message) == "person":
            count(message["created_by"], at(message["created_at"]), messages=1)
    gone = known.deleted()
    for note in known.all("notes"):
        if note["note_type"] == "common" and not note["is_deleted"] and ("note", note["note_id"]) not in gone:
            count(note["created_by"], at(note["created_at"]), notes=1)
    for move in known.all("deal_statuses"):
        count(move["created_by"], at(move["created_at"]), stage_moves=1)
    done = completions(known)
    with_event = {event["entity_id"] for event in known.all("events") if event["type"] == "task_completed"}
    for task in tasks(known):
        due = at(task["complete_till_at"])
        moment, by = done.get(task["task_id"], (known.now, None))
        count(by, moment, tasks_done=1)
        late = moment > due and (by is None or task["task_id"] in with_event)
        count(task["responsible_user_id"], due, tasks_due=1, tasks_late=int(late))
    starts, ends = began(known), gone_at(known)
    for deal in known.all("deals"):
        if deal["lead_id"] not in ends:
            count(deal["created_by"], starts[deal["lead_id"]], deals_created=1)
    for talk in conversations(known):
        waited = {
            "response_seconds": talk["seconds_to_first_response"],
            "response_working_seconds": talk["working_seconds_to_first_response"],
        }
        count(talk["first_response_by"], talk["first_response_at"], first_responses=1, **waited)
    return [
        {"day": day, "user_id": user, "user_name": name}
        | {count: totals[count] if known.was_read(COUNTED_FROM[count]) else None for count in COUNTS}
        for (day, user, name), totals in counted.items()
    ]


def who(known: Known, call: Row) -> int | str | None:
    """Returns the id or else the name of the user who talked, None for a robot."""
    user, name = caller(known, call)
    return name if user is None else user


@memoized
def acts(known: Known) -> list[tuple[Any, datetime | None, Row]]:
    """Returns what anybody on our side did: the person, a robot as None or 0; the moment; and a row with the card."""
    gone, done = known.deleted(), completions(known)
    found: list[tuple[Any, datetime | None, Row]] = [
        (who(known, call), at(call["created_at"]), call) for call in known.all("calls")
    ]
    found += [
        (message["created_by"] or "somebody", at(message["created_at"]), message)
        for message in known.all("messages")
        if author(message) == "person"
    ]
    found += [
        (note["created_by"], at(note["created_at"]), note)
        for note in known.all("notes")
        if note["note_type"] not in ("call_in", "call_out", "sms_in", "sms_out")
        and not note["is_deleted"]
        and ("note", note["note_id"]) not in gone
    ]
    found += [
        (done[task_id][1], done[task_id][0], task) for task in tasks(known) if (task_id := task["task_id"]) in done
    ]
    return found + [
        (move["created_by"], at(move["created_at"]), {"element_type": 2, "element_id": move["lead_id"]})
        for move in known.all("deal_statuses")
    ]


@memoized
def touches(known: Known) -> list[tuple[int | None, int | str, datetime]]:
    """Returns what users did, without robots and clients: the deal's pipeline, the user, and the local time."""
    pipelines = known.by("deals", "lead_id", "pipeline_id")
    found = []
    for person, moment, act in acts(known):
        local = known.local(moment)
        if person and local:
            pipeline = pipelines.get(act["element_id"]) if act["element_type"] == 2 else None
            found.append((pipeline, person, local))
    return found


def contacts(known: Known) -> list[Row]:
    companies = known.by("companies", "company_id")
    return [
        row | {"company_id": raw["company"], "company_name": companies.get(raw["company"], raw["company_name"])}
        for raw, row in _cards(known, "contact", "contacts", "contact_id", "deal_contacts")
    ]


def companies(known: Known) -> list[Row]:
    return [row for _, row in _cards(known, "company", "companies", "company_id", "deal_companies")]


def _cards(known: Known, entity: str, table: str, id_column: str, links: str) -> list[tuple[Row, Row]]:
    deletions, by_id = known.deleted(), {deal["deal_id"]: deal for deal in deals(known)}
    phones, emails = reach(known, entity, "PHONE"), reach(known, entity, "EMAIL")
    bought: dict[int, list[Row]] = {}
    for link in known.all(links):
        deal = by_id[link["lead_id"]]
        if not deal["is_deleted"]:
            bought.setdefault(link[id_column], []).append(deal)
    found = []
    for raw in known.all(table):
        had = bought.get(raw[id_column], [])
        won = [deal for deal in had if deal["stage_kind"] == "won"]
        event = deletions.get((entity, raw[id_column]))
        gone = event["deleted_at"] if event else raw["updated_at"] if raw["is_deleted"] else None
        row = {
            id_column: raw[id_column],
            "name": raw["name"],
            "responsible_user_id": raw["responsible_user_id"],
            "responsible_name": known.user(raw["responsible_user_id"]),
            "phones": phones.get(raw[id_column]),
            "emails": emails.get(raw[id_column]),
            "deals": len(had),
            "open_deals": sum(deal["stage_kind"] in ("open", "unsorted") for deal in had),
            "won_deals": len(won),
            "won_budget": sum(map(amount, (deal["budget"] for deal in won))),
            "currency": known.currency,
            "last_deal_at": max((deal["created_at"] for deal in had), default=None),
            "created_at": at(raw["created_at"]),
            "created_at_local": known.local(at(raw["created_at"])),
            "updated_at": at(raw["updated_at"]),
            "is_deleted": gone is not None,
            "deleted_at": at(gone),
        }
        found.append((raw, row))
    return found


def customers_ltv(known: Known) -> list[Row]:
    names = known.by("contacts", "contact_id")
    rows = []
    for customer in known.all("customers"):
        if customer["is_deleted"]:
            continue
        bought = [
            row
            for row in known.all("customer_transactions")
            if row["customer_id"] == customer["customer_id"] and not row["is_deleted"]
        ]
        total = sum(map(amount, (row["price"] for row in bought)), Decimal(0))
        days = [known.local(at(row["completed_at"] or row["created_at"])) for row in bought]
        rows.append({
            "customer_id": customer["customer_id"],
            "name": customer["name"],
            "responsible_user_id": customer["responsible_user_id"],
            "responsible_name": known.user(customer["responsible_user_id"]),
            "main_contact_name": names.get(customer["main_contact"]),
            "ltv": customer["ltv"],
            "purchases": len(bought),
            "purchases_sum": total,
            "average_purchase": (total / len(bought)).quantize(Decimal("0.01"), ROUND_HALF_UP) if bought else None,
            "first_purchase_at_local": min(days, default=None),  # type: ignore[type-var]
            "last_purchase_at_local": max(days, default=None),  # type: ignore[type-var]
            "next_purchase_at": at(customer["next_date"]),
            "next_purchase": customer["next_price"],
            "currency": known.currency,
            "created_at_local": known.local(at(customer["created_at"])),
        })  # fmt: skip
    return rows


def duplicates_and_merges(known: Known) -> list[Row]:
    names = entity_names(known)
    dead = {
        (entity, row[key])
        for entity, table, key in (("contact", "contacts", "contact_id"), ("company", "companies", "company_id"))
        for row in known.all(table)
        if row["is_deleted"] or (entity, row[key]) in known.deleted()
    }
    sharing: dict[tuple[str, str, str], set[int]] = {}
    for entity, table, key in (
        ("contact", "custom_fields_contacts", "contact_id"), ("company", "custom_fields_companies", "company_id"),
    ):  # fmt: skip
        for row in known.all(table):
            if row["field_code"] in ("PHONE", "EMAIL") and row["value"] is not None and (entity, row[key]) not in dead:
                phone = row["field_code"] == "PHONE"
                same = re.sub(r"\D", "", row["value"]) if phone else row["value"].strip().lower()
                if phone and re.fullmatch(r"8\d{10}", same):
                    same = "7" + same[1:]
                if same:
                    kind = "same_phone" if phone else "same_email"
                    sharing.setdefault((kind, entity, same), set()).add(row[key])
    rows: list[Row] = [
        {"kind": kind, "entity_type": entity, "entity_id": key, "entity_name": names.get((entity, key)), "value": same}
        | {"entities": len(group), "merged_at": None, "merged_at_local": None, "merged_by": None, "event_id": None}
        for (kind, entity, same), group in sharing.items()
        if len(group) > 1
        for key in group
    ]
    for event in known.all("events"):
        if event["type"] == "entity_merged":
            entity = "deal" if event["entity_type"] == "lead" else event["entity_type"]
            rows.append({
                "kind": "merge",
                "entity_type": entity,
                "entity_id": event["entity_id"],
                "entity_name": names.get((entity, event["entity_id"])),
                "value": None,
                "entities": None,
                "merged_at": at(event["created_at"]),
                "merged_at_local": known.local(at(event["created_at"])),
                "merged_by": event["created_by"],
                "event_id": event["event_id"],
            })  # fmt: skip
    return rows
