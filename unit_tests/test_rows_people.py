"""Rows of contacts and companies."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.streams.record import RowError
from testing.row_functions import company, contact
from testing.sample_files import sample

CONTACT: dict[str, Any] = {
    "contact_id": 7143599,
    "first_name": "",
    "last_name": "",
    "name": "1",
    "responsible_user_id": 504141,
    "created_by": 504141,
    "updated_by": 504141,
    "account_id": 28805383,
    "group_id": 0,
    "company": None,
    "company_name": None,
    "leads": [],
    "customers": [],
    "date": "2020-04-01T16:21:05Z",
    "created_at": "2020-04-01T16:21:05Z",
    "updated_at": "2020-04-01T16:21:05Z",
    "closest_task_at": None,
    "tags": [],
    "custom_fields": [],
    "phones": [],
    "emails": [],
    "communication_ids": [],
    "is_deleted": False,
    "is_unsorted": None,
    "catalog_elements": None,
    "read_at": None,
}
COMPANY: dict[str, Any] = {
    "company_id": 7767077,
    "name": "Компания Васи",
    "responsible_user_id": 504141,
    "created_by": 504141,
    "updated_by": 504141,
    "account_id": 28805383,
    "group_id": 0,
    "contacts": [],
    "leads": [],
    "customers": [],
    "date": "2020-04-08T15:26:58Z",
    "created_at": "2020-04-08T15:26:58Z",
    "updated_at": "2020-04-08T15:26:58Z",
    "closest_task_at": None,
    "tags": [],
    "custom_fields": [],
    "is_deleted": False,
    "catalog_elements": None,
    "read_at": None,
}


def test_documented_contacts() -> None:
    second = "2020-04-08T15:26:30Z"
    assert [contact(one) for one in sample("contacts_list", "_embedded", "contacts")] == [
        CONTACT,
        CONTACT
        | {"contact_id": 7767065, "name": "dsgdsg"}
        | {"date": second, "created_at": second, "updated_at": second},
    ]


def test_documented_contact_with_everything_embedded() -> None:
    given = sample("contact_detail_with_all")
    assert contact(given) == CONTACT | {
        "contact_id": 3,
        "first_name": "Иван",
        "last_name": "Иванов",
        "name": "Иван Иванов",
        "company": 1,
        "leads": [1, 3916883],
        "customers": [134923],
        "date": "2020-05-31T16:52:09Z",
        "created_at": "2020-02-19T13:02:11Z",
        "updated_at": "2020-05-31T16:52:09Z",
        "custom_fields": given["custom_fields_values"],
        "phones": ["+79123"],
        "catalog_elements": [],
        "read_at": None,
    }


def test_documented_kommo_contact() -> None:
    given = sample("contacts_list_kommo", "_embedded", "contacts", 0)
    made = "2023-06-13T15:38:30Z"
    assert contact(given) == CONTACT | {
        "contact_id": 406322,
        "first_name": "Sam",
        "name": "Sam",
        "responsible_user_id": 8375357,
        "created_by": 8375357,
        "updated_by": 8375357,
        "account_id": 31361463,
        "company": 406320,
        "date": made,
        "created_at": made,
        "updated_at": made,
        "custom_fields": given["custom_fields_values"],
        "phones": ["19651796212"],
        "is_unsorted": False,
    }


def test_recorded_contact() -> None:
    given = sample("recorded_contact_amocrm")
    assert contact(given) == CONTACT | {
        "contact_id": 58463561,
        "first_name": "Иван Петров",
        "name": "Иван Петров",
        "responsible_user_id": 3821476,
        "created_by": 0,
        "updated_by": 0,
        "account_id": 9884604,
        "group_id": 435082,
        "date": "2023-06-13T12:47:23Z",
        "created_at": "2023-05-31T21:08:24Z",
        "updated_at": "2023-06-13T12:47:23Z",
        "custom_fields": given["custom_fields_values"],
        "phones": ["+70000000000"],
        "emails": ["user@example.com"],
        "is_unsorted": False,
    }


def test_documented_companies() -> None:
    second = "2020-04-08T15:39:54Z"
    assert [company(one) for one in sample("companies_list", "_embedded", "companies")] == [
        COMPANY,
        COMPANY
        | {"company_id": 7767457, "name": "Example"}
        | {"date": second, "created_at": second, "updated_at": second},
    ]


def test_documented_company() -> None:
    given = sample("company_detail")
    assert company(given) == COMPANY | {
        "company_id": 1,
        "name": "АО Рога и копыта",
        "date": "2020-04-08T15:53:43Z",
        "created_at": "2020-02-19T13:02:11Z",
        "updated_at": "2020-04-08T15:53:43Z",
        "custom_fields": given["custom_fields_values"],
    }


def test_company_with_everything_embedded() -> None:
    related = {
        "contacts": [{"id": 1, "_links": {}}, {"id": 2}],
        "leads": [{"id": 3}],
        "customers": [{"id": 4}],
        "tags": [{"id": 5, "name": "опт", "color": None, "_links": {}}],
        "catalog_elements": [{"id": 6, "_links": {}, "metadata": {"quantity": 1.5}}],
    }
    row = company({"id": 9, "is_deleted": False, "closest_task_at": 1586359618, "_embedded": related})
    assert row == dict.fromkeys(COMPANY) | {
        "company_id": 9,
        "contacts": [1, 2],
        "leads": [3],
        "customers": [4],
        "closest_task_at": "2020-04-08T15:26:58Z",
        "tags": [{"id": 5, "name": "опт", "color": None}],
        "custom_fields": [],
        "is_deleted": False,
        "catalog_elements": [{"id": 6, "metadata": {"quantity": 1.5}}],
        "read_at": None,
    }


@pytest.mark.parametrize(
    ("field", "ids"),
    [
        ({"field_code": "COMMUNICATION_ID", "field_name": "Звонок"}, ["7", "8"]),
        ({"field_code": None, "field_name": " Communication_IDs "}, ["7", "8"]),
        ({"field_name": "communication_id"}, ["7", "8"]),
        ({"field_code": "X", "field_name": "communication id"}, []),
        ({"field_code": 5, "field_name": ["communication_id"]}, []),
    ],
)
def test_communication_ids(field: dict[str, Any], ids: list[str]) -> None:
    given = {"id": 1, "custom_fields_values": [{**field, "values": [{"value": 7}, {"value": "8"}]}]}
    assert contact(given)["communication_ids"] == ids


def test_phones_and_emails_go_by_code_and_keep_their_order() -> None:
    given = {
        "id": 1,
        "custom_fields_values": [
            {"field_code": "PHONE", "values": [{"value": "+7 1"}, {"value": None}, {"value": 72}, "+7 3"]},
            {"field_code": "EMAIL", "values": {"value": "a@example.com"}},
            {"field_code": "PHONE", "values": [{"enum_id": 1}, {"value": {"n": 4}}]},
            {"field_code": None, "field_name": "PHONE", "values": [{"value": "no"}]},
            {"field_code": "EMAIL", "values": None},
            None,
            "PHONE",
        ],
    }
    row = contact(given)
    assert row["phones"] == ["+7 1", "72", "+7 3", '{"n":4}']
    assert row["emails"] == ["a@example.com"]


def test_a_person_without_an_id_is_an_error() -> None:
    with pytest.raises(RowError, match=r"table contacts without its key contact_id .* account_id 5\."):
        contact({"id": None, "name": "Иван", "account_id": 5})
    with pytest.raises(RowError, match="table companies without its key company_id"):
        company({"id": "none"})
