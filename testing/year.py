"""Plays days of a year for three accounts in one database, and what a firm does with the product each day.

`nord` is a firm in Berlin whose people work, leave and miss their plan; its integration rotates tokens. `west` is an
account whose token may not read events. `south` could never be read. All verbs take the day from the account: its
`Date`, and `--now` for the models.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any
from zoneinfo import ZoneInfo

from sandbox import OFF, Account, MovedClock, Server, Switches, business, writes
from sandbox.business import Business
from sandbox.http import Request
from sandbox.sandbox import Sandbox

from . import forked
from .expected import marts as oracle
from .warehouse import query

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
HOURS = "1-5 9:00-18:00, 6 10:00-14:30"
"""When people work, as the oracle has it."""
DAY = 86_400
MOST_ACTS = 12
"""What people do in `nord` while a verification runs."""


def at(text: str, zone: str = BERLIN) -> int:
    """Returns a moment of the year (unix seconds) by its date and time in Berlin; ` 2` is the second of that hour."""
    day, _, second = text.partition(" 2")
    return int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone), fold=bool(second)).timestamp())


def costs_of(pid: int) -> tuple[float, int]:
    """Waits for the end of a process. Returns its CPU (seconds) and its peak of memory (bytes); 0 without /proc."""
    cpu, memory = 0.0, 0
    with suppress(OSError, IndexError):
        while True:
            numbers = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            cpu = sum(map(int, numbers[11:13])) / os.sysconf("SC_CLK_TCK")
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
            if not peak:  # it has ended
                break
            memory = 1024 * int(peak[1])
            time.sleep(0.02)
    return cpu, memory


@dataclass
class Firm:
    """An account, its server, its config, and what an exact sync knows of it."""

    project: str
    server: Server
    config: Path
    known: oracle.Known
    without: frozenset[str]
    """The tables that are left out, because the token may not read them."""


@dataclass
class Day:
    """What the verbs of a day said, by verb, and what they took."""

    name: str
    said: dict[str, CompletedProcess[str]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU by verb (seconds)."""
    memory: dict[str, int] = field(default_factory=dict)
    """Peak of memory by verb (bytes)."""

    @property
    def month(self) -> str:
        return self.name[:7]


class Year:
    def __init__(self, folder: Path, stack: ExitStack, begin: int, first: int, end: int, leads: int) -> None:
        """`begin`, `end`: of what people do (unix seconds). `leads`: deals of `nord` that come between them.

        `first`: before the first sync, when access is given.
        """
        self.folder, self.database = folder, str(folder / "crm.duckdb")
        self.clock, self.rng = MovedClock(begin), Random(48)
        self.people: Business = business.opened(7, begin, end, clock=self.clock, timezone=BERLIN)
        self.people.clock = self.people.account.clock = self.clock
        self.people.open(leads)
        self.people.until(first)
        self.clock.set(max(first, self.clock.time()))
        other = Account.generate(
            5, 40, begin, clock=self.clock, timezone=NEW_YORK, switches=Switches(forbidden=frozenset({"events"}))
        )
        self.nord = self._firm(stack, "nord", self.people.account, {}, oauth=True)
        self.west = self._firm(stack, "west", other, {"deleted_rows": "ignore"})
        never = Account.generate(6, 1, begin, clock=self.clock)
        self.never = self._firm(stack, "south", never, {})
        self.never.server.tokens.client.enabled = False
        self.plans: dict[tuple[str, int], Decimal] = {}
        self.published: set[str] = set()
        """The months in which something was published."""

    def _firm(
        self, stack: ExitStack, project: str, account: Account, settings: dict[str, Any], *, oauth: bool = False
    ) -> Firm:
        server = stack.enter_context(Server(account, rate=OFF))
        config = self.folder / f"{project}.json"
        held = server.config(oauth=oauth) | {"lookback_window": "PT5S"}  # so long does `verify` wait at most
        if not oauth:
            lasting = server.tokens.long_lived(days=5 * 365)
            held["credentials"] = {"auth_type": "long_lived_token", "access_token": lasting}
        config.write_text(json.dumps({**held, **settings}), encoding="utf-8")
        config.chmod(0o600)
        marks = settings.get("deleted_rows") != "ignore"
        absent = EVENTS if "events" in account.switches.forbidden else frozenset[str]()
        others = frozenset({account.name})
        zone, began = ZoneInfo(account.timezone), oracle.at_second(0)
        known = oracle.Known(project, zone, began, marks, absent, others=others, keeps_names=True)
        return Firm(project, server, config, known, absent)

    # the days

    def go_to(self, moment: int, *, work: bool = True) -> None:
        """Goes on to a moment; people work until then, or nobody does anything."""
        self.clock.stop()
        if work:
            self.people.until(moment)
            writes.random_edits(self.west.server.account, 12, self.rng, PLAIN)
        self.clock.set(max(moment, self.clock.time()))
        self.clock.go_on()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Lets people do something every few requests, but no more than firms do in these minutes."""
        asked = count(1)

        def act(_: Sandbox, __: Request) -> None:
            number = next(asked)
            if number % 5 == 0 and number <= 5 * MOST_ACTS:
                self.people.act()

        sandbox = self.nord.server.sandbox
        sandbox.before_request.append(act)
        try:
            yield
        finally:
            sandbox.before_request.remove(act)

    def run(self, day: Day, name: str, *command: str, database: str = "") -> CompletedProcess[str]:
        """Runs a command on the day of the account. `database`: by default the one of the year."""
        process = forked.Forked(
            command,
            {"DB": database or self.database},
            {**forked.UNPACED, "testing.that_day.CLOCK": self.clock},
            stderr_apart=True,
            cwd=self.folder,
            program="testing.that_day.run_that_day",
        )
        with ThreadPoolExecutor(1) as watching:
            costs = watching.submit(costs_of, process.pid)
            stdout, stderr = process.communicate(timeout=600)
            day.cpu[name], day.memory[name] = costs.result()
        day.said[name] = CompletedProcess(command, process.wait(), stdout, stderr)
        return day.said[name]

    def sync(self, day: Day) -> None:
        """Brings all accounts up to date, as a timer does."""
        for firm in (self.nord, self.west, self.never):
            without = ["--without", ",".join(sorted(firm.without))] if firm.without else []
            account = ["--config", str(firm.config), "--project", firm.project]
            done = self.run(day, f"sync {firm.project}", "sync", *account, *without)
            if firm is not self.never and done.returncode == 0:
                firm.known.read(firm.server.account)
                [row] = query(
                    self.database, f"SELECT max(ended_at) AS ended_at FROM amocrm.amocrm_{firm.project}_syncs"
                )
                firm.known.synced_at = datetime.fromisoformat(str(row["ended_at"])).replace(tzinfo=None)
        now = datetime.fromtimestamp(int(self.clock.time()), timezone.utc).replace(tzinfo=None)
        for firm in (self.nord, self.west):
            firm.known.now, firm.known.plans = now, self.plans if firm is self.nord else {}
            firm.known.cache.clear()

    def report(self, day: Day) -> None:
        """Builds the models, and writes the page, the picture, the workbook and the English digest.

        They are of the moment at which the sync had ended.
        """
        now = self.nord.known.now
        plans = self.folder / "plans.csv"
        lines = [f"nord,{month}-01,{user},{plan}" for (month, user), plan in sorted(self.plans.items())]
        plans.write_text("\n".join(["project_id,month,responsible_user_id,plan", *lines]), encoding="utf-8")
        files = {name: str(self.folder / f"{day.name}.{name}") for name in ("html", "png", "xlsx")}
        written = ["--out", files["html"], "--png", files["png"], "--xlsx", files["xlsx"], "--digest", "--quiet"]
        options = ["--working-hours", HOURS, "--now", now.isoformat(), "--plans", str(plans), "--language", "en"]
        self.run(day, "report", "report", *written, *options)

    def digest(self, day: Day, database: str = "") -> None:
        """The digest in Russian."""
        self.run(day, "digest", "report", "--built", "--digest", "--language", "ru", "--quiet", database=database)

    def verify(self, day: Day) -> None:
        """Compares both accounts with their tables while people go on."""
        for firm in (self.nord, self.west):
            with self.at_work():
                self.run(
                    day, f"verify {firm.project}", "verify", "--config", str(firm.config), "--project", firm.project
                )

    def publish(self, day: Day) -> None:
        self.published.add(day.month)
        self.run(day, "publish", "publish", "--to", f"file://{self.folder / 'lake'}", "--quiet")


PLAIN = tuple(one for one in writes.ORDINARY if one[0].__name__ not in ("throw_away", "bring_back", "drop_task"))
"""What people do in `west`, whose deletions nobody can see."""
EVENTS = frozenset({
    "events", "deal_statuses", "deal_responsible_changes", "deal_sale_changes", "deal_field_changes", "messages",
    "contact_field_changes", "company_field_changes", "customer_field_changes", "contact_responsible_changes",
    "company_responsible_changes", "customer_responsible_changes", "deleted_entities", "event_types", "talks",
})  # fmt: skip
