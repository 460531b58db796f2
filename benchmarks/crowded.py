"""Accounts in which many rows have the same date, as after an import or a robot's mass edit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from random import Random

from sandbox.account import Account

DAY = 86_400
MASS_EDITS = (250, 300, 499, 600, 900)
"""Rows that one edit changes in the same second: exactly one page of 250, and one to four pages."""
TIED_EVENTS = (40, 600)
"""The fewest and the most events that are moved into the same second."""
TIES = 24
"""Runs of events that are moved into one second each."""
EDITED = ("leads", "contacts", "companies", "tasks")


def crowd(account: Account, per_second: int | None) -> None:
    """Gives the leads new dates in the order of their ids: `per_second` leads a second, or all in the same second."""
    table = account.tables["leads"]
    ids = sorted(table.rows)
    begun = account.clock.now() - 30 * DAY
    for number, row_id in enumerate(ids):
        second = begun + (number // per_second if per_second else 0)
        table.rows[row_id] = {**table.rows[row_id], "created_at": min(table.rows[row_id]["created_at"], second)}
        table.rows[row_id]["updated_at"] = second
    table.load([])


def crowd_events(account: Account, per_second: int) -> None:
    """Gives the events new dates in the order of their old ones: `per_second` events a second."""
    begun = account.clock.now() - 20 * DAY
    oldest_first = [account.events.rows[row_id] for _, row_id in account.events.index("created_at")]
    account.load_events([one._replace(created_at=begun + n // per_second) for n, one in enumerate(oldest_first)])


def edit_in_masses(account: Account) -> None:
    """Edits cards and tasks in masses of MASS_EDITS, a day apart, and dates as many events by each edit."""
    days = count(100, -1)
    for kind in EDITED:
        table = account.tables[kind]
        for size, ids in _masses(sorted(table.rows, reverse=True)):
            second = account.clock.now() - next(days) * DAY
            for row_id in ids:
                table.rows[row_id] = {**table.rows[row_id], "updated_at": second}
            _date_events(account, second, size)
        table.load([])


def tie_events(account: Account) -> None:
    """Moves TIES random runs of consecutive events into the second of each run's last event."""
    random = Random(22)
    newest_first = [row_id for _, row_id in reversed(account.events.index("created_at"))]
    for _ in range(TIES):
        begin, size = random.randrange(len(newest_first)), random.randint(*TIED_EVENTS)
        run = newest_first[begin : begin + size]
        events = [account.events.rows[row_id] for row_id in run]
        second = max(event.created_at for event in events)
        account.load_events([event._replace(created_at=second) for event in events])


def _masses(ids: list[int]) -> Iterable[tuple[int, list[int]]]:
    for size in MASS_EDITS:
        if len(ids) >= size:
            yield size, ids[:size]
            ids = ids[size:]


def _date_events(account: Account, second: int, size: int) -> None:
    """Moves the last `size` events up to that second into it."""
    found = [row_id for at, row_id in account.events.index("created_at") if at <= second][-size:]
    rows = account.events.rows
    account.load_events([rows[row_id]._replace(created_at=second) for row_id in found])
