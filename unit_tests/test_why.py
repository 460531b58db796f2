"""Each cause for which a card is not where it is looked for is named, with the one command that mends it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.assistant.why import CAUSES, Facts, diagnosis
from amocrm_warehouse.assistant.why_command import why

SYNCED = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
EARLIER, LATER = SYNCED - timedelta(days=5), SYNCED + timedelta(hours=2)
SYNC = {
    "started_at": SYNCED,
    "ended_at": SYNCED + timedelta(minutes=1),
    "ended_well": True,
    "rows": 5,
    "failures": "[]",
}
FAILED = SYNC | {"ended_well": False, "failures": '["deals: amoCRM refused (403)."]'}
TABLES = {"deals", "syncs"}
LIVE = {"updated_at": EARLIER, "is_deleted": False, "_airbyte_extracted_at": SYNCED, "updated_by": 1}
TOMBSTONE = LIVE | {"is_deleted": True}
THERE = {"updated_at": EARLIER.timestamp(), "created_at": EARLIER.timestamp(), "is_deleted": False}
TRASHED = THERE | {"is_deleted": True}
OF_TRASH = {"deleted_at": EARLIER, "restored_at": None, "created_by": 7}
RETURN = {"deleted_at": None, "restored_at": SYNCED, "created_by": 7}
BUILT = LATER
MADE: dict[str, dict[str, Any]] = {
    "other_project": {"tables": set(), "projects": ["1001", "2002"], "project": "101"},
    "never_synced": {"tables": set(), "projects": ["north", "south"], "project": "101"},
    "refused": {"refusal": "the token is not valid", "asked": True},
    "table_failed": {"syncs": [FAILED]},
    "table_never_read": {"tables": {"syncs"}},
    "first_sync_unfinished": {"syncs": [SYNC | {"ended_well": False}]},
    "deletions_ignored": {"held": LIVE, "asked": True, "account": TRASHED, "settings": {"deleted_rows": "ignore"}},
    "restored_since": {"held": TOMBSTONE, "deletion": RETURN},
    "deleted": {"held": TOMBSTONE, "deletion": OF_TRASH},
    "merged": {"held": LIVE, "listed_at": LATER},
    "gone_since": {"held": LIVE, "listed_at": SYNCED, "is_listed": True, "asked": True},
    "unsorted": {"asked": True, "account": THERE | {"is_unsorted": True}},
    "trashed_before": {"asked": True, "account": TRASHED},
    "before_start_date": {"asked": True, "account": THERE, "settings": {"start_date": "2026-11-18T00:00:00Z"}},
    "created_since": {"asked": True, "account": THERE | {"created_at": LATER.timestamp()}},
    "changed_and_missing": {"asked": True, "account": THERE | {"updated_at": LATER.timestamp()}},
    "missed": {"asked": True, "account": THERE},
    "another_card": {"elsewhere": ["a contact of 1001"]},
    "unknown_to_account": {"asked": True},
    "never_read": {},
    "changed_since": {"held": LIVE, "asked": True, "account": THERE | {"updated_at": LATER.timestamp()}},
    "stale": {"held": LIVE, "asked": True, "account": THERE | {"updated_at": (EARLIER + timedelta(1)).timestamp()}},
    "no_marts": {"held": LIVE},
    "built_before": {"held": LIVE, "marts": EARLIER},
    "not_in_marts": {"held": LIVE, "marts": BUILT},
    "marts_are_older": {"held": LIVE, "marts": BUILT, "counted": {"updated_at": EARLIER - timedelta(1)}},
    "counted": {"held": LIVE, "marts": BUILT, "counted": {"updated_at": EARLIER}},
}
"""What is known of a deal, by the cause that it has."""


def test_every_cause_is_made() -> None:
    assert list(MADE) == [cause.name for cause in CAUSES]


@pytest.mark.parametrize("cause", MADE)
def test_each_cause_is_named_with_a_command(cause: str) -> None:
    facts: dict[str, Any] = {"project": "1001", "kind": "deal", "id": 5, "tables": TABLES, "syncs": [SYNC]} | MADE[
        cause
    ]
    found = diagnosis(Facts(**facts), "duckdb:///crm.duckdb")
    assert found["cause"] == cause
    assert found["mend"].startswith("source-amocrm ")
    assert "{" not in found["why"] + found["mend"]
    assert "None" not in found["why"] + found["mend"]


@pytest.mark.parametrize(
    ("project", "there", "mend"),
    [
        ("101", ["1001", "2002"], "why --project 1001 deal 5"),
        ("example", ["1001"], "why --project 1001 deal 5"),
        ("101", ["north", "south"], "sync --config config.json --project 101"),
        ("101", [], "sync --config config.json --project 101"),
    ],
    ids=["misspelled", "only", "new", "empty"],
)
def test_a_project_without_tables_is_mended_by_the_name_that_has_them(
    project: str, there: list[str], mend: str
) -> None:
    found = diagnosis(Facts(project, "deal", 5, set(), projects=there))
    assert found["mend"] == f"source-amocrm {mend}"


def test_the_failure_of_another_table_is_none_of_this_one() -> None:
    other = SYNC | {"failures": '["tasks: amoCRM refused (403)."]'}
    assert diagnosis(Facts("1001", "deal", 5, TABLES, syncs=[other]))["cause"] == "never_read"


def test_the_failures_of_a_sync_come_as_text_or_as_a_list() -> None:
    """DuckDB and PostgreSQL each have their own."""
    of_list = SYNC | {"ended_well": False, "failures": ["deals: amoCRM refused (403)."]}
    found = [diagnosis(Facts("1001", "deal", 5, TABLES, syncs=[one])) for one in (FAILED, of_list)]
    assert found[0] == found[1]
    assert found[1]["cause"] == "table_failed"


def test_moments_come_as_seconds_texts_and_times_with_or_without_a_zone() -> None:
    """DuckDB, PostgreSQL, amoCRM and the config each have their own."""
    for moment in (SYNCED, SYNCED.replace(tzinfo=None), SYNCED.timestamp(), "2026-11-20T12:00:00Z"):
        found = diagnosis(Facts("1001", "deal", 5, TABLES, held=LIVE | {"updated_at": moment}, syncs=[SYNC]))
        assert found["in_database"]["updated_at"] == "2026-11-20 12:00 UTC"


@pytest.mark.parametrize(("is_deleted", "cause"), [(True, "deleted"), (False, "no_marts")])
@pytest.mark.parametrize("first", ["deletion", "return"])
def test_of_a_deletion_and_a_return_within_one_second_the_one_that_the_row_shows_counts(
    tmp_path: Path, first: str, is_deleted: bool, cause: str
) -> None:
    moment = "TIMESTAMPTZ '2026-11-20 12:00:00+00'"
    events = {"deletion": f"({moment}, {moment}, NULL", "return": f"({moment}, NULL, {moment}"}
    written = ", ".join(f"{one}, 5, 'lead', 7)" for one in (events.pop(first), *events.values()))
    names = "created_at, deleted_at, restored_at, entity_id, entity_type, created_by"
    database = str(tmp_path / "crm.duckdb")
    with duckdb.connect(database) as connection:
        connection.execute("CREATE SCHEMA amocrm")
        connection.execute(
            f"CREATE TABLE amocrm.amocrm_1_deleted_entities AS SELECT * FROM (VALUES {written}) AS event ({names})"
        )
        connection.execute(
            f"CREATE TABLE amocrm.amocrm_1_deals AS SELECT 5 AS lead_id, {moment} AS updated_at, "
            f"{is_deleted} AS is_deleted, 7 AS updated_by"
        )
    assert why(database, "1", "deal", 5)["cause"] == cause
