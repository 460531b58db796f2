"""Whether rows are dated by the clock that the answers show: what is changed while the account is asked tells."""

from __future__ import annotations

from amocrm_probe.answer import Answers, ProbeAnswer, Untold, Why, one
from amocrm_probe.asking import Asking, ProbePage
from amocrm_probe.lists import LISTS
from amocrm_probe.questions.question import Question
from amocrm_probe.values import moments
from source_amocrm.http import Params

NEAR = 60.0
"""Seconds between the bounds of an answer, at most: farther apart they say too little."""
_LEADS = LISTS["leads"]
_NEWEST: Params = {f"order[{_LEADS.cursor}]": "desc", "limit": _LEADS.limit}


def row_clock(ask: Asking) -> Answers:
    return one(lambda: _row_clock(ask, ask.page(_LEADS, _NEWEST), ask.page(_LEADS, _NEWEST, anew=True)))


def _row_clock(ask: Asking, before: ProbePage, after: ProbePage) -> ProbeAnswer:
    """A deal that was changed between two answers is dated between them, by whichever clock dates it.

    So the answers' clock is ahead by at least the earlier answer less the deal's time, and at most by the later answer
    less that time, give or take what the answers' clock errs by. `likely`: whoever writes a deal may date it.
    """
    known, times = moments(before.rows, _LEADS.cursor), moments(after.rows, _LEADS.cursor)
    changed = [at for at in times if at > max(known, default=at)]
    if before.date is None or after.date is None or not known:
        raise Untold(Why.EMPTY)
    if not changed:
        raise Untold(Why.STILL)
    shown = [one.ahead for one in ask.seen if one.ahead is not None]
    errs = max(shown) - min(shown)
    least, most = before.date - min(changed) - errs, after.date - max(changed) + errs
    seen = {"least": least, "most": most, "rows": len(changed)}
    told = "ahead" if least > 0 else "behind" if most < 0 else "same"
    if not 0 <= most - least <= NEAR:
        raise Untold(Why.AMBIGUOUS)
    return ProbeAnswer(told, seen=seen, likely=True)


QUESTIONS = (
    Question(
        "row_clock",
        "The clock of the answers beside the one that dates deals, in seconds",
        ("same", "ahead", "behind"),
        row_clock,
    ),
)
