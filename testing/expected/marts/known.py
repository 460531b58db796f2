"""The tables of an account in a database after several syncs between which people worked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from sandbox.account import Account

from .. import KEYS, Row, tables, tombstones
from ..communication import messages_with_texts

Key = tuple[Any, ...]
Result = TypeVar("Result")
Item = TypeVar("Item")
PARTS = {
    "custom_fields_deals": ("deals", "lead_id"), "deal_contacts": ("deals", "lead_id"),
    "deal_tags": ("deals", "lead_id"), "deal_companies": ("deals", "lead_id"),
    "custom_fields_contacts": ("contacts", "contact_id"), "custom_fields_companies": ("companies", "company_id"),
    "custom_fields_customers": ("customers", "customer_id"), "deal_catalog_elements": ("deals", "lead_id"),
    "custom_fields_catalog_elements": ("catalog_elements", "catalog_element_id"),
}  # fmt: skip
"""Tables of a card's parts. Of each, the card's table and its key."""
WHOLE_LISTS = ("account", "users", "groups", "statuses", "loss_reasons", "task_types", "live_entities")
"""Tables that each sync replaces, so that removed rows disappear."""
PARTS_OF = dict(PARTS.values())
CAME_BACK = {"lead": "deals", "contact": "contacts", "company": "companies"}
CHANGES = ("deal_statuses", "deal_responsible_changes", "deal_sale_changes")
LISTED = {
    "deals": ("leads", "lead_id", "deal"), "contacts": ("contacts", "contact_id", "contact"),
    "companies": ("companies", "company_id", "company"), "customers": ("customers", "customer_id", ""),
}  # fmt: skip
"""Tables of cards of which live_entities has the ids: their kind there, their key, and their kind in deletions."""
KINDS = {1: "contact", 2: "deal", 3: "company", 12: "customer"}


@dataclass
class Known:
    """The rows of each table by key, as the last syncs left them.

    A deleted entity has the row that was read last or, if `marks`, an empty one. A card's parts are those of its last
    reading. `now`: the time of the marts (UTC, naive). `marks`: whether deletions are marked in the rows. `absent`:
    tables that were not read. `fields`: type and name of each custom field that a card has ever shown, by the card's
    kind and the field's id. `texts`: whether the texts of chats are read. `plans`: by month (YYYY-MM) and user.
    `synced_at`: the end of the last successful sync (UTC). `syncs`, `verifications`: the rows of the tables that the
    loader and `source-amocrm verify` keep. `present`: tables that are in the database. `others`: the names of the other
    accounts in it. `keeps_names`: whether people who left keep their names, which `source-amocrm sync` sees to;
    `names`: their names by id.
    `cache`: results of `memoized` functions.
    """

    project: str
    zone: ZoneInfo
    now: datetime
    marks: bool
    absent: frozenset[str] = frozenset()
    rows: dict[str, dict[Key, Row]] = field(default_factory=dict)
    fields: dict[tuple[str, int], Row] = field(default_factory=dict)
    texts: bool = False
    plans: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    synced_at: datetime | None = None
    syncs: list[Row] = field(default_factory=list)
    verifications: list[Row] = field(default_factory=list)
    present: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    keeps_names: bool = False
    names: dict[int, str] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)

    def read(self, account: Account) -> None:
        """Updates the rows as an exact sync does."""
        self.cache.clear()
        is_repeated = bool(self.rows)
        if self.keeps_names and is_repeated:
            self.names |= self.by("users", "user_id")
        reported = {row["event_id"] for row in self.rows.get("deleted_entities", {}).values()}
        deleted_rows = tombstones(account) if self.marks else {}
        live = tables(account)
        if self.texts:
            live["messages"] = messages_with_texts(account)
        for name, found in live.items():
            known = self.rows.setdefault(name, {})
            if name in WHOLE_LISTS:
                known.clear()
            if name in PARTS:
                parent, id_column = PARTS[name]
                renewed = {row[id_column] for row in (*live[parent], *deleted_rows.get(parent, ()))}
                self.rows[name] = known = {key: row for key, row in known.items() if row[id_column] not in renewed}
            known |= {tuple(row[column] for column in KEYS[name]): row for row in (*found, *deleted_rows.get(name, ()))}
        for row in self.all("deleted_entities") if is_repeated else ():
            table, key = CAME_BACK.get(row["entity_type"], ""), (row["entity_id"],)
            if row["restored_at"] and row["event_id"] not in reported and key in self.rows.get(table, {}):
                # a restored row must be newer than its empty row, so it is dated no earlier than its return
                card = self.rows[table][key]
                moment = max(card["updated_at"], row["restored_at"])
                self.rows[table][key] = card | {"updated_at": moment}
                for part in (part for name, (of, _) in PARTS.items() if of == table for part in self.all(name)):
                    id_column = PARTS_OF[table]
                    if part[id_column] == row["entity_id"]:
                        part[id_column.replace("_id", "_updated_at")] = moment

        for name, entity in {
            "custom_fields_deals": "deal", "custom_fields_contacts": "contact", "custom_fields_companies": "company",
            "custom_fields_customers": "customer",
        }.items():  # fmt: skip
            for row in self.all(name):
                self.fields[entity, row["custom_field_id"]] = {"type": row["field_type"], "name": row["name"]}

    def all(self, name: str) -> list[Row]:
        """Returns the rows of a table, without the cards that left without an event, and without their parts."""
        if name in PARTS:
            left, id_column = self.left(PARTS[name][0]), PARTS[name][1]
        else:
            left, id_column = self.left(name), LISTED.get(name, ("", "", ""))[1]
        return [row for row in self.held(name) if not left or row[id_column] not in left]

    def left(self, table: str) -> set[int]:
        """Returns the ids of the cards that left without an event."""
        if table not in LISTED:
            return set()
        if (name := f"left {table}") not in self.cache:
            self.cache[name] = set()  # what is known to be deleted is asked of the rows themselves
            rows = [row for row in self.held(table) if not self.is_listed(table, row) and not self.is_gone(table, row)]
            self.cache[name] = {row[LISTED[table][1]] for row in rows}
        found: set[int] = self.cache[name]
        return found

    def held(self, name: str) -> list[Row]:
        return [] if name in self.absent else list(self.rows[name].values())

    def is_listed(self, name: str, row: Row) -> bool:
        """Whether the last list of ids has the card; true where there is no such list, and of other tables."""
        kind, id_column, _ = LISTED.get(name, ("", "", ""))
        if f"listed {kind}" not in self.cache:
            listed = {key[1] for key in self.rows.get("live_entities", {}) if key[0] == kind}
            self.cache[f"listed {kind}"] = set() if "live_entities" in self.absent else listed
        listed = self.cache[f"listed {kind}"]
        return not listed or row[id_column] in listed

    def is_gone(self, name: str, row: Row) -> bool:
        """Whether the card is known to be deleted. Of customers only their own row tells."""
        _, id_column, entity = LISTED[name]
        return bool(row["is_deleted"]) or (entity, row[id_column]) in self.deleted()

    def was_read(self, name: str) -> bool:
        return name not in self.absent

    def has_history(self, changes: str) -> bool:
        """Whether the database has the history of the values whose changes are in this table."""
        return changes not in self.absent and any(map(self.all, (*CHANGES, "events")))

    @property
    def account_name(self) -> str:
        """The account's name for a person: with its project if another account has the same."""
        [name] = [row["name"] for row in self.all("account")] or [self.project]
        return f"{name} ({self.project})" if name in self.others else str(name)

    @property
    def currency(self) -> str | None:
        return next((row["currency"] or str(row["invoices_settings"]["currency"]) for row in self.all("account")), None)

    def by(self, name: str, column: str, value: str = "name") -> dict[Any, Any]:
        return {row[column]: row[value] for row in self.all(name)}

    def local(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return moment.replace(tzinfo=timezone.utc).astimezone(self.zone).replace(tzinfo=None)

    def user(self, user: int | None) -> str | None:
        if not user:
            return None if user is None else "robot"
        return str((self.names | self.by("users", "user_id")).get(user, f"№ {user}"))

    def deleted(self) -> dict[tuple[str, int], Row]:
        """Returns the last event of each deleted entity, by kind and id.

        Restored entities are left out, also those that were deleted in the same second: their own rows decide.
        """
        last: dict[tuple[str, int], Row] = {}
        for row in sorted(self.all("deleted_entities"), key=lambda row: (row["created_at"], row["event_id"])):
            entity = ("deal" if row["entity_type"] == "lead" else row["entity_type"], row["entity_id"])
            before = last.get(entity)
            if before is None or before["deleted_at"] or before["created_at"] < row["created_at"]:
                last[entity] = row
        return {entity: row for entity, row in last.items() if row["deleted_at"]}


def memoized(build: Callable[[Known], Result]) -> Callable[[Known], Result]:
    """Computes a table once for each `Known`. Callers share the result and must not change it."""

    @wraps(build)
    def found(known: Known) -> Result:
        name = f"{build.__module__}.{build.__name__}"
        if name not in known.cache:
            known.cache[name] = build(known)
        return cast(Result, known.cache[name])

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
    """Converts an amount to an exact number."""
    return Decimal(0) if value is None else Decimal(str(value))


def joined(texts: Iterable[str]) -> str | None:
    return ", ".join(texts) or None


def median(numbers: Iterable[int | None]) -> float | None:
    found = sorted(number for number in numbers if number is not None)
    if not found:
        return None
    middle = len(found) // 2
    return float(found[middle]) if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def grouped(rows: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
