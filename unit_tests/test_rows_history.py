"""Rows of the history of deals, and of what was deleted."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.account.event_kinds import ENDED_OR_RETURNED
from source_amocrm.streams import schema
from source_amocrm.streams.events import loss_reason
from source_amocrm.streams.record import Record, RowError
from testing.row_functions import deletions, field_changes, responsible_change, sale_change
from testing.sample_files import sample

LEAD = {"id": "01a", "entity_id": 5, "entity_type": "lead", "created_by": 7, "created_at": 1653998416, "account_id": 3}
HEAD = {"event_id": "01a", "lead_id": 5, "created_by": 7, "created_at": "2022-05-31T12:00:16Z"}
AT = "2022-05-31T12:00:16Z"


def event(kind: str, shape: str | None = None, **given: Any) -> dict[str, Any]:
    return {**LEAD, "type": kind, **(sample("event_value_shapes", shape) if shape else {}), **given}


def values(*pairs: tuple[int | None, str], field: int | None = 9) -> list[dict[str, Any]]:
    return [
        {"custom_field_value": {"field_id": field, "field_type": 5, "enum_id": enum, "text": text}}
        for enum, text in pairs
    ]


def test_another_responsible_user() -> None:
    users = {"responsible_user_id_new": 504329, "responsible_user_id_old": 37268}
    given = event("entity_responsible_changed", "entity_responsible_changed")
    assert responsible_change(given) == [{**HEAD, **users, "account_id": 3}]
    assert responsible_change({**given, "entity_type": "contact"}) == []


def test_another_budget() -> None:
    given = event("sale_field_changed", "sale_field_changed__from_clients")
    assert sale_change(given) == [{**HEAD, "sale_new": 155, "sale_old": 100, "account_id": 3}]
    assert sale_change({**given, "value_before": []})[0]["sale_old"] is None


def test_a_documented_change_of_a_field() -> None:
    [row] = field_changes(event("custom_field_value_changed", "custom_field_value_changed"))
    assert row == {
        **HEAD,
        "custom_field_id": 53728,
        "field_type": 8,
        "value_new": '["example1@test.com","example@test.com"]',
        "value_old": "example@test.com",
        "enums_new": [2352876, 2352876],
        "enums_old": [193200],
        "account_id": 3,
    }
    assert list(row) == list(schema.load("deal_field_changes")["properties"])


@pytest.mark.parametrize("kind", ["custom_field_9_value_changed", "custom_field_value_changed"])
def test_a_field_that_was_filled_and_cleared(kind: str) -> None:
    [filled] = field_changes(event(kind, value_after=values((None, "1")), value_before=[]))
    assert (filled["custom_field_id"], filled["value_new"], filled["value_old"]) == (9, "1", None)
    [cleared] = field_changes(event(kind, value_after=[], value_before=values((4, "a"), (5, "b"))))
    assert (cleared["value_new"], cleared["value_old"], cleared["enums_old"]) == (None, '["a","b"]', [4, 5])


def test_the_field_is_named_by_the_event_or_by_its_values() -> None:
    own = event("custom_field_9_value_changed", value_after=values((None, "1"), field=None))
    assert [row["custom_field_id"] for row in field_changes(own)] == [9]
    silent = event("custom_field_9_value_changed", value_after=[], value_before=[])
    assert [(row["custom_field_id"], row["value_new"]) for row in field_changes(silent)] == [(9, None)]
    assert field_changes(event("custom_field_value_changed", value_after=[], value_before=[])) == []
    two = [*values((1, "x"), field=8), *values((2, "y"))]
    assert [row["custom_field_id"] for row in field_changes(event("custom_field_value_changed", value_after=two))] == [
        8,
        9,
    ]
    with pytest.raises(RowError, match="deal_field_changes"):
        field_changes(event("custom_field_value_changed", value_after=values((1, "x"), field=None)))


@pytest.mark.parametrize(
    "given",
    [event("custom_field_9_value_changed", entity_type="contact"), event("name_field_changed"), event(None)],  # type: ignore[arg-type]
)
def test_what_is_no_change_of_a_deals_field(given: dict[str, Any]) -> None:
    assert field_changes(given) == []


def test_every_kind_of_deletion_and_return_has_its_row() -> None:
    for kind in ENDED_OR_RETURNED - {"common_note_deleted"}:
        entity, _, what = kind.partition("_")
        [row] = deletions(event(kind, entity_type=entity, value_after=[], value_before=[]))
        assert (row["entity_type"], row["entity_id"], row["parent_id"]) == (entity, 5, None)
        times = (AT, None) if what == "deleted" else (None, AT)
        assert (row["deleted_at"], row["restored_at"]) == times
        assert list(row) == list(schema.load("deleted_entities")["properties"])
    assert deletions(event("entity_tag_deleted")) == []


@pytest.mark.parametrize("side", ["value_after", "value_before"])
def test_a_deleted_note(side: str) -> None:
    [row] = deletions(event("common_note_deleted") | {side: [{"note": {"id": 12}}]})
    assert (row["entity_type"], row["entity_id"], row["deleted_at"]) == ("note", 12, AT)
    assert (row["parent_type"], row["parent_id"]) == ("lead", 5)


def test_a_deleted_note_that_has_no_id_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Record, "report", lambda record, column, _: told.append(f"{record.table}.{column}"))
    assert deletions(event("common_note_deleted", value_after=[])) == []
    assert told == ["deleted_entities.entity_id"]


@pytest.mark.parametrize("make", [responsible_change, sale_change, field_changes, deletions])
def test_what_is_no_event_at_all(make: Any) -> None:
    with pytest.raises(RowError):
        make([])
    assert make({"id": "01a"}) == []


@pytest.mark.parametrize(
    ("status", "reason", "found"),
    [(143, 7, 7), ("143", "7", 7), (143, 0, None), (143, None, None), (143, "none", None), (142, 7, None)],
)
def test_the_reason_of_a_lead_that_is_lost(status: Any, reason: Any, found: int | None) -> None:
    """Also where amoCRM sends numbers as texts."""
    assert loss_reason({"status_id": status, "loss_reason_id": reason}) == found
