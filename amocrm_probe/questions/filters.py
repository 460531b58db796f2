"""Filters: whether they work, and whether the seconds they name are within them."""

from __future__ import annotations

from collections import Counter
from functools import partial

from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer, Untold, Why, each, verdict
from amocrm_probe.asking import Asking
from amocrm_probe.lists import CARD_NAMES, EVENTS, LISTS, NOTES, TASKS, List
from amocrm_probe.questions.question import Question
from amocrm_probe.values import moments, own
from source_amocrm.http import ACCOUNT_PATH, Params

SAMPLES = 2
"""Moments of each list at which the edges are looked at."""
_TIMED = ("leads", "contacts", "companies", TASKS.name, NOTES[0].name, EVENTS.name)


def flag(ask: Asking) -> Answers:
    told = ask.body(ACCOUNT_PATH, {"with": "drive_url,is_api_filter_enabled"}).body
    if "is_api_filter_enabled" not in told:
        return {ACCOUNT: ProbeAnswer("not_told")}
    return {ACCOUNT: ProbeAnswer("on" if told["is_api_filter_enabled"] else "off")}


def works(ask: Asking) -> Answers:
    return each(CARD_NAMES, lambda name: ProbeAnswer(_filtered(ask, LISTS[name])))


def filter_works(ask: Asking, of: List) -> bool:
    """Raises Untold where the list is too short to tell."""
    return _filtered(ask, of) == "works"


def _filtered(ask: Asking, of: List) -> str:
    """What becomes of the filter: one of the question's answers. Raises Untold."""
    ids = [found for row in ask.sample(of).rows if (found := own(row)) is not None]
    if len(set(ids)) < 2:
        raise Untold(Why.EMPTY if not ids else Why.TOO_FEW)
    try:
        shown = ask.page(of, {"filter[id][]": ids[-1], "limit": 50}).rows
    except Untold as untold:
        if untold.why is not Why.NO_FILTER:
            raise
        return "refused"
    if not shown:
        raise Untold(Why.AMBIGUOUS)
    return "works" if all(own(row) == ids[-1] for row in shown) else "ignored"


def edges(side: str, ask: Asking) -> Answers:
    return each(_TIMED, lambda name: _edge(ask, LISTS[name], side))


def _edge(ask: Asking, of: List, side: str) -> ProbeAnswer:
    votes: Counter[str] = Counter()
    counted = Counter(moments(ask.sample(of).rows, of.cursor))
    for at in sorted(counted, key=lambda at: (counted[at], at))[:SAMPLES]:
        first, last = (at, at + 1) if side == "from" else (at - 1, at)
        shown = _shows(ask, of, first, last, at)
        if shown is None or (not shown and not _shows(ask, of, at - 1, at + 1, at)):
            continue
        votes["inclusive" if shown else "exclusive"] += 1
    return verdict(votes)


def _shows(ask: Asking, of: List, first: int, last: int, at: int) -> bool | None:
    """Whether the window holds a row of the moment; None where the page ends before that is known."""
    params: Params = {f"filter[{of.cursor}][from]": first, f"filter[{of.cursor}][to]": last, "limit": 100}
    page = ask.page(of, params)
    found = moments(page.rows, of.cursor)
    if any(not at - 1 <= one <= at + 1 for one in found):
        raise Untold(Why.NO_FILTER)
    if at in found:
        return True
    return None if page.more else False


QUESTIONS = (
    Question("filter_flag", "Whether the account says that its filter is on", ("on", "off", "not_told"), flag),
    Question("filter_works", "Whether the filter of the list works", ("works", "ignored", "refused"), works),
    Question(
        "filter_from",
        "Whether a row of the very second that `from` names is shown",
        ("inclusive", "exclusive"),
        partial(edges, "from"),
    ),
    Question(
        "filter_to",
        "Whether a row of the very second that `to` names is shown",
        ("inclusive", "exclusive"),
        partial(edges, "to"),
    ),
)
