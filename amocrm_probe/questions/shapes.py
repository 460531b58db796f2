"""Shapes of rows: each row of a list votes for a shape, and the answer is what all votes agree in.

Besides, the fields and types that no column or table of the connector knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from amocrm_probe.answer import OFTEN, ProbeAnswer, Unanswered, Why, verdict
from amocrm_probe.json_parts import Row, objects, value_at
from amocrm_probe.lists import LISTS, List
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_lists
from source_amocrm.account.event_kinds import EVENT_KINDS
from source_amocrm.streams.schema_drift import KNOWN, SchemaDrift

Vote = Callable[[Row], "str | None"]
"""Returns the shape that a row shows, or None if it shows nothing."""


def _votes(votes: dict[str, Vote], ask: Asking, of: List) -> ProbeAnswer:
    return verdict(Counter(found for row in ask.sample(of).rows if (found := votes[of.name](row))))


def _minor(name: str, row: Row) -> str | None:
    whole = row.get(name)
    if not isinstance(whole, int) or whole <= 0:
        return None
    exact = row.get(f"{name}_with_minor_units")
    if f"{name}_with_minor_units" not in row:
        return "absent"
    return "given" if isinstance(exact, (int, float)) and exact else "zero"


def _has(name: str, row: Row) -> str:
    return "given" if name in row else "missing"


def _loss_reason(row: Row) -> str | None:
    found = value_at(row, "_embedded", "loss_reason")
    return "array" if isinstance(found, list) else "object" if isinstance(found, dict) else None


def _task_result(row: Row) -> str | None:
    if "result" not in row:
        return "absent"
    return "null" if row["result"] is None else "array" if row["result"] == [] else None


def _note_params(row: Row) -> str | None:
    return {"[]": "array", "{}": "object"}.get(repr(row.get("params")))


def _values(row: Row) -> list[Row]:
    return [value for filled in objects(row.get("custom_fields_values")) for value in objects(filled.get("values"))]


def _enum_key(row: Row) -> str | None:
    chosen = [value for value in _values(row) if "enum_id" in value]
    keys = {name for value in chosen for name in ("enum_code", "enum") if name in value}
    return keys.pop() if len(keys) == 1 else None


def _lead_source(row: Row) -> str | None:
    source = value_at(row, "_embedded", "source")
    if isinstance(source, dict):
        return "embedded" if "external_id" in source else "documented"
    return "top" if isinstance(row.get("source_id"), int) else None


def _element_links(row: Row) -> str | None:
    linked = objects(value_at(row, "_embedded", "catalog_elements"))
    shapes = {(isinstance(one.get("metadata"), dict), "quantity" in one) for one in linked}
    names = {(True, True): "both", (True, False): "metadata", (False, True): "flat"}
    return names.get(shapes.pop()) if len(shapes) == 1 else None


def _user_group(row: Row) -> str | None:
    right, embedded = value_at(row, "rights", "group_id"), objects(value_at(row, "_embedded", "groups"))
    if right is None:
        return "embedded" if embedded else None
    return "both" if embedded else "rights"


def _self_link(row: Row) -> str | None:
    link = value_at(row, "_links", "self", "href")
    return None if not isinstance(link, str) else "long" if "?" in link else "short"


def _field_shape(row: Row) -> str:
    return "full" if "code" in row and "entity_type" in row else "documented"


def _false_checkbox(ask: Asking, of: List) -> ProbeAnswer:
    filled = [one for row in ask.sample(of).rows for one in objects(row.get("custom_fields_values"))]
    ticks = [
        value.get("value")
        for one in filled
        if one.get("field_type") == "checkbox"
        for value in objects(one.get("values"))
    ]
    unticked = sum(tick is False for tick in ticks)
    if unticked:
        return ProbeAnswer("returned", seen={"rows": unticked})
    if len(ticks) < OFTEN:
        raise Unanswered(Why.TOO_FEW if ticks else Why.EMPTY)
    return ProbeAnswer("absent", seen={"rows": len(ticks)}, likely=True)


_CARDS = ("leads", "contacts", "companies", "customers")
_NOTES = ("lead_notes", "contact_notes")
_FIELDS = ("lead_fields", "contact_fields")


def _shape(name: str, title: str, choices: tuple[str, ...], votes: dict[str, Vote]) -> Question:
    assert set(votes) <= set(LISTS)
    return Question(name, title, choices, of_lists(votes, partial(_votes, votes)))


REPEATED = 5
"""Rows that must have a name before it is published. A text that people typed does not repeat in so many rows."""
_ONCE = "event_types"
"""The list that has each type in one row only. Its names are published if they share a word with a known type."""
_WORDS = frozenset(word for kind in EVENT_KINDS for word in kind.split("_"))


def _unknown_names(ask: Asking, of: List) -> ProbeAnswer:
    """An unknown type is published as `field.type`. `rare`: names in too few rows to be published."""
    page = ask.sample(of)
    drift = SchemaDrift({of.path: KNOWN[of.path]})
    drift.look(of.path, page.body)
    found = drift.found()
    public = [one for one in found if one.times >= REPEATED or (of.name == _ONCE and _shares_a_word(one.name))]
    names = {f"{one.field}.{one.name}" if one.field else one.name: one.times for one in public if one.name}
    return ProbeAnswer(len(found), seen={"rows": len(page.rows), "rare": len(found) - len(names)}, names=names)


def _shares_a_word(name: str) -> bool:
    words = name.split("_")
    return len(words) > 1 and not _WORDS.isdisjoint(words)


QUESTIONS = (
    _shape(
        "minor_units",
        "Whether the exact amount stands beside the one in whole units",
        ("given", "zero", "absent"),
        {
            "leads": partial(_minor, "price"),
            "transactions": partial(_minor, "price"),
            "customers": partial(_minor, "next_price"),
        },
    ),
    _shape("loss_reason", "What a deal's reason of loss is", ("array", "object"), {"leads": _loss_reason}),
    _shape(
        "task_result", "What the result of a task without one is", ("array", "null", "absent"), {"tasks": _task_result}
    ),
    _shape(
        "note_params",
        "What the params of a note without any are",
        ("array", "object"),
        dict.fromkeys(_NOTES, _note_params),
    ),
    _shape(
        "enum_key", "What the code of a chosen value is called", ("enum_code", "enum"), dict.fromkeys(_CARDS, _enum_key)
    ),
    _shape(
        "lead_source",
        "Where the source of a deal stands",
        ("embedded", "documented", "top"),
        {"leads": _lead_source},
    ),
    _shape(
        "element_links",
        "Where the quantity of a product in a card stands",
        ("both", "metadata", "flat"),
        dict.fromkeys(_CARDS, _element_links),
    ),
    _shape(
        "is_deleted",
        "Whether rows say that they are not deleted",
        ("given", "missing"),
        dict.fromkeys(_CARDS, partial(_has, "is_deleted")),
    ),
    _shape(
        "is_unsorted",
        "Whether contacts say that they are sorted",
        ("given", "missing"),
        {"contacts": partial(_has, "is_unsorted")},
    ),
    _shape(
        "is_pinned",
        "Whether with=is_pinned works on notes",
        ("given", "missing"),
        dict.fromkeys(_NOTES, partial(_has, "is_pinned")),
    ),
    _shape("user_group", "Where the group of a user stands", ("both", "embedded", "rights"), {"users": _user_group}),
    _shape(
        "self_links",
        "Whether the links of rows repeat the request",
        ("long", "short"),
        dict.fromkeys(("leads", "contacts"), _self_link),
    ),
    _shape(
        "fields_shape",
        "Whether fields tell their code and entity",
        ("full", "documented"),
        dict.fromkeys(_FIELDS, _field_shape),
    ),
    Question(
        "false_checkbox",
        "Whether a box that is not ticked is shown",
        ("returned", "absent"),
        of_lists(("leads", "contacts", "companies"), _false_checkbox),
    ),
    Question(
        "unknown",
        "Fields and types that no column and no table of this connector knows",
        (),
        of_lists(LISTS, _unknown_names),
    ),
)
