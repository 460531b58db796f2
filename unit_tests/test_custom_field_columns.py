"""Custom fields as columns."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from source_amocrm.streams.custom_field_columns import FieldColumn, column, field_columns, known_columns
from testing.sample_files import sample

MOSCOW = ZoneInfo("Europe/Moscow")


def named(name: Any, kind: Any = "text", own: Any = 7) -> FieldColumn:
    made = column({"id": own, "name": name, "type": kind})
    assert made
    return made


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Бюджет", "cf_7_byudzhet"),
        ("Budget, €", "cf_7_budget"),
        ("Дата рождения", "cf_7_data_rozhdeniya"),
        ("Ação nº 5", "cf_7_acao_no_5"),
        ("№ договора", "cf_7_no_dogovora"),
        ("Объём (м³)", "cf_7_obem_m3"),
        ("Қаржы ұйымы", "cf_7_qarzhy_uyymy"),
        ("Łódź, Straße", "cf_7_lodz_strasse"),
        ("Щёлково — объём", "cf_7_shchelkovo_obem"),
        ("😀", "cf_7"),
        ("日本", "cf_7"),
        ("", "cf_7"),
        (None, "cf_7"),
        ("я" * 100, "cf_7_" + "ya" * 20),
        ("а " * 100, "cf_7_" + "a_" * 19 + "a"),
    ],
)
def test_names_of_columns(name: Any, wanted: str) -> None:
    assert named(name).name == wanted


def test_fields_of_one_name_have_columns_of_their_own() -> None:
    assert {named("Цена", own=own).name for own in (1, 2, 12)} == {"cf_1_tsena", "cf_2_tsena", "cf_12_tsena"}


@pytest.mark.parametrize("field", [None, [], "x", {}, {"id": None}, {"id": "7"}, {"id": True}, {"id": -1}])
def test_what_is_no_field(field: Any) -> None:
    assert column(field) is None


def test_columns_are_known_again_by_their_names() -> None:
    fields = sample("custom_fields_list", "_embedded", "custom_fields")
    made = [each for field in fields if (each := column(field))]
    assert len(made) == len(fields)
    properties = {"lead_id": {"type": "integer"}, "cf_x": {}, "cf_": {}, "cf_5": True}
    properties |= {each.name: each.schema for each in made}
    assert known_columns(properties) == {field["id"]: each for field, each in zip(fields, made, strict=True)}


def value(kind: str, *elements: Any) -> Any:
    each = named("x", kind)
    field = {"field_id": 7, "field_type": kind, "values": list(elements)}
    row = field_columns({}, {"custom_fields_values": [field]}, {7: each}, MOSCOW)
    assert list(row) == ["cf_7_x"]
    return row["cf_7_x"]


@pytest.mark.parametrize(
    ("kind", "elements", "wanted"),
    [
        ("text", [{"value": "да"}], "да"),
        ("text", [{"value": "a"}, {"value": "b"}], '["a","b"]'),
        ("select", [{"value": "Опт", "enum_id": 3}], "Опт"),
        ("numeric", [{"value": "14012"}], 14012),
        ("monetary", [{"value": "1.5"}], 1.5),
        ("numeric", [{"value": "много"}], None),
        ("checkbox", [{"value": True}], True),
        ("checkbox", [{"value": "0"}], False),
        ("date", [{"value": 1577826000}], "2020-01-01"),
        ("birthday", [{"value": -3600 * 3}], "1970-01-01"),
        ("date_time", [{"value": 1577826000}], "2019-12-31T21:00:00Z"),
        ("date", [{"value": "скоро"}], None),
        ("date", [{"value": None}], None),
        ("multiselect", [{"value": "a"}, {"value": "b"}], ["a", "b"]),
        ("multitext", [{"value": "+7900", "enum_code": "WORK"}], ["+7900"]),
        ("chained_list", [{"catalog_id": 1, "catalog_element_id": 2}], ['{"catalog_id":1,"catalog_element_id":2}']),
        ("legal_entity", [{"value": {"name": "ООО"}}], '{"name":"ООО"}'),
        ("of tomorrow", [{"value": 5}], "5"),
    ],
)
def test_values(kind: str, elements: list[Any], wanted: Any) -> None:
    assert value(kind, *elements) == wanted
    assert type(value(kind, *elements)) is type(wanted)


@pytest.mark.parametrize(
    ("kind", "kinds", "form"),
    [
        ("text", ["null", "string"], None),
        ("of tomorrow", ["null", "string"], None),
        (7, ["null", "string"], None),
        ("numeric", ["null", "number"], None),
        ("monetary", ["null", "number"], None),
        ("price", ["null", "number"], None),
        ("checkbox", ["null", "boolean"], None),
        ("date", ["null", "string"], "date"),
        ("birthday", ["null", "string"], "date"),
        ("date_time", ["null", "string"], "date-time"),
        *((kind, ["null", "array"], None) for kind in ("multiselect", "multitext", "chained_list", "items", "file")),
    ],
)
def test_the_type_of_a_column_is_that_of_its_field(kind: Any, kinds: list[str], form: str | None) -> None:
    found = named("x", kind).schema
    assert (found["type"], found.get("format")) == (kinds, form)


@pytest.mark.parametrize(
    "values", [None, [], {}, [{"field_id": 8, "values": [{"value": 1}]}], [None], [{"field_id": []}]]
)
def test_a_field_that_is_not_filled(values: Any) -> None:
    assert field_columns({}, {"custom_fields_values": values}, {7: named("x")}, MOSCOW) == {}
