"""Catalogs, segments, transactions, unsorted, talks and files of the generated account."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from ..account_data import ENTITIES, AccountData
from ..store import Row, row_table
from . import texts
from .field_values import entry, uuid, values_for
from .fields import add_fields
from .history import History
from .timeline import Timeline

CLOSED_TALKS = ("closed", "closed", "nps_scheduled", "nps_in_progress", "with_error")
CATALOGS = (("Просто список", "regular"), ("Товары", "products"), ("Счета", "invoices"))


def add_catalogs(account: AccountData, rng: Random, time: Timeline, elements: int) -> None:
    for number, (name, kind) in enumerate(CATALOGS):
        catalog_id = 4_517 + number * 4
        created, user = time.start + number * 99, next(iter(account.users))
        account.catalogs.append({
            "id": catalog_id,
            "name": name,
            "created_by": user,
            "updated_by": user,
            "created_at": created,
            "updated_at": created + 1_000,
            "sort": 10 * (number + 1),
            "type": kind,
            "can_add_elements": kind != "invoices",
            "can_show_in_cards": False,
            "can_link_multiple": True,
            "can_be_deleted": kind != "products",
            "sdk_widget_code": None if number else "onlinepbx",
            "account_id": account.id,
        })  # fmt: skip
        add_fields(account, f"catalogs/{catalog_id}", kind)
        account.field_groups[f"catalogs/{catalog_id}"] = field_groups("catalogs")
        _add_elements(account, rng, time, catalog_id, elements)


def _add_elements(account: AccountData, rng: Random, time: Timeline, catalog_id: int, count: int) -> None:
    table = account.elements[catalog_id] = row_table()
    rows = []
    fields = account.fields[f"catalogs/{catalog_id}"]
    for created in time.moments(count):
        filled = [entry(f, values_for(account, f, rng)) for f in fields if rng.random() < 0.8]
        user = next(iter(account.users))
        rows.append({
            "id": account.next_id("elements"),
            "name": f"{rng.choice(texts.GOODS)} {rng.randint(1, 99)}",
            "created_by": user,
            "updated_by": user,
            "created_at": created,
            "updated_at": time.after(created, 100),
            "is_deleted": None,
            "custom_fields_values": filled or None,
            "catalog_id": catalog_id,
            "account_id": account.id,
        })  # fmt: skip
    table.load((row["id"], row) for row in rows)


def add_customer_lists(account: AccountData, start: int) -> None:
    special = entry(account.fields["customers/segments"][0], [{"value": True}])
    account.segments = [
        {
            "id": 43 + 2 * n,
            "created_at": start + n,
            "updated_at": start + 100 + n,
            "account_id": account.id,
            "name": name,
            "color": "6610f2",
            "available_products_price_types": [288_891] if n == 1 else [],
            "customers_count": 0,
            "custom_fields_values": [special] if n == 1 else [],
        }
        for n, name in enumerate(("Розница", "Опт", "Госзаказ"))
    ]
    account.customer_statuses = [
        {
            "id": 4_740_010 + 3 * n,
            "name": name,
            "sort": n,
            "is_default": n != 1,
            "conditions": [[{"type": "before_purchase", "match": {"value": 0}, "conditions": [{"value": 0}]}]]
            if kind == 3
            else [],
            "color": "#ccff66",
            "type": kind,
            "account_id": account.id,
        }
        for n, (name, kind) in enumerate((("Недавно купил", 4), ("Этап 1", 0), ("Ждём покупку", 3), ("Закрыто", 2)))
    ]


def add_transactions(account: AccountData, rng: Random, time: Timeline) -> None:
    rows: list[Row] = []
    products = account.catalogs[1]["id"]
    product = next(iter(account.elements[products].rows))
    for customer in account.tables["customers"]:
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            at = time.after(customer["created_at"], 100)
            rows.append({
                "id": account.next_id("transactions"),
                "price": rng.randrange(100, 90_000) + (0.75 if len(rows) % 3 == 0 else 0),
                "comment": rng.choice((None, "Предоплата")),
                "completed_at": at,
                "customer_id": customer["id"],
                "created_by": customer["created_by"],
                "updated_by": customer["created_by"],
                "created_at": at,
                "updated_at": at,
                "is_deleted": False,
                "account_id": account.id,
                "catalog_elements": [{"id": product, "metadata": {"catalog_id": products, "quantity": 2}}]
                if len(rows) % 4 == 1 else [],
            })  # fmt: skip
    account.tables["transactions"].load((row["id"], row) for row in rows)


def add_unsorted(account: AccountData, rng: Random, users: list[int], moments: Iterable[int]) -> None:
    """Adds leads in the unsorted status of their pipeline, whose contacts are hidden from the lists."""
    leads = account.tables["leads"]
    for created in moments:
        pipeline = rng.choice(account.pipelines[:2])
        lead_id, contact_id = account.next_id("leads"), account.next_id("contacts")
        common: Row = {
            "responsible_user_id": users[0],
            "group_id": 0,
            "created_by": 0,
            "updated_by": 0,
            "created_at": created,
            "updated_at": created,
            "closest_task_at": None,
            "is_deleted": False,
            "custom_fields_values": None,
            "account_id": account.id,
        }
        lead = {
            "id": lead_id,
            "name": "Заявка с сайта",
            "price": 0,
            "status_id": pipeline["statuses"][0]["id"],
            "pipeline_id": pipeline["id"],
            "loss_reason_id": None,
            "source_id": None,
            "closed_at": None,
            "score": None,
            "labor_cost": None,
            "is_price_modified_by_robot": False,
            "is_price_computed": False,
            **common,
        }
        if account.switches.unsorted_visible:
            leads.put(lead_id, lead)
        else:
            account.hidden["leads"][lead_id] = lead
        contact = {"id": contact_id, "name": "Новый", "first_name": "Новый", "last_name": "", "is_unsorted": True}
        account.hidden["contacts"][contact_id] = {**contact, **common}
        account.links.add("leads", lead_id, "contacts", contact_id)
        account.links.main["leads", lead_id] = contact_id
        category = rng.choice(("sip", "forms", "mail", "chats"))
        uid = f"{rng.getrandbits(148):037x}"
        account.unsorted[uid] = {
            "uid": uid,
            "source_uid": f"lead-{lead_id}" if len(account.unsorted) % 2 else None,
            "source_name": "UIS",
            "category": category,
            "pipeline_id": pipeline["id"],
            "created_at": created,
            "metadata": {"from": "79990000000", "service_code": "uis_widget"},
            "account_id": account.id,
            "lead": lead_id,
            "contact": contact_id,
        }


def field_groups(entity: str) -> list[Row]:
    """Returns the groups of fields on an entity's card. Segments have none."""
    if entity == "customers/segments":
        return []
    groups = (("default", "Основное", "custom_field_group"), ("statistic", "Статистика", "linked_group"))
    return [
        {
            "id": group_id,
            "name": name,
            "is_predefined": True,
            "type": kind,
            "entity_type": entity,
            "sort": sort,
        }
        for sort, (group_id, name, kind) in enumerate(groups)
    ]


def keep_message(account: AccountData, message: Row, at: int, text: str, kind: str = "incoming") -> None:
    """Adds the text of a chat message. Every third one has a file; users and bots take turns to write outgoing ones."""
    number = len(account.chat_messages)
    who = "external" if kind == "incoming" else ("internal", "bot")[number % 2]
    account.chat_messages[message["id"]] = {
        "id": message["id"],
        "talk_id": message["talk_id"],
        "type": kind,
        "message_type": "file" if number % 3 == 2 else "text",
        "origin": message["origin"],
        "text": text,
        "author": {"id": f"{number:08x}-0000-4000-8000-000000000000", "type": who, "name": f"Имя {number}"},
        "created_at": at,
        **({"attachment": {"link": f"https://drive-b.amocrm.ru/{number}", "file_name": f"{number}.pdf"}}
           if number % 3 == 2 else {}),
        **({"delivery_status": "read"} if kind == "outgoing" else {}),
    }  # fmt: skip


def add_bots(account: AccountData) -> None:
    account.bots = [{"id": 71 + n, "name": name} for n, name in enumerate(("Приветствие", "Сбор заявок", "Оценка"))]


def add_talks_and_files(account: AccountData, rng: Random, time: Timeline, history: History, count: int) -> None:
    leads = list(account.tables["leads"].rows)
    customers = list(account.tables["customers"].rows)
    if not leads or not customers:
        return
    attached = [own for kind in ENTITIES for note in account.tables[f"{kind}/notes"] if (own := file_uuid_of(note))]
    for number, created in enumerate(time.moments(count)):
        lead = rng.choice(leads)
        contacts = account.links.of("leads", lead, "contacts")
        in_work, channel = rng.random() < 0.3, rng.choice(("telegram", "waba", "com.wazzup.whatsapp"))
        belongs = ("customer", customers[number % len(customers)]) if number % 7 == 3 else ("lead", lead)
        account.talks.append({
            "talk_id": 117 + number,
            "created_at": created,
            "updated_at": time.after(created, 1),
            "rate": 0,
            "contact_id": contacts[0] if contacts else None,
            "chat_id": uuid(rng),
            "entity_id": None if number % 11 == 4 else belongs[1],
            "entity_type": None if number % 11 == 4 else belongs[0],
            "status": "in_work" if in_work else CLOSED_TALKS[number % len(CLOSED_TALKS)],
            "is_in_work": in_work,
            "is_read": True,
            "origin": channel,
            "source_id": account.sources[number % 2]["id"] if number % 4 else None,
            "missed_at": created + 60 if number % 5 == 1 else None,
            "account_id": account.id,
        })  # fmt: skip
        if contacts:
            message = {"id": uuid(rng)} | ({"origin": channel, "talk_id": 117 + number} if number % 3 else {})
            history.chatted(lead, contacts[0], message, created)
            if "talk_id" in message:
                keep_message(account, message, created, texts.GOODS[number % len(texts.GOODS)])
        author = {"type": "internal", "id": next(iter(account.users)) if number % 3 else 0}
        trashed = number % 8 == 5
        account.files.append({
            "created_at": created,
            "created_by": author,
            "deleted_at": created + 90 if trashed else None,
            "deleted_by": author if trashed else None,
            "has_multiple_versions": number % 4 == 1,
            "is_trashed": trashed,
            "metadata": {"extension": "jpg", "mime_type": "image/jpeg"} if number % 6 else None,
            "name": f"Фото {number}",
            "previews": [{"download_link": f"https://drive-b.amocrm.ru/preview/{number}", "width": 80, "height": 60}]
            if number % 5 == 2 else None,
            "sanitized_name": f"Foto_{number}",
            "size": rng.randrange(10**6),
            "source_id": 5_001 if number % 4 == 2 else None,
            "type": "image" if number % 6 else "file",
            "updated_at": min(created + 600, time.end),
            "updated_by": author,
            "uuid": attached[number // 2] if number % 2 and number // 2 < len(attached) else uuid(rng),
            "version_uuid": uuid(rng),
        })  # fmt: skip


def file_uuid_of(note: Row) -> str | None:
    """The file that a note attaches to its card."""
    return (note["params"] or {}).get("file_uuid")
