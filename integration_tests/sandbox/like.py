"""The switches of an account that was probed: what its probe.json tells of each, and the default for the rest.

Where lists answered differently the first one that is named here counts: one switch plays them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .switches import Switches

Found = Mapping[str, Any]
CARDS = ("leads", "contacts", "companies", "customers")
_LISTS = (*CARDS, "lead_notes", "contact_notes", "company_notes", "tasks", "events", "transactions", "account")
_BUMPED = ("leads", "contacts", "companies")
_FILTER = {"works": True, "ignored": False, "refused": False}
_YES = {"yes": True, "no": False}


@dataclass(frozen=True)
class Told:
    """A switch, the question that tells it, and the value of each answer; without `values` the answer is the value."""

    switch: str
    question: str
    values: Mapping[Any, Any] | None = None
    lists: tuple[str, ...] = _LISTS

    def value(self, found: Found) -> Iterator[Any]:
        """Nothing where the probe could not tell."""
        for name in self.lists:
            answer = _answer(found, self.question, name)
            if isinstance(answer, (str, int)) and answer != "mixed":
                if self.values is None:
                    yield answer
                elif answer in self.values:
                    yield self.values[answer]
                return


def _same(*values: str) -> dict[str, str]:
    return {value: value for value in values}


TOLD = (
    Told("from_inclusive", "filter_from", {"inclusive": True, "exclusive": False}),
    Told("to_inclusive", "filter_to", {"inclusive": True, "exclusive": False}),
    Told("filter_enabled", "filter_works", _FILTER),
    Told("filter_off", "filter_works", {"ignored": "ignored", "refused": "402"}),
    Told("ties", "ties", {**_same("id_asc", "id_desc", "mirrored", "shuffled"), "other": "shuffled"}),
    Told(
        "default_order",
        "default_order",
        {
            "id_asc": "asc",
            "id_desc": "desc",
            "updated_asc": "updated",
            "updated_desc": "unordered",
            "other": "unordered",
        },
    ),
    Told("events_order", "events_order", {**_same("asc", "desc"), "other": "unordered"}),
    Told("events_order_honoured", "events_order_kept", {"kept": True, "ignored": False}),
    Told("customers_order_honoured", "order_kept", {"kept": True, "ignored": False}, ("customers",)),
    Told("page_max", "page_largest", None, (*CARDS, "lead_notes", "tasks")),
    Told("events_page_max", "page_largest", None, ("events",)),
    Told("page_default", "page_default"),
    Told("next_on_full_last_page", "next_after_full", {"next": True, "no_next": False}),
    Told("end", "beyond_the_end", {"nothing": "204", "empty_list": "empty"}),
    Told("page_number_present", "page_number", {"given": True, "missing": False}),
    Told("fields_total", "fields_total", _same("page", "all")),
    Told("links_bump", "links_bump", _YES, _BUMPED),
    Told("tags_bump", "tags_bump", _YES, _BUMPED),
    Told("notes_bump", "notes_bump", _YES, _BUMPED),
    Told("tasks_bump", "tasks_bump", _YES, _BUMPED),
    Told("restore_bumps", "restore_bumps", _YES, _BUMPED),
    Told("link_events", "link_events", _same("entity", "typed")),
    Told("link_event_sides", "link_event_sides", _same("both", "one")),
    Told("unlink_shape", "unlink_shape", _same("before", "after_unlink", "after_link")),
    Told("field_event_type", "field_event_kind", _same("with_id", "generic")),
    Told("note_deleted_shape", "note_deleted_shape", _same("after", "before")),
    Told("merged_carries", "merged_carries", _same("survivor", "victim")),
    Told("only_deleted_honours_order", "trash_order", {"kept": True, "ignored": False}),
    Told("only_deleted_honours_filter", "trash_filter", {"works": True, "ignored": False}),
    Told("trash_links", "trash_links", _same("kept")),
    Told("false_checkbox", "false_checkbox", _same("returned", "absent")),
    Told("loss_reason", "loss_reason", _same("array", "object")),
    Told("empty_result", "task_result", _same("array", "null", "absent")),
    Told("enum_key", "enum_key", _same("enum_code", "enum")),
    Told("minor_units", "minor_units", _same("given", "zero", "absent")),
    Told("lead_source", "lead_source", _same("embedded", "documented", "top")),
    Told("element_links", "element_links", _same("both", "metadata", "flat"), ("leads",)),
    Told("talk_contact", "talk_contact", _same("entity", "top", "nowhere")),
    Told("talks_shape", "talks_shape", _same("2026", "2021")),
    Told("chat_texts", "chat_texts", {**_same("served", "absent"), "refused": "no scope"}),
    Told("notes_pinned", "is_pinned", {"given": True, "missing": False}),
    Told("companies_is_deleted", "is_deleted", {"given": True, "missing": False}, ("companies",)),
    Told("contacts_is_deleted", "is_deleted", {"given": True, "missing": False}, ("contacts",)),
    Told("contacts_is_unsorted", "is_unsorted", {"given": True, "missing": False}),
    Told("fields_shape", "fields_shape", {"full": "full", "documented": "doc"}, ("lead_fields", "contact_fields")),
    Told("notes_params_empty", "note_params", _same("array", "object")),
    Told("user_group", "user_group", _same("both", "embedded", "rights"), ("users",)),
    Told("long_self_links", "self_links", {"long": True, "short": False}),
    Told("if_modified_since", "if_modified_since", _same("ignored", "honoured")),
    Told("admin", "lists", {"given": True, "refused": False}, ("users",)),
    Told("customers", "customers_mode", _same("segments", "periodicity", "off")),
    Told(
        "customers_mode_told",
        "customers_mode",
        {**dict.fromkeys(("segments", "periodicity", "off"), True), "not_told": False},
    ),
    Told("catalogs", "lists", {"given": True, "empty": False}, ("catalogs",)),
    Told("talks", "lists", {"given": True, "empty": True, "absent": False}, ("talks",)),
    Told("loss_reasons_list", "lists", {"given": True, "empty": True, "absent": False}, ("loss_reasons",)),
    Told("unsorted_visible", "unsorted_leads", {"shown": True, "hidden": False}),
    Told("drive_url", "drive_url", {"given": "own", "missing": "absent"}),
)
"""What one answer tells of one switch."""


def told(found: Found) -> dict[str, Any]:
    """The switches that the probe tells, with their values."""
    values = {one.switch: value for one in TOLD for value in one.value(found)}
    return values | {switch: value for switch, tell in _OTHERS.items() for value in tell(found)}


def switches_like(found: Found) -> Switches:
    return Switches(**told(found))


def _answer(found: Found, question: str, name: str, part: str = "answer") -> Any:
    return found.get("answers", {}).get(question, {}).get(name, {}).get(part)


def _flag(found: Found) -> Iterator[Any]:
    """What the account says of its filter, beside whether it works."""
    said = {"on": True, "off": False, "not_told": "absent"}.get(_answer(found, "filter_flag", "account"))
    works = _FILTER.get(_answer(found, "filter_works", "leads"))
    if said == "absent":
        yield said
    elif said is not None and works is not None:
        yield "honest" if said is works else said


def _deepest(found: Found) -> Iterator[Any]:
    for name in ("events", "leads"):
        seen = _answer(found, "deep_pages", name, "seen") or {}
        if _answer(found, "deep_pages", name) == "refused" and seen["refused"] - seen["given"] == 1:
            yield seen["given"]
            return


def _trash(found: Found) -> Iterator[Any]:
    answers = {name: _answer(found, "trash", name) for name in CARDS}
    if None not in answers.values():
        yield tuple(name for name in CARDS if answers[name] != "ignored")


def _mass_links(found: Found) -> Iterator[Any]:
    """A request for all of them was refused, one for fewer maybe not."""
    if _answer(found, "mass_links", "account") == "refused":
        yield 50 if "50" in _answer(found, "mass_links", "account", "seen") else 1


def _brand(found: Found) -> Iterator[Any]:
    if brand := found.get("brand"):
        yield brand == "kommo"


def _clock(found: Found) -> Iterator[Any]:
    """By how much the answers' clock errs: half of what its readings are apart."""
    seen = _answer(found, "clock", "account", "seen")
    told = _answer(found, "clock", "account")
    if told in ("steady", "uneven"):
        yield 0.0 if told == "steady" else round((seen["most"] - seen["least"]) / 2, 1)


def _row_clock(found: Found) -> Iterator[Any]:
    told, seen = (_answer(found, "row_clock", "account", part) for part in ("answer", "seen"))
    if told in ("same", "ahead", "behind"):
        yield 0.0 if told == "same" else round((seen["most"] + seen["least"]) / 2, 1)


_OTHERS: Mapping[str, Callable[[Found], Iterator[Any]]] = {
    "filter_flag": _flag,
    "deepest_page": _deepest,
    "only_deleted_entities": _trash,
    "links_most": _mass_links,
    "kommo": _brand,
    "date_jitter": _clock,
    "date_ahead": _row_clock,
}
"""What several answers tell of a switch, or something else than an answer."""
