"""Two months in which something happens: sales fall, and one manager leaves clients without an answer.

They are played after an account's generated history, up to now, so that questions about it have an answer to be found:
of the four people who sell, the first sold much less last month, and the last misses calls and answers chats late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from . import writes
from .account import Account
from .clock import ManualClock
from .store import Row

HOUR = 3_600
SALES = {
    0: ((9, 240_000), (2, 180_000), (3, 190_000)), 1: ((5, 150_000), (5, 160_000), (5, 155_000)),
    2: ((4, 120_000), (4, 110_000), (4, 115_000)), 3: ((2, 100_000), (2, 95_000), (1, 90_000)),
}  # fmt: skip
"""Deals that each of the people wins in the month before last, in the last and in the present one, and their budget."""
SLOW = 3
"""The one who misses calls and answers chats late."""


def first_day(now: float, timezone: str) -> float:
    """Returns when the month before last began, by the account's clock (unix seconds)."""
    month = datetime.fromtimestamp(now, ZoneInfo(timezone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(2):
        month = (month - timedelta(days=1)).replace(day=1)
    return month.timestamp()


def play(account: Account, now: float, seed: int = 1) -> None:
    """Plays the months from `first_day` to `now` (unix seconds), the last of which is the present one."""
    rng, kept = Random(seed), account.clock
    clock = ManualClock(first_day(now, account.timezone))
    account.clock = clock
    zone = ZoneInfo(account.timezone)
    people = list(account.users)[:4]
    contacts = sorted(account.tables["contacts"].rows)
    present = datetime.fromtimestamp(now, zone)
    opened: dict[int, list[int]] = {}
    number = 0
    while clock.now() + 14 * HOUR < now:
        clock.advance(9 * HOUR)
        day = datetime.fromtimestamp(clock.now(), zone)
        months_ago = 12 * (present.year - day.year) + present.month - day.month
        for place, user in enumerate(people):
            number += 1
            contact = contacts[number % len(contacts)]
            deal = writes.create_lead(
                account, contacts=[contact], by=user, name=f"Заявка {number}", price=90_000 + 1_000 * (number % 40),
                responsible_user_id=user, source_id=account.sources[number % 2]["id"],
            )  # fmt: skip
            incoming(account, clock, rng, deal, contact, user, is_slow=place == SLOW)
            mine = opened.setdefault(user, [])
            mine.append(deal)
            sales, budget = SALES[place][2 - months_ago]
            if day.day <= 2 * sales and day.day % 2:
                won = mine.pop(-min(len(mine), 5))
                writes.edit(account, "leads", won, price=budget, by=user)
                writes.win(account, won, by=user)
            elif number % 5 == 0:
                writes.lose(account, mine.pop(-1), account.loss_reasons[months_ago % 2]["id"], by=user)
        clock.advance(max(24 * HOUR - (clock.now() - day.timestamp() + 9 * HOUR), 0))
    account.clock = kept


def incoming(
    account: Account, clock: ManualClock, rng: Random, deal: int, contact: int, user: int, *, is_slow: bool
) -> None:
    """A client calls and writes: three of four calls are missed by who is slow, and answered after hours or never."""
    is_missed = rng.random() < (0.75 if is_slow else 0.1)
    call = {"duration": 0 if is_missed else 120, "phone": "+79990000000", "call_status": 6 if is_missed else 4,
            "call_responsible": user}  # fmt: skip
    writes.add_note(account, "leads", deal, note_type="call_in", params=call, by=user)
    if rng.random() < 0.5:
        talk = new_talk(account, deal, contact)
        writes.chat(account, talk, "Здравствуйте! Сколько стоит?")
        clock.advance(rng.randrange(2 * HOUR, 3 * HOUR) if is_slow else rng.randrange(120, 900))
        if not (is_slow and rng.random() < 0.5):
            writes.chat(account, talk, "Добрый день! Сейчас посчитаю.", by=user)
    if not is_missed:
        writes.add_note(account, "leads", deal, note_type="call_out", params=call, by=user)


def new_talk(account: Account, deal: int, contact: int) -> Row:
    at = account.clock.now()
    talk: Row = {
        "talk_id": 1 + max((talk["talk_id"] for talk in account.talks), default=0), "created_at": at, "updated_at": at,
        "rate": 0, "contact_id": contact, "chat_id": f"{account.random.getrandbits(64):016x}", "entity_id": deal,
        "entity_type": "lead", "status": "in_work", "is_in_work": True, "is_read": True, "origin": "telegram",
        "source_id": account.sources[0]["id"], "missed_at": None, "account_id": account.id,
    }  # fmt: skip
    account.talks.append(talk)
    return talk
