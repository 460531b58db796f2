"""Orders: which one a list has by itself, whether the one that was asked is kept, and how equal times follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from amocrm_probe.answer import ENOUGH, Answers, ProbeAnswer, Untold, Why, bits, each, one
from amocrm_probe.asking import Asking, ProbePage
from amocrm_probe.lists import CARD_NAMES, EVENTS, LISTS, NOTES, TASKS, List
from amocrm_probe.questions.question import Question
from amocrm_probe.values import Row, direction, moment, moments, numbered

_NOTES = tuple(one.name for one in NOTES[:3])
_ORDERED = (*CARD_NAMES, *_NOTES)
_COUNTERS = ("id", "updated_at")


def default(ask: Asking) -> Answers:
    return each((*CARD_NAMES, TASKS.name, *_NOTES), lambda name: _default(ask.rows(name)))


def _default(rows: list[Row]) -> ProbeAnswer:
    if not rows:
        raise Untold(Why.EMPTY)
    if bits(len(rows)) < ENOUGH:
        raise Untold(Why.TOO_FEW)
    ways = {name: direction(_numbers(rows, name)) for name in _COUNTERS}
    told = [f"{name.removesuffix('_at')}_{way}" for name, way in ways.items() if way]
    if len(told) > 1 or "" in ways.values():
        raise Untold(Why.AMBIGUOUS)
    return ProbeAnswer(told[0] if told else "other", seen={"rows": len(rows)})


def _numbers(rows: list[Row], name: str) -> list[int]:
    return [value for row in rows if (value := numbered(row) if name == "id" else moment(row, name)) is not None]


def kept(ask: Asking) -> Answers:
    return each(_ORDERED, lambda name: order_kept(_both(ask, LISTS[name]), LISTS[name].cursor))


def order_kept(pages: tuple[ProbePage, ProbePage], cursor: str) -> ProbeAnswer:
    """By the pages that were asked for in either direction."""
    up, down = (moments(page.rows, cursor) for page in pages)
    if len(set(up)) < 2 and len(set(down)) < 2:
        raise Untold(Why.TOO_FEW if up else Why.EMPTY)
    return ProbeAnswer(
        "kept" if (direction(up), direction(down)) == ("asc", "desc") else "ignored", seen={"rows": len(up)}
    )


def _both(ask: Asking, of: List, **params: str) -> tuple[ProbePage, ProbePage]:
    asked = ({f"order[{of.cursor}]": way, "limit": of.limit, **params} for way in ("asc", "desc"))
    first, second = (ask.page(of, one) for one in asked)
    return first, second


def ties(ask: Asking) -> Answers:
    return each(_ORDERED, lambda name: _ties(ask, LISTS[name]))


def _ties(ask: Asking, of: List) -> ProbeAnswer:
    up, down = (list(_groups(page.rows, of.cursor)) for page in _both(ask, of))
    if not up and not down:
        raise Untold(Why.EMPTY)
    evidence = sum(bits(len(group)) for group in (*up, *down))
    again = ask.page(of, {f"order[{of.cursor}]": "asc" if up else "desc", "limit": of.limit}, anew=True).rows
    rows = sum(map(len, (*up, *down)))
    if _moved(up or down, list(_groups(again, of.cursor))):
        return ProbeAnswer("shuffled", seen={"rows": rows})
    if evidence < ENOUGH:
        raise Untold(Why.TOO_FEW)
    ways = {_way(up), _way(down)} - {""}
    if "other" in ways:
        return ProbeAnswer("other", seen={"rows": rows})
    if len(ways) > 1:
        return ProbeAnswer("mirrored" if _way(up) == "id_asc" else "other", seen={"rows": rows})
    if not (up and down):
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer(ways.pop(), seen={"rows": rows})


def _groups(rows: Sequence[Row], cursor: str) -> Iterator[list[int]]:
    """The ids of rows of one time that follow each other."""
    for at, group in groupby(rows, lambda row: moment(row, cursor)):
        ids = [found for row in group if (found := numbered(row)) is not None]
        if at is not None and len(set(ids)) > 1:
            yield ids


def _moved(first: list[list[int]], second: list[list[int]]) -> bool:
    """Whether rows of one time stand in another order than before."""
    places = {found: (number, place) for number, group in enumerate(second) for place, found in enumerate(group)}
    for group in first:
        known = [places[found] for found in group if found in places]
        if len({number for number, _ in known}) == 1 and direction([place for _, place in known]) != "asc":
            return len(known) > 1
    return False


def _way(groups: list[list[int]]) -> str:
    ways = {direction(group) for group in groups}
    if not ways:
        return ""
    return f"id_{way}" if len(ways) == 1 and (way := next(iter(ways))) else "other"


def events_default(ask: Asking) -> Answers:
    return one(lambda: _events_default(moments(ask.sample(EVENTS).rows, EVENTS.cursor)))


def _events_default(times: list[int]) -> ProbeAnswer:
    if bits(len(set(times))) < ENOUGH:
        raise Untold(Why.TOO_FEW if times else Why.EMPTY)
    return ProbeAnswer(direction(times) or "other", seen={"rows": len(times)})


def events_order(ask: Asking) -> Answers:
    return one(lambda: order_kept(_both(ask, EVENTS), EVENTS.cursor))


QUESTIONS = (
    Question(
        "default_order",
        "The order of a list for which none is asked",
        ("id_asc", "id_desc", "updated_asc", "updated_desc", "other"),
        default,
    ),
    Question("order_kept", "Whether the order by time of change is kept", ("kept", "ignored"), kept),
    Question(
        "ties",
        "The order of rows that were changed in one second, where the order by time of change is asked",
        ("id_asc", "id_desc", "mirrored", "shuffled", "other"),
        ties,
    ),
    Question("events_order", "The order of events", ("asc", "desc", "other"), events_default),
    Question("events_order_kept", "Whether order[created_at] works on events", ("kept", "ignored"), events_order),
)
