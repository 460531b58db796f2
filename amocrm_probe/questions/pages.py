"""Pages: how long they are, how a list ends, and how deep it can be read."""

from __future__ import annotations

from functools import partial

from amocrm_probe.answer import Answers, ProbeAnswer, Untold, Why, each, one
from amocrm_probe.asking import Asking, ProbePage
from amocrm_probe.lists import EVENTS, LISTS, NOTES, TASKS, List
from amocrm_probe.questions.question import Question
from amocrm_probe.values import own

LIMITS = (250, 100, 50)
DEPTHS = (10, 100, 1_000, 10_000)
"""Pages of one row that are asked for, as far as the list goes."""
_REFUSALS = (Why.FAILED, Why.ABSENT, Why.REFUSED)
"""What may be said of a page that is too deep, of a list whose first pages came."""
_SIZED = ("leads", "contacts", "companies", TASKS.name, NOTES[0].name, EVENTS.name)
_ENDING = ("leads", TASKS.name, NOTES[0].name, EVENTS.name)


def largest(ask: Asking) -> Answers:
    return each(_SIZED, lambda name: _largest(ask, LISTS[name]))


def _largest(ask: Asking, of: List) -> ProbeAnswer:
    """Only a page that is not the last one tells."""
    shown = {}
    for limit in LIMITS:
        page = ask.page(of, {"limit": limit})
        if page.more or len(page.rows) == limit:
            shown[str(limit)] = len(page.rows)
    if "250" not in shown:
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer(max(shown.values()), seen=shown)


def unasked(ask: Asking) -> Answers:
    return each(_SIZED, lambda name: _unasked(ask.page(LISTS[name])))


def _unasked(page: ProbePage) -> ProbeAnswer:
    if not page.more:
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer(len(page.rows))


def after_full(ask: Asking) -> Answers:
    return each(_ENDING, lambda name: ProbeAnswer("next" if _full_last(ask, LISTS[name])[1].more else "no_next"))


def beyond(ask: Asking) -> Answers:
    return each(_ENDING, lambda name: _beyond(ask, LISTS[name]))


def _beyond(ask: Asking, of: List) -> ProbeAnswer:
    found, _ = _full_last(ask, of)
    page = ask.page(of, {"filter[id][]": found, "limit": 1, "page": 2})
    if page.rows:
        raise Untold(Why.NO_FILTER)
    return ProbeAnswer("nothing" if page.status == 204 else "empty_list")


def _full_last(ask: Asking, of: List) -> tuple[int | str, ProbePage]:
    """A list of one row, in pages of one row, and its row's id."""
    ids = [found for row in ask.sample(of).rows if (found := own(row)) is not None]
    if not ids:
        raise Untold(Why.EMPTY)
    page = ask.page(of, {"filter[id][]": ids[-1], "limit": 1})
    if [own(row) for row in page.rows] != [ids[-1]]:
        raise Untold(Why.NO_FILTER)
    return ids[-1], page


def numbers(ask: Asking) -> Answers:
    return one(lambda: ProbeAnswer("given" if "_page" in ask.sample(LISTS["leads"]).body else "missing"))


def depth(ask: Asking) -> Answers:
    """Of the list that is longest in most accounts, and of another one where that tells nothing."""
    told = each([EVENTS.name], lambda name: _depth(ask, LISTS[name]))
    return told if told[EVENTS.name].value else {**told, **each(["leads"], lambda name: _depth(ask, LISTS[name]))}


def _depth(ask: Asking, of: List) -> ProbeAnswer:
    if not ask.sample(of).rows:
        raise Untold(Why.EMPTY)
    given = 1
    for number in DEPTHS:
        try:
            page = _at(ask, of, number)
        except Untold as untold:
            if untold.why not in _REFUSALS:
                raise
            return _refused(ask, of, given, number)
        if not page.rows:
            break
        given = number
    if given < DEPTHS[-1]:
        return ProbeAnswer(why=Why.TOO_FEW, seen={"given": given})
    return ProbeAnswer("given", seen={"given": given})


def _at(ask: Asking, of: List, number: int) -> ProbePage:
    return ask.page(of, {"limit": 1, "page": number})


def _refused(ask: Asking, of: List, given: int, refused: int) -> ProbeAnswer:
    """Where between the two the pages stop, as far as the allowance goes."""
    while refused - given > 1:
        middle = (given + refused) // 2
        try:
            page = _at(ask, of, middle)
        except Untold as untold:
            if untold.why not in _REFUSALS:
                break
            refused = middle
            continue
        if not page.rows:
            break
        given = middle
    return ProbeAnswer("refused", seen={"given": given, "refused": refused})


def totals(ask: Asking) -> Answers:
    return one(partial(_totals, ask))


def _totals(ask: Asking) -> ProbeAnswer:
    page = ask.page(LISTS["lead_fields"], {"limit": 1})
    total = page.body.get("_total_items")
    if not page.more or not isinstance(total, int):
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer("page" if total == len(page.rows) else "all")


QUESTIONS = (
    Question("page_largest", "Rows of the largest page (asked for 250, 100 and 50)", (), largest),
    Question("page_default", "Rows of a page for which no length is asked", (), unasked),
    Question(
        "next_after_full",
        "Whether the last page, where it is full, promises another one",
        ("next", "no_next"),
        after_full,
    ),
    Question("beyond_the_end", "What is answered beyond the last page", ("nothing", "empty_list"), beyond),
    Question("page_number", "Whether pages tell their number", ("given", "missing"), numbers),
    Question("deep_pages", "Whether pages of any number are given", ("given", "refused"), depth),
    Question("fields_total", "What the total of the list of fields counts", ("page", "all"), totals),
)
