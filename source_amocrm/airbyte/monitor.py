"""Monitors a running sync: its progress every few seconds, pauses, and a summary at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    StreamDescriptor,
)
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_protocol_dataclasses.models import AirbyteStreamStatusRateLimitedReason

from source_amocrm.airbyte.output import Closed
from source_amocrm.dates import day
from source_amocrm.engine import Selected
from source_amocrm.http import Api
from source_amocrm.walk.intervals import Interval

LOGGER = logging.getLogger("airbyte")
ROUND_INTERVAL = 10.0  # seconds between two reports of the progress


@dataclass(frozen=True)
class ReadingProgress:
    """How far a sync has read an account. `rows`, `requests`: so far. `at`: the list that has the longest stretch of
    dates left, and how far it is read.

    The time left is not told: amoCRM counts no list, and years may hold fewer rows than the last week.
    """

    rows: int = 0
    requests: int = 0
    at: str = ""

    def __str__(self) -> str:
        return "; ".join(filter(None, (f"{self.rows:,} rows, {self.requests:,} requests", self.at)))


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
        self._being_read = list(self._rows)
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
            self._being_read.remove(name)
        return self._rows[name]

    def limited(self, seconds: float) -> None:
        """Emits a status with the reason RATE_LIMITED for every stream that is being read. `seconds`: of the pause.

        The CDK's client would print the status past the queue of messages, under its own name, and without the time.
        """
        log_pause(seconds)
        reset = AirbyteStreamStatusRateLimitedReason(quota_reset=int((time.time() + seconds) * 1000))
        reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED, rate_limited=reset)
        with self._ending, suppress(Closed):
            for name in self._being_read:
                self.emit(as_airbyte_message(StreamDescriptor(name=name), AirbyteStreamStatus.RUNNING, [reason]))

    def _run(self) -> None:
        with suppress(Closed):
            while not self._over.wait(ROUND_INTERVAL):
                self.on_progress(self.progress())

    def progress(self) -> ReadingProgress:
        unread = [
            (plan.seconds.intervals, progress.watermark or 0, resource.path.removeprefix("/api/v4/"))
            for stream, progress in self.selected.items()
            for resource in stream.inputs()
            if progress and progress.needed and (plan := progress.pending.get(resource.name)) and not plan.resume
        ]
        unread.sort(key=lambda one: sum(start - end for start, end in one[0]))
        places = (f"{path} {place}" for left, until, path in unread if (place := reached(left, until)))
        return ReadingProgress(sum(self._rows.values()), self.api.stats.requests, next(places, ""))


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
