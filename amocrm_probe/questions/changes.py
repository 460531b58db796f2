"""What counts as a change of a card: compares the card's updated_at with the time of its last tag, link, note or task.

A card whose updated_at is older than its last tag was not changed by that tag. A card whose updated_at is in the same
second may have been changed by something else that was saved with the tag, so that “yes” is only likely.

Besides, whether the clock of the `Date` header also dates rows: shown by deals that change while the probe reads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why, verdict
from amocrm_probe.json_parts import Row, integer_id, text_at, time_of, times_of
from amocrm_probe.lists import EVENTS, LISTS, SINGULAR, TASKS, List
from amocrm_probe.probe_requests import Asking, ProbePage
from amocrm_probe.questions.filters import filter_works
from amocrm_probe.questions.question import Question, of_account, of_lists
from source_amocrm.account.event_kinds import ENTITIES, LINKED, RESTORED, TAGGED
from source_amocrm.http import Params

Changes = dict[int, int]
"""The time of a card's last event of some kind, by the card's id (unix seconds)."""

_SUBJECTS = ("leads", "contacts", "companies")
_AT_ONCE, _ONE_BY_ONE = 50, 4
"""Cards that are read: in one request if the filter by id works, else one by one."""
_SAME = 1
"""Largest difference between an event's time and the updated_at that its change causes (seconds)."""
_LEAST = 2


def by_events(kinds: Iterable[str], ask: Asking, name: str) -> Changes:
    found: Changes = {}
    for event in events(ask, kinds).rows:
        card, at = event.get("entity_id"), time_of(event, EVENTS.cursor)
        if ENTITIES.get(text_at(event, "entity_type")) == name and isinstance(card, int) and at is not None:
            found[card] = max(at, found.get(card, 0))
    return found


def events(ask: Asking, kinds: Iterable[str]) -> ProbePage:
    return ask.page(EVENTS, {"filter[type][]": sorted(kinds), "limit": EVENTS.limit})


def by_notes(ask: Asking, name: str) -> Changes:
    notes = LISTS[f"{SINGULAR[name]}_notes"]
    return _untouched(ask.page(notes, {"order[updated_at]": "desc", "limit": 100}).rows, None)


def by_tasks(ask: Asking, name: str) -> Changes:
    return _untouched(ask.page(TASKS, {"order[created_at]": "desc", "limit": 250}).rows, name)


def _untouched(rows: list[Row], kind: str | None) -> Changes:
    """Returns the time of each card's newest note or task that was not edited after its creation."""
    last: defaultdict[int, list[tuple[int, bool]]] = defaultdict(list)
    for row in rows:
        card, made, changed = row.get("entity_id"), time_of(row, "created_at"), time_of(row, "updated_at")
        if isinstance(card, int) and made and changed and (kind is None or row.get("entity_type") == kind):
            last[card].append((changed, made == changed))
    return {card: at for card, times in last.items() for at, fresh in [max(times)] if fresh}


def _bumps(changes_of: Callable[[Asking, str], Changes], ask: Asking, of: List) -> ProbeAnswer:
    changes = changes_of(ask, of.name)
    if not changes:
        raise Unanswered(Why.EMPTY)
    votes: Counter[str] = Counter()
    for card in _cards(ask, of, sorted(changes, key=changes.__getitem__, reverse=True)):
        at, changed = changes.get(integer_id(card) or 0), time_of(card, "updated_at")
        if at is None or changed is None or abs((time_of(card, "created_at") or 0) - at) <= _SAME:
            continue
        if changed < at - _SAME:
            votes["no"] += 1
        elif changed <= at + _SAME:
            votes["yes"] += 1
    return verdict(votes, least=_LEAST, likely=True)


def _cards(ask: Asking, of: List, ids: list[int]) -> list[Row]:
    try:
        at_once = filter_works(ask, of)
    except Unanswered:
        at_once = False
    if at_once:
        return ask.page(of, {"filter[id][]": ids[:_AT_ONCE], "limit": of.limit}).rows
    return [ask.body(f"{of.path}/{card}").body for card in ids[:_ONE_BY_ONE]]


WIDEST = 60.0
"""Largest distance between the two bounds of the clocks' difference (seconds). Past that the question stays open."""
_LEADS = LISTS["leads"]
_NEWEST: Params = {f"order[{_LEADS.cursor}]": "desc", "limit": _LEADS.limit}


def _row_clock(ask: Asking) -> ProbeAnswer:
    """Bounds the difference of the two clocks by a deal that changed between two answers.

    The answers' clock is ahead of the rows' by at least the earlier answer's `Date` minus the deal's time, and by at
    most the later answer's `Date` minus that time, give or take the spread of the answers' clock. The answer is only
    `likely`, because whoever writes a deal may set its time.
    """
    before, after = ask.page(_LEADS, _NEWEST), ask.page(_LEADS, _NEWEST, repeat=True)
    known, times = times_of(before.rows, _LEADS.cursor), times_of(after.rows, _LEADS.cursor)
    changed = [at for at in times if at > max(known, default=at)]
    if before.date is None or after.date is None or not known:
        raise Unanswered(Why.EMPTY)
    if not changed:
        raise Unanswered(Why.STILL)
    ahead = [one.ahead for one in ask.stats if one.ahead is not None]
    spread = max(ahead) - min(ahead)
    least, most = before.date - min(changed) - spread, after.date - max(changed) + spread
    seen = {"least": least, "most": most, "rows": len(changed)}
    value = "ahead" if least > 0 else "behind" if most < 0 else "same"
    if not 0 <= most - least <= WIDEST:
        raise Unanswered(Why.AMBIGUOUS)
    return ProbeAnswer(value, seen=seen, likely=True)


QUESTIONS = (
    *(
        Question(
            name,
            f"Whether {cause} changes the card's updated_at",
            ("yes", "no"),
            of_lists(_SUBJECTS, partial(_bumps, changes_of)),
        )
        for name, cause, changes_of in (
            ("tags_bump", "a tag", partial(by_events, TAGGED)),
            ("links_bump", "a link", partial(by_events, LINKED)),
            ("restore_bumps", "coming back from the trash", partial(by_events, RESTORED)),
            ("notes_bump", "a new note", by_notes),
            ("tasks_bump", "a new task", by_tasks),
        )
    ),
    Question(
        "row_clock",
        "The clock of the answers beside the one that dates deals, in seconds",
        ("same", "ahead", "behind"),
        of_account(_row_clock),
    ),
)
