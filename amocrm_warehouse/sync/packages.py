"""Load packages, filled while the connector reads and loaded by another thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path

from amocrm_warehouse.sync.rows import Rows, Waiting
from amocrm_warehouse.sync.table import Row, Table

ROWS = 40_000
BYTES = 24 << 20
"""Past either, a package is loaded. Reading goes on meanwhile, and waits when the next package is full."""
SECONDS = 30.0
"""Rows and states wait no longer than this after the last package was loaded, if the connector says anything."""
CHECKED = 250
"""Rows between two looks at how much waits."""

Load = Callable[[list[Waiting], dict[str, str]], None]


class Packages:
    """Rows of tables with a cursor are loaded as they come. A table that is read whole is loaded once it is complete.

    Methods raise what `load` raised for the package before.
    """

    def __init__(self, tables: Iterable[Table], folder: Path, thread: Executor, load: Load) -> None:
        """`folder`: for rows that do not fit into memory. `load` is called in `thread`."""
        self._rows = {table.stream: Rows(table, folder) for table in tables}
        self._states: dict[str, str] = {}
        self._complete: set[str] = set()
        self._thread = thread
        self._load = load
        self._under_way: Future[None] | None = None
        self._lost = False
        """Whether a package was not loaded: a later one would bring states that cover its rows."""
        self._loaded_at = time.monotonic()
        self._until_check = CHECKED

    def add(self, stream: str, row: Row, read_at: int) -> None:
        """`read_at`: milliseconds."""
        self._rows[stream].add(row, read_at)
        self._until_check -= 1
        if self._until_check <= 0:
            self.send_if_due()

    def cover(self, stream: str, state: str) -> None:
        """Notes the state (JSON) that covers the stream's rows so far."""
        self._states[stream] = state
        self.send_if_due()

    def complete(self, stream: str) -> None:
        """The stream has been read to its end."""
        self._complete.add(stream)
        self.send_if_due()

    def finish(self, load: Load | None = None) -> None:
        """Loads what waits, by `load` even if that is nothing; returns when the database has it."""
        self._send(load)
        self._settle()

    def send_if_due(self) -> None:
        """Begins to load what waits if it is much, or has waited long."""
        self._until_check = CHECKED
        ready = [rows for name, rows in self._rows.items() if name in self._complete or not rows.table.whole]
        late = time.monotonic() > self._loaded_at + SECONDS and (self._under_way is None or self._under_way.done())
        if (
            sum(rows.count for rows in ready) >= ROWS
            or sum(rows.size for rows in self._rows.values()) >= BYTES
            or (late and (self._states or any(rows.count for rows in ready)))
        ):
            self._send()

    def _send(self, last: Load | None = None) -> None:
        self._settle()
        if self._lost:
            return
        chosen = [
            rows for name, rows in self._rows.items() if name in self._complete or (rows.count and not rows.table.whole)
        ]
        states, self._states, self._complete = self._states, {}, set()
        if chosen or states or last:
            self._under_way = self._thread.submit(last or self._load, [rows.take() for rows in chosen], states)

    def _settle(self) -> None:
        if self._under_way:
            try:
                self._under_way.result()
            except Exception:
                self._under_way, self._lost = None, True
                raise
            self._under_way = None
            self._loaded_at = time.monotonic()
