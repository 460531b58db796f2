"""What the questions of a probe make of answers that the sandbox does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from amocrm_probe.answer import ProbeAnswer, Why
from amocrm_probe.lists import LISTS
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions import QUESTIONS
from source_amocrm.errors import AmocrmError, BadRequest, Forbidden, NotFound, Unpaid
from source_amocrm.http import Params
from source_amocrm.http.reply import Reply, ReplyKind

TEN = 1_800_007_200
"""Ten o'clock on 15 January 2027, UTC."""
Rows = Callable[[str, Params], list[dict[str, Any]]]


def answers(name: str, rows: Rows, dates: Iterable[str] = ()) -> Mapping[str, ProbeAnswer]:
    """Of one question, where each list holds these rows; there is always a next page. `dates`: of the answers."""
    collections = {one.path: one.collection for one in LISTS.values()}

    def fetch(path: str, params: Params, headers: Mapping[str, str]) -> Reply:
        assert not headers
        embedded = {collections.get(path, "elements"): rows(path, params)}
        dated = {"Date": date} if (date := next(told, None)) else {}
        return Reply(200, ReplyKind.OBJECT, {"_embedded": embedded, "_links": {"next": {}}}, dated, 0.0, TEN)

    told = iter(dates)
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
    assert found["leads"] == ProbeAnswer(
        4, seen={"rows": 6, "rare": 2}, names={"ai_score": 5, "_embedded.tags.weight": 5}
    )
    assert found["lead_notes"] == ProbeAnswer(1, seen={"rows": 6, "rare": 0}, names={"note_type.hologram": 6})
    assert found["event_types"] == ProbeAnswer(2, seen={"rows": 4, "rare": 1}, names={"key.lead_teleported": 1})
    assert found["contacts"] == ProbeAnswer(0, seen={"rows": 0, "rare": 0})


def test_a_filter_that_is_refused_is_no_missing_list() -> None:
    def rows(_: str, params: Params) -> list[dict[str, Any]]:
        if any(name.startswith("filter[") for name in params):
            raise Unpaid("Not paid for.")
        return [{"id": 1, "updated_at": TEN}, {"id": 2, "updated_at": TEN}]

    lists = ("leads", "contacts", "companies", "customers")
    assert answers("filter_works", rows) == dict.fromkeys(lists, ProbeAnswer("refused"))
    assert answers("filter_from", rows)["leads"] == ProbeAnswer(why=Why.NO_FILTER)


@pytest.mark.parametrize("refusal", [BadRequest, NotFound, Forbidden])
def test_a_page_that_is_too_deep_may_be_refused_in_any_words(refusal: type[AmocrmError]) -> None:
    def rows(_: str, params: Params) -> list[dict[str, Any]]:
        if int(str(params.get("page", 1))) > 123:
            raise refusal("No.")
        return [{"id": 1}]

    assert answers("deep_pages", rows) == {"events": ProbeAnswer("refused", seen={"given": 123, "refused": 124})}


def test_a_list_that_is_refused_altogether_has_no_deep_pages() -> None:
    def rows(path: str, _: Params) -> list[dict[str, Any]]:
        raise Forbidden(f"Not {path}.")

    assert answers("deep_pages", rows) == dict.fromkeys(("events", "leads"), ProbeAnswer(why=Why.REFUSED))


@pytest.mark.parametrize(
    ("value", "wanted"), [({"name": "LLC", "vat_id": "1"}, "parts"), ("LLC", "text"), ({"entity_id": 5}, "other")]
)
def test_what_the_value_of_a_payer_is(value: Any, wanted: str) -> None:
    """It is asked of the catalog of invoices alone."""
    asked: list[str] = []

    def rows(path: str, _: Params) -> list[dict[str, Any]]:
        asked.append(path)
        if path == "/api/v4/catalogs":
            return [{"id": 3, "type": "regular"}, {"id": 7, "type": "invoices"}]
        fields = [{"field_type": kind, "values": [{"value": value}]} for kind in ("payer", "price")]
        return [{"id": 1, "custom_fields_values": None}, {"id": 2, "custom_fields_values": fields}]

    assert answers("payer_value", rows) == {"account": ProbeAnswer(wanted, seen={"rows": 1})}
    assert asked == ["/api/v4/catalogs", "/api/v4/catalogs/7/elements"]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ([], ProbeAnswer(why=Why.STILL)),
        ([TEN + 10], ProbeAnswer("same", seen={"least": -30, "most": 30, "rows": 1}, likely=True)),
        ([TEN + 5, TEN + 15], ProbeAnswer("same", seen={"least": -25, "most": 25, "rows": 2}, likely=True)),
        ([TEN - 90], ProbeAnswer("ahead", seen={"least": 70, "most": 130, "rows": 1}, likely=True)),
        ([TEN + 90], ProbeAnswer("behind", seen={"least": -110, "most": -50, "rows": 1}, likely=True)),
        ([TEN - 90, TEN + 90], ProbeAnswer(why=Why.AMBIGUOUS)),
    ],
)
def test_the_clock_that_dates_rows(changed: list[int], wanted: ProbeAnswer) -> None:
    """Two answers, twenty seconds apart by a clock that errs by as much; rows are changed between the two."""
    pages = iter([[TEN - 600], [*changed, TEN - 600]])

    def rows(_: str, params: Params) -> list[dict[str, Any]]:
        assert params["order[updated_at]"] == "desc"
        return [{"id": 1, "updated_at": at} for at in next(pages)]

    dates = ("Fri, 15 Jan 2027 10:00:00 GMT", "Fri, 15 Jan 2027 10:00:20 GMT")
    assert answers("row_clock", rows, dates) == {"account": wanted}
