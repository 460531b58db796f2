"""Lists of the sandbox page, filter and order as the reference says, and either way where it does not say."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Switches, writes
from sandbox.switches import Ties
from testing.sandbox_client import NOW, client


def ids(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["id"] for row in rows]


def flat(pages: list[list[dict[str, Any]]]) -> list[Any]:
    return [row["id"] for page in pages for row in page]


@pytest.mark.parametrize("path", ["leads", "contacts", "companies", "customers", "tasks", "leads/notes"])
def test_pages_hold_every_row_once(path: str) -> None:
    api = client()
    key = path.rpartition("/")[2]
    pages = api.walk(path, key, {"limit": 40})
    assert sorted(flat(pages)) == sorted(api.account.tables[path].rows)
    assert all(len(page) == 40 for page in pages[:-1])


@pytest.mark.parametrize(("asked", "shown"), [(None, 50), (250, 250), (251, 50), (0, 50), ("x", 50), (1, 1)])
def test_a_limit_over_the_maximum_silently_becomes_fifty(asked: Any, shown: int) -> None:
    api = client()
    assert len(api.rows("leads", "leads", {} if asked is None else {"limit": asked})) == shown


@pytest.mark.parametrize(
    ("maximum", "asked", "shown"), [(50, 100, 50), (100, 100, 100), (100, 250, 50), (250, 250, 250)]
)
def test_pages_of_events(maximum: int, asked: int, shown: int) -> None:
    api = client(switches=Switches(events_page_max=maximum))
    assert len(api.rows("events", "events", {"limit": asked})) == shown


def test_the_end_of_a_list_either_way() -> None:
    api = client()
    assert api.get("leads", {"page": 99}).status_code == 204
    api.account.switches.end = "empty"
    document = api.get("leads", {"page": 99}).json()
    assert document["_embedded"] == {"leads": []}
    assert "next" not in document["_links"]


def test_next_on_a_full_last_page_is_a_switch() -> None:
    api = client()
    params = {"limit": 10, "filter[id][]": list(api.account.tables["leads"].rows)[:10]}
    assert "next" not in api.get("leads", params).json()["_links"]
    api.account.switches.next_on_full_last_page = True
    assert "next" in api.get("leads", params).json()["_links"]


@pytest.mark.parametrize("ties", ["id_asc", "id_desc", "mirrored", "shuffled"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_ties_in_one_second(ties: Ties, direction: str) -> None:
    api = client(switches=Switches(ties=ties))
    tied = list(api.account.tables["leads"].rows)[:120]
    writes.mass_edit(api.account, "leads", tied)
    params = {"limit": 50, "order[updated_at]": direction}
    pages = api.walk("leads", "leads", params)
    times = [row["updated_at"] for page in pages for row in page]
    assert times == sorted(times, reverse=direction == "desc")
    first = ids(api.rows("leads", "leads", {**params, "filter[updated_at][from]": NOW}))
    second = ids(api.rows("leads", "leads", {**params, "filter[updated_at][from]": NOW}))
    if ties == "shuffled":
        assert first != second
    else:
        down = ties == "id_desc" or (ties == "mirrored" and direction == "desc")
        assert first == second == sorted(tied, reverse=down)[:50]
        assert sorted(flat(pages)) == sorted(api.account.tables["leads"].rows)


def test_a_list_in_the_order_of_changes_where_none_is_asked() -> None:
    api = client(switches=Switches(default_order="updated"))
    rows = api.rows("leads", "leads", {"limit": 250})
    assert [(row["updated_at"], row["id"]) for row in rows] == sorted((row["updated_at"], row["id"]) for row in rows)
    assert ids(rows) != sorted(ids(rows))


def test_if_modified_since_is_a_switch() -> None:
    api = client()
    api.session.headers["If-Modified-Since"] = "Fri, 01 Jan 2100 00:00:00 GMT"
    assert api.get("leads").status_code == 200
    api.account.switches.if_modified_since = "honoured"
    assert (api.get("leads").status_code, api.get("leads").content) == (304, b"")


def test_ids_of_a_request_for_links_may_be_limited() -> None:
    api = client(switches=Switches(links_most=2))
    leads = list(api.account.tables["leads"].rows)
    assert api.get("leads/links", {"filter[entity_id][]": leads[:2]}).status_code == 200
    refused = api.get("leads/links", {"filter[entity_id][]": leads[:3]})
    assert refused.status_code == 400
    assert "should contain 2 elements or less" in refused.text


@pytest.mark.parametrize("from_inclusive", [True, False])
@pytest.mark.parametrize("to_inclusive", [True, False])
def test_bounds(from_inclusive: bool, to_inclusive: bool) -> None:
    api = client(switches=Switches(from_inclusive=from_inclusive, to_inclusive=to_inclusive))
    lead = next(iter(api.account.tables["leads"]))
    at = lead["updated_at"]
    same = {row["id"] for row in api.account.tables["leads"] if row["updated_at"] == at}

    def asked(start: float, stop: float) -> set[int]:
        window = {"filter[updated_at][from]": start, "filter[updated_at][to]": stop, "limit": 250}
        return {row["id"] for row in api.rows("leads", "leads", window) if row["updated_at"] == at}

    assert asked(at, at + 1) == (same if from_inclusive else set())
    assert asked(at - 1, at) == (same if to_inclusive else set())
    assert asked(at - 0.5, at + 0.5) == same


def test_a_scalar_is_exact_on_leads_and_after_on_tasks() -> None:
    api = client()
    middle = sorted(row["updated_at"] for row in api.account.tables["tasks"])[-5]
    assert len(api.rows("tasks", "tasks", {"filter[updated_at]": middle})) == 5
    assert api.get("leads", {"filter[updated_at]": 1_234_567_890}).status_code == 204


def test_filters_that_are_off_are_silently_ignored() -> None:
    api = client(switches=Switches(filter_enabled=False))
    assert len(api.rows("leads", "leads", {"filter[updated_at][from]": NOW})) == 50
    assert len(api.rows("leads", "leads", {"filter[id]": 1})) == 50
    assert api.rows("tasks", "tasks", {"filter[updated_at][from]": NOW}) == []
    flag = {"with": "is_api_filter_enabled"}
    assert api.get("account", flag).json()["is_api_filter_enabled"] is False
    api.account.switches.filter_flag = True
    assert api.get("account", flag).json()["is_api_filter_enabled"] is True
    api.account.switches.filter_flag = "absent"
    assert "is_api_filter_enabled" not in api.get("account", flag).json()


def test_documented_filters_of_leads() -> None:
    api = client()
    leads = list(api.account.tables["leads"])
    lead = leads[7]
    stage = {
        "filter[statuses][0][pipeline_id]": lead["pipeline_id"],
        "filter[statuses][0][status_id]": lead["status_id"],
        "limit": 250,
    }
    same = [r["id"] for r in leads if (r["pipeline_id"], r["status_id"]) == (lead["pipeline_id"], lead["status_id"])]
    assert ids(api.rows("leads", "leads", stage)) == sorted(same)
    assert ids(api.rows("leads", "leads", {"filter[id][0]": lead["id"], "filter[id][1]": leads[3]["id"]})) == [
        leads[3]["id"], lead["id"],
    ]  # fmt: skip
    mine = {"filter[responsible_user_id][]": lead["responsible_user_id"], "limit": 250}
    assert {row["responsible_user_id"] for row in api.rows("leads", "leads", mine)} == {lead["responsible_user_id"]}


def test_only_documented_orders_are_honoured() -> None:
    api = client()
    by_id = ids(api.rows("tasks", "tasks", {"order[id]": "asc"}))
    assert ids(api.rows("tasks", "tasks", {"order[updated_at]": "desc"})) == by_id
    till = [row["complete_till"] for row in api.rows("tasks", "tasks", {"order[complete_till]": "desc"})]
    assert till == sorted(till, reverse=True)


def test_events_by_type_entity_and_window() -> None:
    api = client()
    rows = api.rows("events", "events", {"filter[type][]": "lead_status_changed", "limit": 100})
    assert {row["type"] for row in rows} == {"lead_status_changed"}
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    lead = rows[0]["entity_id"]
    of_lead = api.rows("events", "events", {"filter[entity]": "lead", "filter[entity_id][]": lead})
    assert {row["entity_id"] for row in of_lead} == {lead}
    assert api.get("events", {"filter[entity_id][]": lead}).status_code == 400
    start, stop = rows[9]["created_at"], rows[2]["created_at"]
    window = {"filter[created_at][from]": start, "filter[created_at][to]": stop, "limit": 100}
    expected = {e.id for e in api.account.events if start <= e.created_at <= stop}
    assert set(ids(api.rows("events", "events", window))) == expected
    mixed = {"filter[type][0]": "custom_field_1_value_changed", "filter[type][1]": "lead_added"}
    assert api.get("events", mixed).status_code == 400


def test_chat_messages_stand_on_the_deal_and_name_the_contact() -> None:
    api = client()
    rows = api.rows("events", "events", {"filter[type][]": "incoming_chat_message"})
    assert rows
    assert {row["entity_type"] for row in rows} == {"lead"}
    entities = [row["_embedded"]["entity"] for row in rows]
    assert {entity["linked_talk_contact_id"] for entity in entities} <= set(api.account.tables["contacts"].rows) | {
        gone for kind, gone in api.account.gone if kind == "contacts"
    }
    added = api.rows("events", "events", {"filter[type][]": "lead_added"})[0]
    assert "linked_talk_contact_id" not in added["_embedded"]["entity"]


@pytest.mark.parametrize("order", ["asc", "desc", "unordered"])
def test_default_order_of_events(order: Any) -> None:
    api = client(switches=Switches(events_order=order))
    pages = api.walk("events", "events", {"limit": 100})
    assert sorted(flat(pages)) == sorted(api.account.events.rows)
    times = [row["created_at"] for page in pages for row in page]
    assert (times == sorted(times)) == (order == "asc")
    assert (times == sorted(times, reverse=True)) == (order == "desc")


def test_links_of_rows_repeat_the_query() -> None:
    api = client()
    row = api.rows("leads", "leads", {"limit": 1, "with": "contacts"})[0]
    assert row["_links"]["self"]["href"].endswith(f"/api/v4/leads/{row['id']}?limit=1&with=contacts")


def test_mass_links_and_links_of_one() -> None:
    api = client()
    lead = next(i for i in api.account.tables["leads"].rows if api.account.linked("leads", i, "contacts"))
    one = api.get(f"leads/{lead}/links").json()
    many = api.get("leads/links", {"filter[entity_id][]": [lead]}).json()
    assert one["_total_items"] == many["_total_items"] == len(one["_embedded"]["links"])
    assert many["_embedded"]["links"][0] == {
        "entity_id": lead, "entity_type": "leads", **one["_embedded"]["links"][0],
    }  # fmt: skip
    assert api.get("leads/links").status_code == 400


def test_features_and_rights() -> None:
    api = client(switches=Switches(customers="off", admin=False, catalogs=False, forbidden=frozenset({"tasks"})))
    statuses = {
        path: api.get(path).status_code
        for path in ("customers", "customers/custom_fields", "customers/notes", "customers/segments", "users", "roles",
                     "catalogs", "tasks", "leads", "webhooks", "nothing", "leads/1")
    }  # fmt: skip
    assert statuses == {
        "customers": 422, "customers/custom_fields": 422, "customers/notes": 422, "customers/segments": 422,
        "users": 403, "roles": 403, "catalogs": 204, "tasks": 403, "leads": 200, "webhooks": 403, "nothing": 404,
        "leads/1": 204,
    }  # fmt: skip
    api.account.switches.unpaid = True
    assert api.get("leads").json()["detail"] == "Payment required"


def test_hostile_rows_stand_in_lists_as_they_are() -> None:
    api = client()
    first, second = list(api.account.tables["leads"].rows)[:2]
    api.account.raw["leads", first] = b'{"id": 1, "id": 2, "name": null}'
    writes.edit(api.account, "leads", second, name="\ud800", price=2**70)
    text = api.get("leads", {"order[id]": "asc", "limit": 2}).text
    assert '{"id": 1, "id": 2, "name": null}' in text
    assert f'"price": {2**70}' in text
    assert '"name": "\\ud800"' in text
