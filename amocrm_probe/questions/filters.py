"""Filters: whether they work, and whether their bounds are inclusive."""

from __future__ import annotations

from collections import Counter
from functools import partial

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why, verdict
from amocrm_probe.json_parts import row_id, times_of
from amocrm_probe.lists import CARD_NAMES, EVENTS, NOTES, TASKS, List
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_account, of_lists
from source_amocrm.http import ACCOUNT_PATH, Params

SAMPLES = 2
"""Seconds of each list at which a bound is tried."""
_TIMED = ("leads", "contacts", "companies", TASKS.name, NOTES[0].name, EVENTS.name)


def _flag(ask: Asking) -> ProbeAnswer:
    account = ask.body(ACCOUNT_PATH, {"with": "drive_url,is_api_filter_enabled"}).body
    if "is_api_filter_enabled" not in account:
        return ProbeAnswer("not_told")
    return ProbeAnswer("on" if account["is_api_filter_enabled"] else "off")


def filter_works(ask: Asking, of: List) -> bool:
    """Raises Unanswered if the list is too short to show it."""
    return _filtered(ask, of) == "works"


def _filtered(ask: Asking, of: List) -> str:
    """Returns the answer of the question `filter_works`. Raises Unanswered."""
    ids = [found for row in ask.sample(of).rows if (found := row_id(row)) is not None]
    if len(set(ids)) < 2:
        raise Unanswered(Why.EMPTY if not ids else Why.TOO_FEW)
    try:
        shown = ask.page(of, {"filter[id][]": ids[-1], "limit": 50}).rows
    except Unanswered as unanswered:
        if unanswered.why is not Why.NO_FILTER:
            raise
        return "refused"
    if not shown:
        raise Unanswered(Why.AMBIGUOUS)
    return "works" if all(row_id(row) == ids[-1] for row in shown) else "ignored"


def _bound(side: str, ask: Asking, of: List) -> ProbeAnswer:
    votes: Counter[str] = Counter()
    counted = Counter(times_of(ask.sample(of).rows, of.cursor))
    for at in sorted(counted, key=lambda at: (counted[at], at))[:SAMPLES]:
        first, last = (at, at + 1) if side == "from" else (at - 1, at)
        shown = _shows(ask, of, first, last, at)
        if shown is None or (not shown and not _shows(ask, of, at - 1, at + 1, at)):
            continue
        votes["inclusive" if shown else "exclusive"] += 1
    return verdict(votes)


def _shows(ask: Asking, of: List, first: int, last: int, at: int) -> bool | None:
    """Whether the filtered list has a row of the second `at`; None if the page ends too early to know."""
    params: Params = {f"filter[{of.cursor}][from]": first, f"filter[{of.cursor}][to]": last, "limit": 100}
    page = ask.page(of, params)
    found = times_of(page.rows, of.cursor)
    if any(not at - 1 <= one <= at + 1 for one in found):
        raise Unanswered(Why.NO_FILTER)
    if at in found:
        return True
    return None if page.more else False


QUESTIONS = (
    Question(
        "filter_flag", "Whether the account says that its filter is on", ("on", "off", "not_told"), of_account(_flag)
    ),
    Question(
        "filter_works",
        "Whether the filter of the list works",
        ("works", "ignored", "refused"),
        of_lists(CARD_NAMES, lambda ask, of: ProbeAnswer(_filtered(ask, of))),
    ),
    Question(
        "filter_from",
        "Whether a row of the very second that `from` names is shown",
        ("inclusive", "exclusive"),
        of_lists(_TIMED, partial(_bound, "from")),
    ),
    Question(
        "filter_to",
        "Whether a row of the very second that `to` names is shown",
        ("inclusive", "exclusive"),
        of_lists(_TIMED, partial(_bound, "to")),
    ),
)
