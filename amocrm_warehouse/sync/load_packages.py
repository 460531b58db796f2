"""Load packages, filled while the connector reads and loaded by another thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path

import pyarrow as pa

from amocrm_warehouse.live_line import Step
from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.sync.row_buffer import Rows, TakenRows

ROWS = 100_000
BYTES = 24 << 20
"""A package past either is loaded. Reading goes on meanwhile, and waits once the next package is full."""
SECONDS = 30.0
"""Longest time from a load's end to the next load if anything waits, checked at the connector's messages (seconds)."""

Load = Callable[[list[TakenRows], dict[str, str]], None]


class Packages:
    """Collects rows and states, and loads them: a whole table once it is complete, rows of other tables as they come.

    Methods raise what `load` raised for the previous package.
    """

    def __init__(self, tables: Iterable[Table], folder: Path, thread: Executor, load: Load) -> None:
        """`folder`: for rows that do not fit into memory. `load` is called in `thread`."""
        self._rows = {table.stream: Rows(table, folder) for table in tables}
        self._states: dict[str, str] = {}
        self._held_states: dict[str, str] = {}
        """States of whole tables, which cover no row before the table is complete."""
        self._complete: set[str] = set()
        self._thread = thread
        self._load = load
        self._under_way: Future[None] | None = None
        self._failed = False
        """Whether a package was not loaded. Then none follows, because its states would cover the lost rows."""
        self._loaded_at = time.monotonic()
        self.waits = False
        """Whether the reading waits until a package is loaded."""
        self._loaded = self._loading = 0
        """Rows that the database has, and rows of the package that is loaded now."""

    def step(self) -> Step:
        """Returns the step of a sync that loads rows and waits for that."""
        waiting = sum(rows.count for rows in self._rows.values())
        return Step("loading", self._loaded, self._loaded + self._loading + waiting, "rows")

    def add(self, stream: str, batch: pa.RecordBatch) -> None:
        self._rows[stream].add(batch)
        self.send_if_due()

    def cover(self, stream: str, state: str) -> None:
        """Notes the state (JSON) that covers the stream's rows so far."""
        waits = self._rows[stream].table.whole and stream not in self._complete
        (self._held_states if waits else self._states)[stream] = state
        self.send_if_due()

    def complete(self, stream: str) -> None:
        """Notes that the stream has been read to its end."""
        self._complete.add(stream)
        if stream in self._held_states:
            self._states[stream] = self._held_states.pop(stream)
        self.send_if_due()

    def finish(self, load: Load | None = None) -> None:
        """Loads all waiting rows, and returns when the database has them. Calls a `load` even if no row waits."""
        self._send(load)
        self._settle()

    def send_if_due(self) -> None:
        """Begins to load the waiting rows and states if they are many or have waited long."""
        ready = [rows for name, rows in self._rows.items() if name in self._complete or not rows.table.whole]
        late = time.monotonic() > self._loaded_at + SECONDS and (self._under_way is None or self._under_way.done())
        if (
            sum(rows.count for rows in ready) >= ROWS
            or sum(rows.size for rows in ready) >= BYTES
            or (late and (self._states or any(rows.count for rows in ready)))
        ):
            self._send()

    def _send(self, last: Load | None = None) -> None:
        self._settle()
        if self._failed:
            return
        chosen = [
            rows for name, rows in self._rows.items() if name in self._complete or (rows.count and not rows.table.whole)
        ]
        states, self._states, self._complete = self._states, {}, set()
        self._loading = sum(rows.count for rows in chosen)
        if chosen or states or last:
            self._under_way = self._thread.submit(last or self._load, [rows.take() for rows in chosen], states)

    def _settle(self) -> None:
        if self._under_way:
            self.waits = True
            try:
                self._under_way.result()
            except Exception:
                self._under_way, self._failed = None, True
                raise
            finally:
                self.waits = False
            self._under_way = None
            self._loaded_at = time.monotonic()
            self._loaded, self._loading = self._loaded + self._loading, 0
