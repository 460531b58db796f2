"""Tasks and notes of the generated account."""

from __future__ import annotations

from random import Random

from ..account_data import ENTITIES, SINGULAR, AccountData
from ..store import Row
from ..values import NOTE_EVENTS
from . import texts
from .field_values import uuid
from .history import History
from .people import group_of, responsible
from .timeline import DAY, Timeline

NOTE_SHARES = (("leads", 0.6), ("contacts", 0.85), ("companies", 0.95), ("customers", 1.0))
TASK_SHARES = (("leads", 0.8), ("contacts", 0.9), ("companies", 0.95), ("customers", 0.97))
NOTE_TYPES = (
    ("common", 0.45), ("call_in", 0.6), ("call_out", 0.75), ("attachment", 0.8), ("service_message", 0.86),
    ("sms_out", 0.9), ("sms_in", 0.93), ("amomail_message", 0.95), ("extended_service_message", 0.96),
    ("geolocation", 0.965), ("site_visit", 0.975), ("message_cashier", 0.98), ("link_followed", 0.985),
    ("transaction", 0.988), ("targeting_in", 0.991), ("invoice_paid", 0.994), ("zoom_meeting", 0.996),
    ("dropbox_attachment", 0.998), ("ai_result", 0.999), ("lead_auto_created", 1.0),
)  # fmt: skip


def add_tasks(
    account: AccountData, rng: Random, time: Timeline, history: History, users: list[int], count: int
) -> None:
    owners = _owners(account)
    rows, row_id = [], 47_000_000
    groups = {user: group_of(account, user) for user in users}
    types = [task_type["id"] for task_type in account.task_types]
    for created in time.moments(count):
        row_id += 1 + int(rng.random() * 4)
        kind = _pick(rng, TASK_SHARES)
        owner = _owner(rng, owners, kind)
        user = responsible(rng, users)
        done = rng.random() < 0.75
        updated = time.after(created, 5) if done or rng.random() < 0.3 else created
        till = created + int(rng.random() * 14) * DAY + 3_600
        rows.append({
            "id": row_id,
            "created_by": user if rng.random() < 0.6 else 0,
            "updated_by": user,
            "created_at": created,
            "updated_at": updated,
            "responsible_user_id": user,
            "group_id": groups[user],
            "entity_id": owner,
            "entity_type": kind if owner else None,
            "duration": rng.choice((0, 0, 0, 900, 1_800)),
            "is_completed": done,
            "task_type_id": rng.choice(types),
            "text": rng.choice(texts.TASKS),
            "result": {"text": rng.choice(texts.RESULTS)} if done and rng.random() < 0.6 else None,
            "complete_till": till,
            "account_id": account.id,
        })  # fmt: skip
        if rng.random() < 0.5:
            history.write("task_added", "task", row_id, rows[-1]["created_by"], created)
        if done and rng.random() < 0.6:
            history.write("task_completed", "task", row_id, user, updated)
        if owner and not done and kind:
            _due(account, kind, owner, till)
    account.tables["tasks"].load((row["id"], row) for row in rows)
    account.claim_ids("tasks", row_id)


def add_notes(
    account: AccountData, rng: Random, time: Timeline, history: History, users: list[int], count: int
) -> None:
    owners = _owners(account)
    params = {code: [_params(code, rng) for _ in range(120)] for code, _ in NOTE_TYPES}
    rows: dict[str, list[Row]] = {entity: [] for entity in ENTITIES}
    groups = {user: group_of(account, user) for user in users}
    row_id = 300_000_000
    for created in time.moments(count):
        row_id += 1 + int(rng.random() * 4)
        kind = _pick(rng, NOTE_SHARES) or "leads"
        owner = _owner(rng, owners, kind)
        if owner is None:
            continue
        user = responsible(rng, users)
        code = _pick(rng, NOTE_TYPES) or "common"
        updated = created if rng.random() < 0.8 else time.after(created, 2)
        rows[kind].append({
            "id": row_id,
            "entity_id": owner,
            "created_by": (by := user if rng.random() < 0.7 else 0),
            "updated_by": user,
            "created_at": created,
            "updated_at": time.burst(f"{kind}/notes", created) if rng.random() < 0.05 else updated,
            # amoCRM was seen to write the account's id into notes of robots
            "responsible_user_id": account.id if by == 0 and row_id % 5 == 0 else user,
            "group_id": groups[user],
            "note_type": code,
            "params": params[code][int(rng.random() * 120)],
            "account_id": account.id,
            "is_pinned": row_id % 13 == 0,
        })  # fmt: skip
        event_type = NOTE_EVENTS.get(code)
        if event_type and rng.random() < 0.5:
            history.write(event_type, SINGULAR[kind], owner, user, created, [{"note": {"id": row_id}}])
    for kind, kind_rows in rows.items():
        account.tables[f"{kind}/notes"].load((row["id"], row) for row in kind_rows)
    account.claim_ids("notes", row_id)


def _owners(account: AccountData) -> dict[str, list[int]]:
    return {kind: list(account.tables[kind].rows) for kind in ENTITIES}


def _owner(rng: Random, owners: dict[str, list[int]], kind: str | None) -> int | None:
    if kind is None or not owners[kind]:
        return None
    return owners[kind][int(rng.random() * len(owners[kind]))]


def _pick(rng: Random, shares: tuple[tuple[str, float], ...]) -> str | None:
    chance = rng.random()
    return next((name for name, share in shares if chance < share), None)


def _due(account: AccountData, kind: str, owner: int, till: int) -> None:
    """Changes the owner in place, as the account is still being built."""
    row = account.tables[kind].rows[owner]
    row["closest_task_at"] = min(till, row["closest_task_at"] or till)


def _params(code: str, rng: Random) -> Row:
    if rng.random() < 0.02:
        return {}
    text, phone = rng.choice(texts.NOTES), f"+79{rng.randrange(10**9):09d}"
    service = {"service": "onlinePBX", "text": text}
    call = {
        "uniq": uuid(rng),
        "duration": rng.randrange(900),
        "source": "onlinePBX",
        "link": "https://example.com/rec.mp3",
        "phone": phone,
        "call_result": rng.choice(("", "Дозвонились")),
        "call_status": rng.randint(1, 7),
        "call_responsible": rng.choice(("Василий", 9_100_001)),
    }
    attachment = {
        "is_drive_attachment": True,
        "text": "Снимок экрана.jpg",
        "original_name": "Снимок экрана.jpg",
        "file_uuid": uuid(rng),
        "version_uuid": uuid(rng),
        "file_name": "Snimok_ekrana.jpg",
    }
    old = {"version_uuid": uuid(rng), "file_uuid": uuid(rng), "file_name": "изображение.png"}
    params: dict[str, Row] = {
        "call_in": call,
        "call_out": call,
        "attachment": attachment if rng.random() < 0.8 else old,
        "service_message": service,
        "extended_service_message": service,
        "invoice_paid": {**service, "icon_url": "https://example.com/i.png"},
        "sms_in": {"text": text, "phone": phone},
        "sms_out": {"text": None, "phone": None} if rng.random() < 0.1 else {"text": text, "phone": phone},
        "message_cashier": {"status": "created", "text": text},
        "geolocation": {"text": text, "address": rng.choice(texts.STREETS), "longitude": "37.6", "latitude": "55.7"},
        "amomail_message": {
            "thread_id": rng.randrange(10**6),
            "message_id": rng.randrange(10**6),
            "private": False,
            "income": True,
            "from": {"email": "client@example.com", "name": "Клиент"},
            "to": {"email": "info@example.com", "name": ""},
            "subject": "Re: КП",
            "content_summary": text,
            "attach_cnt": 0,
            "delivery": {"status": "delivered"},
        },
        "site_visit": {"url": "https://example.com/price"},
        "link_followed": {"url": "https://example.com/kp"},
        "transaction": {"transaction_id": rng.randrange(10**6)},
        "targeting_in": {"campaign": "Весна", "contacts": 3, "service": "vk"},
        "zoom_meeting": {"conference": {"id": "1"}, "recordings": []},
        "dropbox_attachment": {"link": "https://example.com/d", "filename": "Прайс.xlsx"},
        "ai_result": {"text": text, "answer_id": uuid(rng), "talk_id": 117, "is_error": False},
        "lead_auto_created": {"link": {"id": 1, "type": "lead"}},
    }
    return params.get(code, {"text": text})
