"""Personal data: what is replaced in answers, by what, and what stays for the engine and the joins."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import logging
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from airbyte_cdk.models import Status
from hypothesis import given
from hypothesis import strategies as st

from amocrm_warehouse.sync.account_sync import personal_data_digest
from source_amocrm.errors import ConfigError
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.known_fields import ANY, records_in
from source_amocrm.streams.personal_data import EMAIL, PHONE, PersonalData, normalized
from source_amocrm.streams.schema_drift import KNOWN
from testing.http_tools import config, long_lived
from testing.sample_files import LISTS, sample

KEY = "key-of-the-unit-tests"
SECRETS = ("+7 (912) 345-67-89", "Ivan.Petrov@Example.com", "Иван Петров")


@cache
def personal(mode: str = "hash", *fields: str, key: str | None = None) -> PersonalData:
    key = (key or KEY) if mode == "hash" else None
    return PersonalData(config(long_lived(personal_data=mode, personal_data_key=key, personal_fields=list(fields))))


def hashed(plain: str) -> str:
    return hmac.new(KEY.encode(), plain.encode(), "sha256").hexdigest()


def record(path: str, given: dict[str, Any], mode: str = "hash", *fields: str) -> dict[str, Any]:
    """The one record of a list, without its personal data."""
    collection = {"/v1.0/files": "files", "/api/v4/leads/unsorted": "unsorted"}.get(path, path.rpartition("/")[2])
    body = personal(mode, *fields).replaced(path, {"_page": 1, "_embedded": {collection: [copy.deepcopy(given)]}})
    assert body is not None
    found: dict[str, Any] = body["_embedded"][collection][0]
    return found


@pytest.mark.parametrize(
    ("typed", "kind", "plain"),
    [
        ("8 (912) 345-67-89", PHONE, "+79123456789"),
        ("+7 912 345 67 89", ANY, "+79123456789"),
        ("79123456789", ANY, "+79123456789"),
        ("+7 912 345-67-89 (моб.)", PHONE, "+79123456789"),
        ("+44 20 7946 0958", ANY, "+442079460958"),
        ("12-34-56", PHONE, "+123456"),
        ("12-34-56", ANY, "12-34-56"),
        ("нет", PHONE, ""),
        (" Ivan.Petrov@Example.com ", ANY, "ivan.petrov@example.com"),
        ("IVAN@EXAMPLE.COM", EMAIL, "ivan@example.com"),
        ("  Иван   ПЕТРОВ\n", ANY, "иван петров"),
        ("Позвонить на 8 912 345-67-89", ANY, "позвонить на 8 912 345-67-89"),
        ("", ANY, ""),
    ],
)
def test_equal_values_have_one_form(typed: str, kind: str, plain: str) -> None:
    assert normalized(typed, kind) == plain
    assert personal().pseudonym(typed, kind) == (hashed(plain) if plain else "")


@given(
    st.from_regex(r"9[0-9]{9}", fullmatch=True),
    st.lists(st.sampled_from(["", " ", "-", ") "]), min_size=10, max_size=10),
)
def test_a_number_is_the_same_however_it_is_typed(number: str, between: list[str]) -> None:
    typed = "".join(digit + mark for digit, mark in zip(number, between, strict=True))
    for country in ("8", "8 (", "7", "+7 ", "+7("):
        assert normalized(country + typed, PHONE) == normalized(country + typed, ANY) == f"+7{number}"


@given(st.text(max_size=40))
def test_any_text_has_a_hash_that_depends_on_the_key_and_the_form_alone(text: str) -> None:
    for kind in (PHONE, EMAIL, ANY):
        one = personal().pseudonym(text, kind)
        assert one == personal().pseudonym(text, kind)
        assert (not one) or (one != personal(key=KEY + "0").pseudonym(text, kind) and len(one) == 64)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(0, 10**8) | st.sampled_from(SECRETS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "name", "text", "0", "values", *SECRETS]), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip
UNKNOWN_PLACES = [
    ("/api/v4/contacts", ("new_field",)),
    ("/api/v4/leads", ("_embedded", "contacts")),
    ("/api/v4/leads/notes", ("params",)),
    ("/api/v4/leads/notes", ("params", "text")),
    ("/api/v4/leads/unsorted", ("metadata",)),
    ("/api/v4/events", ("value_after",)),
    ("/v1.0/files", ("metadata", "author")),
    ("/api/v4/users", ("settings",)),
]


@pytest.mark.parametrize("mode", ["hash", "drop"])
@given(at=st.sampled_from(UNKNOWN_PLACES), value=ANYTHING)
def test_whatever_stands_in_a_free_place_no_text_of_a_person_is_left(
    mode: str, at: tuple[str, tuple[str, ...]], value: Any
) -> None:
    path, place = at
    given_row: dict[str, Any] = {"id": 26760763, "updated_at": 1_760_000_000, "is_deleted": False}
    inner = given_row
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = value
    found = record(path, given_row, mode)
    text = json.dumps(found, ensure_ascii=False)
    assert not [secret for secret in SECRETS if secret in text]
    assert {name: found[name] for name in ("id", "updated_at", "is_deleted")} == {
        name: given_row[name] for name in ("id", "updated_at", "is_deleted")
    }


def test_with_keep_the_body_is_the_one_that_came() -> None:
    body = {"_embedded": {"contacts": [{"id": 1, "name": "Иван"}]}}
    assert personal("keep").replaced("/api/v4/contacts", body) is body
    assert body == {"_embedded": {"contacts": [{"id": 1, "name": "Иван"}]}}


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of each object, of an array only those in its first element."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from objects(inner, (*path, name)) if name != "_links" else ()
    elif isinstance(value, list):
        yield from (found for place, inner in enumerate(value[:1]) for found in objects(inner, (*path, place)))


def inside(value: Any, path: Iterable[str | int]) -> Any:
    """What stands at `path`; of arrays the first element that has it; None if nothing does."""
    for name in path:
        if isinstance(name, int):
            value = value[name]
        else:
            parts = value if isinstance(value, list) else [value]
            value = next((part[name] for part in parts if isinstance(part, dict) and name in part), None)
    return value


def records(name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    found = records_in(KNOWN, LISTS[name], body)[2] or []
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("mode", ["hash", "drop"])
@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_text_in_an_unknown_field_goes_in_whichever_object_of_a_record_it_stands(name: str, mode: str) -> None:
    for record_at, record_given in enumerate(records(name, sample(name))):
        for path in objects(record_given):
            body = sample(name)
            inside(records(name, body)[record_at], path)["unheard_of"] = {"deeper": [SECRETS[0], SECRETS[2]]}
            found = json.dumps(personal(mode).replaced(LISTS[name], body), ensure_ascii=False)
            assert not [secret for secret in SECRETS if secret in found], path


@pytest.mark.parametrize("name", sorted(LISTS))
def test_columns_of_json_without_personal_data_stay_as_amocrm_is_known_to_send_them(name: str) -> None:
    kept = personal("drop").replaced(LISTS[name], sample(name)) or {}
    for came, found in zip(records(name, sample(name)), records(name, kept), strict=True):
        for table in STREAMS:
            for field in (one for column in schema.columns(table) if column.inside for one in column.fields):
                assert without_links(inside(found, field.split("."))) == without_links(inside(came, field.split(".")))


def without_links(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_links(inner) for name, inner in value.items() if name != "_links"}
    return [without_links(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(LISTS))
def test_numbers_and_whatever_tables_live_on_stay_in_what_amocrm_is_known_to_send(name: str) -> None:
    body = sample(name)
    for mode in ("hash", "drop"):
        found = personal(mode).replaced(LISTS[name], copy.deepcopy(body))
        assert _skeleton(found) == _skeleton(body)


def _skeleton(value: Any, name: str = "") -> Any:
    """The ids, numbers, flags and kinds of a body."""
    if isinstance(value, dict):
        return {key: _skeleton(inner, key) for key, inner in value.items() if key != "_links"}
    if isinstance(value, list):
        return [_skeleton(inner, name) for inner in value]
    if isinstance(value, str):
        return (
            value
            if name != "request_id" and name.endswith(("id", "_at", "type", "status", "category", "color", "code"))
            else None
        )
    return None if name in ("phone", "value", "call_responsible") else value


def test_every_list_that_tables_are_made_of_has_its_places() -> None:
    known = personal("drop")
    for path in KNOWN:
        collection = KNOWN[path].collection
        row = {"id": 1, "unheard_of": "Иван Петров"}
        body: dict[str, Any] = {"_embedded": {collection: [row]}} if collection else row
        assert "Иван" not in json.dumps(known.replaced(path, body), ensure_ascii=False), path


def test_each_mark_of_the_schemas_is_a_known_kind_on_a_column_that_may_be_empty() -> None:
    for table in STREAMS:
        for column in schema.columns(table):
            assert column.personal is None or (column.personal in schema.PERSONAL and not column.in_key)


ITEMS = sample("custom_field_value_shapes", "items", "doc_write")


def field(kind: str, *values: Any, **more: Any) -> dict[str, Any]:
    return {"field_id": 7, "field_name": "Поле", "field_code": None, "field_type": kind, "values": list(values), **more}


@pytest.mark.parametrize(
    ("given_field", "values"),
    [
        (
            field("multitext", {"value": "8 912 345 67 89", "enum_id": 1, "enum_code": "WORK"}, field_code="PHONE"),
            [{"value": hashed("+79123456789"), "enum_id": 1, "enum_code": "WORK"}],
        ),
        (field("multitext", {"value": 79123456789}, field_code="PHONE"), [{"value": hashed("+79123456789")}]),
        (field("multitext", {"value": "@ivan", "enum_code": "TG"}), [{"value": hashed("@ivan"), "enum_code": "TG"}]),
        (field("birthday", {"value": 1047265200}), [{"value": None}]),
        (field("text", {"value": "b2c"}), [{"value": "b2c"}]),
        (field("items", *ITEMS), ITEMS),
        (field("select", {"value": "Да", "enum_id": 5}), [{"value": "Да", "enum_id": 5}]),
        (
            field("file", {"value": {"file_uuid": "u", "file_name": "Паспорт.pdf", "file_size": 3}}),
            [{"value": {"file_uuid": "u", "file_name": hashed("паспорт.pdf"), "file_size": 3}}],
        ),
        (field("quite_new", {"value": "Иван", "enum_id": 5}), [{"value": hashed("иван"), "enum_id": 5}]),
    ],
)  # fmt: skip
def test_own_fields_are_replaced_by_their_type(given_field: dict[str, Any], values: list[Any]) -> None:
    found = record("/api/v4/contacts", {"id": 1, "custom_fields_values": [given_field]})
    assert found["custom_fields_values"] == [{**given_field, "values": values}]


def test_arrays_that_php_writes_as_objects_hide_nobody() -> None:
    phone = field("multitext", {"value": "89123456789"}, field_code="PHONE")
    body = {
        "_embedded": {
            "contacts": {"0": {"id": 1, "custom_fields_values": {"0": {**phone, "values": {"0": "89123456789"}}}}}
        }
    }
    found = personal().replaced("/api/v4/contacts", body)
    assert found == {
        "_embedded": {
            "contacts": {"0": {"id": 1, "custom_fields_values": {"0": {**phone, "values": [hashed("+79123456789")]}}}}
        }
    }
    alone = personal().replaced("/api/v4/contacts/1", {"id": 1, "name": "Иван", "_links": {"self": {"href": "…"}}})
    assert alone == {"id": 1, "name": hashed("иван")}
    assert personal().replaced("/api/v4/contacts", None) is None
    assert personal().replaced("/api/v4/contacts", {"_embedded": []}) == {"_embedded": []}


@pytest.mark.parametrize("listed", ["7", "ПОЛЕ ", "my_code"])
def test_a_listed_field_is_replaced_whatever_its_type(listed: str) -> None:
    def values(given_field: dict[str, Any], mode: str = "hash") -> Any:
        card = {"id": 1, "custom_fields_values": [{**given_field, "field_code": "MY_CODE"}]}
        return record("/api/v4/leads", card, mode, listed)["custom_fields_values"][0]["values"]

    assert values(field("text", {"value": "40 12"})) == [{"value": hashed("40 12")}]
    assert values(field("text", {"value": "40 12"}), "drop") == [{"value": None}]
    assert values(field("numeric", {"value": "4012"})) == [{"value": None}]
    assert values(field("checkbox", {"value": True})) == [{"value": None}]
    option = {"value": "Да", "enum_id": 5, "enum_code": "yes"}
    assert values(field("select", option)) == [{"value": hashed("да"), "enum_id": None, "enum_code": None}]
    assert values(field("chained_list", {"catalog_id": 1, "catalog_element_id": 2})) == []


def test_a_listed_field_may_have_the_name_of_a_table() -> None:
    card = {"id": 1, "custom_fields_values": [field("text", {"value": "40 12"}, field_name="Tasks")]}
    found = record("/api/v4/leads", card, "hash", "tasks")["custom_fields_values"][0]["values"]
    assert found == [{"value": hashed("40 12")}]


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (8, {"text": "8 912 345 67 89", "enum_id": 2}, {"text": hashed("+79123456789"), "enum_id": 2}),
        (14, {"text": "1047265200"}, {"text": None}),
        (1, {"text": "b2c"}, {"text": "b2c"}),
        (4, {"text": "Да", "enum_id": 5}, {"text": "Да", "enum_id": 5}),
        (99, {"text": "Иван"}, {"text": hashed("иван")}),
    ],
)
def test_an_event_of_a_field_is_replaced_as_the_field_is(kind: int, value: Any, found: Any) -> None:
    told = {"field_id": 7, "field_type": kind}
    event = {
        "id": "e",
        "type": "custom_field_value_changed",
        "value_after": [{"custom_field_value": {**told, **value}}],
    }
    assert record("/api/v4/events", event)["value_after"] == [{"custom_field_value": {**told, **found}}]


def test_an_event_of_a_listed_field_may_name_it_in_its_kind_alone() -> None:
    change = {"custom_field_value": {"field_type": 1, "text": "40 12", "enum_id": None}}
    event = {"id": "e", "type": "custom_field_7_value_changed", "value_after": [change], "value_before": []}
    kept = {"field_type": 1, "enum_id": None}
    assert record("/api/v4/events", event, "hash", "7")["value_after"] == [
        {"custom_field_value": {**kept, "text": hashed("40 12")}}
    ]


def test_events_keep_what_joins_and_marts_need() -> None:
    after = [
        {"lead_status": {"id": 5233224, "pipeline_id": 437642}},
        {"lead_status": {"id": "5233224", "pipeline_id": "437642"}},  # numbers that PHP wrote as texts
        {"sale_field_value": {"sale": 12_500_000_000}},
        {"sale_field_value": {"sale": "-155.50"}},
        {"tag": {"name": "vip", "id": 1}},
        {"link": {"entity": {"type": "contact", "id": 26060763}}},
        {"message": {"id": "1508b51c-aab0-428e-9322-611d847ae747", "talk_id": 1, "origin": "waba"}},
        {"task_deadline": {"timestamp": 1573595900}},
    ]
    event = {"id": "01pz58t6p04ymgsgfbmfyfy1mf", "type": "x", "entity_type": "lead", "value_after": after}
    assert record("/api/v4/events", event) == event
    named = {**event, "value_after": [{"name_field_value": {"name": "Иван  Петров"}}, {"task": {"text": "Звонок"}}]}
    assert record("/api/v4/events", named)["value_after"] == [
        {"name_field_value": {"name": hashed("иван петров")}},
        {"task": {"text": hashed("звонок")}},
    ]


def test_a_call_keeps_its_colleague_and_its_length_but_not_the_other_side() -> None:
    params = {
        **{"uniq": "a1", "duration": 60, "source": "onlinePBX", "link": "https://example.com/1.mp3"},
        **{"phone": "89123456789", "call_result": "Ок", "call_status": 4, "call_responsible": "Василий"},
    }
    found = record("/api/v4/contacts/notes", {"id": 1, "note_type": "call_in", "params": params})["params"]
    assert found == {
        **params,
        **{"uniq": hashed("a1"), "link": hashed("https://example.com/1.mp3"), "call_result": hashed("ок")},
        "phone": hashed("+79123456789"),
    }
    for given_value, shown in ((504141, 504141), (79123456789, hashed("+79123456789")), ("Василий", "Василий")):
        note = {"id": 1, "note_type": "call_in", "params": {"call_responsible": given_value}}
        assert record("/api/v4/leads/notes", note)["params"] == {"call_responsible": shown}


def test_names_of_users_stay_unless_they_are_listed() -> None:
    user = {"id": 1, "name": "Анна", "email": "Anna@example.com", "rights": {"is_admin": True}}
    found = record("/api/v4/users", user)
    assert found == {**user, "email": hashed("anna@example.com")}
    assert record("/api/v4/users", user, "drop", "users.name") == {**user, "name": None, "email": None}


def test_a_listed_column_is_replaced_wherever_its_list_has_it() -> None:
    deal = {"id": 1, "price": 100, "price_with_minor_units": 100.5, "_embedded": {"tags": [{"id": 4, "name": "vip"}]}}
    found = record("/api/v4/leads", deal, "hash", "deals.sale", "deal_tags.name")
    assert found == {
        **{"id": 1, "price": None, "price_with_minor_units": None},
        "_embedded": {"tags": [{"id": 4, "name": hashed("vip")}]},
    }
    budget = [{"sale_field_value": {"sale": 100}}]
    event = {"id": "e", "type": "sale_field_changed", "value_after": budget, "value_before": budget}
    found = record("/api/v4/events", event, "hash", "deal_sale_changes.sale_new")
    assert found == {**event, "value_after": [{"sale_field_value": {"sale": None}}]}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("users.nam", "users has no column “nam”. Did you mean users.name?"),
        ("users.zzz", "users has no column “zzz”. Look it up in the data dictionary."),
        (
            "deals.lead_id",
            "deals.lead_id must stay, for keys, ids, dates and flags are what a sync and joins live on. ",
        ),
        ("deals.created_at", "deals.created_at must stay, for keys, "),
        ("events.event_id", "events.event_id must stay, for keys, "),
        (
            "contacts.custom_fields",
            "contacts.custom_fields is made of other values. List the custom field or the column ",
        ),
        ("messages.origin", "messages.origin is made of other values. "),
    ],
)
def test_a_column_that_cannot_be_replaced_is_told(listed: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        personal("drop", listed)
    assert str(told.value).startswith(f"Further personal fields (personal_fields): {sentence}")
    raw = long_lived(personal_data="drop", personal_fields=[listed])
    status = SourceAmocrm().check(logging.getLogger("airbyte"), raw)
    assert (status.status, status.message) == (Status.FAILED, str(told.value))


def test_the_digest_of_the_key_in_a_state_costs_whoever_guesses_it_32_mb_a_guess() -> None:
    settings = {"personal_data": "Hash", "personal_data_key": KEY, "personal_fields": ["7"]}
    parts = json.dumps(["hash", KEY, ["7"]]).encode()
    slow = hashlib.scrypt(parts, salt=b"amocrm_1_", n=2**15, r=8, p=1, maxmem=2**26, dklen=16).hex()
    assert personal_data_digest(settings, "amocrm_1_") == slow
    assert personal_data_digest({**settings, "personal_data": "keep"}, "amocrm_1_") == ""
