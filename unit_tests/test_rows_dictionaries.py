"""Rows of the dictionaries."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from source_amocrm.streams.activity import EDITABLE_NOTES, ELEMENT_TYPE, ElementTypes, NoteTypes
from source_amocrm.streams.custom_fields import system_fields
from source_amocrm.streams.record import RowError
from testing.row_functions import row, rows
from testing.sample_files import sample

user, group, task_type = (partial(row, table) for table in ("users", "groups", "task_types"))
custom_field = partial(row, "custom_fields")
statuses = partial(rows, "statuses")
USER: dict[str, Any] = {
    "user_id": 123123,
    "name": "Пользователь для примера 2",
    "last_name": None,
    "login": "example2@mail.com",
    "group_id": 267688,
    "is_active": True,
    "is_free": False,
    "is_cancelled": False,
    "email": "example2@mail.com",
    "lang": "en",
    "role_id": 3141,
    "is_admin": False,
    "rights": None,
    "phone_number": None,
    "uuid": None,
    "amojo_id": None,
    "user_rank": None,
}
FIELD: dict[str, Any] = {
    "custom_field_id": 4439091,
    "name": "Пример текстового поля",
    "type": "text",
    "code": None,
    "entity_type": "leads",
    "enums": [],
    "catalog_id": None,
    "sort": 504,
    "group_id": None,
    "is_predefined": False,
    "is_deletable": None,
    "is_api_only": False,
    "is_computed": None,
    "required_statuses": [{"status_id": 41221, "pipeline_id": 3142}],
    "is_required": None,
    "is_visible": None,
    "currency": None,
    "settings": None,
    "chained_lists": None,
    "hidden_statuses": None,
    "remind": None,
    "tracking_callback": None,
    "search_in": None,
    "column_name": "cf_4439091_primer_tekstovogo_polya",
}


CATEGORY: list[dict[str, Any]] = [
    {"id": 197, "parent_id": None, "value": "категория 1", "sort": 0},
    {"id": 215, "parent_id": 197, "value": "новая подкатегория 1", "sort": 0},
    {"id": 217, "parent_id": 197, "value": "новая категория 2", "sort": 1},
]


def status(number: int, name: str, sort: int, color: str, editable: bool, kind: int = 0) -> dict[str, Any]:
    return {
        "status_id": number,
        "status_name": name,
        "status_sort": sort,
        "pipeline_id": 3177727,
        "pipeline_name": "Воронка",
        "pipeline_sort": 1,
        "pipeline_is_main": True,
        "status_type": kind,
        "status_color": color,
        "status_is_editable": editable,
        "pipeline_is_archive": False,
        "status_hints": None,
    }


STATUSES = [
    status(32392156, "Неразобранное", 10, "#c1c1c1", False, kind=1),
    status(32392159, "Первичный контакт", 20, "#99ccff", True),
    status(32392165, "Принимают решение", 30, "#ffcc66", True),
    status(142, "Успешно реализовано", 10000, "#CCFF66", False),
    status(143, "Закрыто и не реализовано", 11000, "#D5D8DB", False),
]


def test_documented_pipelines() -> None:
    assert statuses(sample("pipelines_list", "_embedded", "pipelines", 0)) == STATUSES


def test_statuses_have_the_hints_that_amocrm_tells() -> None:
    pipeline = sample("pipelines_list", "_embedded", "pipelines", 0)
    listed = {**pipeline, "_embedded": sample("pipeline_statuses_list", "_embedded")}
    listed_hints = [one["descriptions"] for one in sample("pipeline_statuses_list", "_embedded", "statuses")]
    rows_of_list = [{**row, "status_hints": hints} for row, hints in zip(STATUSES, listed_hints, strict=True)]
    assert statuses(listed) == rows_of_list
    one = {**pipeline, "_embedded": {"statuses": sample("pipeline_status_detail_with_descriptions")}}
    hints = sample("pipeline_status_detail_with_descriptions", "descriptions")
    assert statuses(one) == [{**STATUSES[1], "status_hints": hints}]
    assert [hint["level"] for hint in hints] == ["newbie", "candidate", "master"]


@pytest.mark.parametrize("related", [None, [], {}, {"statuses": None}, {"statuses": []}])
def test_a_pipeline_without_statuses(related: Any) -> None:
    assert statuses({"id": 1, "_embedded": related}) == []


def test_documented_users() -> None:
    first, second = sample("users_list", "_embedded", "users")
    assert user(first) == USER | {"rights": first["rights"]}
    assert user(second) == USER | {
        "user_id": 321321,
        "group_id": 0,
        "lang": "ru",
        "role_id": None,
        "is_admin": True,
        "rights": second["rights"],
    }


def test_documented_user_without_embedded() -> None:
    given = sample("user_detail")
    assert user(given) == USER | {
        "user_id": 185848,
        "name": "Алексей Поимцев",
        "login": "test@example.com",
        "email": "test@example.com",
        "lang": "ru",
        "group_id": 0,
        "role_id": None,
        "rights": given["rights"],
    }


def test_a_user_with_all_that_can_be_asked_for() -> None:
    asked = {
        "phone_number": "+74950000001",
        "uuid": "0e4c8a5e-2b0f-4a7e-9d52-3f1c1b7a9e10",
        "amojo_id": "f3c6340d-410e-4ad1-9f7e-c5e663599909",
        "user_rank": "master",
    }
    row = user({**sample("user_detail"), **asked})
    assert {name: row[name] for name in asked} == asked
    assert user({"id": 1, "phone_number": 74950000001})["phone_number"] == "74950000001"


@pytest.mark.parametrize(
    ("groups", "own", "group"),
    [([{"id": 5}], 6, 5), ([{"id": 0}], 6, 0), ([], 6, 6), (None, None, 0), ([{}], "6", 6)],
)
def test_group_of_a_user(groups: Any, own: Any, group: int) -> None:
    given = {"id": 1, "rights": {"group_id": own}, "_embedded": {"groups": groups}}
    assert user(given)["group_id"] == group


def test_a_user_without_rights() -> None:
    row = user({"id": 1, "rights": []})
    assert row == dict.fromkeys(USER) | {"user_id": 1, "group_id": 0, "is_cancelled": False, "rights": {}}


def test_documented_groups_and_task_types() -> None:
    account = sample("account", "_embedded")
    assert [group(one) for one in account["users_groups"]] == [{"group_id": 0, "name": "Отдел продаж"}]
    assert [task_type(one) for one in account["task_types"]] == [
        {"task_type_id": 1, "name": "Связаться", "code": "FOLLOW_UP", "color": None, "icon_id": None},
        {"task_type_id": 2, "name": "Встреча", "code": "MEETING", "color": None, "icon_id": None},
    ]


def test_documented_custom_fields() -> None:
    assert [custom_field(one, "leads") for one in sample("custom_fields_list", "_embedded", "custom_fields")] == [
        FIELD,
        FIELD
        | {"custom_field_id": 4440043, "name": "Пример поля с типом 'data'", "type": "date"}
        | {"column_name": "cf_4440043_primer_polya_s_tipom_data"}
        | {"sort": 505, "required_statuses": None},
    ]


def test_documented_field_with_options() -> None:
    given = sample("custom_field_detail")
    assert custom_field(given, "contacts") == FIELD | {
        "custom_field_id": 3,
        "name": "Телефон",
        "column_name": "cf_3_telefon",
        "type": "multitext",
        "code": "PHONE",
        "entity_type": "contacts",
        "enums": given["enums"],
        "sort": 4,
        "is_predefined": True,
        "is_deletable": False,
        "required_statuses": [],
    }


def test_documented_new_field() -> None:
    given = sample("custom_field_create_response_multiselect", "_embedded", "custom_fields", 0)
    assert custom_field(given, "leads") == FIELD | {
        "custom_field_id": 4457223,
        "name": "multi select",
        "column_name": "cf_4457223_multi_select",
        "type": "multiselect",
        "sort": 510,
        "enums": given["enums"],
        "required_statuses": [{"status_id": 20540473, "pipeline_id": 16056}],
    }


@pytest.mark.parametrize("catalog_id", [None, 1095])
def test_documented_fields_of_a_catalog(catalog_id: int | None) -> None:
    first, second = sample("custom_fields_update_response", "_embedded", "custom_fields")
    unknown = {"is_predefined": None, "required_statuses": None}
    assert custom_field(first, "catalogs", catalog_id) == FIELD | unknown | {
        "custom_field_id": 1278898087,
        "name": "Новое имя для дополнительного поля",
        "column_name": "cf_1278898087_novoe_imya_dlya_dopolnitelnogo_polya",
        "type": "textarea",
        "code": "DESCRIPTION",
        "entity_type": "catalogs",
        "catalog_id": 1095,
        "sort": 560,
        "is_deletable": True,
        "is_required": False,
        "is_visible": False,
    }
    assert custom_field(second, "catalogs", catalog_id) == FIELD | unknown | {
        "custom_field_id": 1278898091,
        "name": "Новое имя для поля Категория",
        "column_name": "cf_1278898091_novoe_imya_dlya_polya_kategoriya",
        "type": "category",
        "code": "GROUP",
        "entity_type": "catalogs",
        "catalog_id": 1095,
        "enums": CATEGORY,
        "sort": 500,
        "is_deletable": False,
        "is_required": False,
        "is_visible": True,
    }


def test_the_options_of_a_category_are_its_tree() -> None:
    given = sample("custom_field_category_nested")
    assert custom_field(given, "catalogs", 1095)["enums"] == CATEGORY
    in_parts = {**given, "nested": {"3": CATEGORY[0], "5": {**CATEGORY[1], "_links": {}}}, "enums": []}
    assert custom_field(in_parts, "catalogs", 1095)["enums"] == CATEGORY[:2]
    options = [{"id": 1, "value": "a", "sort": 2}]
    nones: tuple[Any, ...] = (None, [], {})
    for nested in nones:
        assert custom_field({"id": 1, "enums": options, "nested": nested}, "leads")["enums"] == options
        assert custom_field({"id": 1, "enums": None, "nested": nested}, "leads")["enums"] == []


def test_what_only_some_fields_have() -> None:
    lists = [{"title": None, "catalog_id": 4589, "parent_catalog_id": None}]
    told = {
        "is_required": True,
        "is_visible": False,
        "currency": "RUB",
        "settings": ["x"],
        "chained_lists": lists,
        "hidden_statuses": [{"status_id": 1, "pipeline_id": 2}],
        "remind": "week",
        "tracking_callback": "function() {}",
        "search_in": "contacts",
    }
    row = custom_field({"id": 1, **told}, "leads")
    assert {name: row[name] for name in told} == told
    odd = custom_field({"id": 1, "chained_lists": {"4589": lists[0]}, "search_in": 4589}, "leads")
    assert (odd["chained_lists"], odd["search_in"]) == (lists, "4589")


def test_system_fields() -> None:
    fields = [
        {"id": 1, "is_predefined": True, "is_deletable": True},
        {"id": 2, "is_predefined": False, "is_deletable": False},
        {"id": 3, "is_deletable": False},
        {"id": "4", "is_predefined": None, "is_deletable": "1"},
        {"id": 5, "is_predefined": "?", "is_deletable": 0},
        {"id": 6},
        {"id": 7, "is_predefined": [], "is_deletable": {}},
        {"id": None, "is_predefined": True},
        {"id": True, "is_predefined": True},
        None,
    ]
    assert system_fields(fields) == {
        1: True,
        2: False,
        3: True,
        4: False,
        5: True,
        6: None,
        7: None,
    }


def test_note_types_agree_with_what_is_known_of_their_old_numbers() -> None:
    known = sample("v2_note_types", "ids")
    names = {
        int(number): {name.lower() for name in facts.values() if name is not None} for number, facts in known.items()
    }
    codes = {row["code"]: row["note_type_id"] for row in NoteTypes.fixed}
    assert len(codes) == len(NoteTypes.fixed) == 23
    assert set(codes) >= set(EDITABLE_NOTES)
    unknown = {code for code, number in codes.items() if number is None}
    assert unknown == {"targeting_in", "targeting_out", "invoice_paid", "ai_result", "chat"}
    renamed = {
        "attachment": "прикрепление файла",
        "amomail_message": "mail_message",
        "link_followed": "followed_link",
        "dropbox_attachment": "dropbox",
    }
    for code, number in codes.items():
        if number is not None:
            assert renamed.get(code, code) in names[number]


def test_element_types() -> None:
    assert ElementTypes.fixed == [
        {"element_type_id": 1, "code": "contacts", "name": "Контакт"},
        {"element_type_id": 2, "code": "leads", "name": "Сделка"},
        {"element_type_id": 3, "code": "companies", "name": "Компания"},
        {"element_type_id": 4, "code": "tasks", "name": "Задача"},
        {"element_type_id": 12, "code": "customers", "name": "Покупатель"},
    ]
    numbers = {row["code"]: row["element_type_id"] for row in ElementTypes.fixed}
    assert {**numbers, **ELEMENT_TYPE} == numbers


def test_an_entry_without_an_id_is_an_error() -> None:
    for make, table in (
        (user, "users"),
        (group, "groups"),
        (task_type, "task_types"),
        (lambda field: custom_field(field, "leads"), "custom_fields"),
        (statuses, "statuses"),
        (lambda broken: statuses({"id": 1, "_embedded": {"statuses": [broken]}}), "statuses"),
    ):
        with pytest.raises(RowError, match=f"for the table {table} without its key "):
            make({"id": None})
        with pytest.raises(RowError, match=f"amoCRM sent null where a row of the table {table} should be"):
            make(None)
