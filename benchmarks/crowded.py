"""Accounts that were imported, or in which robots edit by the hundred: many rows bear one date."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from random import Random

from integration_tests.sandbox.account import Account

DAY = 86_400
MASS_EDITS = (250, 300, 499, 600, 900)
"""Rows of one second, at the sizes that touch a page's edge and go beyond it."""
TIED_EVENTS = (40, 600)
"""The fewest and the most events of one second in an account whose robots act by the hundred."""
TIES = 24
EDITED = ("leads", "contacts", "companies", "tasks")


def crowd(account: Account, per_second: int | None) -> None:
    """Give the leads new dates, in the order of their ids: so many of each second, or all of one."""
    table = account.tables["leads"]
    ids = sorted(table.rows)
    begun = account.clock.now() - 30 * DAY
    for place, own in enumerate(ids):
        second = begun + (place // per_second if per_second else 0)
        table.rows[own] = {**table.rows[own], "created_at": min(table.rows[own]["created_at"], second)}
        table.rows[own]["updated_at"] = second
    table.load([])


def edit_in_masses(account: Account) -> None:
    """A robot's mass edits in five lists, a day apart; each edit of a card writes an event of the same second."""
    days = count(100, -1)
    for kind in EDITED:
        table = account.tables[kind]
        for size, ids in _taken(sorted(table.rows, reverse=True)):
            second = account.clock.now() - next(days) * DAY
            for own in ids:
                table.rows[own] = {**table.rows[own], "updated_at": second}
            _date_events(account, second, size)
        table.load([])


def tie_events(account: Account) -> None:
    """Date runs of events, at random places of the log, by the last event of the run."""
    random = Random(22)
    newest_first = [own for _, own in reversed(account.events.index("created_at"))]
    for _ in range(TIES):
        begin, size = random.randrange(len(newest_first)), random.randint(*TIED_EVENTS)
        run = newest_first[begin : begin + size]
        events = [account.events.rows[own] for own in run]
        second = max(event.created_at for event in events)
        account.load_events([event._replace(created_at=second) for event in events])


def _taken(ids: list[int]) -> Iterable[tuple[int, list[int]]]:
    for size in MASS_EDITS:
        if len(ids) >= size:
            yield size, ids[:size]
            ids = ids[size:]


def _date_events(account: Account, second: int, size: int) -> None:
    """So many events next to that second happen in it."""
    found = [own for at, own in account.events.index("created_at") if at <= second][-size:]
    rows = account.events.rows
    account.load_events([rows[own]._replace(created_at=second) for own in found])
