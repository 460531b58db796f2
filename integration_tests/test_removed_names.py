"""Old deals keep the names of stages, pipelines, people and reasons that the account has removed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testing import models, postgres
from testing.models import Row

NOW = "2026-12-01T12:00:00"
THEN = "2026-10-01T00:00:00Z"
LISTED, REMOVED, NEVER_SEEN = 11, 12, 13
ANNA, GONE, UNKNOWN = 100_001, 100_009, 100_010


def deal(number: int, pipeline: int, stage: int, **values: object) -> Row:
    return {
        "lead_id": number, "name": f"Сделка {number}", "created_at": THEN, "updated_at": THEN, "pipeline_id": pipeline,
        "status_id": stage, "responsible_user_id": ANNA, "sale": 10, **values,
    }  # fmt: skip


def name(table: str, parent: str, number: int, text: str, first_seen: str, gone: str | None) -> Row:
    return {
        "source_table": table, "parent": parent, "id": number, "name": text, "first_seen_at": first_seen,
        "gone_at": gone,
    }  # fmt: skip


def account() -> dict[str, list[Row]]:
    zone = {"datetime_settings": {"timezone": "Europe/Moscow"}, "invoices_settings": {"currency": "RUB"}}
    stage = {"pipeline_id": 1, "pipeline_name": "Продажи", "status_sort": 10}
    summer, autumn = "2026-06-01T00:00:00Z", "2026-09-01T00:00:00Z"
    return {
        "account": [{"account_id": 1, "name": "Ромашка", **zone}],
        "users": [{"user_id": ANNA, "name": "Анна", "is_active": True}],
        "statuses": [
            {**stage, "status_id": LISTED, "status_name": "Новая"},
            {**stage, "status_id": 143, "status_name": "Закрыто и не реализовано"},
        ],
        "loss_reasons": [{"loss_reason_id": 1, "name": "Дорого"}],
        "deals": [
            deal(1, 1, LISTED),
            deal(2, 1, REMOVED, responsible_user_id=GONE),
            deal(3, 1, NEVER_SEEN, responsible_user_id=UNKNOWN),
            deal(4, 5, 51),
            deal(5, 1, 143, loss_reason_id=7, closed_at=THEN),
        ],
        "deal_statuses": [
            {
                "note_id": "a", "lead_id": 5, "created_at": THEN, "created_by": GONE, "pipeline_id_old": 1,
                "status_old": REMOVED, "pipeline_id_new": 1, "status_new": 143,
            }
        ],
        "names": [
            name("statuses", "1", LISTED, "Заявка", summer, autumn),
            name("statuses", "1", LISTED, "Новая", autumn, None),
            name("statuses", "1", REMOVED, "Счёт", summer, autumn),
            name("statuses", "1", REMOVED, "Счёт выставлен", autumn, THEN),
            name("statuses", "2", NEVER_SEEN, "Чужая воронка", summer, None),
            name("pipelines", "", 5, "Опт", summer, autumn),
            name("statuses", "5", 51, "Заказ", summer, autumn),
            name("users", "", ANNA, "Анна П.", summer, autumn),
            name("users", "", GONE, "Пётр", summer, autumn),
            name("loss_reasons", "", 7, "Нет бюджета", summer, autumn),
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        file = str(tmp_path_factory.mktemp("names") / "crm.duckdb")
        found = {"duckdb": file, "postgres": stack.enter_context(postgres.server())}
        for flavour, database in found.items():
            models.store(database, "1001", account(), flavour)
            models.build(database, "--now", NOW)
        yield found


@pytest.mark.parametrize("flavour", ["duckdb", "postgres"])
def test_the_last_name_that_a_sync_has_seen_stays(databases: dict[str, str], flavour: str) -> None:
    with models.asking(databases[flavour]) as ask:
        deals = "SELECT deal_id, pipeline_name, status_name, responsible_name, loss_reason FROM amocrm_marts.deals"
        lost = "Закрыто и не реализовано"
        assert [tuple(row.values()) for row in ask(f"{deals} ORDER BY 1")] == [
            (1, "Продажи", "Новая", "Анна", None),
            (2, "Продажи", "Счёт выставлен", "Пётр", None),
            (3, "Продажи", None, f"№ {UNKNOWN}", None),
            (4, "Опт", "Заказ", "Анна", None),
            (5, "Продажи", lost, "Анна", "Нет бюджета"),
        ]
        moved = "SELECT status_name, status_name_before, moved_by_name FROM amocrm_marts.deal_stage_history"
        assert ask(f"{moved} WHERE deal_id = 5 ORDER BY position DESC LIMIT 1") == [
            {"status_name": lost, "status_name_before": "Счёт выставлен", "moved_by_name": "Пётр"}
        ]
        assert ask("SELECT lost_from_status_name AS stage FROM amocrm_marts.lost_deals") == [
            {"stage": "Счёт выставлен"}
        ]
        assert ask("SELECT user_id, is_active FROM amocrm_staging.stg_users ORDER BY 1") == [
            {"user_id": ANNA, "is_active": True}, {"user_id": GONE, "is_active": False},
        ]  # fmt: skip
