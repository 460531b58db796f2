"""Contacts, companies and customers of the generated account."""

from __future__ import annotations

from random import Random

from ..account_data import SINGULAR, AccountData, Gone
from ..store import Row
from . import texts
from .field_values import midnight, pool, zone_of
from .history import History
from .timeline import Timeline

FILL = {"PHONE": 0.85, "EMAIL": 0.6, "POSITION": 0.3}  # share of cards with a value, by the field's code
OTHERS = {"leads": 0.22, "contacts": 0.12, "companies": 0.2, "customers": 0.3}  # for other fields, by entity


class FieldPools:
    """Pools of values for each custom field of one list."""

    def __init__(self, account: AccountData, kind: str, rng: Random, rows: int) -> None:
        size = max(20, min(rows // 10, 1_000))
        self._random = rng.random
        self._pools = [
            (FILL.get(field["code"] or "", OTHERS[kind]), pool(account, field, rng, size))
            for field in account.fields[kind]
        ]

    def draw(self) -> list[Row] | None:
        """Draws `custom_fields_values` of one row in the order of the fields, None if no field has a value."""
        random = self._random
        drawn = [pool[int(random() * len(pool))] for share, pool in self._pools if random() < share]
        return drawn or None


def responsible(rng: Random, users: list[int]) -> int:
    """Draws a responsible user: mostly one of the first five, sometimes a removed one."""
    return users[int(rng.random() * 5)] if rng.random() < 0.98 else users[-1 - int(rng.random() * 2)]


def group_of(account: AccountData, user_id: int) -> int:
    """Returns the group of a user, 0 for the default group and for removed users."""
    user = account.users.get(user_id)
    return (user["rights"]["group_id"] or 0) if user else 0


def add_companies(
    account: AccountData, rng: Random, time: Timeline, history: History, users: list[int], count: int
) -> None:
    pools = FieldPools(account, "companies", rng, count)
    tags, rows, row_id = account.tag_list["companies"], [], 4_000_000
    groups = {user: group_of(account, user) for user in users}
    for created in time.moments(count):
        row_id += 1 + int(rng.random() * 4)
        user = responsible(rng, users)
        name = f"{rng.choice(texts.FORMS)} «{rng.choice(texts.FIRMS)}»"
        rows.append({
            "id": row_id,
            "name": name if rng.random() < 0.97 else "",
            "responsible_user_id": user,
            "group_id": groups[user],
            "created_by": user if rng.random() < 0.7 else 0,
            "updated_by": user if rng.random() < 0.6 else 0,
            "created_at": created,
            "updated_at": _touched(rng, time, "companies", created),
            "closest_task_at": None,
            "is_deleted": False,
            "custom_fields_values": pools.draw(),
            "account_id": account.id,
        })  # fmt: skip
        history.added("company", row_id, user, created)
        if rng.random() < 0.15:
            _tag(account, rng, history, "companies", rows[-1], tags)
    account.tables["companies"].load((row["id"], row) for row in rows)
    account.claim_ids("companies", row_id)


def add_contacts(
    account: AccountData, rng: Random, time: Timeline, history: History, users: list[int], count: int
) -> None:
    """Adds contacts after the companies, to which most of them are linked, many to the same few."""
    pools = FieldPools(account, "contacts", rng, count)
    tags, rows, row_id = account.tag_list["contacts"], [], 8_000_000
    companies = list(account.tables["companies"].rows)
    groups = {user: group_of(account, user) for user in users}
    for created in time.moments(count):
        row_id += 1 + int(rng.random() * 5)
        user = responsible(rng, users)
        first, last = _name(rng)
        rows.append({
            "id": row_id,
            "name": f"{first} {last}".strip(),
            "first_name": first,
            "last_name": last,
            "responsible_user_id": user,
            "group_id": groups[user],
            "created_by": user if rng.random() < 0.5 else 0,
            "updated_by": user if rng.random() < 0.6 else 0,
            "created_at": created,
            "updated_at": _touched(rng, time, "contacts", created),
            "closest_task_at": None,
            "is_deleted": False,
            "is_unsorted": False,
            "custom_fields_values": pools.draw(),
            "account_id": account.id,
        })  # fmt: skip
        if rng.random() < 0.6:
            history.added("contact", row_id, user, created)
        if rng.random() < 0.1:
            _tag(account, rng, history, "contacts", rows[-1], tags)
        if companies and rng.random() < 0.6:
            company = companies[int(rng.random() ** 1.5 * len(companies))]
            account.links.add("contacts", row_id, "companies", company)
    account.tables["contacts"].load((row["id"], row) for row in rows)
    account.claim_ids("contacts", row_id)


def add_customers(
    account: AccountData, rng: Random, time: Timeline, history: History, users: list[int], count: int
) -> None:
    pools = FieldPools(account, "customers", rng, count)
    rows: list[Row] = []
    row_id, zone = 1_000_000_100, zone_of(account)
    contacts = list(account.tables["contacts"].rows)
    companies = list(account.tables["companies"].rows)
    for created in time.moments(count):
        row_id += 1 + int(rng.random() * 3)
        user = responsible(rng, users)
        rows.append({
            "id": row_id,
            "name": f"{rng.choice(texts.FIRMS)}, {rng.choice(texts.CITIES)}",
            "next_price": rng.randrange(0, 500_000, 500) + (0.25 if row_id % 4 == 0 else 0),
            "next_date": midnight(rng, zone, 2024, 2027),
            "responsible_user_id": user,
            "status_id": rng.choice(account.customer_statuses)["id"],
            "periodicity": 0,
            "created_by": user,
            "updated_by": user,
            "created_at": created,
            "updated_at": _touched(rng, time, "customers", created),
            "closest_task_at": None if len(rows) % 3 else time.end,
            "is_deleted": False,
            "custom_fields_values": pools.draw(),
            "ltv": rng.randrange(2_000_000),
            "purchases_count": rng.randrange(12),
            "average_check": rng.randrange(100_000),
            "account_id": account.id,
        })  # fmt: skip
        history.added("customer", row_id, user, created)
        if contacts:
            contact = rng.choice(contacts)
            account.links.add("customers", row_id, "contacts", contact)
            account.links.main["customers", row_id] = contact
        if companies and rng.random() < 0.3:
            account.links.add("customers", row_id, "companies", rng.choice(companies))
        if rng.random() < 0.4:
            account.segments_of[row_id] = tuple(s["id"] for s in account.segments[: rng.randint(1, 2)])
        if len(rows) % 4 == 1:
            account.tags["customers"][row_id] = tuple(account.tag_list["customers"][:1])
            catalog_id = account.catalogs[1]["id"]
            bought = {"id": next(iter(account.elements[catalog_id].rows)), "metadata": {"catalog_id": catalog_id}}
            account.links.elements["customers", row_id] = (bought,)
    account.tables["customers"].load((row["id"], row) for row in rows)
    account.claim_ids("customers", row_id)


def _touched(rng: Random, time: Timeline, kind: str, created: int) -> int:
    chance = rng.random()
    if chance < 0.4:
        return created
    return time.burst(kind, created) if chance < 0.55 else time.after(created, 60)


def _name(rng: Random) -> tuple[str, str]:
    surname = texts.SURNAMES[int(rng.random() * len(texts.SURNAMES))]
    if rng.random() < 0.5:
        first = texts.MALE[int(rng.random() * len(texts.MALE))]
    else:
        first, surname = texts.FEMALE[int(rng.random() * len(texts.FEMALE))], surname + "а"
    chance = rng.random()
    if chance < 0.15:
        return f"{first} {surname}", ""
    return ("", "") if chance < 0.16 else (first, surname)


def _tag(account: AccountData, rng: Random, history: History, kind: str, row: Row, tags: list[Row]) -> None:
    chosen = rng.sample(tags, rng.choice((1, 1, 2)))
    account.tags[kind][row["id"]] = tuple(chosen)
    history.tagged(kind, row["id"], chosen, row["updated_by"], row["updated_at"])


def delete_some(account: AccountData, rng: Random, time: Timeline, history: History, by: int) -> None:
    """Trashes or purges one contact and one company in a hundred, with events."""
    for kind in ("contacts", "companies"):
        table = account.tables[kind]
        for row_id in rng.sample(list(table.rows), len(table) // 100):
            row = table.remove(row_id)
            at = time.after(row["updated_at"])
            history.write(f"{SINGULAR[kind]}_deleted", SINGULAR[kind], row_id, by, at)
            gone = Gone(kind, row_id, at, by, "trash" if rng.random() < 0.7 else "purge", row)
            account.gone[kind, row_id] = gone
            if gone.how == "trash":
                account.trash[kind][row_id] = gone
