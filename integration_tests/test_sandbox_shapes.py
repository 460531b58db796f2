"""Rows of the sandbox have the keys of documented and recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .sandbox import Switches
from .sandbox_client import Client, client

SAMPLES = Path(__file__).parent.parent / "unit_tests" / "samples"
CARD_WITH = "contacts,loss_reason,source_id,source,is_price_modified_by_robot,catalog_elements"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def keys(row: dict[str, Any]) -> tuple[set[str], set[str]]:
    return set(row), set(row.get("_embedded", ()))


@pytest.fixture(scope="module")
def api() -> Client:
    return client()


@pytest.mark.parametrize(
    ("path", "key", "name", "params"),
    [
        ("leads", "leads", "recorded_leads_page_amocrm", {}),
        ("leads", "leads", "leads_list", {"with": "source_id"}),
        ("leads/notes", "notes", "notes_list_by_type", {}),
        ("events", "events", "events_list", {}),
        ("users", "users", "users_list", {"with": "role,group"}),
        ("leads/pipelines", "pipelines", "pipelines_list", {}),
        ("leads/tags", "tags", "tags_list", {}),
    ],
)
def test_list_rows_have_the_keys_of_the_sample(api: Client, path: str, key: str, name: str, params: Any) -> None:
    shown, known = keys(api.rows(path, key, params)[0]), keys(sample(name)["_embedded"][key][0])
    assert shown[0] - {"labor_cost"} == known[0] - {"labor_cost"}  # the doc's example of leads lacks labor_cost
    assert shown[1] == known[1]


def test_page_of_leads_has_the_links_of_the_sample(api: Client) -> None:
    document = api.get("leads", {"limit": 2, "page": 2}).json()
    known = sample("leads_list")
    assert set(document) == set(known)
    assert set(document["_links"]) == set(known["_links"]) == {"self", "next", "first", "prev"}
    assert document["_links"]["next"] == {"href": "https://example.amocrm.ru/api/v4/leads?limit=2&page=3"}


def test_contact_task_and_company_rows(api: Client) -> None:
    contact = api.rows("contacts", "contacts", {"with": "customers"})[0]
    assert keys(contact) == keys(sample("recorded_contact_amocrm"))
    task = api.rows("tasks", "tasks")[0]
    assert keys(task) == keys(sample("recorded_tasks_amocrm")[0])
    results = [row["result"] for row in api.rows("tasks", "tasks", {"limit": 250})]
    assert [] in results
    assert any(isinstance(result, dict) and set(result) == {"text"} for result in results)
    undocumented = client(switches=Switches(companies_is_deleted=False))
    company = undocumented.rows("companies", "companies")[0]
    assert keys(company) == keys(sample("companies_list")["_embedded"]["companies"][0])


def test_lead_with_everything(api: Client) -> None:
    lost = [row for row in api.account.tables["leads"] if row["loss_reason_id"]]
    row = api.get(f"leads/{lost[0]['id']}", {"with": CARD_WITH}).json()
    known = sample("lead_detail_with_all")
    assert set(row) - {"labor_cost"} == set(known)
    assert set(row["_embedded"]) == set(known["_embedded"])
    assert set(row["_embedded"]["loss_reason"][0]) == set(known["_embedded"]["loss_reason"][0])


def test_trash_shows_skeletons(api: Client) -> None:
    row = api.rows("leads", "leads", {"with": "only_deleted"})[0]
    known = sample("lead_only_deleted_item")
    assert set(row) == set(known)
    assert {name for name, value in row.items() if value is not None} == {
        "id", "updated_by", "updated_at", "is_deleted", "account_id",
    }  # fmt: skip


def test_fields_in_the_documented_and_the_full_shape() -> None:
    doc = client(switches=Switches(fields_shape="doc"))
    row = doc.rows("leads/custom_fields", "custom_fields")[0]
    assert set(row) == set(sample("custom_fields_list")["_embedded"]["custom_fields"][0])
    full = client().rows("contacts/custom_fields", "custom_fields")[0]
    assert set(full) - {"settings"} == set(sample("custom_field_detail"))


def test_every_field_type_of_the_reference_is_read_back() -> None:
    shapes = set(sample("custom_field_value_shapes")) - {"_comment", "payer_linked"}
    account = client().account
    assert shapes <= {field["type"] for fields in account.fields.values() for field in fields}
    rows = (row for table in (*account.tables.values(), *account.elements.values()) for row in table)
    filled = {field["field_type"] for row in rows for field in row.get("custom_fields_values") or ()}
    assert shapes <= filled


def test_account_with_everything(api: Client) -> None:
    known = sample("account")
    row = api.get("account", {"with": ",".join((*known, *known["_embedded"]))}).json()
    assert set(row) == set(known)
    assert set(row["_embedded"]) == set(known["_embedded"])
    assert set(row["_embedded"]["datetime_settings"]) == set(known["_embedded"]["datetime_settings"])
    bare = api.get("account").json()
    assert "_embedded" not in bare
    assert "is_api_filter_enabled" not in bare


@pytest.mark.parametrize(
    ("path", "key", "known"),
    [
        ("customers/segments", "segments", "id created_at updated_at account_id name color customers_count _links "
         "available_products_price_types custom_fields_values"),
        ("customers/transactions", "transactions", "id price comment completed_at customer_id created_by updated_by "
         "created_at updated_at is_deleted account_id _links _embedded"),
        ("catalogs", "catalogs", "id name created_by updated_by created_at updated_at sort type can_add_elements "
         "can_show_in_cards can_link_multiple can_be_deleted sdk_widget_code account_id _links"),
        ("catalogs/4521/elements", "elements", "id name created_by updated_by created_at updated_at is_deleted "
         "custom_fields_values catalog_id account_id _links"),
        ("leads/unsorted", "unsorted", "uid source_uid source_name category pipeline_id created_at metadata "
         "account_id _links _embedded"),
        ("sources", "sources", "id name pipeline_id external_id default origin_code services _links"),
        ("webhooks", "webhooks", "id destination created_at updated_at account_id created_by sort disabled settings"),
        ("widgets", "widgets", "id code version rating settings_template is_lead_source is_work_with_dp "
         "is_crm_template client_uuid is_active_in_account pipeline_id _links"),
        ("roles", "roles", "id name rights _links"),
        ("talks", "talks", "talk_id created_at updated_at rate contact_id chat_id entity_id entity_type is_in_work "
         "is_read origin missed_at account_id _links _embedded"),
        ("leads/loss_reasons", "loss_reasons", "id name sort created_at updated_at _links"),
        ("events/types", "events_types", "key type lang"),
    ],
)  # fmt: skip
def test_other_lists(api: Client, path: str, key: str, known: str) -> None:
    assert set(api.rows(path, key)[0]) == set(known.split())


def test_files_stand_on_the_drive(api: Client) -> None:
    drive = api.get("account", {"with": "drive_url"}).json()["drive_url"]
    document = api.session.get(f"{drive}/v1.0/files?limit=1", timeout=5).json()
    assert set(document) == {"_count", "_embedded", "_links"}
    assert {"uuid", "version_uuid", "size", "created_by", "metadata"} < set(document["_embedded"]["files"][0])
