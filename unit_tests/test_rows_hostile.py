"""Any JSON in any place of an API body makes rows that satisfy their schema, or one clear error.

The bodies are real ones with parts of them replaced, so that the replacement reaches every branch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_amocrm.streams import schema
from source_amocrm.streams.record import RowError
from testing import record_cases
from testing.row_functions import rows, tombstone
from testing.sample_files import sample

MOSCOW = ZoneInfo("Europe/Moscow")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
Make = Callable[[Any], list[dict[str, Any]]]

TELLING = st.sampled_from(
    (
        *(0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64 - 1, 253402300800, -62135596801, 1e300, 0.5, 1.0),
        *("", "0", "1", "12", "-7", "12.5", "1e999", "true", "no", "٣", "9" * 40, "2022-05-31", "leads", "lead"),
        *("checkbox", "date", "date_time", "chained_list", "PHONE", "communication_id", "attachment"),
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | TELLING
)
KEYS = st.text(max_size=3) | st.sampled_from(["0", "1", "id", "_links", "_embedded", "value", "values", "name", "text"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def paths(body: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value, as the keys that lead there."""
    found = [here]
    pairs = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, inner in pairs:
        found += paths(inner, (*here, key))
    return found


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the body with the value at the path; a path that a former replacement cut off changes nothing."""
    if not path:
        return value
    if isinstance(body, dict) and path[0] in body:
        return {**body, path[0]: replaced(body[path[0]], path[1:], value)}
    if isinstance(body, list) and type(path[0]) is int and path[0] < len(body):
        return [replaced(item, path[1:], value) if at == path[0] else item for at, item in enumerate(body)]
    return body


def lead_with_all() -> dict[str, Any]:
    values = [
        {"field_id": 5, "field_name": kind, "field_code": None, "field_type": kind, "values": example}
        for kind in ("checkbox", "date", "date_time", "multitext", "chained_list", "legal_entity")
        for example in sample("custom_field_value_shapes", kind).values()
    ]
    return {**sample("lead_detail_with_all"), "custom_fields_values": values}


def made(table: str, *context: Any, **more: Any) -> Make:
    """By the declaration of a stream whose rows need nothing but the record, and the list that it is in."""
    return lambda body: rows(table, body, *context, **more)


def skeleton(table: str, key: str, **others: Any) -> Make:
    def row(body: Any) -> list[dict[str, Any]]:
        known = body if isinstance(body, dict) else {}
        names = ("id", "account_id", "updated_by", "updated_at")
        return [tombstone(table, key, *(known.get(name) for name in names), **others)]

    return row


def event_with(kind: str, shape: str) -> dict[str, Any]:
    return {**sample("event_detail"), **sample("event_value_shapes", shape), "type": kind}


def note_with(kind: str) -> dict[str, Any]:
    params = sample("note_params_by_type", kind)
    return {**sample("notes_list_by_type", "_embedded", "notes", 0), "note_type": kind, "params": params}


MOVED = {**sample("event_detail"), **sample("event_value_shapes", "lead_status_changed")}
DELETED = sample("lead_only_deleted_item")
CASES: dict[str, tuple[str, Any, Make]] = {
    "deal": ("deals", lead_with_all(), made("deals")),
    "deal_fields": (
        "custom_fields_deals",
        lead_with_all(),
        made("custom_fields_deals", zone=MOSCOW, system_fields={5: True}),
    ),
    "deal_contacts": ("deal_contacts", lead_with_all(), made("deal_contacts")),
    "deal_tags": ("deal_tags", lead_with_all(), made("deal_tags")),
    "deal_catalog_elements": ("deal_catalog_elements", lead_with_all(), made("deal_catalog_elements")),
    "contact": ("contacts", sample("contact_detail_with_all"), made("contacts")),
    "company": ("companies", sample("company_detail"), made("companies")),
    "task": ("tasks", sample("task_detail"), made("tasks")),
    "note": ("notes", sample("notes_list_by_type", "_embedded", "notes", 1), made("notes", "leads")),
    "event": ("events", MOVED, made("events")),
    "responsible_change": (
        "deal_responsible_changes",
        event_with("entity_responsible_changed", "entity_responsible_changed"),
        made("deal_responsible_changes"),
    ),
    "sale_change": (
        "deal_sale_changes",
        event_with("sale_field_changed", "sale_field_changed__from_clients"),
        made("deal_sale_changes"),
    ),
    "field_changes": (
        "deal_field_changes",
        event_with("custom_field_value_changed", "custom_field_value_changed"),
        made("deal_field_changes"),
    ),
    "note_deleted": (
        "deleted_entities",
        event_with("common_note_deleted", "note_bearing_events"),
        made("deleted_entities"),
    ),
    "call": ("calls", note_with("call_in"), made("calls", "leads")),
    "sms": ("messages", note_with("sms_out"), made("messages", "leads")),
    "chat": ("messages", event_with("incoming_chat_message", "chat_messages"), made("messages", "events")),
    "deal_status": ("deal_statuses", MOVED, made("deal_statuses")),
    "statuses": ("statuses", sample("pipelines_list", "_embedded", "pipelines", 0), made("statuses")),
    "user": ("users", sample("users_list", "_embedded", "users", 0), made("users")),
    "group": ("groups", {"id": 0, "name": "Отдел", "uuid": None}, made("groups")),
    "task_type": ("task_types", sample("account", "_embedded", "task_types", 0), made("task_types")),
    "custom_field": ("custom_fields", sample("custom_field_detail"), made("custom_fields", "catalogs", 7)),
    "deal_tombstone": ("deals", DELETED, skeleton("deals", "lead_id")),
    "contact_tombstone": ("contacts", DELETED, skeleton("contacts", "contact_id")),
    "company_tombstone": ("companies", DELETED, skeleton("companies", "company_id")),
    "task_tombstone": ("tasks", DELETED, skeleton("tasks", "task_id")),
    "note_tombstone": ("notes", DELETED, skeleton("notes", "note_id", element_type=12)),
}
WRITTEN_BY_HAND = tuple(CASES)
CASES |= record_cases.CASES
SCHEMAS = {table: {**schema.load(table), "additionalProperties": False} for table, _, _ in CASES.values()}
VALIDATORS = {table: jsonschema.Draft7Validator(declared) for table, declared in SCHEMAS.items()}


def check(table: str, make: Make, body: Any) -> None:
    """The body makes rows of the table, or one RowError that names it; and is left as it was."""
    before = orjson.dumps(body)
    columns = SCHEMAS[table]["properties"]
    for row in rows_or_error(table, make, body):
        VALIDATORS[table].validate(row)
        assert list(row) == list(columns)
        assert orjson.loads(orjson.dumps(row)) == row
        for name, column in columns.items():
            if "integer" in column["type"]:
                assert row[name] is None or -(2**63) <= row[name] < 2**63
            if column.get("format") == "date-time" and row[name] is not None:
                assert TIME.fullmatch(row[name])
            assert not has_links(row[name])
    assert orjson.dumps(body) == before


def rows_or_error(table: str, make: Make, body: Any) -> list[dict[str, Any]]:
    try:
        return make(body)
    except RowError as error:
        said = str(error)
    assert f" table {table} " in said
    return []


def has_links(value: Any) -> bool:
    if isinstance(value, dict):
        return "_links" in value or any(map(has_links, value.values()))
    return isinstance(value, list) and any(map(has_links, value))


@pytest.mark.parametrize("case", WRITTEN_BY_HAND)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_a_real_body_with_parts_replaced(case: str, data: st.DataObject) -> None:
    table, body, make = CASES[case]
    places = paths(body)
    for _ in range(data.draw(st.integers(1, 4))):
        body = replaced(body, data.draw(st.sampled_from(places)), data.draw(JSON))
    check(table, make, body)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(body=JSON)
def test_any_body(case: str, body: Any) -> None:
    table, _, make = CASES[case]
    check(table, make, body)


@pytest.mark.parametrize("case", CASES)
def test_each_place_with_each_kind_of_json(case: str) -> None:
    """What a random search may miss: every single place, with every kind of value."""
    table, body, make = CASES[case]
    kinds: list[Any] = [
        None,
        True,
        0,
        -1,
        2**63,
        1e300,
        0.5,
        "",
        "12",
        "1e999",
        "x",
        [],
        {},
        [None],
        {"0": 1},
        {"id": {}},
    ]
    for path in paths(body):
        for kind in kinds:
            check(table, make, replaced(body, path, kind))
