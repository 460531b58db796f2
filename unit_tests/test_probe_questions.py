"""What the questions of a probe make of answers that the sandbox does not give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from source_amocrm.errors import AmocrmError, BadRequest, Forbidden, NotFound
from source_amocrm.http.api import Params
from source_amocrm.http.body import Kind
from source_amocrm.http.reply import Reply
from source_amocrm.probe.answer import Answer, Why
from source_amocrm.probe.asking import Asking
from source_amocrm.probe.lists import LISTS
from source_amocrm.probe.questions import QUESTIONS

Rows = Callable[[str, Params], list[dict[str, Any]]]


def answers(name: str, rows: Rows) -> Mapping[str, Answer]:
    """Of one question, where each list holds these rows; there is always a next page."""
    collections = {one.path: one.collection for one in LISTS.values()}

    def fetch(path: str, params: Params, headers: Mapping[str, str]) -> Reply:  # noqa: ARG001
        embedded = {collections[path]: rows(path, params)}
        return Reply(200, Kind.OBJECT, {"_embedded": embedded, "_links": {"next": {}}}, {}, 0.1, 0.0)

    [question] = [one for one in QUESTIONS if one.name == name]
    return question.answer(Asking(fetch, lambda: 0))


def test_fields_and_types_that_nothing_knows() -> None:
    """Those of five rows are named, those of fewer, and what may be a domain, are counted."""

    def rows(path: str, _: Params) -> list[dict[str, Any]]:
        if path == "/api/v4/leads":
            return [
                {"id": n, "ai_score": 1, "example.amocrm.ru": 1, "_embedded": {"tags": [{"id": 1, "weight": 2}]}}
                for n in range(5)
            ] + [{"id": 6, "petrova": 1, "+7916": 2}]
        if path == "/api/v4/leads/notes":
            return [{"id": n, "note_type": "hologram"} for n in range(6)]
        if path == "/api/v4/events/types":
            return [
                {"key": key} for key in ("lead_added", "lead_teleported", "petrova", "custom_field_7_value_changed")
            ]
        return []

    found = answers("unknown", rows)
    assert found["leads"] == Answer(4, seen={"rows": 6, "rare": 2}, names={"ai_score": 5, "_embedded.tags.weight": 5})
    assert found["lead_notes"] == Answer(1, seen={"rows": 6, "rare": 0}, names={"note_type.hologram": 6})
    assert found["event_types"] == Answer(2, seen={"rows": 4, "rare": 1}, names={"key.lead_teleported": 1})
    assert found["contacts"] == Answer(0, seen={"rows": 0, "rare": 0})


@pytest.mark.parametrize("refusal", [BadRequest, NotFound, Forbidden])
def test_a_page_that_is_too_deep_may_be_refused_in_any_words(refusal: type[AmocrmError]) -> None:
    def rows(_: str, params: Params) -> list[dict[str, Any]]:
        if int(str(params.get("page", 1))) > 123:
            raise refusal("No.")
        return [{"id": 1}]

    assert answers("deep_pages", rows) == {"events": Answer("refused", seen={"given": 123, "refused": 124})}


def test_a_list_that_is_refused_altogether_has_no_deep_pages() -> None:
    def rows(path: str, _: Params) -> list[dict[str, Any]]:
        raise Forbidden(f"Not {path}.")

    assert answers("deep_pages", rows) == dict.fromkeys(("events", "leads"), Answer(why=Why.REFUSED))
