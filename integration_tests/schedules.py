"""Random working days: writes between any two requests, syncs killed anywhere, and what must be true in the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from . import expected
from .connector import Destination, Row, messages
from .sandbox import Account, ManualClock, Request, Sandbox, Switches, writes
from .sandbox.writes import at_random

LOST = 143
DELETABLE = ("deals", "contacts", "companies", "tasks", "notes")
TRACKED = ("deals", "contacts", "companies", "tasks", "notes")
UNSHOWN = {
    # What neither a cursor nor an event shows; the documentation says so.
    "deals": {"closest_task_at", "loss_reason_name"},
    "contacts": {"closest_task_at", "company_name"},
    "companies": {"closest_task_at"},
}


@dataclass
class Schedule:
    """A day made from `seed`: an account, its answers to the open questions, and a hand that writes."""

    seed: int
    leads: int = 40
    filters: bool = True
    menu: Any = at_random.ORDINARY
    restless: float = 0.25
    """The share of requests before which somebody writes."""
    switches: Switches = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.switches = random_switches(self.random, self.filters)
        self.clock = ManualClock(int(time.time()))
        self.account = Account.generate(seed=self.seed % 7, leads=self.leads, clock=self.clock, switches=self.switches)
        self.sandbox = Sandbox(self.account)
        self.sandbox.before_request.append(self._before_request)
        self.destination = Destination()
        self.done: list[str] = []
        self.busy = True

    def _before_request(self, _: Sandbox, __: Request) -> None:
        if not self.busy:
            return
        self.clock.advance(self.random.choice((0, 0, 0.3, 1, 2)))
        if self.random.random() < self.restless:
            self.done += writes.random_edits(self.account, self.random.randint(1, 3), self.random, self.menu)

    def work(self, edits: int) -> None:
        """Somebody writes while no sync runs."""
        for _ in range(edits):
            self.clock.advance(self.random.choice((0, 1, 40, 900)))
            self.done += writes.random_edits(self.account, 1, self.random, self.menu)

    def sync(self, killed_after: int | None = None, **settings: Any) -> bool:
        return self.destination.take(
            messages(self.sandbox, state=self.destination.state(), **settings), stop_after=killed_after
        )

    def run(self, syncs: int = 3) -> None:
        for number in range(syncs):
            kill = self.random.randint(1, 1500) if self.random.random() < 0.4 else None
            self.sync(kill)
            self.work(self.random.randint(0, 12))
            self.clock.advance(self.random.choice((0, 5, 3600)))
        self.busy = False
        self.clock.advance(60)
        self.sync()
        self.clock.advance(60)
        self.sync()

    def problems(self) -> list[str]:
        """Where the destination differs from the account, in words; empty when it is exact."""
        found: list[str] = []
        truth = expected.tables(self.account)
        hidden = {name: set(ids) for name, ids in expected.merged(self.account).items()}
        for name, rows in truth.items():
            wanted = {tuple(row[column] for column in expected.KEYS[name]): row for row in rows}
            got = self.destination.rows.get(name, {})
            if name == "custom_fields_deals":
                wanted, got = _values(wanted), _values(self._current(got))
            for own, row in wanted.items():
                found += _difference(name, own, row, got.get(own))
            for own, row in got.items():
                if own in wanted:
                    continue
                merged = name in hidden and own[0] in hidden[name]
                if not (name in DELETABLE and row["is_deleted"]) and not merged:
                    found.append(f"{name} {own}: not in the account, yet {row}")
        return found

    def _current(self, values: dict[tuple[Any, ...], Row]) -> dict[tuple[Any, ...], Row]:
        """The rows that the documented condition calls current."""
        deals = self.destination.rows.get("deals", {})
        return {
            own: row
            for own, row in values.items()
            if (deal := deals.get((row["lead_id"],)))
            and row["lead_updated_at"] == deal["updated_at"]
            and not deal["is_deleted"]
        }


def _values(rows: dict[tuple[Any, ...], Row]) -> dict[tuple[Any, ...], Row]:
    """Custom field rows without the date of their deal, which is compared with the deal's own."""
    return {own: {name: value for name, value in row.items() if name != "lead_updated_at"} for own, row in rows.items()}


def _difference(name: str, own: tuple[Any, ...], row: Row, got: Row | None) -> list[str]:
    if got is None:
        return [f"{name} {own}: missing"]
    ignored = set(UNSHOWN.get(name, ()))
    if name in TRACKED and got["updated_at"] > row["updated_at"]:
        ignored |= {"updated_at", "date"}  # a row that came back is dated no earlier than that
    if name == "deal_statuses":
        ignored.add("loss_reason_id")
    wrong = {column: (got.get(column), value) for column, value in row.items() if got.get(column) != value}
    wrong = {column: pair for column, pair in wrong.items() if column not in ignored}
    return [f"{name} {own}: (got, wanted) {wrong}"] if wrong else []


def random_switches(random: Random, filters: bool) -> Switches:
    """Any of the account's possible answers to what the reference leaves open."""
    some = random.choice
    small = some((5, 8, 20))
    return Switches(
        from_inclusive=some((True, False)),
        to_inclusive=some((True, False)),
        filter_enabled=filters,
        filter_flag="honest" if filters else some(("honest", "honest", True, "absent")),
        ties=some(("id_asc", "id_desc", "shuffled")),
        events_order=some(("asc", "desc", "desc")),
        page_max=small,
        page_default=small,
        events_page_max=some((small, 50, 100)),
        next_on_full_last_page=some((True, False)),
        end=some(("204", "empty")),
        links_bump=some((True, False)),
        tags_bump=some((True, False)),
        notes_bump=some((True, False)),
        tasks_bump=some((True, False)),
        link_events=some(("entity", "typed")),
        unlink_shape=some(("before", "after_unlink", "after_link")),
        only_deleted_honours_order=some((True, False)),
        restore_bumps=some((True, False)),
    )
