"""The trash: which lists show theirs, and whether filters and orders apply to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from amocrm_probe.answer import Answers, ProbeAnswer, Untold, Why, each
from amocrm_probe.asking import Asking, ProbePage
from amocrm_probe.lists import CARD_NAMES, LISTS, List
from amocrm_probe.questions.filters import filter_works
from amocrm_probe.questions.orders import order_kept
from amocrm_probe.questions.question import Question
from amocrm_probe.values import moments, objects, own, within

_FLAG = {"with": "only_deleted"}


def shown(ask: Asking) -> Answers:
    return each(CARD_NAMES, lambda name: _shown(ask, LISTS[name]))


def _shown(ask: Asking, of: List) -> ProbeAnswer:
    trash = _page(ask, of)
    if not trash.rows:
        if not ask.sample(of).rows:
            raise Untold(Why.EMPTY)
        return ProbeAnswer("empty")
    gone = sum(row.get("is_deleted") is True for row in trash.rows)
    return ProbeAnswer("shown" if gone == len(trash.rows) else "ignored", seen={"rows": len(trash.rows)})


def _page(ask: Asking, of: List, **params: str | int) -> ProbePage:
    return ask.page(of, {**_FLAG, "limit": of.limit, **params})


def _of_trash(ask: Asking, answer: Callable[[List], ProbeAnswer], name: str) -> ProbeAnswer:
    if _shown(ask, LISTS[name]).value != "shown":
        raise Untold(Why.EMPTY)
    return answer(LISTS[name])


def order(ask: Asking) -> Answers:
    return each(CARD_NAMES, partial(_of_trash, ask, lambda of: _order(ask, of)))


def _order(ask: Asking, of: List) -> ProbeAnswer:
    up, down = (_page(ask, of, **{f"order[{of.cursor}]": way}) for way in ("asc", "desc"))
    return order_kept((up, down), of.cursor)


def filtered(ask: Asking) -> Answers:
    return each(CARD_NAMES, partial(_of_trash, ask, lambda of: _filtered(ask, of)))


def _filtered(ask: Asking, of: List) -> ProbeAnswer:
    if not filter_works(ask, of):
        raise Untold(Why.NO_FILTER)
    times = moments(_page(ask, of).rows, of.cursor)
    if len(set(times)) < 2 or max(times) - min(times) < 3:
        raise Untold(Why.TOO_FEW)
    first, last = max(times) - 1, max(times) + 1
    window = {f"filter[{of.cursor}][from]": first, f"filter[{of.cursor}][to]": last}
    found = moments(_page(ask, of, **window).rows, of.cursor)
    if not found:
        raise Untold(Why.AMBIGUOUS)
    return ProbeAnswer("works" if all(first <= at <= last for at in found) else "ignored", seen={"rows": len(found)})


def links(ask: Asking) -> Answers:
    return each(("contacts", "companies"), lambda name: _links(ask, LISTS[name]))


def _links(ask: Asking, of: List) -> ProbeAnswer:
    """A link that is hidden leaves nothing to see."""
    if _shown(ask, of).value != "shown":
        raise Untold(Why.EMPTY)
    gone = {own(row) for row in _page(ask, of).rows}
    linked = [own(one) for row in ask.rows("leads") for one in objects(within(row, "_embedded", of.collection))]
    kept = sum(found in gone for found in linked)
    if not kept:
        raise Untold(Why.AMBIGUOUS)
    return ProbeAnswer("kept", seen={"links": kept})


QUESTIONS = (
    Question("trash", "Whether with=only_deleted shows the trash", ("shown", "ignored", "empty"), shown),
    Question("trash_order", "Whether the trash keeps the order that is asked", ("kept", "ignored"), order),
    Question("trash_filter", "Whether filters apply to the trash", ("works", "ignored"), filtered),
    Question("trash_links", "Whether deals go on naming what is in the trash", ("kept",), links),
)
