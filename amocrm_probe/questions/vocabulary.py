"""Fields and types that amoCRM sends and that no column or table of the connector knows."""

from __future__ import annotations

from amocrm_probe.answer import ProbeAnswer
from amocrm_probe.lists import LISTS, List
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_lists
from source_amocrm.account.event_kinds import EVENT_KINDS
from source_amocrm.streams.schema_drift import KNOWN, SchemaDrift

REPEATED = 5
"""Rows that must have a name before it is published. A text that people typed does not repeat in so many rows."""
_ONCE = "event_types"
"""The list that has each type in one row only. Its names are published if they share a word with a known type."""
_WORDS = frozenset(word for kind in EVENT_KINDS for word in kind.split("_"))


def _unknown(ask: Asking, of: List) -> ProbeAnswer:
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
    Question(
        "unknown",
        "Fields and types that no column and no table of this connector knows",
        (),
        of_lists(LISTS, _unknown),
    ),
)
