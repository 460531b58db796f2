"""What is not known of amoCRM's answers: which fields and types are counted, which names are told, and how."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.streams.schema_drift import (
    KNOWN,
    MOST_COUNTED,
    MOST_NAMED,
    OTHER,
    SchemaDrift,
    Unknown,
    drift_warning,
)
from testing.sample_files import LISTS, sample


def met(path: str, *bodies: Any) -> list[Unknown]:
    drift = SchemaDrift(KNOWN)
    for body in bodies:
        drift.look(path, body)
    return drift.found()


@pytest.mark.parametrize(("name", "path"), LISTS.items())
def test_nothing_that_amocrm_documents_or_that_was_recorded_is_unknown(name: str, path: str) -> None:
    body = sample(name)
    assert met(path, body) == []
    assert met(path, {**body, "_embedded": page_with(body)}) != [], "the path is not looked at"


def page_with(body: Any) -> Any:
    """The answer's `_embedded` with a field in every record that nobody knows."""
    embedded = body.get("_embedded")
    lists = embedded if isinstance(embedded, dict) else {}
    named = {name: [{**one, "is_new": 1} for one in rows] for name, rows in lists.items() if isinstance(rows, list)}
    return {**lists, **named, "is_new": 1}


def test_fields_are_counted_by_their_path_in_every_shape_of_a_list() -> None:
    rows = [
        {"id": 1, "is_vip": True, "_links": {}, "_embedded": {"tags": [{"id": 2, "kind": 1}], "pets": []}},
        {"id": 2, "is_vip": None, "_embedded": {"tags": {"0": {"id": 2, "kind": 1}, "1": {"id": 3, "kind": 1}}}},
    ]
    assert met(
        "/api/v4/leads",
        {"_embedded": {"leads": rows}},
        {"_embedded": {"leads": {"0": rows[0]}}},
        {"_embedded": {"leads": []}},
        None,
    ) == [
        Unknown("leads", None, "_embedded.pets", 2),
        Unknown("leads", None, "_embedded.tags.kind", 4),
        Unknown("leads", None, "is_vip", 3),
    ]
    assert met("/api/v4/leads/17", {"id": 17, "is_vip": True}) == [Unknown("leads", None, "is_vip", 1)]
    assert met("/api/v4/no/list/of/ours", {"is_vip": True}) == []


def test_types_are_known_by_the_vocabulary_of_their_list() -> None:
    events = [
        {"type": kind, "entity_type": entity}
        for kind, entity in (
            ("lead_added", "lead"),
            ("custom_field_17_value_changed", "catalog_4521"),
            ("lead_frozen", "robot"),
            ("lead_frozen", "lead"),
            (None, 5),
        )
    ]
    assert met("/api/v4/events", {"_embedded": {"events": events}}) == [
        Unknown("events", "entity_type", "robot", 1),
        Unknown("events", "type", "lead_frozen", 2),
    ]
    assert met(
        "/api/v4/contacts/notes", {"_embedded": {"notes": [{"note_type": "hologram"}, {"note_type": "common"}]}}
    ) == [Unknown("contacts/notes", "note_type", "hologram", 1)]
    assert met("/api/v4/tasks", {"_embedded": {"tasks": [{"entity_type": "robots"}, {"entity_type": "leads"}]}}) == [
        Unknown("tasks", "entity_type", "robots", 1)
    ]
    fields = [{"type": "hologram"}, {"type": "text"}]
    assert met("/api/v4/catalogs/7/custom_fields", {"_embedded": {"custom_fields": fields}}) == [
        Unknown("catalogs/custom_fields", "type", "hologram", 1)
    ]


@pytest.mark.parametrize(
    "name", ["79261234567", "Иван", "user@example.com", "example.amocrm.ru", "a b", "", "key1", "x" * 41, "is_vip\n"]
)
def test_a_name_that_may_be_personal_is_counted_and_not_kept(name: str) -> None:
    rows = [{"id": 1, name: 1, "_embedded": {name: []}}]
    assert met("/api/v4/leads", {"_embedded": {"leads": rows}}) == [Unknown("leads", None, OTHER, 2)]
    events = [{"type": name or "?", "entity_type": "lead"}]
    assert met("/api/v4/events", {"_embedded": {"events": events}}) == [Unknown("events", "type", OTHER, 1)]


def test_what_is_kept_and_told_is_bounded() -> None:
    def name(number: int) -> str:
        return "x" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}")

    rows = [{name(number): 1 for number in range(start, start + 500)} for start in range(0, 3_000, 500)]
    found = met("/api/v4/leads", {"_embedded": {"leads": rows}})
    assert len(found) == MOST_COUNTED + 1
    assert sum(one.times for one in found) == 3_000
    line = drift_warning(found)
    assert line is not None
    assert line.count(" (1)") == MOST_NAMED
    assert f"under other names ({3_000 - MOST_NAMED:,})" in line


def test_it_is_said_in_one_sentence_in_the_order_of_lists_and_names() -> None:
    assert drift_warning([]) is None
    drift = SchemaDrift(KNOWN)
    drift.look("/api/v4/tasks", {"_embedded": {"tasks": [{"id": 1, "zeal": 1, "17": 1, "ardour": 1}] * 1_200}})
    drift.look("/api/v4/events", {"_embedded": {"events": [{"type": "lead_frozen", "entity_type": "lead"}]}})
    assert drift_warning(drift.found()) == (
        "amoCRM sent fields that no column holds, or types that no table knows: events: type = lead_frozen (1); "
        "tasks: ardour (1,200), zeal (1,200); under other names (1,200). The numbers are how often they came. Nothing "
        "else is affected; a newer version of this source may have columns for them, and raw_records keeps whole "
        "records meanwhile."
    )
