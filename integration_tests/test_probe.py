"""`source-amocrm probe` finds the answers of the account behind it, whatever they are, by reading alone.

`COMBINATIONS=100 pytest integration_tests/test_probe.py` draws that many combinations of them.
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest

from amocrm_probe.answer import ACCOUNT, Why
from amocrm_probe.lists import LISTS
from amocrm_probe.probe_requests import MOST_REQUESTS
from amocrm_probe.questions import QUESTIONS
from sandbox import Request, Sandbox, Switches, writes
from sandbox.like import answered_switches, switches_like
from testing.probed import lived_in, probed
from testing.schedules import PROBES

ANSWERS: dict[str, tuple[Any, ...]] = {
    "from_inclusive": (True, False),
    "to_inclusive": (True, False),
    "filter_off": ("ignored", "402"),
    "filter_enabled": (True, True, True, False),
    "filter_flag": ("honest", True, False, "absent"),
    "ties": ("id_asc", "id_desc", "mirrored", "shuffled"),
    "default_order": ("asc", "desc", "unordered", "updated"),
    "events_order": ("asc", "desc", "unordered"),
    "events_order_honoured": (True, False),
    "customers_order_honoured": (True, False),
    "page_max": (250, 100),
    "events_page_max": (100, 50, 250),
    "page_default": (50, 25),
    "next_on_full_last_page": (True, False),
    "end": ("204", "empty"),
    "page_number_present": (True, False),
    "deepest_page": (None, 37, 149, 1),
    "links_most": (None, 50),
    "if_modified_since": ("ignored", "honoured"),
    "fields_total": ("page", "all"),
    "links_bump": (True, False),
    "tags_bump": (True, False),
    "notes_bump": (True, False),
    "tasks_bump": (True, False),
    "restore_bumps": (True, False),
    "link_events": ("entity", "typed"),
    "link_event_sides": ("both", "one"),
    "unlink_shape": ("before", "after_unlink", "after_link"),
    "field_event_type": ("with_id", "generic"),
    "note_deleted_shape": ("after", "before"),
    "merged_carries": ("survivor", "victim"),
    "only_deleted_entities": (("leads", "contacts", "companies"), ("leads",)),
    "only_deleted_honours_order": (True, False),
    "only_deleted_honours_filter": (True, False),
    "trash_links": ("kept", "hidden"),
    "false_checkbox": ("absent", "returned"),
    "loss_reason": ("array", "object"),
    "empty_result": ("array", "null", "absent"),
    "enum_key": ("enum_code", "enum"),
    "minor_units": ("given", "zero", "absent"),
    "lead_source": ("embedded", "documented", "top"),
    "element_links": ("both", "metadata", "flat"),
    "talk_contact": ("entity", "top", "nowhere"),
    "talks_shape": ("2026", "2021"),
    "chat_texts": ("served", "no scope", "absent"),
    "notes_pinned": (True, False),
    "companies_is_deleted": (True, False),
    "contacts_is_deleted": (True, False),
    "contacts_is_unsorted": (True, False),
    "fields_shape": ("full", "doc"),
    "notes_params_empty": ("array", "object"),
    "user_group": ("both", "embedded", "rights"),
    "long_self_links": (True, False),
    "admin": (True, False),
    "customers": ("segments", "periodicity", "off"),
    "customers_mode_told": (True, False),
    "catalogs": (True, False),
    "talks": (True, False),
    "loss_reasons_list": (True, False),
    "unsorted_visible": (True, False),
    "drive_url": ("own", "absent"),
    "kommo": (False, True),
    "date_ahead": (0.0, 600.0, -600.0),
    "date_jitter": (0.0, 5.0),
}
NEAR = 6.0
"""Seconds: what the answers' clock errs by, and one more."""
COVERING = max(map(len, ANSWERS.values()))
COMBINATIONS = int(os.environ.get("COMBINATIONS", COVERING))
UNREAD = {
    "bots": "whether an account has bots is no question of how it is read",
    "currency": "whether it is told is no question of how an account is read, and its table shows it",
    "talks_shown": "a list that is cut says nothing of it",
    "talks_filter": "an account whose list is whole has no talk to ask for",
    "next_link": "a full page without a link is followed either way",
    **dict.fromkeys(
        ("events_late", "accept_bumps", "merge_link_events", "merge_activity", "birth_links"), "only a write shows it"
    ),
    "mass_value_before": "whether an empty value was unknown or none before, no event tells",
    "hidden_by_date": "rows that a filter by date hides show only beside the list without it, as verify reads it",
    **dict.fromkeys(("off", "off_answer", "forbidden", "unpaid"), "the settings and rights of one account"),
    **dict.fromkeys(("external", "scopes_told", "old_access_survives_refresh"), "of tokens, not of the account"),
    "trash_activity": "of a card in the trash nobody knows which notes and tasks it had",
    "trash_in_links": "of a card in the trash nobody knows what it was linked to",
    **dict.fromkeys(("files_scope", "files_refused"), "of another host"),
}
"""The switches that reading does not tell, or that are no open question, and why."""
SOMETIMES = {
    "filter_off": "the paid filter must be off",
    "deepest_page": "the account must have more pages",
    "trash_links": "a link that is hidden leaves nothing to see",
    "links_most": "where nothing was refused there may be a limit",
    "only_deleted_honours_filter": "the paid filter must be on",
    "unsorted_visible": "the paid filter must be on",
    "customers_order_honoured": "customers may be off",
    "only_deleted_entities": "customers may be off",
    "end": "pages may be refused before the list ends",
    "customers": "the account may not say it",
    **dict.fromkeys(("talks_shape", "chat_texts"), "the list may be missing"),
    "user_group": "the token may not be an administrator's",
    "filter_flag": "a flag of False is honest where the filter is off",
    "restore_bumps": "without the filter few cards are looked at",
    "links_bump": "without the filter few cards are looked at",
}


@pytest.mark.parametrize("path", PROBES, ids=lambda path: path.stem)
def test_each_file_of_a_probe_is_played(path: Path) -> None:
    """Whatever its answers are, the program knows them, and the sandbox plays them."""
    found = json.loads(path.read_text(encoding="utf-8"))
    questions = {question.name: question for question in QUESTIONS}
    for name, answers in found["answers"].items():
        for subject, answer in answers.items():
            assert subject == ACCOUNT or subject in LISTS
            assert isinstance(answer["answer"], (int, type(None))) or answer["answer"] in questions[name].values
    assert answered_switches(found).keys() > {"page_default"}
    played = answered_switches(probed(Sandbox(lived_in(switches_like(found)))).found())
    assert {
        name: value for name, value in answered_switches(found).items() if not agree(played.get(name, value), value)
    } == {}


def combination(number: int) -> Switches:
    """The first ones have every value of each switch between them, the others are any."""
    if number >= COVERING:
        random = Random(number)
        return Switches(**{name: random.choice(values) for name, values in ANSWERS.items()})
    starts = {name: Random(name).randrange(12) for name in ANSWERS}
    return Switches(**{name: values[(starts[name] + number) % len(values)] for name, values in ANSWERS.items()})


def agree(seen: Any, wanted: Any) -> bool:
    """Whether a switch was told right: clocks, which show whole seconds and may err, within some of them."""
    if isinstance(wanted, float):
        return bool(abs(seen - wanted) <= NEAR)
    return bool(seen == wanted)


def works_meanwhile(sandbox: Sandbox, _: Request) -> None:
    """Somebody adds a deal once the newest ones have been shown."""
    if any(seen.path == "/api/v4/leads" and "updated_at%5D=desc" in seen.query for seen in sandbox.log):
        sandbox.before_request.clear()
        writes.create_lead(sandbox.account)


def as_seen(switches: Switches) -> Switches:
    """What two switches have in common is told in one way."""
    if switches.kommo:
        switches.events_page_max = 250
    if switches.filter_flag is switches.filter_enabled:
        switches.filter_flag = "honest"
    return switches


def test_every_switch_is_asked_for_or_said_to_be_unreadable() -> None:
    assert {field.name for field in fields(Switches)} == ANSWERS.keys() | UNREAD.keys()
    assert not ANSWERS.keys() & UNREAD.keys()


@pytest.mark.parametrize("number", range(COMBINATIONS))
def test_what_is_told_is_so(number: int) -> None:
    switches = combination(number)
    sandbox = Sandbox(lived_in(switches))
    sandbox.before_request.append(works_meanwhile)
    probe = probed(sandbox)
    found = probe.found()
    wanted, seen = as_seen(switches), answered_switches(found)
    assert {name: value for name, value in seen.items() if not agree(value, getattr(wanted, name))} == {}
    assert agree(found["answers"]["clock"]["account"]["seen"]["middle"], switches.date_ahead)
    if number < COVERING:  # elsewhere a page may be too short to hold a row that tells
        assert ANSWERS.keys() - seen.keys() <= SOMETIMES.keys()
    assert probe.stopped is None
    assert {request.method for request in sandbox.log} == {"GET"}
    assert len(sandbox.log) == found["requests"] <= MOST_REQUESTS
    played = probed(Sandbox(lived_in(switches_like(found)))).found()
    assert played["answers"]["row_clock"]["account"] == {"answer": None, "why": Why.STILL.value}
    again = answered_switches(played)
    assert {name: value for name, value in again.items() if name in seen and not agree(value, seen[name])} == {}
