"""Orders: the default order of a list, whether a requested order is kept, and the order of rows of equal time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from amocrm_probe.answer import ENOUGH, ProbeAnswer, Unanswered, Why, bits
from amocrm_probe.json_parts import Row, direction, integer_id, time_of, times_of
from amocrm_probe.lists import CARD_NAMES, EVENTS, NOTES, TASKS, List
from amocrm_probe.probe_requests import Asking, ProbePage
from amocrm_probe.questions.question import Question, of_account, of_lists

_NOTES = tuple(one.name for one in NOTES[:3])
_ORDERED = (*CARD_NAMES, *_NOTES)
_COUNTERS = ("id", "updated_at")


def _default(ask: Asking, of: List) -> ProbeAnswer:
    rows = ask.sample(of).rows
    if not rows:
        raise Unanswered(Why.EMPTY)
    if bits(len(rows)) < ENOUGH:
        raise Unanswered(Why.TOO_FEW)
    ways = {name: direction(_numbers(rows, name)) for name in _COUNTERS}
    orders = [f"{name.removesuffix('_at')}_{way}" for name, way in ways.items() if way]
    if len(orders) > 1 or "" in ways.values():
        raise Unanswered(Why.AMBIGUOUS)
    return ProbeAnswer(orders[0] if orders else "other", seen={"rows": len(rows)})


def _numbers(rows: list[Row], name: str) -> list[int]:
    return [value for row in rows if (value := integer_id(row) if name == "id" else time_of(row, name)) is not None]


def _kept(ask: Asking, of: List) -> ProbeAnswer:
    return order_kept(_both(ask, of), of.cursor)


def order_kept(pages: tuple[ProbePage, ProbePage], cursor: str) -> ProbeAnswer:
    """`pages`: the list in ascending and in descending order of the cursor."""
    up, down = (times_of(page.rows, cursor) for page in pages)
    if len(set(up)) < 2 and len(set(down)) < 2:
        raise Unanswered(Why.TOO_FEW if up else Why.EMPTY)
    return ProbeAnswer(
        "kept" if (direction(up), direction(down)) == ("asc", "desc") else "ignored", seen={"rows": len(up)}
    )


def _both(ask: Asking, of: List) -> tuple[ProbePage, ProbePage]:
    up, down = (ask.page(of, {f"order[{of.cursor}]": way, "limit": of.limit}) for way in ("asc", "desc"))
    return up, down


def _ties(ask: Asking, of: List) -> ProbeAnswer:
    up, down = (list(_groups(page.rows, of.cursor)) for page in _both(ask, of))
    if not up and not down:
        raise Unanswered(Why.EMPTY)
    evidence = sum(bits(len(group)) for group in (*up, *down))
    again = ask.page(of, {f"order[{of.cursor}]": "asc" if up else "desc", "limit": of.limit}, repeat=True).rows
    rows = sum(map(len, (*up, *down)))
    if _moved(up or down, list(_groups(again, of.cursor))):
        return ProbeAnswer("shuffled", seen={"rows": rows})
    if evidence < ENOUGH:
        raise Unanswered(Why.TOO_FEW)
    ways = {_way(up), _way(down)} - {""}
    if "other" in ways:
        return ProbeAnswer("other", seen={"rows": rows})
    if len(ways) > 1:
        return ProbeAnswer("mirrored" if _way(up) == "id_asc" else "other", seen={"rows": rows})
    if not (up and down):
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer(ways.pop(), seen={"rows": rows})


def _groups(rows: Sequence[Row], cursor: str) -> Iterator[list[int]]:
    """Yields the ids of each run of rows with the same time."""
    for at, group in groupby(rows, lambda row: time_of(row, cursor)):
        ids = [found for row in group if (found := integer_id(row)) is not None]
        if at is not None and len(set(ids)) > 1:
            yield ids


def _moved(first: list[list[int]], second: list[list[int]]) -> bool:
    """Whether rows of one group of `first` stand in another order in `second`."""
    positions = {found: (number, index) for number, group in enumerate(second) for index, found in enumerate(group)}
    for group in first:
        known = [positions[found] for found in group if found in positions]
        if len({number for number, _ in known}) == 1 and direction([index for _, index in known]) != "asc":
            return len(known) > 1
    return False


def _way(groups: list[list[int]]) -> str:
    ways = {direction(group) for group in groups}
    if not ways:
        return ""
    return f"id_{way}" if len(ways) == 1 and (way := next(iter(ways))) else "other"


def _events_default(ask: Asking) -> ProbeAnswer:
    times = times_of(ask.sample(EVENTS).rows, EVENTS.cursor)
    if bits(len(set(times))) < ENOUGH:
        raise Unanswered(Why.TOO_FEW if times else Why.EMPTY)
    return ProbeAnswer(direction(times) or "other", seen={"rows": len(times)})


QUESTIONS = (
    Question(
        "default_order",
        "The order of a list for which none is asked",
        ("id_asc", "id_desc", "updated_asc", "updated_desc", "other"),
        of_lists((*CARD_NAMES, TASKS.name, *_NOTES), _default),
    ),
    Question(
        "order_kept", "Whether the order by time of change is kept", ("kept", "ignored"), of_lists(_ORDERED, _kept)
    ),
    Question(
        "ties",
        "The order of rows that were changed in one second, where the order by time of change is asked",
        ("id_asc", "id_desc", "mirrored", "shuffled", "other"),
        of_lists(_ORDERED, _ties),
    ),
    Question("events_order", "The order of events", ("asc", "desc", "other"), of_account(_events_default)),
    Question(
        "events_order_kept",
        "Whether order[created_at] works on events",
        ("kept", "ignored"),
        of_account(lambda ask: _kept(ask, EVENTS)),
    ),
)
