"""Rows of deals and of their custom fields."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from source_amocrm.streams.record import RowError
from source_amocrm.streams.values import compact_json
from testing.row_functions import deal, deal_fields
from testing.sample_files import sample

MOSCOW = ZoneInfo("Europe/Moscow")

FIRST_LEAD: dict[str, Any] = {
    "lead_id": 19619,
    "name": "Сделка для примера",
    "responsible_user_id": 123321,
    "created_by": 321123,
    "updated_by": 321123,
    "account_id": 5135160,
    "pipeline_id": 1300,
    "status_id": 142,
    "main_contact": None,
    "group_id": 625,
    "company": None,
    "contacts": [],
    "loss_reason_id": None,
    "loss_reason_name": None,
    "sale": 46333,
    "date": "2017-08-08T11:58:21Z",
    "created_at": "2016-01-20T08:46:47Z",
    "updated_at": "2017-08-08T11:58:21Z",
    "closed_at": "2016-12-29T10:05:31Z",
    "closest_task_at": None,
    "tags": [],
    "custom_fields": [],
    "is_deleted": False,
    "source_id": None,
    "source_name": None,
    "score": None,
    "labor_cost": None,
    "is_price_modified_by_robot": None,
    "catalog_elements": None,
    "is_price_computed": None,
    "source_external_id": None,
    "source_type": None,
    "read_at": None,
}
DETAIL: dict[str, Any] = {
    "lead_id": 3912171,
    "name": "Example",
    "responsible_user_id": 504141,
    "created_by": 504141,
    "updated_by": 504141,
    "account_id": 28805383,
    "pipeline_id": 3104455,
    "status_id": 143,
    "main_contact": 10971465,
    "group_id": 0,
    "company": 10971463,
    "contacts": [10971465],
    "loss_reason_id": 4203748,
    "loss_reason_name": "Пропала потребность",
    "sale": 12,
    "date": "2020-05-28T16:28:57Z",
    "created_at": "2020-03-27T08:52:51Z",
    "updated_at": "2020-05-28T16:28:57Z",
    "closed_at": "2020-05-28T16:28:57Z",
    "closest_task_at": None,
    "tags": [{"id": 100667, "name": "тест", "color": None}],
    "custom_fields": [],
    "is_deleted": False,
    "source_id": 1876532,
    "source_name": "API",
    "score": None,
    "labor_cost": None,
    "is_price_modified_by_robot": False,
    "catalog_elements": [{"id": 525439, "metadata": {"quantity": 1, "catalog_id": 4521}}],
    "is_price_computed": None,
    "source_external_id": None,
    "source_type": None,
    "read_at": None,
}


def fields(kind: str | None, values: Any, zone: tzinfo = MOSCOW, **field: Any) -> list[tuple[Any, Any, Any, Any]]:
    """(value_index, value, enum, enum_code) of each value of one field."""
    lead = {"id": 1, "custom_fields_values": [{"field_id": 2, "field_type": kind, "values": values, **field}]}
    return [
        (row["value_index"], row["value"], row["enum"], row["enum_code"])
        for row in deal_fields(lead, zone=zone, system_fields={})
    ]


def test_documented_list() -> None:
    assert [deal(lead) for lead in sample("leads_list", "_embedded", "leads")] == [
        FIRST_LEAD,
        FIRST_LEAD | {"lead_id": 14460, "name": "Сделка для примера 2", "account_id": 1351360, "sale": 655},
    ]


def test_documented_lead_with_everything_embedded() -> None:
    assert deal(sample("lead_detail_with_all")) == DETAIL


def test_a_lead_of_today_with_minor_units_and_a_source() -> None:
    lead = sample("lead_with_minor_units")
    row = deal(lead)
    assert row == FIRST_LEAD | {
        "lead_id": 42005127,
        "name": "Lead #42005127",
        "responsible_user_id": 1,
        "created_by": 0,
        "updated_by": 0,
        "account_id": 17029541,
        "pipeline_id": 2,
        "status_id": 1,
        "group_id": 0,
        "sale": 100.5,
        "date": "2026-05-28T06:02:11Z",
        "created_at": "2026-05-28T03:48:51Z",
        "updated_at": "2026-05-28T06:02:11Z",
        "closed_at": None,
        "source_id": 1876532,
        "source_name": "Сайт",
        "source_external_id": "site-1",
        "source_type": "widget",
        "is_price_computed": False,
        "is_price_modified_by_robot": False,
        "catalog_elements": lead["_embedded"]["catalog_elements"],
    }
    assert compact_json(row["sale"]) == "100.5"


@pytest.mark.parametrize(
    ("top", "embedded", "wanted"),
    [
        (None, {"id": 5, "name": "API"}, (5, "API", None, None)),
        (7, {"id": 5, "name": "API"}, (7, "API", None, None)),
        (7, None, (7, None, None, None)),
        (None, [], (None, None, None, None)),
        (None, [{"id": "5", "external_id": 9, "type": "form"}], (5, None, "9", "form")),
    ],
)
def test_the_source_of_a_deal(top: Any, embedded: Any, wanted: tuple[Any, ...]) -> None:
    row = deal({"id": 1, "source_id": top, "_embedded": {"source": embedded}})
    assert tuple(row[f"source_{name}"] for name in ("id", "name", "external_id", "type")) == wanted


def test_documented_skeleton_of_a_deleted_lead() -> None:
    known = {"lead_id": 2602691, "updated_by": 6795397, "account_id": 29324491, "is_deleted": True}
    times = {"date": "2021-03-09T12:20:20Z", "updated_at": "2021-03-09T12:20:20Z"}
    empty: dict[str, Any] = {"contacts": [], "tags": [], "custom_fields": []}
    assert deal(sample("lead_only_deleted_item")) == dict.fromkeys(FIRST_LEAD) | empty | known | times


def test_recorded_lead() -> None:
    lead = sample("recorded_leads_page_amocrm", "_embedded", "leads", 0)
    assert deal(lead) == FIRST_LEAD | {
        "lead_id": 9228191,
        "name": "Автосделка: user@example.com: Фронтенд-разработчик",
        "responsible_user_id": 7902115,
        "created_by": 0,
        "updated_by": 7902115,
        "account_id": 29978305,
        "pipeline_id": 5204152,
        "status_id": 143,
        "group_id": 382786,
        "sale": 124000,
        "date": "2022-05-31T16:26:56Z",
        "created_at": "2022-04-30T12:00:35Z",
        "updated_at": "2022-05-31T16:26:56Z",
        "closed_at": "2022-05-10T14:56:53Z",
        "custom_fields": lead["custom_fields_values"],
    }


def test_recorded_kommo_lead() -> None:
    lead = sample("recorded_lead_custom_fields_kommo")
    assert deal(lead) == FIRST_LEAD | {
        "lead_id": 19030890,
        "name": "TEST",
        "responsible_user_id": 10402999,
        "created_by": 0,
        "updated_by": 7421899,
        "account_id": 32000011,
        "pipeline_id": 8933063,
        "status_id": 73195524,
        "group_id": 0,
        "sale": 0,
        "date": "2025-01-02T18:39:46Z",
        "created_at": "2024-11-01T18:44:16Z",
        "updated_at": "2025-01-02T18:39:46Z",
        "closed_at": None,
        "custom_fields": lead["custom_fields_values"],
    }


@pytest.mark.parametrize("as_object", [False, True])
def test_recorded_loss_reason_in_an_array_and_as_an_object(as_object: bool) -> None:
    reasons = sample("recorded_loss_reason_embedded_amocrm")
    lead = {"id": 1, "_embedded": {"loss_reason": reasons[0] if as_object else reasons}}
    assert deal(lead)["loss_reason_name"] == "Не смогли выйти на контакт"


def test_documented_tags() -> None:
    tags = sample("tags_list", "_embedded", "tags")
    assert deal({"id": 1, "_embedded": {"tags": tags}})["tags"] == [
        {"id": 2707, "name": "Заявка с сайта", "color": "EBEBEB"},
        {"id": 2709, "name": "Техническая поддержка", "color": None},
    ]


@pytest.mark.parametrize(
    ("contacts", "main"),
    [
        ([{"id": 1, "is_main": False}, {"id": 2, "is_main": True}], 2),
        ([{"id": 1, "is_main": 0}, {"id": 2, "is_main": 1}], 2),
        ([{"id": 1}, {"id": 2, "is_main": None}], None),
        ([None, 7, {"id": 3, "is_main": {}}], None),
        ({"id": 4, "is_main": True}, 4),
        ([], None),
    ],
)
def test_main_contact(contacts: Any, main: int | None) -> None:
    assert deal({"id": 1, "_embedded": {"contacts": contacts}})["main_contact"] == main


def test_odd_shapes_come_through() -> None:
    row = deal(
        {
            "id": "77",
            "name": 5,
            "price": "99.50",
            "price_with_minor_units": [],
            "status_id": "142",
            "created_at": "1453279607",
            "updated_at": 0,
            "closed_at": [],
            "is_deleted": 1,
            "custom_fields_values": {"0": {"field_id": 1, "_links": {}, "values": []}},
            "_embedded": {
                "companies": {"id": 5},
                "contacts": {"0": {"id": "6"}, "1": {"id": 7, "is_main": 1}},
                "loss_reason": [],
                "source": [],
                "tags": None,
                "catalog_elements": {},
            },
        }
    )
    assert row == dict.fromkeys(FIRST_LEAD) | {
        "lead_id": 77,
        "name": "5",
        "status_id": 142,
        "main_contact": 7,
        "company": 5,
        "contacts": [6, 7],
        "sale": 99.5,
        "created_at": "2016-01-20T08:46:47Z",
        "tags": [],
        "custom_fields": [{"field_id": 1, "values": []}],
        "is_deleted": True,
        "catalog_elements": [],
    }


def test_a_lead_without_an_id_is_told_by_what_is_known() -> None:
    for make in (deal, lambda lead: deal_fields(lead, zone=MOSCOW, system_fields={})):
        with pytest.raises(RowError, match=r"without its key lead_id .* Known of the row: updated_at 5\."):
            make({"updated_at": 5})


def test_fields_of_a_recorded_lead() -> None:
    def row(field: int, name: str, value: str, **known: Any) -> dict[str, Any]:
        return {
            "custom_field_id": field,
            "lead_id": 9228191,
            "name": name,
            "enum": None,
            "value": value,
            "is_system": None,
            "value_index": 0,
            "lead_updated_at": "2022-05-31T16:26:56Z",
            "field_code": None,
            "field_type": None,
            "enum_code": None,
            "read_at": None,
        } | known

    lead = sample("recorded_leads_page_amocrm", "_embedded", "leads", 0)
    referrer = {"is_system": True, "field_code": "UTM_REFERRER", "field_type": "tracking_data"}
    page = {"is_system": False, "field_code": "SOURCE_PAGE", "field_type": "tracking_data"}
    assert deal_fields(lead, zone=MOSCOW, system_fields={316923: True, 838417: False, 774349: None}) == [
        row(774349, "hexlet_lead_id", "14012", field_type="numeric"),
        row(838363, "lead_type", "b2c", field_type="text"),
        row(921871, "stack", "frontend", field_type="select", enum=497443),
        row(938495, "learning_format", "group", field_type="select", enum=517665),
        row(316923, "utm_referrer", "https://ru.hexlet.io/programs/frontend", **referrer),
        row(838417, "source_page", "hexlet", **page),
        row(921827, "payment_source", "Cloudpayments", field_type="select", enum=497367),
    ]


def test_fields_of_a_recorded_kommo_lead_in_brazil() -> None:
    rows = deal_fields(
        sample("recorded_lead_custom_fields_kommo"),
        zone=ZoneInfo("America/Sao_Paulo"),
        system_fields={},
    )
    assert [(row["custom_field_id"], row["value"], row["enum"]) for row in rows] == [
        (1276648, "true", None),
        (1271495, "01 - WHATSAPP LITE", 919467),
        (1276694, "03 - PRÉ-AGENDAMENTO", 925364),
        (1280049, "https://form.example.com/03b4", None),
        (1267762, "line 1\nline 2", None),
        (1251802, "2024-12-12T14:00:00Z", None),
        (1251460, "2003-03-10", None),
    ]
    assert {row["lead_updated_at"] for row in rows} == {"2025-01-02T18:39:46Z"}


EVERY_SHAPE = {
    "text": ["b2c"],
    "numeric": ["14012", "1.5"],
    "textarea": ["Строка1\nСтрока2"],
    "price": ["100"],
    "monetary": ["100"],
    "streetaddress": ["г. Москва, Николоямская улица 28/60 стр. 1"],
    "tracking_data": ["https://ru.hexlet.io/programs/frontend"],
    "checkbox": ["true"],
    "url": ["https://form.example.com/03b4"],
    "date": ["2020-01-01"],
    "date_time": ["2024-12-12T14:00:00Z", "2020-06-12T12:34:56Z"],
    "birthday": ["2003-03-10", "2020-04-10"],
    "select": ["frontend"],
    "multiselect": ["03 - PRÉ-AGENDAMENTO", None, None],
    "radiobutton": ["Значение 4"],
    "category": ["Значение 4"],
    "multitext": ["+70000000000", "+79121234567", "+74991234567"],
    "smart_address": ["Николоямская улица 28/60", "Москва", "Москва", "109004", "RU"],
    "legal_entity": [
        '{"name":"ООО Рога и копыта","entity_type":1,"vat_id":"123123123",'
        '"tax_registration_reason_code":213,"address":"Moscow","kpp":"23123123","external_uid":"uuid"}'
    ],
    "items": [
        '{"sku":"34N4124","description":"Описание товара","unit_price":10,"quantity":2,"unit_type":"шт.",'
        '"discount":{"type":"amount","value":25},"vat_rate_id":18,"external_uid":"uid"}'
    ],
    "linked_entity": ['{"name":"Ivan Ivanov","entity_id":24833339,"entity_type":"contacts","catalog_id":null}'],
    "chained_list": [
        '{"catalog_id":1001,"catalog_element_id":12235}',
        '{"catalog_id":1007,"catalog_element_id":12243}',
    ],
    "file": [
        '{"file_uuid":"3b454645-5c7f-4539-9ef9-0dd1b3638dad",'
        '"version_uuid":"13db6652-b3ed-4fff-aed8-0c6f3c43b887","file_name":"wiki.odt","file_size":20763}'
    ],
    "payer": [
        '{"name":"ООО Рога и копыта","address":"Москва, Вымышленная набережная, дом 1",'
        '"real_address":"Москва, Вымышленная улица, дом 99","vat_id":"0000111122"}'
    ],
    "payer_linked": ['{"name":"Василий","entity_type":"contacts","entity_id":17615543}'],
    "supplier": ['{"entity_id":521717}'],
}


def test_every_documented_shape_of_a_value() -> None:
    shapes = {kind: shape for kind, shape in sample("custom_field_value_shapes").items() if kind != "_comment"}
    written = {
        kind: [value for examples in shape.values() for _, value, _, _ in fields(kind, examples)]
        for kind, shape in shapes.items()
    }
    assert written == EVERY_SHAPE


def test_values_of_one_field_are_numbered_and_keep_their_options() -> None:
    assert fields("smart_address", sample("custom_field_value_shapes", "smart_address", "doc_write")) == [
        (0, "Николоямская улица 28/60", 1, None),
        (1, "Москва", None, "city"),
        (2, "Москва", None, "state"),
        (3, "109004", 5, None),
        (4, "RU", None, "country"),
    ]


def test_a_field_that_comes_in_parts_is_numbered_on() -> None:
    parts = [{"field_id": 2, "values": [{"value": "a"}, {"value": "b"}]}, {"field_id": 3, "values": [{"value": "c"}]}]
    lead = {"id": 1, "custom_fields_values": [*parts, {"field_id": 2, "values": [{"value": "d"}]}]}
    rows = deal_fields(lead, zone=MOSCOW, system_fields={})
    assert [(row["custom_field_id"], row["value_index"], row["value"]) for row in rows] == [
        (2, 0, "a"),
        (2, 1, "b"),
        (3, 0, "c"),
        (2, 2, "d"),
    ]


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ({"enum_code": "WORK", "enum": "HOME"}, "WORK"),
        ({"enum_code": None, "enum": "WORK"}, "WORK"),
        ({"enum": "WORK"}, "WORK"),
        ({"enum": 15}, None),
        ({}, None),
    ],
)
def test_code_of_an_option_falls_back_to_the_old_key(option: dict[str, Any], code: str | None) -> None:
    assert fields("multitext", [{"value": "+7", "enum_id": 1, **option}]) == [(0, "+7", 1, code)]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("numeric", 1.5, "1.5"),
        ("numeric", 7, "7"),
        ("text", "", ""),
        ("text", True, "true"),
        ("checkbox", False, "false"),
        ("checkbox", 1, "true"),
        ("checkbox", "0", "false"),
        ("checkbox", "maybe", "maybe"),
        ("date", 1589058000, "2020-05-10"),
        ("date", "1589058000", "2020-05-10"),
        ("date", "2020-05-10", "2020-05-10"),
        ("date", 0, "1970-01-01"),
        ("date", 10**15, "1000000000000000"),
        ("date", {"bad": 1}, '{"bad":1}'),
        ("birthday", -1577934000, "1920-01-01"),
        ("date_time", 0, "1970-01-01T00:00:00Z"),
        ("date_time", "1591965296", "2020-06-12T12:34:56Z"),
        ("date_time", "", ""),
        ("date_time", True, "true"),
        ("hologram", {"б": [1], "а": None}, '{"б":[1],"а":null}'),
        (None, [1, "x"], '[1,"x"]'),
        ("select", None, None),
    ],
)
def test_text_of_a_value(kind: str | None, value: Any, text: str | None) -> None:
    assert fields(kind, [{"value": value}]) == [(0, text, None, None)]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (None, []),
        ([], []),
        ({}, []),
        ("bare", ["bare"]),
        (5, ["5"]),
        (["a", None, 5, ["x"]], ["a", None, "5", '["x"]']),
        ({"value": "only"}, ["only"]),
        ({"0": {"value": "a"}, "1": {"value": "b"}}, ["a", "b"]),
        ([{}, {"enum_id": 3}], [None, None]),
    ],
)
def test_odd_values_come_through(values: Any, texts: list[str | None]) -> None:
    assert [value for _, value, _, _ in fields("text", values)] == texts


@pytest.mark.parametrize("none", [None, [], {}, [None], [[]], ["text"], "text", 5])
def test_no_field_no_row(none: Any) -> None:
    assert deal_fields({"id": 1, "custom_fields_values": none}, zone=MOSCOW, system_fields={}) == []


def test_a_field_without_an_id_is_an_error_only_when_it_has_values() -> None:
    def read(values: Any) -> list[dict[str, Any]]:
        lead = {"id": 1, "custom_fields_values": [{"field_id": None, "field_name": "x", "values": values}]}
        return deal_fields(lead, zone=MOSCOW, system_fields={})

    assert read([]) == []
    with pytest.raises(RowError, match="table custom_fields_deals without its key custom_field_id"):
        read([{"value": "x"}])
