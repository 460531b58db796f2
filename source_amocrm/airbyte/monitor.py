"""Monitors a running sync: a line for each list every few seconds, estimates, pauses, and a summary at the end.

A line is “Reading <list>[: <reached, time left>]; <rows and requests>”. The last line of a round is about the list that
will take longest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    AirbyteTraceMessage,
    EstimateType,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_protocol_dataclasses.models import AirbyteStreamStatusRateLimitedReason

from source_amocrm.account.resources import EVENTS
from source_amocrm.airbyte.output import Closed
from source_amocrm.dates import day
from source_amocrm.engine import Selected
from source_amocrm.engine.read_plan import Progress, ReadPlan
from source_amocrm.http import Api
from source_amocrm.walk import Page
from source_amocrm.walk.intervals import FOREVER, Interval
from source_amocrm.walk.listing import seconds

LOGGER = logging.getLogger("airbyte")
READING = "Reading "
ROUND_INTERVAL = 10.0  # seconds between two lines about a list
ROUNDS = 6
"""Rounds over which the pace is measured: not all of them, because older years of an account have fewer rows."""
CHANGES = "what was deleted, restored or linked to others"
MOST_INTERVALS = 2  # intervals of time that a line names; of more it gives the number
Observation = tuple[float, int]
"""When (seconds, monotonic clock), and how much of the account's history was still to be read then (seconds)."""


@dataclass
class ListReading:
    """The reading of one list. `name`: the list's name in the progress of each table that is made of it.

    `seen`: how much was left in each round, the newest last.
    """

    path: str
    name: str
    tables: dict[str, Progress] = field(default_factory=dict)
    rows: int = 0
    seen: list[Observation] = field(default_factory=list)

    def pending(self) -> tuple[ReadPlan | None, int]:
        """Returns the pending plan of the first table that has one, and the second up to which the tables are read.

        Before the first row, only a plan counts in which an earlier sync left rows to read.
        """
        progresses = list(self.tables.values())
        left = ((pending, one) for one in progresses if (pending := one.pending.get(self.name)))
        plans = (pending for pending, one in left if pending.seconds or one.needed)
        return next(plans, None), progresses[0].watermark or 0

    def observe(self, now: float, oldest: int) -> None:
        """Records how much is left. `oldest`: no row is expected before that second; FOREVER while it is unknown."""
        pending, until = self.pending()
        if pending and pending.seconds and until and (pending.since or oldest < until):
            intervals = [(start or oldest, min(end, until)) for start, end in pending.seconds.intervals]
            self.seen.append((now, sum(max(0, end - start + 1) for start, end in intervals)))

    def all_rows(self, rows: int) -> int | None:
        """Estimates how many rows a table will have, if `rows` have come so far; None while that cannot be told."""
        ever = [left for _, left in self.seen] or [0]
        most, left = max(ever), ever[-1]
        return rows * most // (most - left) if 0 < left < most else None

    def line(self, requests: int, passed: float) -> str:
        """Returns a line about the list: how far it is read, the time left, the rows and requests so far."""
        pending, until = self.pending()
        # a walk by page number goes by the rows' ids, which tell no date
        parts = [reached(pending.seconds.intervals, until)] if pending and not pending.resume else []
        if pending and pending.seconds and (time_left := seconds_left(self.seen)) is not None:
            parts.append(f"about {duration(time_left)} left")
        more = f" and {len(self.tables) - 1} more" if len(self.tables) > 1 else ""
        title = f"{self.path.removeprefix('/api/v4/')} ({next(iter(self.tables))}{more})"
        progress = ", ".join(filter(None, parts))
        return f"{title}{': ' if progress else ''}{progress}; {_count(self.rows, passed)}, {requests:,} requests"


def _count(rows: int, passed: float) -> str:
    return f"{rows:,} rows, {rows / max(passed, 1):,.0f} rows a second"


@dataclass
class Monitor:
    """Reports a sync during a `with` block. `observe` must get the pages of every list.

    `emit` puts a message into the output without waiting. Raises Closed once nobody takes messages any more.
    """

    api: Api
    selected: Selected
    emit: Callable[[AirbyteMessage], None]

    def __post_init__(self) -> None:
        self._rows = {stream.name: 0 for stream in self.selected}
        self._tables = {stream.name: len(stream.inputs()) for stream in self.selected}
        """The tables that are being read, each with the number of lists that it is made of."""
        self._lists: dict[str, ListReading] = {}
        """The lists that are being read, by their paths."""
        for stream, progress in self.selected.items():
            for resource in stream.inputs():
                reading = self._lists.setdefault(resource.path, ListReading(resource.path, resource.name))
                if progress:
                    reading.tables[stream.name] = progress
        self._event_requests = 0
        self._oldest = FOREVER
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._ending = threading.Lock()

    def __enter__(self) -> Monitor:
        threading.Thread(target=self._run, name="monitor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        stats, elapsed = self.api.stats, time.monotonic() - self._begun
        LOGGER.info(
            f"Read {sum(self._rows.values()):,} rows with {stats.requests:,} requests in "
            f"{elapsed:,.1f} s ({stats.requests / max(elapsed, 1):.1f} requests a second); {stats.throttled:,} were "
            f"refused as too many (429); threads waited {self.api.budget.waited:,.1f} s for their turn to ask."
        )

    def observe(self, path: str, page: Page | None) -> None:
        """Counts a page of a list. None: the list is read to its end, or as far as it can be."""
        if page is None:
            del self._lists[path]
            return
        reading = self._lists[path]
        reading.rows += len(page.rows)
        made = (seconds(row.get("created_at")) for row in page.rows)
        self._oldest = min(self._oldest, *(second for second in made if second), FOREVER)
        if not reading.seen:
            reading.observe(time.monotonic(), self._oldest)

    def row(self, name: str) -> int:
        """Counts a row of a table, and returns how many have come."""
        self._rows[name] += 1
        return self._rows[name]

    def ended(self, name: str) -> int:
        """Ends a table: a pause is no longer reported for it. Returns how many rows it had."""
        with self._ending:
            del self._tables[name]
        return self._rows[name]

    def limited(self, seconds: float) -> None:
        """Emits a status with the reason RATE_LIMITED for every stream that is being read. `seconds`: of the pause.

        The CDK's client would print the status past the queue of messages, under its own name, and without the time.
        """
        log_pause(seconds)
        reset = AirbyteStreamStatusRateLimitedReason(quota_reset=int((time.time() + seconds) * 1000))
        reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED, rate_limited=reset)
        with self._ending, suppress(Closed):
            for name in self._tables:
                self.emit(as_airbyte_message(StreamDescriptor(name=name), AirbyteStreamStatus.RUNNING, [reason]))

    def _run(self) -> None:
        with suppress(Closed):
            while not self._over.wait(ROUND_INTERVAL):
                self.log_progress()
                self.estimate()

    def log_progress(self) -> None:
        """Logs a line for each list that is being read, and for each table that is made of no list."""
        now, requests = time.monotonic(), self.api.stats.by_path
        passed = now - self._begun
        lists, tables = list(self._lists.values()), list(self._tables.items())
        for reading in lists:
            reading.observe(now, self._oldest)
        lists.sort(key=lambda reading: seconds_left(reading.seen) or 0)
        lines = [f"{name}; {_count(self._rows[name], passed)}" for name, inputs in tables if not inputs]
        if all(one.path != EVENTS.path for one in lists) and requests[EVENTS.path] > self._event_requests:
            lines.append(f"{EVENTS.name} ({CHANGES}); {requests[EVENTS.path]:,} requests")
        self._event_requests = requests[EVENTS.path]
        lines += [reading.line(requests[reading.path], passed) for reading in lists]
        for line in lines or [f"the rest of {name}; {_count(self._rows[name], passed)}" for name, _ in tables]:
            LOGGER.info("%s%s", READING, line)

    def estimate(self) -> None:
        """Emits the ESTIMATE of every table that is made of one list whose end is in sight."""
        for reading in list(self._lists.values()):
            for name in reading.tables:
                if self._tables.get(name) == 1 and (rows := reading.all_rows(self._rows[name])):
                    estimate = AirbyteEstimateTraceMessage(name=name, type=EstimateType.STREAM, row_estimate=rows)
                    trace = AirbyteTraceMessage(TraceType.ESTIMATE, emitted_at=time.time() * 1000, estimate=estimate)
                    self.emit(AirbyteMessage(type=Type.TRACE, trace=trace))


def log_pause(seconds: float) -> None:
    LOGGER.warning(
        "amoCRM answers «too many requests» (429): nothing is asked for %s s, until %s UTC, and then more slowly "
        "for a while. All integrations of the account share its limit.",
        f"{seconds:,.0f}",
        time.strftime("%H:%M:%S", time.gmtime(time.time() + seconds)),
    )


def seconds_left(seen: Sequence[Observation]) -> float | None:
    """Returns how long the rest takes at the observed pace; None if there is no pace yet (seconds)."""
    if not seen:
        return None
    (then, before), (now, left) = seen[-ROUNDS:][0], seen[-1]
    return left * (now - then) / (before - left) if left < before and now > then else None


def duration(seconds: float) -> str:
    """Returns a duration in words, as rough as the estimate: tens of seconds, minutes, or hours and minutes."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{minutes} min" if seconds < 5_400 else f"{minutes // 60} h {minutes % 60} min"


def reached(left: Sequence[Interval], until: int) -> str:
    """Returns how far a reading up to the second `until` has come, if the intervals `left` are still to be read."""
    if not left:
        return "read to the end"
    (start, end), more = left[-1], len(left) - MOST_INTERVALS
    if len(left) == 1:
        return f"back to {day(end)}" if end < until else f"up to {day(start)}" if start > 0 else ""
    named = []
    for start, end in left[: -MOST_INTERVALS - 1 : -1]:
        since = [f"since {day(start)}"] if start > 0 else []
        named.append(" ".join([*since, f"until {day(end)}"] if end < until else since))
    return f"left: {', '.join(named)}" + (f" and {more} more" if more > 0 else "")
