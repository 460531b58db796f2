"""The mass changes of the marts, as data: what was changed, by whom, in how many cards, from what to what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.known_names import named

KINDS = ("stage", "responsible", "budget", "field", "tag", "task", "deleted", "merged", "restored")
PAIRS = 10
"""The most pairs of values that a change names, the most frequent first."""
CHANGES = """
    SELECT project_id, change_id, kind, custom_field_id, field_name, entity_type, author_id, author_name,
        first_changed_at AS began, last_changed_at AS ended, first_changed_at_local AS began_local, cards, money,
        currency, usual_cards, is_news
    FROM amocrm_marts.mass_changes
    ORDER BY first_changed_at DESC, project_id, change_id
"""
CARDS = """
    SELECT cards.project_id, cards.change_id, cards.entity_id, cards.name, cards.before, cards.after, cards.key_before,
        cards.enums_before, cards.money, cards.is_changed_since, fields.value_kind,
        entities.entity_id IS NULL OR entities.deleted_at IS NOT NULL AS is_gone
    FROM amocrm_marts.mass_change_cards AS cards
    LEFT JOIN amocrm_staging.int_entities AS entities
        ON entities.project_id = cards.project_id
        AND entities.entity_type = cards.entity_type
        AND entities.entity_id = cards.entity_id
    LEFT JOIN amocrm_staging.int_own_fields AS fields
        ON fields.project_id = cards.project_id
        AND fields.entity_type = cards.entity_type
        AND fields.custom_field_id = cards.custom_field_id
    ORDER BY cards.project_id, cards.change_id, cards.entity_id
"""
EVENTS_KNOWN = "SELECT project_id, events_known FROM amocrm_staging.int_accounts ORDER BY 1"


@dataclass(frozen=True)
class Card:
    """A card of a mass change. The columns of the mart mass_change_cards explain the fields."""

    entity_id: int
    name: str | None
    before: str | None
    after: str | None
    key_before: str | None
    enums_before: str | None
    money: Decimal | None
    is_changed_since: bool
    value_kind: str | None
    """The type of the custom field, as amoCRM calls it."""
    is_gone: bool
    """Whether the card was deleted, or merged into another one."""


@dataclass(frozen=True)
class MassChange:
    """A row of the mart mass_changes, with its cards if `read_cards` has added them."""

    project_id: str
    change_id: str
    kind: str
    custom_field_id: int | None
    field_name: str | None
    entity_type: str
    author_id: int | None
    author_name: str | None
    began: datetime
    ended: datetime
    began_local: datetime
    cards: int
    money: Decimal | None
    currency: str | None
    usual_cards: float
    is_news: bool
    touched: list[Card] = field(default_factory=list)

    def pairs(self) -> list[tuple[str | None, str | None, int]]:
        """Returns the commonest values before and after, with the number of their cards. VALUELESS kinds have none."""
        if self.kind in VALUELESS:
            return []
        counts: dict[tuple[str | None, str | None], int] = {}
        for card in self.touched:
            counts[card.before, card.after] = counts.get((card.before, card.after), 0) + 1
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
        return [(before, after, cards) for (before, after), cards in ordered[:PAIRS]]

    def of_other_pairs(self) -> int:
        """Returns the number of cards with none of these values."""
        pairs = self.pairs()
        return len(self.touched) - sum(cards for _, _, cards in pairs) if pairs else 0

    def as_json(self, *, with_cards: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "project": self.project_id,
            "kind": self.kind,
            "field": self.field_name,
            "began": _utc(self.began),
            "ended": _utc(self.ended),
            "author_id": self.author_id,
            "author": self.author_name,
            "entity_type": self.entity_type,
            "cards": self.cards,
            "money": _number(self.money),
            "currency": self.currency,
            "usual_cards": self.usual_cards,
            "is_news": self.is_news,
            "pairs": [{"before": before, "after": after, "cards": cards} for before, after, cards in self.pairs()],
            "of_other_pairs": self.of_other_pairs(),
        }
        if with_cards:
            found["touched"] = [
                {
                    "id": card.entity_id, "name": card.name, "before": card.before, "after": card.after,
                    "is_changed_since": card.is_changed_since,
                }
                for card in self.touched
            ]  # fmt: skip
        return found


VALUELESS = ("deleted", "merged", "restored")
"""Kinds of changes from no value to none."""


def mass_changes(
    run: Run,
    *,
    projects: list[str] | None = None,
    since: date | None = None,
    by: str | None = None,
    kind: str | None = None,
) -> list[MassChange]:
    """Returns the mass changes, newest first, without their cards.

    `since`: the first day, by the account's clock. Raises ValueError if nobody called `by` has made any.
    """
    every = [MassChange(*_plain(row)) for row in run(CHANGES)[1]]
    found = [one for one in every if projects is None or one.project_id in projects]
    if by is not None:
        authors = [{"id": one.author_id, "name": one.author_name} for one in found]
        ids = {row["id"] for row in named("author of mass changes", by, authors, ("id", "name"))}
        found = [one for one in found if one.author_id in ids]
    return [
        one
        for one in found
        if (since is None or one.began_local.date() >= since) and (kind is None or one.kind == kind)
    ]


def read_cards(run: Run, changes: list[MassChange]) -> None:
    """Adds their cards to the changes."""
    found = {(one.project_id, one.change_id): one for one in changes}
    for project, change, *card in run(CARDS)[1] if found else ():
        if (project, change) in found:
            found[project, change].touched.append(Card(*card))


def without_events(run: Run, projects: list[str]) -> list[str]:
    """Returns the projects of which no event was read, so that their mass changes are not known."""
    return [project for project, known in run(EVENTS_KNOWN)[1] if project in projects and not known]


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(float(value) if name == "usual_cards" else value for name, value in zip(_FIELDS, row, strict=True))


_FIELDS = [name for name in MassChange.__dataclass_fields__ if name != "touched"]


def _number(value: Decimal | None) -> int | float | None:
    return None if value is None else int(value) if value == int(value) else float(value)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
