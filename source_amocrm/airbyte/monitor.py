"""Monitors a running sync: its progress every few seconds, estimates, pauses, and a summary at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

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

from source_amocrm.account import Resource
from source_amocrm.account.resources import EVENTS
from source_amocrm.airbyte.estimate import TimeLeft
from source_amocrm.airbyte.output import Closed
from source_amocrm.dates import day, duration
from source_amocrm.engine import Selected
from source_amocrm.engine.read_plan import Progress
from source_amocrm.engine.stream_interface import Incremental
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Api, ListName, Params, query
from source_amocrm.walk.intervals import Interval
from source_amocrm.walk.listing import any_rows

LOGGER = logging.getLogger("airbyte")
ROUND_INTERVAL = 10.0  # seconds between two reports of the progress


@dataclass(frozen=True)
class ReadingProgress:
    """How far a sync has read an account. `rows`, `requests`: so far.

    `share`: of the pages; `seconds_left`: both None while they are not known within a factor of two. `longest`: the
    list that has most left, and how far it is read.
    """

    rows: int = 0
    requests: int = 0
    share: float | None = None
    seconds_left: float | None = None
    longest: str = ""

    def __str__(self) -> str:
        known = [f"{self.share:.0%} read"] if self.share is not None else []
        known += [f"about {duration(self.seconds_left)} left"] if self.seconds_left is not None else []
        amount = f"{self.rows:,} rows, {self.requests:,} requests"
        return "; ".join(filter(None, (", ".join(known), amount, self.longest)))


OnProgress = Callable[[ReadingProgress], None]


def log_progress(progress: ReadingProgress) -> None:
    LOGGER.info("Reading: %s", progress)


@dataclass
class Monitor:
    """Monitors a sync during a `with` block.

    `emit` puts a message into the output without waiting. Raises Closed once nobody takes messages any more.
    """

    api: Api
    selected: Selected
    emit: Callable[[AirbyteMessage], None]
    on_progress: OnProgress = log_progress

    def __post_init__(self) -> None:
        self._rows = {stream.name: 0 for stream in self.selected}
        self._tables = {stream.name: stream.inputs() for stream in self.selected}
        """The tables that are being read, each with the lists that it is made of."""
        self._readers: dict[str, list[tuple[Resource, Progress]]] = defaultdict(list)
        """By the path of a list, the progress of each table that is made of it."""
        for stream, progress in self.selected.items():
            for resource in stream.inputs():
                if progress:
                    self._readers[resource.path].append((resource, progress))
        kinds = [
            stream.kinds for stream in self.selected if isinstance(stream, Incremental) and stream.kinds is not None
        ]
        self._events = "" if () in kinds else query({"filter[type][]": sorted({*chain(*kinds)})})
        """What all requests for the events of the tables have in common."""
        self._time_left = TimeLeft(self._has_more)
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

    def count(self, name: str, rows: int) -> int:
        """Counts further rows of a table, and returns how many have come."""
        self._rows[name] += rows
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
                self.on_progress(self.progress())
                self.estimate()

    def progress(self) -> ReadingProgress:
        """Ends a round, in which requests may be sent that tell how long the lists are."""
        stats = self.api.stats
        with stats.lock:
            pages = {name: one.requests for name, one in stats.pages.items()}
        self._time_left.end_round(time.monotonic(), stats.requests, pages, self._unread())
        bounds = self._time_left.pages_left
        longest = max(self._time_left.unread, key=lambda name: (bounds[name].most, pages[name]), default=None)
        left, done = self._time_left.pages, sum(pages.values())
        return ReadingProgress(
            sum(self._rows.values()),
            stats.requests,
            None if left is None else done / (done + left),
            self._time_left.seconds,
            self._place(longest) if longest else "",
        )

    def estimate(self) -> None:
        """Emits the ESTIMATE of every table that is made of one list whose length is known."""
        pages, bounds = self.api.stats.pages, self._time_left.pages_left
        for table, inputs in list(self._tables.items()):
            paths = [resource.path for resource in inputs]
            name = next((one for one in self._time_left.unread if [one.path] == paths and not one.whole), None)
            if name and bounds[name].known:
                rows = round(self._rows[table] * (1 + bounds[name].middle / pages[name].requests))
                estimate = AirbyteEstimateTraceMessage(name=table, type=EstimateType.STREAM, row_estimate=rows)
                trace = AirbyteTraceMessage(TraceType.ESTIMATE, emitted_at=time.time() * 1000, estimate=estimate)
                self.emit(AirbyteMessage(type=Type.TRACE, trace=trace))

    def _unread(self) -> Iterator[ListName]:
        """Yields the lists that are not read to their end: of a changing list, its main reading."""
        pages = dict(self.api.stats.pages)
        yield from (name for name, requested in pages.items() if name.whole and requested.goes_on)
        for path, readers in self._readers.items():
            names = [name for name in pages if name.path == path and not name.whole]
            if path == EVENTS.path:
                names = [name for name in names if name.query == self._events]
            left = [progress.pending.get(resource.name) for resource, progress in readers if progress.needed]
            if names and (not left or any(plan and (plan.seconds or plan.resume) for plan in left)):
                yield max(names, key=lambda name: pages[name].requests)

    def _has_more(self, name: ListName, pages: int) -> bool | None:
        """Requests the first row behind the next so many pages of a list. None if amoCRM refuses that."""
        _, fetch, last, *_ = self.api.stats.pages[name]
        limit, number = int(str(last["limit"])), int(str(last["page"]))
        bounds = {} if name.whole else self._bounds_left(name.path, last)
        row = (pages if bounds else number + pages) * limit + 1
        try:
            return bool(any_rows(fetch(name.path, {**last, **bounds, "limit": 1, "page": row}, shrinkable=True).body))
        except AmocrmError:
            return None

    def _bounds_left(self, path: str, last: Params) -> Params:
        """Returns the filter for the unread rows of a list that is read by date; empty if it is read by page number."""
        for resource, progress in self._readers.get(path, ()):
            names = [f"filter[{resource.cursor}][{end}]" for end in ("from", "to")]
            plan = progress.pending.get(resource.name)
            if plan and plan.seconds and not plan.resume and last.keys() & {*names}:
                longest = max(plan.seconds.intervals, key=lambda one: one[1] - one[0])
                return dict(zip(names, longest, strict=True))
        return {}

    def _place(self, name: ListName) -> str:
        """Returns a list's name, and how far it is read if it is read by date."""
        title = name.path.removeprefix("/api/v4/")
        for resource, progress in () if name.whole else self._readers.get(name.path, ()):
            plan = progress.pending.get(resource.name)
            if plan and not plan.resume:
                return f"{title} {reached(plan.seconds.intervals, progress.watermark or 0)}".rstrip()
        return title


def log_pause(seconds: float) -> None:
    LOGGER.warning(
        "amoCRM answers «too many requests» (429): nothing is asked for %s s, until %s UTC, and then more slowly "
        "for a while. All integrations of the account share its limit.",
        f"{seconds:,.0f}",
        time.strftime("%H:%M:%S", time.gmtime(time.time() + seconds)),
    )


def reached(left: Sequence[Interval], until: int) -> str:
    """Returns how far a list is read up to the second `until`, if the intervals `left` are still to be read.

    Several intervals are read from either end, and one date would not tell how far.
    """
    if len(left) != 1:
        return ""
    [(start, end)] = left
    return f"back to {day(end)}" if end < until else f"up to {day(start)}" if start > 0 else ""
