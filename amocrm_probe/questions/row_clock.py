"""Whether the clock of the `Date` header also dates rows: shown by deals that change while the probe reads."""

from __future__ import annotations

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why
from amocrm_probe.json_parts import times_of
from amocrm_probe.lists import LISTS
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_account
from source_amocrm.http import Params

WIDEST = 60.0
"""Largest distance between the two bounds of the clocks' difference (seconds). Past that the question stays open."""
_LEADS = LISTS["leads"]
_NEWEST: Params = {f"order[{_LEADS.cursor}]": "desc", "limit": _LEADS.limit}


def _row_clock(ask: Asking) -> ProbeAnswer:
    """Bounds the difference of the two clocks by a deal that changed between two answers.

    The answers' clock is ahead of the rows' by at least the earlier answer's `Date` minus the deal's time, and by at
    most the later answer's `Date` minus that time, give or take the spread of the answers' clock. The answer is only
    `likely`, because whoever writes a deal may set its time.
    """
    before, after = ask.page(_LEADS, _NEWEST), ask.page(_LEADS, _NEWEST, repeat=True)
    known, times = times_of(before.rows, _LEADS.cursor), times_of(after.rows, _LEADS.cursor)
    changed = [at for at in times if at > max(known, default=at)]
    if before.date is None or after.date is None or not known:
        raise Unanswered(Why.EMPTY)
    if not changed:
        raise Unanswered(Why.STILL)
    ahead = [one.ahead for one in ask.stats if one.ahead is not None]
    spread = max(ahead) - min(ahead)
    least, most = before.date - min(changed) - spread, after.date - max(changed) + spread
    seen = {"least": least, "most": most, "rows": len(changed)}
    value = "ahead" if least > 0 else "behind" if most < 0 else "same"
    if not 0 <= most - least <= WIDEST:
        raise Unanswered(Why.AMBIGUOUS)
    return ProbeAnswer(value, seen=seen, likely=True)


QUESTIONS = (
    Question(
        "row_clock",
        "The clock of the answers beside the one that dates deals, in seconds",
        ("same", "ahead", "behind"),
        of_account(_row_clock),
    ),
)
