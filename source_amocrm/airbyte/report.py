"""What a person sees in the log while a sync runs: a line per stream every few seconds, and a summary at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from source_amocrm.account.resources import EVENTS_PATH
from source_amocrm.http.api import Api
from source_amocrm.sync.sync import Selection
from source_amocrm.sync.tables import Entities, Table, events_of
from source_amocrm.walk.listing import Row
from source_amocrm.walk.spans import FOREVER, Span

EVERY = 10.0
"""Seconds between two lines of a stream."""
STRETCHES = 2


@dataclass
class Tally:
    """A stream while it is read. `paths`: of the lists that it is made of; `left`: the seconds still to be read."""

    name: str
    paths: Sequence[str]
    left: Callable[[], Sequence[Span]]
    rows: int = 0
    reading: bool = False


def line(name: str, rows: int, requests: int | None, elapsed: float, left: Sequence[Span]) -> str:
    """`requests`: to the lists of the stream, None where it has none of its own; `elapsed` in seconds."""
    parts = [f"{rows:,} rows"]
    if requests is not None:
        parts.append(f"{requests:,} requests")
    parts.append(f"{rows / max(elapsed, 1):,.0f} rows a second")
    if left:
        parts.append(f"left: {_stretches(left)}")
    return f"{name}: {', '.join(parts)}"


def summary(rows: int, requests: int, refused: int, waited: float, elapsed: float) -> str:
    """`refused`: answers 429; `waited`: seconds that all threads together waited for their turn to ask."""
    return (
        f"Read {rows:,} rows with {requests:,} requests in {elapsed:,.1f} s "
        f"({requests / max(elapsed, 1):.1f} requests a second); {refused:,} were refused as too many (429); "
        f"threads waited {waited:,.1f} s for their turn to ask."
    )


def _stretches(spans: Sequence[Span]) -> str:
    """The newest ones in words, and how many more there are."""
    newest = list(reversed(spans))
    told = ", ".join(_stretch(*span) for span in newest[:STRETCHES])
    more = len(newest) - STRETCHES
    return f"{told} and {more} more" if more > 0 else told


def _stretch(start: int, end: int) -> str:
    since = "" if start <= 0 else f"since {_day(start)}"
    until = "" if end >= FOREVER else f"until {_day(end)}"
    return " ".join(part for part in (since, until) if part) or "all of it"


def _day(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%d")


class Report:
    """`with Report(api, logger, selections) as report`, and every stream's rows pass through `counted`."""

    def __init__(self, api: Api, logger: logging.Logger, selections: Iterable[Selection], every: float = EVERY) -> None:
        self._api = api
        self._logger = logger
        self._every = every
        self._tallies = {one.table.name: Tally(one.table.name, _paths(one.table), _left(one)) for one in selections}
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def __enter__(self) -> Report:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        stats, rows = self._api.stats, sum(tally.rows for tally in self._tallies.values())
        waited = self._api.budget.waited
        self._logger.info(summary(rows, stats.requests, stats.throttled, waited, time.monotonic() - self._begun))

    def counted(self, name: str, rows: Iterable[Row | None]) -> Iterator[Row | None]:
        tally = self._tallies[name]
        tally.reading = True
        try:
            for row in rows:
                tally.rows += row is not None
                yield row
        finally:
            tally.reading = False

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self.tell()

    def tell(self) -> None:
        """Log a line for every stream that is being read."""
        for tally in self._tallies.values():
            if tally.reading:
                self._logger.info(self._line(tally))

    def _line(self, tally: Tally) -> str:
        asked = self._api.stats.by_path
        requests = sum(asked[path] for path in tally.paths) if tally.paths else None
        return line(tally.name, tally.rows, requests, time.monotonic() - self._begun, tally.left())


def _paths(table: Table) -> list[str]:
    lists = [entities.path for entities in table.lists] if isinstance(table, Entities) else []
    return [*lists, EVENTS_PATH] if events_of(table) else lists


def _left(selection: Selection) -> Callable[[], Sequence[Span]]:
    """What the state would tell; of a table made of several lists, of the one that is read now."""
    progress = selection.progress
    if progress is None:
        return lambda: ()
    return lambda: next((left.spans.parts for left in list(progress.left.values()) if left.spans), ())
