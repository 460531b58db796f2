"""Sets the sandbox's switches as a probe.json answers them, and leaves the others at their defaults.

A switch applies to all lists. If the lists answered differently, the first one in `lists` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .switches import Switches

ProbeDocument = Mapping[str, Any]
CARDS = ("leads", "contacts", "companies", "customers")
_LISTS = (*CARDS, "lead_notes", "contact_notes", "company_notes", "tasks", "events", "transactions", "account")
_BUMPED = ("leads", "contacts", "companies")
_FILTER = {"works": True, "ignored": False, "refused": False}
_YES = {"yes": True, "no": False}


@dataclass(frozen=True)
class Rule:
    """Maps a question's answer to a switch. `values`: the switch's value by answer; None if they are the same."""

    switch: str
    question: str
    values: Mapping[Any, Any] | None = None
    lists: tuple[str, ...] = _LISTS

    def value(self, found: ProbeDocument) -> Iterator[Any]:
        """Yields the switch's value, or nothing if the probe has no answer."""
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


RULES = (
    Rule("from_inclusive", "filter_from", {"inclusive": True, "exclusive": False}),
    Rule("to_inclusive", "filter_to", {"inclusive": True, "exclusive": False}),
    Rule("filter_enabled", "filter_works", _FILTER),
    Rule("filter_off", "filter_works", {"ignored": "ignored", "refused": "402"}),
    Rule("ties", "ties", {**_same("id_asc", "id_desc", "mirrored", "shuffled"), "other": "shuffled"}),
    Rule(
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
    Rule("events_order", "events_order", {**_same("asc", "desc"), "other": "unordered"}),
    Rule("events_order_honoured", "events_order_kept", {"kept": True, "ignored": False}),
    Rule("customers_order_honoured", "order_kept", {"kept": True, "ignored": False}, ("customers",)),
    Rule("page_max", "page_largest", None, (*CARDS, "lead_notes", "tasks")),
    Rule("events_page_max", "page_largest", None, ("events",)),
    Rule("page_default", "page_default"),
    Rule("next_on_full_last_page", "next_after_full", {"next": True, "no_next": False}),
    Rule("end", "beyond_the_end", {"nothing": "204", "empty_list": "empty"}),
    Rule("page_number_present", "page_number", {"given": True, "missing": False}),
    Rule("fields_total", "fields_total", _same("page", "all")),
    Rule("links_bump", "links_bump", _YES, _BUMPED),
    Rule("tags_bump", "tags_bump", _YES, _BUMPED),
    Rule("notes_bump", "notes_bump", _YES, _BUMPED),
    Rule("tasks_bump", "tasks_bump", _YES, _BUMPED),
    Rule("restore_bumps", "restore_bumps", _YES, _BUMPED),
    Rule("link_events", "link_events", _same("entity", "typed")),
    Rule("link_event_sides", "link_event_sides", _same("both", "one")),
    Rule("unlink_shape", "unlink_shape", _same("before", "after_unlink", "after_link")),
    Rule("field_event_type", "field_event_kind", _same("with_id", "generic")),
    Rule("note_deleted_shape", "note_deleted_shape", _same("after", "before")),
    Rule("merged_carries", "merged_carries", _same("survivor", "victim")),
    Rule("only_deleted_honours_order", "trash_order", {"kept": True, "ignored": False}),
    Rule("only_deleted_honours_filter", "trash_filter", {"works": True, "ignored": False}),
    Rule("trash_links", "trash_links", _same("kept")),
    Rule("false_checkbox", "false_checkbox", _same("returned", "absent")),
    Rule("loss_reason", "loss_reason", _same("array", "object")),
    Rule("empty_result", "task_result", _same("array", "null", "absent")),
    Rule("enum_key", "enum_key", _same("enum_code", "enum")),
    Rule("minor_units", "minor_units", _same("given", "zero", "absent")),
    Rule("lead_source", "lead_source", _same("embedded", "documented", "top")),
    Rule("element_links", "element_links", _same("both", "metadata", "flat"), ("leads",)),
    Rule("talk_contact", "talk_contact", _same("entity", "top", "nowhere")),
    Rule("talks_shape", "talks_shape", _same("2026", "2021")),
    Rule("chat_texts", "chat_texts", {**_same("served", "absent"), "refused": "no scope"}),
    Rule("notes_pinned", "is_pinned", {"given": True, "missing": False}),
    Rule("companies_is_deleted", "is_deleted", {"given": True, "missing": False}, ("companies",)),
    Rule("contacts_is_deleted", "is_deleted", {"given": True, "missing": False}, ("contacts",)),
    Rule("contacts_is_unsorted", "is_unsorted", {"given": True, "missing": False}),
    Rule("fields_shape", "fields_shape", {"full": "full", "documented": "doc"}, ("lead_fields", "contact_fields")),
    Rule("notes_params_empty", "note_params", _same("array", "object")),
    Rule("user_group", "user_group", _same("both", "embedded", "rights"), ("users",)),
    Rule("long_self_links", "self_links", {"long": True, "short": False}),
    Rule("if_modified_since", "if_modified_since", _same("ignored", "honoured")),
    Rule("admin", "lists", {"given": True, "refused": False}, ("users",)),
    Rule("customers", "customers_mode", _same("segments", "periodicity", "off")),
    Rule(
        "customers_mode_told",
        "customers_mode",
        {**dict.fromkeys(("segments", "periodicity", "off"), True), "not_told": False},
    ),
    Rule("catalogs", "lists", {"given": True, "empty": False}, ("catalogs",)),
    Rule("talks", "lists", {"given": True, "empty": True, "absent": False}, ("talks",)),
    Rule("loss_reasons_list", "lists", {"given": True, "empty": True, "absent": False}, ("loss_reasons",)),
    Rule("unsorted_visible", "unsorted_leads", {"shown": True, "hidden": False}),
    Rule("drive_url", "drive_url", {"given": "own", "missing": "absent"}),
)
"""The switches that follow from one answer each."""


def answered_switches(found: ProbeDocument) -> dict[str, Any]:
    """Returns the switches that the probe answers, with their values."""
    values = {one.switch: value for one in RULES for value in one.value(found)}
    return values | {switch: value for switch, tell in _OTHERS.items() for value in tell(found)}


def switches_like(found: ProbeDocument) -> Switches:
    return Switches(**answered_switches(found))


def _answer(found: ProbeDocument, question: str, name: str, part: str = "answer") -> Any:
    return found.get("answers", {}).get(question, {}).get(name, {}).get(part)


def _flag(found: ProbeDocument) -> Iterator[Any]:
    """The account's `is_api_filter_enabled`, compared with whether the filter works."""
    flag = {"on": True, "off": False, "not_told": "absent"}.get(_answer(found, "filter_flag", "account"))
    works = _FILTER.get(_answer(found, "filter_works", "leads"))
    if flag == "absent":
        yield flag
    elif flag is not None and works is not None:
        yield "honest" if flag is works else flag


def _deepest(found: ProbeDocument) -> Iterator[Any]:
    for name in ("events", "leads"):
        seen = _answer(found, "deep_pages", name, "seen") or {}
        if _answer(found, "deep_pages", name) == "refused" and seen["refused"] - seen["given"] == 1:
            yield seen["given"]
            return


def _trash(found: ProbeDocument) -> Iterator[Any]:
    answers = {name: _answer(found, "trash", name) for name in CARDS}
    if None not in answers.values():
        yield tuple(name for name in CARDS if answers[name] != "ignored")


def _mass_links(found: ProbeDocument) -> Iterator[Any]:
    """If links were refused: 50 if a request for 50 cards was answered, else 1."""
    if _answer(found, "mass_links", "account") == "refused":
        yield 50 if "50" in _answer(found, "mass_links", "account", "seen") else 1


def _brand(found: ProbeDocument) -> Iterator[Any]:
    if brand := found.get("brand"):
        yield brand == "kommo"


def _clock(found: ProbeDocument) -> Iterator[Any]:
    """The jitter of the `Date` header: half of the spread of its readings."""
    seen = _answer(found, "clock", "account", "seen")
    answer = _answer(found, "clock", "account")
    if answer in ("steady", "uneven"):
        yield 0.0 if answer == "steady" else round((seen["most"] - seen["least"]) / 2, 1)


def _row_clock(found: ProbeDocument) -> Iterator[Any]:
    answer, seen = (_answer(found, "row_clock", "account", part) for part in ("answer", "seen"))
    if answer in ("same", "ahead", "behind"):
        yield 0.0 if answer == "same" else round((seen["most"] + seen["least"]) / 2, 1)


_OTHERS: Mapping[str, Callable[[ProbeDocument], Iterator[Any]]] = {
    "filter_flag": _flag,
    "deepest_page": _deepest,
    "only_deleted_entities": _trash,
    "links_most": _mass_links,
    "kommo": _brand,
    "date_jitter": _clock,
    "date_ahead": _row_clock,
}
"""The switches that follow from several answers, or from something else than an answer."""
