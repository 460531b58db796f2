"""Rows of tasks, notes, events and changes of deals' statuses."""

from __future__ import annotations

from typing import Any

import pytest

from source_amocrm.streams.record import RowError
from testing.row_functions import deal_status, event, note, task
from testing.sample_files import sample

TASK: dict[str, Any] = {
    "task_id": 7087,
    "element_id": 167353,
    "element_type": 2,
    "responsible_user_id": 123123,
    "group_id": 0,
    "created_by": 3987910,
    "created_at": "2019-12-03T09:06:40Z",
    "updated_at": "2019-12-03T09:20:51Z",
    "complete_till_at": "2019-12-06T20:59:00Z",
    "task_type": 2,
    "is_completed": True,
    "text": "Пригласить на бесплатную тренировку",
    "result": None,
    "updated_by": 3987910,
    "account_id": 321321,
    "duration": 0,
    "is_deleted": False,
}
NOTE: dict[str, Any] = {
    "note_id": 42709325,
    "note_type": "common",
    "element_id": 26050861,
    "element_type": 2,
    "responsible_user_id": 939801,
    "group_id": 0,
    "created_by": 940088,
    "created_at": "2018-10-24T18:58:15Z",
    "updated_at": "2018-10-24T19:11:57Z",
    "is_editable": True,
    "attachment": None,
    "text": "Текст примечания",
    "params": {"text": "Текст примечания"},
    "updated_by": 940088,
    "account_id": 17079858,
    "is_deleted": False,
    "is_pinned": None,
    "file_uuid": None,
}
EVENT: dict[str, Any] = {
    "event_id": "01pz58t6p04ymgsgfbmfyfy1mf",
    "type": "lead_added",
    "created_by": 939801,
    "created_at": "2029-11-09T03:21:28Z",
    "value_after": [{"note": {"id": 42743871}}],
    "value_before": [],
    "account_id": 17079858,
    "entity_type": "lead",
    "entity_id": 26060763,
    "linked_talk_contact_id": None,
}
MOVE: dict[str, Any] = {
    "note_id": "01a",
    "lead_id": 5,
    "created_by": 0,
    "created_at": "2022-05-31T12:00:16Z",
    "updated_at": "2022-05-31T12:00:16Z",
    "pipeline_id_new": None,
    "pipeline_id_old": None,
    "status_new": None,
    "status_old": None,
    "loss_reason_id": None,
}
MOVED = {"id": "01a", "entity_id": 5, "entity_type": "lead", "created_by": 0, "created_at": 1653998416}


def test_documented_tasks() -> None:
    assert [task(one) for one in sample("tasks_list", "_embedded", "tasks")] == [
        TASK,
        TASK
        | {
            "task_id": 215089,
            "element_id": 1035487,
            "created_by": 0,
            "created_at": "2019-12-19T15:04:39Z",
            "updated_at": "2019-12-19T15:05:14Z",
            "complete_till_at": "2019-12-19T15:09:39Z",
            "text": "Назначить встречу с клиентом",
            "account_id": 321312,
        },
    ]


def test_documented_task_with_a_result() -> None:
    assert task(sample("task_detail")) == TASK | {
        "task_id": 56981,
        "element_id": 180765,
        "created_by": 54224,
        "created_at": "2019-12-09T16:48:43Z",
        "updated_at": "2019-12-19T15:06:29Z",
        "complete_till_at": "2019-12-09T16:53:43Z",
        "text": "Назначить встречу с клиентом",
        "result": "Результат есть",
        "account_id": 321312,
    }


def test_documented_answer_to_completing_a_task() -> None:
    known = {"task_id": 4747929, "updated_at": "2020-05-06T13:10:00Z", "is_deleted": False}
    assert task(sample("task_complete_response")) == dict.fromkeys(TASK) | known


def test_recorded_tasks() -> None:
    shared = TASK | {
        "element_id": 34115403,
        "responsible_user_id": 3821476,
        "group_id": 435082,
        "created_by": 3821476,
        "updated_by": 3821476,
        "account_id": 9884604,
        "text": "",
    }
    assert [task(one) for one in sample("recorded_tasks_amocrm")] == [
        shared
        | {
            "task_id": 47073643,
            "created_at": "2023-06-01T06:51:29Z",
            "updated_at": "2023-06-01T15:47:59Z",
            "complete_till_at": "2023-06-01T16:30:00Z",
            "task_type": 284845,
            "result": "vm",
            "duration": 1800,
        },
        shared
        | {
            "task_id": 47079325,
            "created_at": "2023-06-01T15:48:06Z",
            "updated_at": "2023-06-05T11:02:38Z",
            "complete_till_at": "2023-06-05T20:59:00Z",
            "task_type": 1,
        },
        shared
        | {
            "task_id": 47095147,
            "created_at": "2023-06-05T11:02:41Z",
            "updated_at": "2023-06-07T16:29:09Z",
            "complete_till_at": "2023-06-07T20:59:00Z",
            "task_type": 1,
            "result": "недоступен",
        },
    ]


@pytest.mark.parametrize(
    ("entity", "number"),
    [("contacts", 1), ("leads", 2), ("companies", 3), ("customers", 12), ("catalogs", None), (None, None), ([], None)],
)
def test_element_type_of_a_task(entity: Any, number: int | None) -> None:
    assert task({"id": 1, "entity_type": entity})["element_type"] == number


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ([], None),
        (None, None),
        ({}, None),
        ({"text": "да"}, "да"),
        ({"text": 5, "id": 1}, "5"),
        ([{"text": "да"}], "да"),
        ("да", "да"),
        (["да"], None),
    ],
)
def test_result_of_a_task(result: Any, text: str | None) -> None:
    assert task({"id": 1, "result": result})["result"] == text


def test_documented_notes_by_type() -> None:
    attached = sample("notes_list_by_type", "_embedded", "notes", 1)
    assert [note(one, "leads") for one in sample("notes_list_by_type", "_embedded", "notes")] == [
        NOTE,
        NOTE
        | {
            "note_id": 42709842,
            "note_type": "attachment",
            "element_id": 26053794,
            "created_by": 939801,
            "updated_by": 939801,
            "created_at": "2019-01-23T21:48:33Z",
            "updated_at": "2019-01-23T21:48:35Z",
            "attachment": "Снимок экрана 2022-12-12 в 20.11.45 (1).jpg",
            "text": "Снимок экрана 2022-12-12 в 20.11.45 (1).jpg",
            "params": attached["params"],
            "file_uuid": "6905db7c-3a29-4d30-8953-bac68c05e8e8",
        },
    ]


def test_documented_notes_by_entity() -> None:
    assert [note(one, "contacts") for one in sample("notes_list_by_entity", "_embedded", "notes")] == [
        NOTE | {"element_type": 1, "text": "Текст примечания 2", "params": {"text": "Текст примечания 2"}},
        NOTE
        | {
            "note_id": 42736075,
            "element_type": 1,
            "created_by": 939801,
            "updated_by": 939801,
            "created_at": "2020-04-22T11:33:18Z",
            "updated_at": "2020-04-22T11:33:19Z",
        },
    ]


@pytest.mark.parametrize(("entity", "number"), [("leads", 2), ("contacts", 1), ("companies", 3), ("customers", 12)])
def test_documented_note_in_each_list(entity: str, number: int) -> None:
    assert note(sample("note_detail"), entity) == NOTE | {"element_type": number}


def test_a_pinned_note() -> None:
    given = sample("note_pinned")
    assert note(given, "leads")["is_pinned"] is True
    assert note({**given, "is_pinned": 0}, "leads")["is_pinned"] is False
    assert note({"id": 1}, "leads")["is_pinned"] is None


def test_params_of_each_documented_note_type() -> None:
    kinds = sample("note_params_by_type")
    rows = {kind: note({"id": 1, "note_type": kind, "params": params}, "leads") for kind, params in kinds.items()}
    assert {kind: row["params"] for kind, row in rows.items()} == kinds
    assert {kind: (row["text"], row["attachment"], row["is_editable"]) for kind, row in rows.items()} == {
        "common": ("Обычное примечание", None, True),
        "call_in": (None, None, True),
        "call_out": (None, None, True),
        "service_message": ("Текст для примечания", None, True),
        "extended_service_message": ("Текст для примечания", None, True),
        "message_cashier": ("Текст для примечания", None, True),
        "geolocation": ("Геолокация", None, True),
        "sms_in": ("Новое входящие сообщение", None, True),
        "sms_out": ("Новое исходящие сообщение", None, True),
        "attachment": (None, "изображение.png", True),
    }


@pytest.mark.parametrize(("kind", "editable"), [("site_visit", False), ("hologram", False), (None, None)])
def test_other_note_types_are_not_editable(kind: str | None, editable: bool | None) -> None:
    assert note({"id": 1, "note_type": kind}, "leads")["is_editable"] is editable


@pytest.mark.parametrize(
    ("params", "expected", "text"),
    [
        ([], {}, None),
        (None, {}, None),
        ({}, {}, None),
        ({"text": 5, "_links": {}}, {"text": 5}, "5"),
        ([{"text": "a"}], {"0": {"text": "a"}}, "a"),
        ("text", None, None),
    ],
)
def test_odd_params(params: Any, expected: Any, text: str | None) -> None:
    row = note({"id": 1, "params": params}, "leads")
    assert (row["params"], row["text"]) == (expected, text)


def test_documented_events() -> None:
    assert [event(one) for one in sample("events_list", "_embedded", "events")] == [EVENT]
    assert event(sample("event_detail")) == EVENT


def test_every_documented_shape_of_an_event_is_kept() -> None:
    for kind, shape in sample("event_value_shapes").items():
        row = event({"id": "01a", "type": kind, **shape})
        assert (row["value_after"], row["value_before"]) == (shape["value_after"], shape.get("value_before"))


def test_an_event_of_a_chat_and_links_in_its_values() -> None:
    row = event(
        {
            "id": "01b",
            "linked_talk_contact_id": "9",
            "value_after": [{"link": {"entity": {"id": 1, "_links": {}}}}],
            "value_before": {"tag": {"name": "тег"}},
        }
    )
    assert row == dict.fromkeys(EVENT) | {
        "event_id": "01b",
        "value_after": [{"link": {"entity": {"id": 1}}}],
        "value_before": [{"tag": {"name": "тег"}}],
        "linked_talk_contact_id": 9,
    }


def test_the_contact_of_a_chat_stands_in_the_embedded_entity_or_in_the_event() -> None:
    for shown in sample("events_chat_messages", "_embedded", "events"):
        assert event(shown)["linked_talk_contact_id"] == 77345755
    embedded = {"_embedded": {"entity": {"id": 1, "linked_talk_contact_id": 8}}}
    for given, wanted in (
        ({**embedded, "linked_talk_contact_id": 9}, 8),
        ({"_embedded": {"entity": {"id": 1, "linked_talk_contact_id": None}}, "linked_talk_contact_id": 9}, 9),
        ({"_embedded": {"entity": []}, "linked_talk_contact_id": 9}, 9),
        ({"_embedded": None}, None),
    ):
        assert event({"id": "01b", **given})["linked_talk_contact_id"] == wanted


def test_documented_change_of_status() -> None:
    shape = sample("event_value_shapes", "lead_status_changed")
    assert deal_status({**MOVED, **shape}) == MOVE | {
        "pipeline_id_new": 437642,
        "pipeline_id_old": 437642,
        "status_new": 5233224,
        "status_old": 5233224,
    }


@pytest.mark.parametrize("nothing", [[], None, {}, [None], [[]], "x", [{"lead_status": []}], [{"lead_status": None}]])
def test_a_change_of_status_with_one_side_unknown(nothing: Any) -> None:
    values = {"value_after": [{"lead_status": {"id": 143, "pipeline_id": "3"}}], "value_before": nothing}
    assert deal_status({**MOVED, **values}) == MOVE | {"pipeline_id_new": 3, "status_new": 143}


def test_only_leads_have_a_change_of_status() -> None:
    assert deal_status({**MOVED, "entity_type": "customer"}) is None
    assert deal_status({**MOVED, "entity_type": None}) == MOVE
    assert deal_status(sample("event_detail")) == MOVE | {
        "note_id": "01pz58t6p04ymgsgfbmfyfy1mf",
        "lead_id": 26060763,
        "created_by": 939801,
        "created_at": "2029-11-09T03:21:28Z",
        "updated_at": "2029-11-09T03:21:28Z",
    }


def test_activity_without_an_id_is_an_error() -> None:
    with pytest.raises(RowError, match=r"table tasks without its key task_id .* entity_id 5, created_at 6\."):
        task({"entity_id": 5, "created_at": 6})
    with pytest.raises(RowError, match="table notes without its key note_id"):
        note({"id": []}, "leads")
    with pytest.raises(RowError, match="table events without its key event_id"):
        event({"id": ""})
    with pytest.raises(RowError, match="table deal_statuses without its key note_id"):
        deal_status({"id": None})
