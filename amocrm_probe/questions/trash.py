"""The trash: which lists show it, and whether filters and orders apply to it."""

from __future__ import annotations

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why
from amocrm_probe.json_parts import objects, row_id, times_of, value_at
from amocrm_probe.lists import CARD_NAMES, List
from amocrm_probe.probe_requests import Asking, ProbePage
from amocrm_probe.questions.filters import filter_works
from amocrm_probe.questions.orders import order_kept
from amocrm_probe.questions.question import Question, of_lists

_FLAG = {"with": "only_deleted"}


def _shown(ask: Asking, of: List) -> ProbeAnswer:
    trash = _page(ask, of)
    if not trash.rows:
        if not ask.sample(of).rows:
            raise Unanswered(Why.EMPTY)
        return ProbeAnswer("empty")
    gone = sum(row.get("is_deleted") is True for row in trash.rows)
    return ProbeAnswer("shown" if gone == len(trash.rows) else "ignored", seen={"rows": len(trash.rows)})


def _page(ask: Asking, of: List, **params: str | int) -> ProbePage:
    return ask.page(of, {**_FLAG, "limit": of.limit, **params})


def _check_shown(ask: Asking, of: List) -> None:
    """Raises Unanswered if the list does not show its trash, or has none."""
    if _shown(ask, of).value != "shown":
        raise Unanswered(Why.EMPTY)


def _order(ask: Asking, of: List) -> ProbeAnswer:
    _check_shown(ask, of)
    up, down = (_page(ask, of, **{f"order[{of.cursor}]": way}) for way in ("asc", "desc"))
    return order_kept((up, down), of.cursor)


def _filtered(ask: Asking, of: List) -> ProbeAnswer:
    _check_shown(ask, of)
    if not filter_works(ask, of):
        raise Unanswered(Why.NO_FILTER)
    times = times_of(_page(ask, of).rows, of.cursor)
    if len(set(times)) < 2 or max(times) - min(times) < 3:
        raise Unanswered(Why.TOO_FEW)
    first, last = max(times) - 1, max(times) + 1
    window = {f"filter[{of.cursor}][from]": first, f"filter[{of.cursor}][to]": last}
    found = times_of(_page(ask, of, **window).rows, of.cursor)
    if not found:
        raise Unanswered(Why.AMBIGUOUS)
    return ProbeAnswer("works" if all(first <= at <= last for at in found) else "ignored", seen={"rows": len(found)})


def _links(ask: Asking, of: List) -> ProbeAnswer:
    """Whether deals link to cards in the trash. No such link is no answer: there may never have been one."""
    _check_shown(ask, of)
    gone = {row_id(row) for row in _page(ask, of).rows}
    linked = [row_id(one) for row in ask.rows("leads") for one in objects(value_at(row, "_embedded", of.collection))]
    kept = sum(found in gone for found in linked)
    if not kept:
        raise Unanswered(Why.AMBIGUOUS)
    return ProbeAnswer("kept", seen={"links": kept})


QUESTIONS = (
    Question(
        "trash",
        "Whether with=only_deleted shows the trash",
        ("shown", "ignored", "empty"),
        of_lists(CARD_NAMES, _shown),
    ),
    Question(
        "trash_order",
        "Whether the trash keeps the order that is asked",
        ("kept", "ignored"),
        of_lists(CARD_NAMES, _order),
    ),
    Question(
        "trash_filter", "Whether filters apply to the trash", ("works", "ignored"), of_lists(CARD_NAMES, _filtered)
    ),
    Question(
        "trash_links",
        "Whether deals go on naming what is in the trash",
        ("kept",),
        of_lists(("contacts", "companies"), _links),
    ),
)
