"""What a person sees in the log while a sync runs: a line for each list every few seconds, and a summary at the end.

Every such line is “Reading <what>[: <how far, and how long it will take>]; <how much has come>”, and the last of a
round is about the list that will take longest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from airbyte_cdk.models import AirbyteMessage

from source_amocrm.account.resources import EVENTS
from source_amocrm.airbyte.estimate import Observation, duration, reached, seconds_left, summary, tables_in_words
from source_amocrm.airbyte.pauses import waiting
from source_amocrm.http.api import Api
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.progress import Pending, Progress
from source_amocrm.sync.sync import Selection
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import Row, seconds

READING = "Reading "
EVERY = 10.0
"""Seconds between two lines about a list."""
ROUNDS = 6
"""Over how many lines the pace is measured; not over all, for older years of an account have fewer rows."""
CHANGES = "what was deleted, restored or linked to others"


@dataclass
class Tally:
    """Rows of one table while it is read; `lists`: whether it is made of lists that others may need as well."""

    name: str
    lists: bool
    rows: int = 0
    reading: bool = False


@dataclass
class ListReading:
    """One list while it is read, for the tables that need it. `name`: its own in the progress of each."""

    path: str
    name: str
    tables: list[str] = field(default_factory=list)
    progresses: list[Progress] = field(default_factory=list)
    rows: int = 0
    begun: float = 0.0
    reading: bool = False
    seen: deque[Observation] = field(default_factory=lambda: deque(maxlen=ROUNDS))

    def pending(self) -> Pending | None:
        """What is pending by the progress of one of the tables."""
        return next((pending for one in self.progresses if (pending := one.pending.get(self.name))), None)

    def observe(self, now: float, oldest: int) -> None:
        """Notes how much is left. `oldest`: no row is expected before that second; FOREVER while it is not known."""
        pending, watermark = self.pending(), self.progresses[0].watermark
        if pending and pending.seconds and watermark and (pending.seconds.intervals[0][0] or oldest < watermark):
            intervals = [(start or oldest, min(end, watermark)) for start, end in pending.seconds.intervals]
            self.seen.append(Observation(now, sum(max(0, end - start + 1) for start, end in intervals)))

    def line(self, requests: int, now: float) -> str:
        """The line about the list: how far it is, how long the rest will take, and how much has come."""
        pending = self.pending()
        time_left = seconds_left(self.seen) if pending and pending.seconds else None
        # a walk by page number goes by the rows' ids, which tell no date
        where = (
            reached(pending.seconds.intervals, self.progresses[0].watermark or 0)
            if pending and not pending.walk
            else ""
        )
        rate = self.rows / max(now - self.begun, 1)
        parts = [where, f"about {duration(time_left)} left" if time_left is not None else ""]
        told = ", ".join(part for part in parts if part)
        what = f"{_called(self.path)} ({tables_in_words(self.tables)})"
        counts = f"{self.rows:,} rows, {rate:,.0f} rows a second, {requests:,} requests"
        return f"{what}{': ' if told else ''}{told}; {counts}"


def _called(path: str) -> str:
    return path.removeprefix("/api/v4/")


class Report:
    """`with Report(api, logger, selections) as report`.

    The batches of every list pass through `followed`, and the rows of every table through `counted`.
    """

    def __init__(self, api: Api, logger: logging.Logger, selections: Iterable[Selection], every: float = EVERY) -> None:
        self._api = api
        self._logger = logger
        self._every = every
        self._tallies: dict[str, Tally] = {}
        self._lists: dict[str, ListReading] = {}
        for selection in selections:
            self._add(selection)
        self._asked_for_events = 0
        self._oldest = FOREVER
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def _add(self, selection: Selection) -> None:
        name, needed = selection.stream.name, selection.stream.inputs()
        self._tallies[name] = Tally(name, lists=bool(needed))
        for resource in needed:
            reading = self._lists.setdefault(resource.path, ListReading(resource.path, resource.name))
            reading.tables.append(name)
            if selection.progress:
                reading.progresses.append(selection.progress)

    def __enter__(self) -> Report:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        stats, rows = self._api.stats, sum(tally.rows for tally in self._tallies.values())
        waited = self._api.budget.waited
        self._logger.info(summary(rows, stats.requests, stats.throttled, waited, time.monotonic() - self._begun))

    def followed(self, path: str, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches of a list, in the one thread that reads it for every table."""
        reading = self._lists[path]
        reading.begun, reading.reading = time.monotonic(), True

        def counted(batch: Batch) -> Batch:
            reading.rows += len(batch.page.rows)
            made = (seconds(row.get("created_at")) for row in batch.page.rows)
            self._oldest = min(self._oldest, *(second for second in made if second), FOREVER)
            if not reading.seen:
                reading.observe(time.monotonic(), self._oldest)
            return batch

        try:
            yield from map(counted, batches)
        finally:
            reading.reading = False
            if isinstance(batches, Generator):
                batches.close()

    def counted(self, name: str, rows: Iterable[Row | None]) -> Iterator[Row | None]:
        tally = self._tallies[name]
        tally.reading = True
        try:
            for row in rows:
                tally.rows += row is not None
                yield row
        finally:
            with self._ending:
                tally.reading = False

    def limited(self, seconds: float, emit: Callable[[AirbyteMessage], None]) -> None:
        """Reports that every stream that is being read waits for so long."""
        with self._ending:
            for message in waiting([tally.name for tally in self._tallies.values() if tally.reading], seconds):
                emit(message)

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self.tell()

    def tell(self) -> None:
        """Log a line for each list that is being read, and for each table that is made of no list."""
        for line in self._lines():
            self._logger.info("%s%s", READING, line)

    def _lines(self) -> list[str]:
        now, asked = time.monotonic(), self._api.stats.by_path
        lists = [reading for reading in self._lists.values() if reading.reading]
        for reading in lists:
            reading.observe(now, self._oldest)
        lists.sort(key=lambda reading: seconds_left(reading.seen) or 0)
        tables = [tally for tally in self._tallies.values() if tally.reading]
        lines = [f"{one.name}; {self._so_far(one.rows)}" for one in tables if not one.lists]
        if EVENTS.path not in {reading.path for reading in lists} and asked[EVENTS.path] > self._asked_for_events:
            lines.append(f"{_called(EVENTS.path)} ({CHANGES}); {asked[EVENTS.path]:,} requests")
        self._asked_for_events = asked[EVENTS.path]
        lines += [reading.line(asked[reading.path], now) for reading in lists]
        return lines or [f"the rest of {one.name}; {self._so_far(one.rows)}" for one in tables]

    def _so_far(self, rows: int) -> str:
        return f"{rows:,} rows, {rows / max(time.monotonic() - self._begun, 1):,.0f} rows a second"
