"""What a database knows of an account that was read again and again while people worked in it, by its store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from ...sandbox.account import Account
from .. import KEYS, Row, tables, tombstones
from ..communication import messages_with_texts

Own = tuple[Any, ...]
Found = TypeVar("Found")
PARTS = {
    "custom_fields_deals": ("deals", "lead_id"), "deal_contacts": ("deals", "lead_id"),
    "deal_tags": ("deals", "lead_id"), "deal_companies": ("deals", "lead_id"),
    "custom_fields_contacts": ("contacts", "contact_id"), "custom_fields_companies": ("companies", "company_id"),
    "custom_fields_customers": ("customers", "customer_id"),
}  # fmt: skip
"""Tables of what a card holds: the card's table and its key."""
WHOLE_LISTS = ("account", "users", "groups", "statuses", "loss_reasons", "task_types")
"""Tables that each sync writes anew: who was removed is in them no more."""
PARTS_OF = dict(PARTS.values())
CAME_BACK = {"lead": "deals", "contact": "contacts", "company": "companies"}
CHANGES = ("deal_statuses", "deal_responsible_changes", "deal_sale_changes")
KINDS = {1: "contact", 2: "deal", 3: "company", 12: "customer"}


@dataclass
class Known:
    """The newest rows of each table by key: of what is gone, those that were read last or, where deletions are marked,
    empty ones. Of what a card holds, what it held when it was read last.
    """

    project: str
    zone: ZoneInfo
    now: datetime
    """As of when is told what is late or stale: UTC, without saying so."""
    marks: bool
    """Whether deletions are marked in the rows."""
    absent: frozenset[str] = frozenset()
    """Tables that were not read."""
    rows: dict[str, dict[Own, Row]] = field(default_factory=dict)
    fields: dict[tuple[str, int], Row] = field(default_factory=dict)
    """Type and name of each custom field that a card has ever shown, by the card's kind and the field's id."""
    texts: bool = False
    """Whether the texts of chats are read."""
    plans: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    """What a user is to sell in a month (YYYY-MM)."""
    synced_at: datetime | None = None
    """When the last sync that ended well ended (UTC), as far as the database tells."""
    worked_out: dict[str, Any] = field(default_factory=dict)
    """What has been worked out of the rows since they were read."""

    def read(self, account: Account) -> None:
        """As a sync that loses nothing does."""
        self.worked_out.clear()
        again = bool(self.rows)
        told = {row["event_id"] for row in self.rows.get("deleted_entities", {}).values()}
        dead = tombstones(account) if self.marks else {}
        live = tables(account)
        if self.texts:
            live["messages"] = messages_with_texts(account)
        for name, found in live.items():
            known = self.rows.setdefault(name, {})
            if name in WHOLE_LISTS:
                known.clear()
            if name in PARTS:
                parent, own = PARTS[name]
                renewed = {row[own] for row in (*live[parent], *dead.get(parent, ()))}
                self.rows[name] = known = {key: row for key, row in known.items() if row[own] not in renewed}
            known |= {tuple(row[column] for column in KEYS[name]): row for row in (*found, *dead.get(name, ()))}
        for row in self.all("deleted_entities") if again else ():
            table, key = CAME_BACK.get(row["entity_type"], ""), (row["entity_id"],)
            if row["restored_at"] and row["event_id"] not in told and key in self.rows.get(table, {}):
                # it has to win over its empty row, and so is dated no earlier than its return
                card = self.rows[table][key]
                moment = max(card["updated_at"], row["restored_at"])
                self.rows[table][key] = card | {"updated_at": moment}
                for part in (part for name, (of, _) in PARTS.items() if of == table for part in self.all(name)):
                    own = PARTS_OF[table]
                    if part[own] == row["entity_id"]:
                        part[own.replace("_id", "_updated_at")] = moment

        for name, entity in {
            "custom_fields_deals": "deal", "custom_fields_contacts": "contact", "custom_fields_companies": "company",
            "custom_fields_customers": "customer",
        }.items():  # fmt: skip
            for row in self.all(name):
                self.fields[entity, row["custom_field_id"]] = {"type": row["field_type"], "name": row["name"]}

    def all(self, name: str) -> list[Row]:
        return [] if name in self.absent else list(self.rows[name].values())

    def was_read(self, name: str) -> bool:
        return name not in self.absent

    def tells(self, changes: str) -> bool:
        """Whether the history of what this table tells the changes of is known."""
        return changes not in self.absent and any(map(self.all, (*CHANGES, "events")))

    @property
    def currency(self) -> str | None:
        return next((str(row["invoices_settings"]["currency"]) for row in self.all("account")), None)

    def by(self, name: str, column: str, value: str = "name") -> dict[Any, Any]:
        return {row[column]: row[value] for row in self.all(name)}

    def local(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return moment.replace(tzinfo=timezone.utc).astimezone(self.zone).replace(tzinfo=None)

    def user(self, user: int | None) -> str | None:
        if not user:
            return None if user is None else "robot"
        return str(self.by("users", "user_id").get(user, f"#{user}"))

    def deleted(self) -> dict[tuple[str, int], Row]:
        """By kind and id, the last word on each entity where it tells of a deletion."""
        last: dict[tuple[str, int], Row] = {}
        for row in sorted(self.all("deleted_entities"), key=lambda row: (row["created_at"], row["event_id"])):
            last["deal" if row["entity_type"] == "lead" else row["entity_type"], row["entity_id"]] = row
        return {own: row for own, row in last.items() if row["deleted_at"]}


def once(build: Callable[[Known], Found]) -> Callable[[Known], Found]:
    """Computes a table once for each `Known`. Callers share the result and must not change it."""

    @wraps(build)
    def found(known: Known) -> Found:
        name = f"{build.__module__}.{build.__name__}"
        if name not in known.worked_out:
            known.worked_out[name] = build(known)
        return cast(Found, known.worked_out[name])

    return found


def at_second(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def at(stamp: str | None) -> datetime | None:
    return None if stamp is None else datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")


def month(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m}-01"


def seconds(earlier: datetime | None, later: datetime | None) -> int | None:
    return None if earlier is None or later is None else int((later - earlier).total_seconds())


def unless_negative(number: int | None) -> int | None:
    return number if number is not None and number >= 0 else None


def amount(value: float | None) -> Decimal:
    """Exact, however large."""
    return Decimal(0) if value is None else Decimal(str(value))


def joined(texts: Iterable[str]) -> str | None:
    return ", ".join(texts) or None


def median(numbers: Iterable[int | None]) -> float | None:
    found = sorted(number for number in numbers if number is not None)
    if not found:
        return None
    middle = len(found) // 2
    return float(found[middle]) if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def grouped(rows: Iterable[Row], key: Callable[[Row], Own]) -> dict[Own, list[Row]]:
    groups: dict[Own, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
