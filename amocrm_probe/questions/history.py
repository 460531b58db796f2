"""Events: their form for links, fields, notes, merges and chats, and the age of the oldest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from amocrm_probe.answer import Answers, ProbeAnswer, Unanswered, Why, verdict
from amocrm_probe.json_parts import Row, integer_id, text_at, time_of, value_at
from amocrm_probe.lists import CARDS, EVENTS, LISTS, SINGULAR
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.changes import events
from amocrm_probe.questions.question import Question, of_account
from source_amocrm.account.event_kinds import CHATS, ENTITIES, FIELD_CHANGED, LINKED, MERGED, NOTE_DELETED

DAY = 86_400
AGES = (1_825, 1_095, 730, 365, 180, 90, 30, 7)
"""Ages at which an event is looked for, the oldest first (days)."""
_MERGES = 4
_LTV = "ltv_field_changed"
_LTV_SHAPES = ("ltv_field_value", "ltv", "sale_field_value")
_OWN_KIND = re.compile(r"custom_field_\d+_value_changed", re.ASCII)


def _by_rows(kinds: tuple[str, ...], vote: Callable[[Row], str | None]) -> Callable[[Asking], Answers]:
    return of_account(lambda ask: verdict(Counter(found for row in events(ask, kinds).rows if (found := vote(row)))))


def _link_kind(event: Row) -> str | None:
    kind = text_at(event, "type")
    if kind not in LINKED:
        return None
    return "entity" if kind.startswith("entity_") else "typed"


def _unlinked(event: Row) -> str | None:
    if not text_at(event, "type").endswith("_unlinked"):
        return None
    if isinstance(value_at(event, "value_before", 0, "link"), dict):
        return "before"
    if isinstance(value_at(event, "value_after", 0, "unlink"), dict):
        return "after_unlink"
    return "after_link" if isinstance(value_at(event, "value_after", 0, "link"), dict) else None


def _note_deleted(event: Row) -> str | None:
    sides = [side for side in ("after", "before") if isinstance(value_at(event, f"value_{side}", 0, "note"), dict)]
    return sides[0] if len(sides) == 1 else None


def _ltv(event: Row) -> str | None:
    value = value_at(event, "value_after", 0)
    if text_at(event, "type") != _LTV or not isinstance(value, dict):
        return None
    return next((name for name in _LTV_SHAPES if name in value), "other")


def _talk_contact(event: Row) -> str | None:
    if text_at(event, "type") not in CHATS:
        return None
    if isinstance(value_at(event, "_embedded", "entity", "linked_talk_contact_id"), int):
        return "entity"
    return "top" if isinstance(event.get("linked_talk_contact_id"), int) else "nowhere"


def _field_kind(ask: Asking) -> ProbeAnswer:
    kinds = [text_at(row, "type") for row in (*events(ask, [FIELD_CHANGED]).rows, *ask.sample(EVENTS).rows)]
    votes = Counter({"with_id": sum(map(bool, map(_OWN_KIND.fullmatch, kinds))), "generic": kinds.count(FIELD_CHANGED)})
    return verdict(+votes)


def _link_sides(ask: Asking) -> ProbeAnswer:
    """Whether a link's event has a twin at the other card. Events in the page's first and last second do not count:
    their twins may be on another page.
    """
    rows = events(ask, LINKED).rows
    found = {side: at for row in rows if (side := _side(row)) and (at := time_of(row, EVENTS.cursor))}
    ends = {min(found.values(), default=0), max(found.values(), default=0)}
    votes = Counter(
        "both" if (*side[2:4], *side[:2], *side[4:]) in found else "one" for side, at in found.items() if at not in ends
    )
    return verdict(votes, least=2)


def _side(event: Row) -> tuple[object, ...] | None:
    """Returns the card, the other card (each as kind and id), the time, and whether they were unlinked."""
    parts = ("link", "unlink")
    others = [value_at(event, f"value_{side}", 0, part, "entity") for side in ("after", "before") for part in parts]
    other = next((found for found in others if isinstance(found, dict)), None)
    kind, to, at = text_at(event, "entity_type"), text_at(other, "type"), time_of(event, EVENTS.cursor)
    ids = event.get("entity_id"), value_at(other, "id")
    if kind not in SINGULAR.values() or to not in SINGULAR.values() or not all(isinstance(one, int) for one in ids):
        return None
    return kind, ids[0], to, ids[1], at, text_at(event, "type").endswith("_unlinked")


def _merged(ask: Asking) -> ProbeAnswer:
    """If a card of a merge's event exists, it is the survivor. If none does, survivors may have been deleted later."""
    rows = events(ask, [MERGED]).rows[:_MERGES]
    paths = {of.name: of.path for of in CARDS}
    cards = [
        (f"{paths[ENTITIES[kind]]}/{card}", card)
        for row in rows
        if ENTITIES.get(kind := text_at(row, "entity_type")) in paths and isinstance(card := row.get("entity_id"), int)
    ]
    if not cards:
        raise Unanswered(Why.EMPTY)
    there = sum(_exists(ask, path, card) for path, card in cards)
    if not there and len(cards) < 2:
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer("survivor" if there else "victim", seen={"rows": len(cards), "there": there}, likely=not there)


def _exists(ask: Asking, path: str, card: int) -> bool:
    try:
        body = ask.body(path).body
    except Unanswered as unanswered:
        if unanswered.why is Why.ABSENT:
            return False
        raise
    return integer_id(body) == card and not body.get("is_deleted")


def _reach(ask: Asking) -> ProbeAnswer:
    newest = max((at for row in ask.sample(EVENTS).rows if (at := time_of(row, EVENTS.cursor))), default=None)
    if newest is None:
        raise Unanswered(Why.EMPTY)
    for days in AGES:
        page = ask.page(EVENTS, {"filter[created_at][to]": newest - days * DAY, "limit": 1})
        times = [at for row in page.rows if (at := time_of(row, EVENTS.cursor))]
        if times and times[0] <= newest - days * DAY:
            return ProbeAnswer(days, seen={"account_days": _age(ask, newest)})
    raise Unanswered(Why.TOO_FEW)


def _age(ask: Asking, now: int) -> int:
    """Returns the age of the first deal, as the largest of AGES that it has reached (days); 0 if it is unknown."""
    try:
        rows = ask.page(LISTS["leads"], {"order[created_at]": "asc", "limit": 1}).rows
    except Unanswered:
        return 0
    made = time_of(rows[0], "created_at") if rows else None
    return next((days for days in AGES if made and made <= now - days * DAY), 0)


_UNLINKED = tuple(kind for kind in sorted(LINKED) if kind.endswith("_unlinked"))
QUESTIONS = (
    Question(
        "link_events",
        "The kinds of the events of links",
        ("entity", "typed"),
        _by_rows(tuple(LINKED), _link_kind),
    ),
    Question(
        "link_event_sides", "Whether a link's event stands on both cards", ("both", "one"), of_account(_link_sides)
    ),
    Question(
        "unlink_shape",
        "Where the event of a link that was taken away names the other card",
        ("before", "after_unlink", "after_link"),
        _by_rows(_UNLINKED, _unlinked),
    ),
    Question(
        "field_event_kind", "The kind of the event of a changed field", ("with_id", "generic"), of_account(_field_kind)
    ),
    Question(
        "note_deleted_shape",
        "Where the event of a deleted note names it",
        ("after", "before"),
        _by_rows((NOTE_DELETED,), _note_deleted),
    ),
    Question("merged_carries", "Whose id the event of a merge carries", ("survivor", "victim"), of_account(_merged)),
    Question(
        "ltv_shape",
        "What the event of a customer's changed sum of purchases calls it",
        (*_LTV_SHAPES, "other"),
        _by_rows((_LTV,), _ltv),
    ),
    Question(
        "talk_contact",
        "Where the event of a chat message names the contact",
        ("entity", "top", "nowhere"),
        _by_rows(tuple(CHATS), _talk_contact),
    ),
    Question("events_reach", "Days back to which there are events, at least", (), of_account(_reach)),
)
