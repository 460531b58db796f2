"""Rows of the sandbox have the keys of documented and recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import Switches
from testing.sandbox_client import Client, client

SAMPLES = Path(__file__).parent.parent / "testing" / "samples"
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
    newer = {"labor_cost", "price_with_minor_units", "is_price_computed"}  # older examples of leads lack some of these
    assert shown[0] - newer == known[0] - newer
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
    known = sample("lead_with_minor_units")
    assert set(row) == set(known)
    assert set(row["_embedded"]) == set(known["_embedded"])
    reason = sample("lead_detail_with_all")["_embedded"]["loss_reason"][0]
    assert set(row["_embedded"]["loss_reason"][0]) == set(reason)


def of_leads(switches: Switches, column: str) -> dict[str, Any]:
    """Some lead that has `column`, with all that can be asked for."""
    api = client(switches=switches)
    own = next(row["id"] for row in api.account.tables["leads"] if row[column])
    row: dict[str, Any] = api.get(f"leads/{own}", {"with": CARD_WITH}).json()
    return row


@pytest.mark.parametrize("shape", ["embedded", "documented", "top", "absent"])
def test_where_the_source_of_a_lead_stands(shape: Any) -> None:
    row = of_leads(Switches(lead_source=shape), "source_id")
    assert (row["source_id"] is None) == (shape in ("embedded", "absent"))
    known = {"embedded": "lead_with_minor_units", "documented": "lead_detail_with_all"}
    wanted = set(sample(known[shape])["_embedded"]["source"]) if shape in known else set()
    assert set(row["_embedded"]["source"] or ()) == wanted


@pytest.mark.parametrize(
    ("answer", "beside"), [("given", lambda exact: exact), ("zero", lambda _: 0), ("absent", lambda _: None)]
)
def test_amounts_and_what_stands_beside_them(answer: Any, beside: Any) -> None:
    api = client(switches=Switches(minor_units=answer))
    for path, key, name in (
        ("leads", "leads", "price"),
        ("customers", "customers", "next_price"),
        ("customers/transactions", "transactions", "price"),
    ):
        table = api.account.tables[key]
        own = next(row["id"] for row in table if row[name] != int(row[name]))
        row = next(row for page in api.walk(path, key, {"limit": 250}) for row in page if row["id"] == own)
        exact = table.rows[own][name]
        assert (row[name], row.get(f"{name}_with_minor_units")) == (int(exact), beside(exact))


@pytest.mark.parametrize("shape", ["both", "metadata", "flat"])
def test_where_the_quantity_of_a_linked_element_stands(shape: Any) -> None:
    api = client(switches=Switches(element_links=shape))
    own = next(i for kind, i in api.account.links.elements if kind == "leads" and i in api.account.tables["leads"])
    element = api.get(f"leads/{own}", {"with": "catalog_elements"}).json()["_embedded"]["catalog_elements"][0]
    known = set(sample("lead_with_minor_units")["_embedded"]["catalog_elements"][0])
    wanted = {"both": known, "metadata": {"id", "metadata"}, "flat": known - {"metadata"}}
    assert set(element) == wanted[shape]


@pytest.mark.parametrize("place", ["entity", "top", "nowhere"])
def test_chat_messages_name_the_contact(place: Any) -> None:
    api = client(switches=Switches(talk_contact=place))
    rows = api.rows("events", "events", {"filter[type][]": "incoming_chat_message"})
    known = sample("events_chat_messages")["_embedded"]["events"][1]
    for row in rows:
        entity = row["_embedded"]["entity"]
        assert ("linked_talk_contact_id" in entity, "linked_talk_contact_id" in row) == (
            place == "entity",
            place == "top",
        )
        assert set(row) - {"linked_talk_contact_id"} == set(known)
    messages = [set(row["value_after"][0]["message"]) for row in rows]
    assert {"id"} in messages
    assert set(known["value_after"][0]["message"]) in messages


def test_what_is_told_only_when_it_is_asked_for(api: Client) -> None:
    note = api.rows("leads/notes", "notes", {"with": "is_pinned"})[0]
    assert set(note) - {"_links"} == set(sample("note_pinned"))
    assert set(api.rows("leads/notes", "notes")[0]) == set(note) - {"is_pinned"}
    older = client(switches=Switches(notes_pinned=False))
    assert "is_pinned" not in older.rows("leads/notes", "notes", {"with": "is_pinned"})[0]
    bare = set(api.rows("users", "users")[0])
    asked = {"phone_number", "uuid", "amojo_id", "user_rank"}
    assert set(api.rows("users", "users", {"with": "uuid"})[0]) == bare | {"uuid"}
    assert set(api.rows("users", "users", {"with": ",".join(asked)})[0]) == bare | asked
    assert not bare & asked


def test_the_values_of_a_category_are_a_tree(api: Client) -> None:
    products = next(catalog["id"] for catalog in api.account.catalogs if catalog["type"] == "products")
    fields = api.rows(f"catalogs/{products}/custom_fields", "custom_fields")
    [category] = [field for field in fields if field["type"] == "category"]
    known = sample("custom_field_category_nested")
    assert set(known) <= set(category)
    assert category["enums"] is None
    assert {tuple(value) for value in category["nested"]} == {tuple(value) for value in known["nested"]}
    [root] = [value["id"] for value in category["nested"] if value["parent_id"] is None]
    assert {value["parent_id"] for value in category["nested"]} == {None, root}


def test_talks_of_today_and_of_before(api: Client) -> None:
    known = sample("talks_list_2026")["_embedded"]["talks"][0]
    rows = api.rows("talks", "talks", {"limit": 250})
    assert {frozenset(row) for row in rows} == {frozenset(known)}
    assert {row["status"] for row in rows} >= {"in_work", "closed"}
    in_work = api.rows("talks", "talks", {"limit": 250, "filter[only_in_work]": 1})
    assert in_work == [row for row in rows if row["is_in_work"]]
    older = client(switches=Switches(talks_shape="2021")).rows("talks", "talks")
    assert set(older[0]) == set(sample("talk_detail"))
    one = next(row for row in rows if row["entity_type"] == "customer")
    of_one = {"filter[entity_type]": "customer", "filter[entity_id][]": one["entity_id"]}
    assert one in api.rows("talks", "talks", of_one)
    assert api.rows("talks", "talks", {"filter[talk_id]": one["talk_id"]}) == [one]
    nobody = client()
    nobody.account.talks.clear()
    assert nobody.get("talks").status_code == 204


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
    assert set(row) == {*known, "currency", "currency_symbol"}  # these two in answers of accounts, not in documents
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
        ("customers/transactions", "transactions", "id price price_with_minor_units comment completed_at "
         "customer_id created_by updated_by created_at updated_at is_deleted account_id _links _embedded"),
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
