"""Users, groups, roles, pipelines, reasons of loss, tags and the other short lists."""

from __future__ import annotations

from random import Random

from ..account_data import ENTITIES, AccountData
from ..store import Row
from .texts import LOSS_REASONS, TAGS

ALL = {"view": "A", "edit": "A", "add": "A", "delete": "A", "export": "A"}
OWN = {"view": "M", "edit": "M", "add": "D", "delete": "D", "export": "D"}
STAGES = {
    "Продажи": ("Первичный контакт", "Переговоры", "Принимают решение", "Согласование договора"),
    "Опт": ("Заявка", "Расчёт", "Счёт выставлен", "Оплата", "Отгрузка"),
    "Партнёры": ("Знакомство", "Договор"),
    "Архив 2021": ("Новая", "В работе"),
}
COLORS = ("#99ccff", "#ffff99", "#ffcc66", "#ffcccc", "#ccff66", "#fd5598")
RANKS = ("master", "candidate", "newbie")
USERS = (
    ("Мария Крылова", True, True, 0), ("Иван Петренко", False, True, 1), ("Олег Шмидт", False, True, 1),
    ("Анна Ким", False, True, 2), ("Тимур Гараев", False, True, 2), ("Дарья Белая", False, False, 2),
    ("Робот интеграции", True, True, 0),
)  # fmt: skip


def rights(admin: bool, group_id: int | None, role_id: int | None, active: bool, free: bool) -> Row:
    scope = ALL if admin else OWN
    return {
        "leads": scope,
        "contacts": scope,
        "companies": scope,
        "tasks": {"edit": "A", "delete": "A"},
        "mail_access": admin,
        "catalog_access": True,
        "status_rights": None if admin else [],
        "is_admin": admin,
        "is_free": free,
        "is_active": active,
        "group_id": group_id,
        "role_id": role_id,
    }


def add_people(account: AccountData) -> list[int]:
    """Adds users, groups and roles. Returns all user ids, those of two removed users last."""
    account.groups = [
        {"id": 0, "name": "Отдел продаж", "uuid": None},
        {"id": 412_301, "name": "Опт", "uuid": "5b1c9a3e-6a55-4d7c-9d5b-0c5a3f1d2e01"},
        {"id": 412_302, "name": "Колл-центр", "uuid": "5b1c9a3e-6a55-4d7c-9d5b-0c5a3f1d2e02"},
    ]
    account.roles = [
        {"id": 107_995, "name": "Менеджер", "rights": {k: rights(False, 0, 0, True, False)[k] for k in
            ("leads", "contacts", "companies", "tasks", "mail_access", "catalog_access", "status_rights")}},
    ]  # fmt: skip
    for number, (name, admin, active, group) in enumerate(USERS):
        user_id = 9_100_001 + number * 37
        group_id = account.groups[group]["id"] or None
        account.users[user_id] = {
            "id": user_id,
            "name": name,
            "email": f"user{number + 1}@example.com",
            "lang": "ru" if number != 3 else "en",
            "rights": rights(admin, group_id, None if admin else 107_995, active, not active),
            "phone_number": f"+7495000000{number}" if number % 2 else None,
            "uuid": f"0e4c8a5e-2b0f-4a7e-9d52-3f1c1b7a9e{number:02d}" if number else None,
            "amojo_id": f"f3c6340d-410e-4ad1-9f7e-c5e6635999{number:02d}" if number != 5 else None,
            "user_rank": RANKS[number % 3],
        }
    account.claim_ids("users", max(account.users))
    return [*account.users, 9_099_001, 9_099_038]


def hints(account_id: int, pipeline_id: int, status_id: int) -> list[Row]:
    """What the settings of a status tell managers of each level."""
    return [
        {
            "account_id": account_id,
            "created_at": "2023-05-05 09:38:00",
            "created_by": 9_100_001,
            "description": f"Что делать на этом этапе ({level})",
            "id": status_id * 10 + number,
            "level": level,
            "pipeline_id": pipeline_id,
            "status_id": status_id,
            "updated_at": "2023-05-05 09:38:00",
            "updated_by": None,
        }
        for number, level in enumerate(("newbie", "candidate", "master"))
    ]


def add_pipelines(account: AccountData, rng: Random) -> None:
    for number, (name, stages) in enumerate(STAGES.items()):
        pipeline_id = 7_100_002 + number * 1_034
        first = 61_000_010 + number * 5_000
        statuses = [("Неразобранное", first, 10, 1, "#c1c1c1")]
        statuses += [(s, first + 7 * i, 10 * i + 10, 0, rng.choice(COLORS)) for i, s in enumerate(stages, 1)]
        statuses += [
            ("Успешно реализовано", 142, 10_000, 0, "#CCFF66"),
            ("Закрыто и не реализовано" if number else "Потеряли", 143, 11_000, 0, "#D5D8DB"),
        ]
        account.pipelines.append({
            "id": pipeline_id,
            "name": name,
            "sort": number + 1,
            "is_main": number == 0,
            "is_unsorted_on": number != 3,
            "is_archive": number == 3,
            "account_id": account.id,
            "statuses": [
                {
                    "id": status_id,
                    "name": title,
                    "sort": sort,
                    "is_editable": status_id not in (142, 143) and kind == 0,
                    "pipeline_id": pipeline_id,
                    "color": color,
                    "type": kind,
                    "account_id": account.id,
                    "descriptions": hints(account.id, pipeline_id, status_id) if sort in (20, 30) else [],
                }
                for title, status_id, sort, kind, color in statuses
            ],
        })  # fmt: skip


def add_short_lists(account: AccountData, start: int) -> None:
    account.loss_reasons = [
        {
            "id": 12_437_536 + i * 8,
            "name": name,
            "sort": 10 * (i + 1),
            "created_at": start,
            "updated_at": start + i * 777,
        }
        for i, name in enumerate(LOSS_REASONS)
    ]
    account.task_types = [
        {"id": 1, "name": "Связаться", "color": None, "icon_id": None, "code": "FOLLOW_UP"},
        {"id": 2, "name": "Встреча", "color": None, "icon_id": None, "code": "MEETING"},
        {"id": 284_845, "name": "Замер", "color": "ffcc66", "icon_id": 4, "code": None},
        {"id": 284_846, "name": "Отправить КП", "color": None, "icon_id": 9, "code": None},
    ]
    account.sources = [
        {
            "id": 9_619 + i,
            "name": name,
            "pipeline_id": account.pipelines[i]["id"],
            "external_id": external_id,
            "default": i == 0,
            "origin_code": f"amo.ext.30490163_v{i}" if i else None,
            "services": [],
        }
        for i, (name, external_id) in enumerate(
            [("Номер отдела продаж", "+7 495 000 00 00"), ("Лендинг", "65bd500b-fd52-4599-ab58-943ce3dd058c")]
        )
    ]
    for entity in ENTITIES:
        account.tag_list[entity] = [
            {"id": 100_001 + n * 13, "name": name, "color": "EBEBEB" if entity == "leads" and n % 3 == 0 else None}
            for n, name in enumerate(TAGS[entity], ENTITIES.index(entity) * 100)
        ]
        account.claim_ids(f"{entity}/tags", 199_999)
    account.webhooks = [
        {
            "id": 839_656,
            "destination": "https://example.com/hook",
            "created_at": start + 5_000,
            "updated_at": start + 6_000,
            "account_id": account.id,
            "created_by": next(iter(account.users)),
            "sort": 1,
            "disabled": False,
            "settings": ["add_task", "update_lead"],
        }
    ]
    account.widgets = [
        {
            "id": 742 + i * 54,
            "code": code,
            "version": "1.0.1",
            "rating": "2,8",
            "settings_template": [{"key": "conf", "name": "custom", "type": "custom", "is_required": False}],
            "is_lead_source": False,
            "is_work_with_dp": i == 1,
            "is_crm_template": False,
            "client_uuid": "0e4c8a5e-2b0f-4a7e-9d52-3f1c1b7a9e10" if i == 2 else None,
            "is_active_in_account": i == 1,
            "pipeline_id": account.pipelines[0]["id"] if i == 2 else None,
        }
        for i, code in enumerate(("amo_dropbox", "amo_mailchimp", "onlinepbx"))
    ]
