"""Random working days: writes between any two requests, syncs killed at any message, and a comparison in the end.

`SCHEDULES=2000 pytest integration_tests/test_schedules.py` draws that many days of each kind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import yaml
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage

from sandbox import NOW, Account, ManualClock, Request, Sandbox, Switches, writes
from sandbox.like import answered_switches
from sandbox.writes.at_random import Write
from source_amocrm.engine import delivery

from . import comparison, expected
from .connector import messages
from .destination import Destination
from .lookup_history import LookupHistory

Menu = Sequence[tuple[Write, int]]
Reading = Callable[[list[AirbyteStateMessage]], Iterator[AirbyteMessage]]

SCHEDULES = int(os.environ.get("SCHEDULES", "12"))
"""Number of days of each kind that the tests draw."""
ODD: Menu = (*writes.ORDINARY, *writes.RARE)
SOME_MESSAGES = 1_500
CATALOG = Path(__file__).with_name("table-catalog.yaml")
PROBES = sorted((Path(__file__).resolve().parents[1] / "sandbox" / "probes").glob("*.json"))
"""Files of real accounts' answers to the probe."""
MOMENTS = (
    NOW,
    1_798_750_798,  # 2026-12-31 20:59:58 UTC: two seconds before the account's new year
    1_806_537_598,  # 2027-03-31 23:59:58 UTC
    1_835_395_201,  # 2028-02-29 00:00:01 UTC
)
"""Times at which days begin, independent of the date of the tests (unix seconds)."""
FIFTEEN = tuple(yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["tables"])


@dataclass
class Schedule:
    """A working day made from `seed`: an account, its switches, random writes and syncs.

    `menu`: the kinds of writes. `restless`: share of requests before which somebody writes. `reading`: yields the
    messages of a sync from the given states, by default in this process. `streams`: by default all. `clocks`: whether
    one of the two clocks, the server's or this machine's, is wrong in each sync. `begins`: by default one of MOMENTS
    (unix seconds).
    """

    seed: int
    leads: int = 40
    filters: bool = True
    menu: Menu = writes.ORDINARY
    restless: float = 0.25
    reading: Reading | None = None
    streams: Sequence[str] | None = None
    clocks: bool = False
    begins: int | None = None
    switches: Switches = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.switches = random_switches(self.random, self.filters)
        if self.seed % 3 == 0:
            self.switches = as_probed(self.switches, Random(self.seed))
        self.settings: dict[str, Any] = {
            "num_workers": self.random.choice((1, 3, 12)),
            "lookback_window": self.random.choice(("PT5M", "PT0S")),
        }
        if self.settings["lookback_window"] == "PT0S":
            self.switches.events_late = 0  # only the look-back finds late events
        self.rows_between_states = self.random.choice((1, 7, 30, 1_000))
        self.clock = ManualClock(MOMENTS[self.seed % len(MOMENTS)] if self.begins is None else self.begins)
        self.account = Account.generate(seed=self.seed % 7, leads=self.leads, clock=self.clock, switches=self.switches)
        self.sandbox = Sandbox(self.account)
        self.destination = Destination(self.random.choice((None, Random(self.seed))))
        self.done: list[str] = []
        self.kills = 0
        self.busy = True
        self.lookups = LookupHistory()
        self.watch(self.sandbox)

    def watch(self, sandbox: Sandbox) -> None:
        """Makes somebody write before requests to `sandbox`."""
        sandbox.before_request.append(self._before_request)

    def _before_request(self, _: Sandbox, __: Request) -> None:
        if self.busy:
            self.clock.advance(self.random.choice((0, 0, 0.3, 1, 2)))
            if self.random.random() < self.restless:
                self.done += writes.random_edits(self.account, self.random.randint(1, 3), self.random, self.menu)
        self.lookups.record(self.account)

    def work(self, edits: int) -> None:
        """Makes `edits` writes while no sync runs."""
        for _ in range(edits):
            self.clock.advance(self.random.choice((0, 1, 40, 900)))
            self.done += writes.random_edits(self.account, 1, self.random, self.menu)

    def sync(self, killed_after: int | None = None) -> None:
        states, ahead = self.destination.state(), self._set_clocks() if self.clocks else 0.0
        reading = (
            self.reading(states)
            if self.reading
            else messages(self.sandbox, self.streams, state=states, ahead=ahead, **self.settings)
        )
        if not self.destination.take(reading, stop_after=killed_after):
            self.kills += 1

    def _set_clocks(self) -> float:
        """Draws the errors of the two clocks. Returns the lead of this machine's (seconds)."""
        ahead = self.random.choice((-26, -12, -1, -0.1, 0, 0.1, 1, 12, 26)) * 3_600.0
        is_local = self.random.random() < 0.5
        self.switches.date_ahead = 0.0 if is_local else ahead
        self.switches.date_jitter = 0.0 if is_local else self.random.choice((0.0, 0.0, 3.0, 7_200.0))
        return ahead if is_local else 0.0

    def run(self, syncs: int = 3) -> None:
        with mock.patch.object(delivery, "ROWS_BETWEEN_STATES", self.rows_between_states):
            self._days(syncs)

    def _days(self, syncs: int) -> None:
        size = SOME_MESSAGES
        for _ in range(syncs):
            kill = self.random.randint(1, size) if self.random.random() < 0.5 else None
            self.sync(kill)
            size = max(50, self.destination.messages)
            with self.account.lock:
                self.work(self.random.randint(0, 12))
            self.clock.advance(self.random.choice((0, 5, 3600)))
        self.busy = False
        self.clock.advance(60)
        self.sync()
        self.clock.advance(60)
        self.sync()

    def problems(self) -> list[str]:
        """Returns the differences between destination and account, and the destination's complaints."""
        antedated = self._antedated()
        found = comparison.problems(self.account, self.destination.rows, antedated, self.streams or expected.KEYS)
        found += self.lookups.problems(self.account, self.destination.rows)
        if self.streams:
            found = [line for line in found if line.split()[0] in self.streams]
        return found + ([] if antedated else self.destination.complaints)

    def _antedated(self) -> set[comparison.Card]:
        """Returns the cards whose updated_at somebody set to a past time."""
        lines = [line.split() for line in self.done if line.startswith("odd_time")]
        return {(kind, int(row_id)) for _, kind, row_id, shift in lines if int(shift) < 0}


def tables(seed: int) -> Sequence[str] | None:
    """Returns the fifteen tables of the catalog for most seeds, all tables for one seed in five."""
    return FIFTEEN if seed % 5 else None


def assert_exact(day: Schedule) -> None:
    """Runs the day. Fails with the differences."""
    day.run()
    problems = day.problems()
    assert not problems, "\n".join(problems)


def as_probed(switches: Switches, random: Random) -> Switches:
    """Sets the switches that one of PROBES answers, but keeps small pages and the day's own choice of the filter."""
    found = json.loads(random.choice(PROBES).read_text(encoding="utf-8"))
    kept = ("page_max", "page_default", "events_page_max", "filter_enabled", "filter_flag", "kommo")
    return replace(switches, **{name: value for name, value in answered_switches(found).items() if name not in kept})


def random_switches(random: Random, filters: bool) -> Switches:
    """Draws a value of each switch."""
    some = random.choice
    small = some((5, 8, 20))
    return Switches(
        from_inclusive=some((True, False)),
        to_inclusive=some((True, False)),
        filter_enabled=filters,
        filter_flag="honest" if filters else some(("honest", "honest", True, "absent")),
        ties=some(("id_asc", "id_desc", "shuffled")),
        default_order=some(("asc", "desc", "unordered")),
        events_order=some(("asc", "desc", "desc", "unordered")),
        events_late=some((0, 0, 1, 2, 50)),
        page_max=small,
        page_default=small,
        events_page_max=some((small, 50, 100)),
        next_on_full_last_page=some((True, False)),
        end=some(("204", "empty")),
        page_number_present=some((True, False)),
        fields_total=some(("page", "all")),
        links_bump=some((True, "own", False)),
        tags_bump=some((True, False)),
        notes_bump=some((True, False)),
        tasks_bump=some((True, False)),
        link_events=some(("entity", "typed")),
        link_event_sides=some(("both", "one")),
        unlink_shape=some(("before", "after_unlink", "after_link")),
        note_deleted_shape=some(("after", "before")),
        merged_carries=some(("survivor", "victim")),
        only_deleted_honours_order=some((True, False)),
        only_deleted_honours_filter=some((True, False)),
        restore_bumps=some((True, False)),
        accept_bumps=some((True, False)),
        unsorted_visible=some((True, False)),
        trash_links=some(("kept", "kept", "hidden_bumps", "hidden_events")),
        false_checkbox=some(("absent", "returned")),
        loss_reason=some(("array", "object")),
        empty_result=some(("array", "null", "absent")),
        enum_key=some(("enum_code", "enum")),
        notes_params_empty=some(("array", "object")),
        user_group=some(("both", "embedded", "rights")),
        long_self_links=some((True, False)),
        filter_off=some(("ignored", "ignored", "402")),
        trash_activity=some(("shown", "hidden")),
    )
