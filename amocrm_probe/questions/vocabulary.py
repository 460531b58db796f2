"""Fields and types that occur and that no column or table knows."""

from __future__ import annotations

from amocrm_probe.answer import Answers, ProbeAnswer, each
from amocrm_probe.asking import Asking
from amocrm_probe.lists import LISTS
from amocrm_probe.questions.question import Question
from source_amocrm.account.event_kinds import EVENT_KINDS
from source_amocrm.streams.schema_drift import KNOWN, SchemaDrift

REPEATED = 5
"""Rows that must have a name before it is told: what people typed is not the same in so many rows."""
_ONCE = "event_types"
"""The list that names each type once: there a name is told where it has a word of the types that are known."""
_WORDS = frozenset(word for kind in EVENT_KINDS for word in kind.split("_"))


def unknown(ask: Asking) -> Answers:
    return each(LISTS, lambda name: _unknown(ask, name))


def _unknown(ask: Asking, name: str) -> ProbeAnswer:
    """A type is told behind the field in which it stands. `rare`: how many names occur in too few rows to be told."""
    page, path = ask.sample(LISTS[name]), LISTS[name].path
    drift = SchemaDrift({path: KNOWN[path]})
    drift.look(path, page.body)
    found = drift.found()
    told = [one for one in found if one.times >= REPEATED or (name == _ONCE and _akin(one.name))]
    names = {f"{one.field}.{one.name}" if one.field else one.name: one.times for one in told if one.name}
    return ProbeAnswer(len(found), seen={"rows": len(page.rows), "rare": len(found) - len(names)}, names=names)


def _akin(name: str) -> bool:
    words = name.split("_")
    return len(words) > 1 and not _WORDS.isdisjoint(words)


QUESTIONS = (Question("unknown", "Fields and types that no column and no table of this connector knows", (), unknown),)
