"""Expected mass changes: what one author did in one way to twenty cards or more, each a minute after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .. import Row
from .deals import budgets, names
from .history import CARDS, FIELDS, as_the_card
from .known import Known, amount, at, grouped, median, memoized

LEAST_CARDS = 20
PAUSE = timedelta(seconds=60)
PAIRS = 3
"""The most pairs of values that page and assistant name."""
KINDS = {
    "entity_tag_added": "tag", "entity_tag_deleted": "tag", "customer_status_changed": "stage",
    "entity_merged": "merged",
    **{f"task_{what}": "task" for what in ("added", "completed", "type_changed", "text_changed", "deadline_changed")},
    **{f"{card}_deleted": "deleted" for card in ("lead", "contact", "company", "customer", "task")},
    **{f"{card}_restored": "restored" for card in ("lead", "contact", "company", "customer")},
}  # fmt: skip
"""The kind of change by the type of the event."""


@dataclass(frozen=True)
class Change:
    """A change of one card. `before`, `after`: (pipeline, status), a user, a budget or a text."""

    event_id: str
    kind: str
    entity_type: str
    entity_id: int
    field: int | None
    author: int | None
    moment: datetime
    before: Any
    after: Any

    @property
    def way(self) -> tuple[Any, ...]:
        """What the changes of one mass change have in common."""
        return self.author, self.kind, self.entity_type, self.field


@memoized
def changes(known: Known) -> list[Change]:
    """Returns all changes of cards, in their order. A missing value before is the value after the previous change."""
    found = sorted(_told(known), key=lambda one: (one.moment, one.event_id))
    last: dict[tuple[Any, ...], Any] = {}
    for place, one in enumerate(found):
        part = (one.kind, one.entity_type, one.entity_id, one.field)
        if one.kind in ("stage", "responsible", "budget"):
            if one.before is None:
                found[place] = replace(one, before=last.get(part))
            last[part] = one.after
    return found


def _told(known: Known) -> Iterator[Change]:
    def change(
        row: Row, kind: str, entity: str, card: int, before: Any, after: Any, field: int | None = None
    ) -> Change:
        moment = at(row["created_at"])
        assert moment
        event = row.get("event_id") or row["note_id"]
        return Change(event, kind, entity, card, field, row["created_by"], moment, before, after)

    for row in known.all("deal_statuses"):
        stages = [(row[f"pipeline_id_{side}"], row[f"status_{side}"]) for side in ("old", "new")]
        yield change(row, "stage", "deal", row["lead_id"], None if None in stages[0] else stages[0], stages[1])
    for row in known.all("deal_sale_changes"):
        yield change(row, "budget", "deal", row["lead_id"], row["sale_old"], row["sale_new"])
    for entity, (_, key, responsible) in CARDS.items():
        for row in known.all(responsible or "deal_responsible_changes"):
            users = row["responsible_user_id_old"], row["responsible_user_id_new"]
            yield change(row, "responsible", entity, row[key], *users)
        for row in known.all(FIELDS[entity][1]):
            field = row["custom_field_id"]
            kind = known.fields.get((entity, field), {}).get("type", "text")
            before, after = (as_the_card(row[name], kind, known) for name in ("value_old", "value_new"))
            yield change(row, "field", entity, row[key], before, after, field)
    for row in known.all("events"):
        if of_event := KINDS.get(row["type"]):
            entity = "deal" if row["entity_type"] == "lead" else row["entity_type"]
            before, after = _values(row, known)
            yield change(row, of_event, entity, row["entity_id"], before, after)


def _values(event: Row, known: Known) -> tuple[Any, Any]:
    def value(side: str) -> Any:
        values, kind = event[side] or [{}], event["type"]
        if kind in ("entity_tag_added", "entity_tag_deleted"):
            return ", ".join(one["tag"]["name"] for one in values if one) or None
        place, name = {
            "customer_status_changed": ("customer_status", "id"), "task_text_changed": ("task", "text"),
            "task_type_changed": ("task_type", "id"), "task_deadline_changed": ("task_deadline", "timestamp"),
        }.get(kind, ("", ""))  # fmt: skip
        found = values[0].get(place, {}).get(name)
        if name == "timestamp" and found is not None:
            return f"{datetime.fromtimestamp(int(found), known.zone):%Y-%m-%d %H:%M}"
        if place == "task_type":
            found = {row["task_type_id"]: row["name"] for row in known.all("task_types")}.get(found, found)
        return None if found is None else str(found)

    done = {"task_added": "added", "task_completed": "completed"}.get(event["type"])
    return value("value_before"), value("value_after") or done


@memoized
def bursts(known: Known) -> list[list[Change]]:
    """Returns the changes of each mass change."""
    found = []
    for own in grouped(changes(known), lambda one: one.way).values():
        parts: list[list[Change]] = []
        for one in own:
            if not parts or one.moment - parts[-1][-1].moment > PAUSE:
                parts.append([])
            parts[-1].append(one)
        found += [part for part in parts if len({one.entity_id for one in part}) >= LEAST_CARDS]
    return found


def usual_cards(known: Known, burst: list[Change]) -> float:
    """Returns how many cards the author usually changes so in these hours.

    It is the larger of the medians of the fourteen days before and of the same weekday of the four weeks before, of the
    days that the account's changes reach back to.
    """
    first, last, begin = burst[0].moment, burst[-1].moment, changes(known)[0].moment
    cards = Counter(
        {hour: len({one.entity_id for one in of})
         for (hour,), of in grouped(
             (one for one in changes(known) if one.way == burst[0].way),
             lambda one: (one.moment.replace(minute=0, second=0),),
         ).items()}
    )  # fmt: skip
    of_day = {}
    for days in (*range(1, 15), 21, 28):
        then, until = first - timedelta(days=days), last - timedelta(days=days)
        if then >= begin:
            hours = (hour for hour in cards if then.replace(minute=0, second=0) <= hour <= until)
            of_day[days] = sum(cards[hour] for hour in hours)
    recent = median(count for days, count in of_day.items() if days <= 14)
    weekday = median(count for days, count in of_day.items() if days % 7 == 0)
    return max(recent or 0.0, weekday or 0.0)


def _budget(known: Known, deal: int, moment: datetime) -> Any:
    """Returns the budget of a deal just before a moment."""
    spans = budgets(known).get(deal, [])
    for place, (begun, ended, value) in enumerate(spans):
        if (place == 0 or (begun is not None and begun < moment)) and (ended is None or ended >= moment):
            return value
    return None


@memoized
def mass_changes(known: Known) -> list[Row]:
    rows = []
    for burst in bursts(known):
        one, cards = burst[0], {change.entity_id: change.moment for change in reversed(burst)}
        values = [_budget(known, card, at) for card, at in cards.items()] if one.entity_type == "deal" else []
        money = [amount(value) for value in values if value is not None]
        usual = usual_cards(known, burst)
        last = burst[-1].moment
        rows.append({
            "change_id": one.event_id + (f"-{one.field}" if one.field else ""),
            "kind": one.kind,
            "custom_field_id": one.field,
            "field_name": known.fields.get((one.entity_type, one.field or 0), {}).get("name"),
            "entity_type": one.entity_type,
            "author_id": one.author,
            "author_name": known.user(one.author),
            "first_changed_at": one.moment,
            "first_changed_at_local": known.local(one.moment),
            "last_changed_at": last,
            "last_changed_at_local": known.local(last),
            "cards": len(cards),
            "money": sum(money) if money else None,
            "currency": known.currency,
            "usual_cards": usual,
            "is_news": len(cards) > 3 * usual,
        })  # fmt: skip
    return rows


def pairs(known: Known, change_id: str) -> str | None:
    """Returns the most frequent values before and after of a mass change, with the number of their cards."""
    [burst] = [one for one in bursts(known) if change_id in (one[0].event_id, f"{one[0].event_id}-{one[0].field}")]
    by_card = grouped(burst, lambda one: (one.entity_id,))
    counts = Counter((_text(known, of[0], of[0].before), _text(known, of[-1], of[-1].after)) for of in by_card.values())
    ordered = sorted(
        ((pair, count) for pair, count in counts.items() if pair != (None, None)),
        key=lambda one: (-one[1], one[0][0] or "", one[0][1] or ""),
    )
    return "; ".join(f"{_cut(old)} → {_cut(new)}: {count}" for (old, new), count in ordered[:PAIRS]) or None


def _cut(value: str | None) -> str:
    return "–" if value is None else value[:60]


def _text(known: Known, change: Change, value: Any) -> str | None:
    if value is None:
        return None
    if change.kind == "stage" and isinstance(value, tuple):
        pipeline, stage = names(known).get(value, (None, None))
        return f"{pipeline} / {stage}" if stage else ":".join(map(str, value))
    if change.kind == "responsible":
        return known.user(value)
    return f"{amount(value).normalize():f}" if change.kind == "budget" else str(value)
