"""Pages: their size, the end of a list, and the largest page number."""

from __future__ import annotations

from amocrm_probe.answer import Answers, ProbeAnswer, Unanswered, Why
from amocrm_probe.json_parts import row_id
from amocrm_probe.lists import EVENTS, LISTS, NOTES, TASKS, List
from amocrm_probe.probe_requests import Asking, ProbePage
from amocrm_probe.questions.question import Question, of_account, of_lists

LIMITS = (250, 100, 50)
DEPTHS = (10, 100, 1_000, 10_000)
"""Numbers of the pages of one row that are requested, until the list ends."""
_REFUSALS = (Why.FAILED, Why.ABSENT, Why.REFUSED)
"""Reasons by which a server may refuse a page number, once the first pages of the list have come."""
_SIZED = ("leads", "contacts", "companies", TASKS.name, NOTES[0].name, EVENTS.name)
_ENDING = ("leads", TASKS.name, NOTES[0].name, EVENTS.name)


def _largest(ask: Asking, of: List) -> ProbeAnswer:
    """Only a page that is full or not the last shows how many rows a page holds."""
    shown = {}
    for limit in LIMITS:
        page = ask.page(of, {"limit": limit})
        if page.more or len(page.rows) == limit:
            shown[str(limit)] = len(page.rows)
    if "250" not in shown:
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer(max(shown.values()), seen=shown)


def _default(ask: Asking, of: List) -> ProbeAnswer:
    page = ask.page(of)
    if not page.more:
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer(len(page.rows))


def _after_full(ask: Asking, of: List) -> ProbeAnswer:
    return ProbeAnswer("next" if _full_last(ask, of)[1].more else "no_next")


def _beyond(ask: Asking, of: List) -> ProbeAnswer:
    found, _ = _full_last(ask, of)
    page = ask.page(of, {"filter[id][]": found, "limit": 1, "page": 2})
    if page.rows:
        raise Unanswered(Why.NO_FILTER)
    return ProbeAnswer("nothing" if page.status == 204 else "empty_list")


def _full_last(ask: Asking, of: List) -> tuple[int | str, ProbePage]:
    """Filters the list to one row and requests it in pages of one row. Returns the row's id and the page."""
    ids = [found for row in ask.sample(of).rows if (found := row_id(row)) is not None]
    if not ids:
        raise Unanswered(Why.EMPTY)
    page = ask.page(of, {"filter[id][]": ids[-1], "limit": 1})
    if [row_id(row) for row in page.rows] != [ids[-1]]:
        raise Unanswered(Why.NO_FILTER)
    return ids[-1], page


def _number(ask: Asking) -> ProbeAnswer:
    return ProbeAnswer("given" if "_page" in ask.sample(LISTS["leads"]).body else "missing")


def depth(ask: Asking) -> Answers:
    """Asks for events, the longest list of most accounts, and for deals as well if events do not answer it."""
    answers = of_lists([EVENTS.name], _depth)(ask)
    return answers if answers[EVENTS.name].value else {**answers, **of_lists(["leads"], _depth)(ask)}


def _depth(ask: Asking, of: List) -> ProbeAnswer:
    if not ask.sample(of).rows:
        raise Unanswered(Why.EMPTY)
    served = 1
    for number in DEPTHS:
        try:
            page = _page(ask, of, number)
        except Unanswered as unanswered:
            if unanswered.why not in _REFUSALS:
                raise
            return _bisected(ask, of, served, number)
        if not page.rows:
            break
        served = number
    if served < DEPTHS[-1]:
        return ProbeAnswer(why=Why.TOO_FEW, seen={"given": served})
    return ProbeAnswer("given", seen={"given": served})


def _page(ask: Asking, of: List, number: int) -> ProbePage:
    return ask.page(of, {"limit": 1, "page": number})


def _bisected(ask: Asking, of: List, served: int, refused: int) -> ProbeAnswer:
    """Narrows the gap between a served and a refused page number, while requests are left."""
    while refused - served > 1:
        middle = (served + refused) // 2
        try:
            page = _page(ask, of, middle)
        except Unanswered as unanswered:
            if unanswered.why not in _REFUSALS:
                break
            refused = middle
            continue
        if not page.rows:
            break
        served = middle
    return ProbeAnswer("refused", seen={"given": served, "refused": refused})


def _totals(ask: Asking) -> ProbeAnswer:
    page = ask.page(LISTS["lead_fields"], {"limit": 1})
    total = page.body.get("_total_items")
    if not page.more or not isinstance(total, int):
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer("page" if total == len(page.rows) else "all")


QUESTIONS = (
    Question("page_largest", "Rows of the largest page (asked for 250, 100 and 50)", (), of_lists(_SIZED, _largest)),
    Question("page_default", "Rows of a page for which no length is asked", (), of_lists(_SIZED, _default)),
    Question(
        "next_after_full",
        "Whether the last page, where it is full, promises another one",
        ("next", "no_next"),
        of_lists(_ENDING, _after_full),
    ),
    Question(
        "beyond_the_end",
        "What is answered beyond the last page",
        ("nothing", "empty_list"),
        of_lists(_ENDING, _beyond),
    ),
    Question("page_number", "Whether pages tell their number", ("given", "missing"), of_account(_number)),
    Question("deep_pages", "Whether pages of any number are given", ("given", "refused"), depth),
    Question("fields_total", "What the total of the list of fields counts", ("page", "all"), of_account(_totals)),
)
