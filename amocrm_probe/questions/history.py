"""Events: what they say of links, fields, notes, merges and chats, and how far back they reach."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial

from amocrm_probe.answer import Answers, ProbeAnswer, Untold, Why, one, verdict
from amocrm_probe.asking import Asking
from amocrm_probe.lists import CARDS, EVENTS, LISTS, SINGULAR
from amocrm_probe.questions.changes import events
from amocrm_probe.questions.question import Question
from amocrm_probe.values import Row, moment, numbered, within, word
from source_amocrm.account.event_kinds import CHATS, ENTITIES, FIELD_CHANGED, LINKED, MERGED, NOTE_DELETED

DAY = 86_400
AGES = (1_825, 1_095, 730, 365, 180, 90, 30, 7)
"""Days ago at which an event is looked for."""
_MERGES = 4
_LTV = "ltv_field_changed"
_LTV_SHAPES = ("ltv_field_value", "ltv", "sale_field_value")
_OWN_KIND = re.compile(r"custom_field_\d+_value_changed", re.ASCII)


def _by_rows(kinds: tuple[str, ...], tells: Callable[[Row], str | None], ask: Asking) -> Answers:
    return one(lambda: verdict(Counter(found for row in events(ask, kinds).rows if (found := tells(row)))))


def _link_kind(event: Row) -> str | None:
    kind = word(event, "type")
    if kind not in LINKED:
        return None
    return "entity" if kind.startswith("entity_") else "typed"


def _unlinked(event: Row) -> str | None:
    if not word(event, "type").endswith("_unlinked"):
        return None
    if isinstance(within(event, "value_before", 0, "link"), dict):
        return "before"
    if isinstance(within(event, "value_after", 0, "unlink"), dict):
        return "after_unlink"
    return "after_link" if isinstance(within(event, "value_after", 0, "link"), dict) else None


def _note_deleted(event: Row) -> str | None:
    sides = [side for side in ("after", "before") if isinstance(within(event, f"value_{side}", 0, "note"), dict)]
    return sides[0] if len(sides) == 1 else None


def _ltv(event: Row) -> str | None:
    value = within(event, "value_after", 0)
    if word(event, "type") != _LTV or not isinstance(value, dict):
        return None
    return next((name for name in _LTV_SHAPES if name in value), "other")


def _talk_contact(event: Row) -> str | None:
    if word(event, "type") not in CHATS:
        return None
    if isinstance(within(event, "_embedded", "entity", "linked_talk_contact_id"), int):
        return "entity"
    return "top" if isinstance(event.get("linked_talk_contact_id"), int) else "nowhere"


def field_kind(ask: Asking) -> Answers:
    def answer() -> ProbeAnswer:
        kinds = [word(row, "type") for row in (*events(ask, [FIELD_CHANGED]).rows, *ask.sample(EVENTS).rows)]
        votes = Counter(
            {"with_id": sum(map(bool, map(_OWN_KIND.fullmatch, kinds))), "generic": kinds.count(FIELD_CHANGED)}
        )
        return verdict(+votes)

    return one(answer)


def link_sides(ask: Asking) -> Answers:
    return one(lambda: _link_sides(events(ask, LINKED).rows))


def _link_sides(rows: list[Row]) -> ProbeAnswer:
    """Whether each event of a link stands on the other card as well. The rows of the page's ends may lack theirs."""
    found = {side: at for row in rows if (side := _side(row)) and (at := moment(row, EVENTS.cursor))}
    ends = {min(found.values(), default=0), max(found.values(), default=0)}
    votes = Counter(
        "both" if (*side[2:4], *side[:2], *side[4:]) in found else "one" for side, at in found.items() if at not in ends
    )
    return verdict(votes, least=2)


def _side(event: Row) -> tuple[object, ...] | None:
    """The card, the other one, when, and whether they were joined or parted."""
    parts = ("link", "unlink")
    others = [within(event, f"value_{side}", 0, part, "entity") for side in ("after", "before") for part in parts]
    other = next((found for found in others if isinstance(found, dict)), None)
    kind, to, at = word(event, "entity_type"), word(other, "type"), moment(event, EVENTS.cursor)
    ids = event.get("entity_id"), within(other, "id")
    if kind not in SINGULAR.values() or to not in SINGULAR.values() or not all(isinstance(one, int) for one in ids):
        return None
    return kind, ids[0], to, ids[1], at, word(event, "type").endswith("_unlinked")


def merged(ask: Asking) -> Answers:
    return one(lambda: _merged(ask))


def _merged(ask: Asking) -> ProbeAnswer:
    """The victim of a merge is nowhere; a survivor may have been deleted later."""
    rows = events(ask, [MERGED]).rows[:_MERGES]
    paths = {of.name: of.path for of in CARDS}
    asked = [
        (f"{paths[ENTITIES[kind]]}/{card}", card)
        for row in rows
        if ENTITIES.get(kind := word(row, "entity_type")) in paths and isinstance(card := row.get("entity_id"), int)
    ]
    if not asked:
        raise Untold(Why.EMPTY)
    there = sum(_there(ask, path, card) for path, card in asked)
    if not there and len(asked) < 2:
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer("survivor" if there else "victim", seen={"rows": len(asked), "there": there}, likely=not there)


def _there(ask: Asking, path: str, card: int) -> bool:
    try:
        body = ask.body(path).body
    except Untold as untold:
        if untold.why is Why.ABSENT:
            return False
        raise
    return numbered(body) == card and not body.get("is_deleted")


def reach(ask: Asking) -> Answers:
    def answer() -> ProbeAnswer:
        newest = max((at for row in ask.sample(EVENTS).rows if (at := moment(row, EVENTS.cursor))), default=None)
        if newest is None:
            raise Untold(Why.EMPTY)
        for days in AGES:
            page = ask.page(EVENTS, {"filter[created_at][to]": newest - days * DAY, "limit": 1})
            times = [at for row in page.rows if (at := moment(row, EVENTS.cursor))]
            if times and times[0] <= newest - days * DAY:
                return ProbeAnswer(days, seen={"account_days": _age(ask, newest)})
        raise Untold(Why.TOO_FEW)

    return one(answer)


def _age(ask: Asking, now: int) -> int:
    """Days since the first deal was made, as one of AGES."""
    try:
        rows = ask.page(LISTS["leads"], {"order[created_at]": "asc", "limit": 1}).rows
    except Untold:
        return 0
    made = moment(rows[0], "created_at") if rows else None
    return next((days for days in AGES if made and made <= now - days * DAY), 0)


_UNLINKED = tuple(kind for kind in sorted(LINKED) if kind.endswith("_unlinked"))
QUESTIONS = (
    Question(
        "link_events",
        "The kinds of the events of links",
        ("entity", "typed"),
        partial(_by_rows, tuple(LINKED), _link_kind),
    ),
    Question("link_event_sides", "Whether a link's event stands on both cards", ("both", "one"), link_sides),
    Question(
        "unlink_shape",
        "Where the event of a link that was taken away names the other card",
        ("before", "after_unlink", "after_link"),
        partial(_by_rows, _UNLINKED, _unlinked),
    ),
    Question("field_event_kind", "The kind of the event of a changed field", ("with_id", "generic"), field_kind),
    Question(
        "note_deleted_shape",
        "Where the event of a deleted note names it",
        ("after", "before"),
        partial(_by_rows, (NOTE_DELETED,), _note_deleted),
    ),
    Question("merged_carries", "Whose id the event of a merge carries", ("survivor", "victim"), merged),
    Question(
        "ltv_shape",
        "What the event of a customer's changed sum of purchases calls it",
        (*_LTV_SHAPES, "other"),
        partial(_by_rows, (_LTV,), _ltv),
    ),
    Question(
        "talk_contact",
        "Where the event of a chat message names the contact",
        ("entity", "top", "nowhere"),
        partial(_by_rows, tuple(CHATS), _talk_contact),
    ),
    Question("events_reach", "Days back to which there are events, at least", (), reach),
)
