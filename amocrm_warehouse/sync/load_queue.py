"""Rows and states on their way into the database: collected while the connector reads, loaded by another thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from amocrm_warehouse.live_line import Step
from amocrm_warehouse.sync.arrow_table import Table

ROWS = 30_000
BYTES = 8 << 20
"""Waiting rows past either are loaded. Reading goes on meanwhile, and waits once as much waits again."""
SECONDS = 30.0
"""Longest time from a load's end to the next load if anything waits, checked at the connector's messages (seconds)."""


@dataclass
class Waiting:
    """Rows of a table, in the order in which they came. `complete`: whether the table's list has been read to its
    end."""

    table: Table
    batches: Sequence[pa.RecordBatch]
    complete: bool

    @property
    def count(self) -> int:
        return sum(batch.num_rows for batch in self.batches)

    def rows(self) -> pa.Table:
        """Returns the last row of each key, as one Arrow table of one chunk."""
        rows = pa.Table.from_batches(self.batches, self.table.schema).combine_chunks()
        kept = last_of_each_key(rows, self.table.key)
        return rows if kept is None else rows.take(kept)


Load = Callable[[list[Waiting], Mapping[str, str]], None]
"""Loads rows, and the states (JSON, by stream) that cover them, in one transaction."""


class LoadQueue:
    """Collects rows and states, and loads them together. Methods raise what `load` raised for earlier rows.

    Rows of a table with a cursor are loaded as they come, those of cards with all that their page brings. Rows of a
    whole table wait until its list has ended, unless more than BYTES wait.
    """

    def __init__(
        self, tables: Iterable[Table], thread: Executor, load: Load, lists: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`load` is called in `thread`. `lists`: by stream, the list whose pages are loaded whole."""
        self._lists = lists
        self._page: dict[str, list[Callable[[], None]]] = {}
        """What has come of a page that has not ended, by list."""
        self._tables = {table.stream: table for table in tables}
        self._batches: dict[str, list[pa.RecordBatch]] = {}
        self._count = self._size = 0
        self._states: dict[str, str] = {}
        self._held_states: dict[str, str] = {}
        """States of whole tables, which cover no row before the table is complete."""
        self._complete: set[str] = set()
        self._thread = thread
        self._load = load
        self._under_way: Future[None] | None = None
        self._failed = False
        """Whether rows were not loaded. Then none follow, because their states would cover the lost rows."""
        self._loaded_at = time.monotonic()
        self.waits = False
        """Whether the reading waits until rows are loaded."""
        self._loaded = self._loading = 0
        """Rows that the database has, and rows that are loaded now."""

    def step(self) -> Step:
        """Returns the step of a sync that loads rows and waits for that."""
        return Step("loading", self._loaded, self._loaded + self._loading + self._count, "rows")

    def add(self, stream: str, batch: pa.RecordBatch) -> None:
        self._take(stream, partial(self._add, stream, batch))

    def cover(self, stream: str, state: str) -> None:
        """Notes the state (JSON) that covers the stream's rows so far."""
        self._take(stream, partial(self._cover, stream, state))

    def complete(self, stream: str) -> None:
        """Notes that the stream has been read to its end."""
        self._take(stream, partial(self._end, stream))

    def end_page(self, name: str) -> None:
        """Notes that a page of a list has come whole, or that the list has ended."""
        for take in self._page.pop(name, []):
            take()
        self.load_if_due()

    def _take(self, stream: str, take: Callable[[], None]) -> None:
        if name := self._lists.get(stream):
            self._page.setdefault(name, []).append(take)
        else:
            take()
            self.load_if_due()

    def _add(self, stream: str, batch: pa.RecordBatch) -> None:
        self._batches.setdefault(stream, []).append(batch)
        self._count += batch.num_rows
        self._size += batch.nbytes

    def _cover(self, stream: str, state: str) -> None:
        waits = self._tables[stream].whole and stream not in self._complete
        (self._held_states if waits else self._states)[stream] = state

    def _end(self, stream: str) -> None:
        self._complete.add(stream)
        if stream in self._held_states:
            self._states[stream] = self._held_states.pop(stream)

    def finish(self) -> None:
        """Loads all waiting rows but those of lists that have not ended, and returns when the database has them."""
        self._begin(self._ready())
        self._settle()

    def load_if_due(self) -> None:
        """Begins to load the waiting rows and states if they are many or have waited long."""
        if self._count >= ROWS or self._size >= BYTES:
            self._begin({*self._batches, *self._complete})
        elif (
            time.monotonic() > self._loaded_at + SECONDS
            and (self._under_way is None or self._under_way.done())
            and (self._states or self._ready())
        ):
            self._begin(self._ready())

    def _ready(self) -> set[str]:
        return {stream for stream in self._batches if not self._tables[stream].whole} | self._complete

    def _begin(self, streams: set[str]) -> None:
        """Hands the rows of these streams, and all states, to the thread that loads.

        The states leave first: if Ctrl-C comes in between, none is loaded later without the rows that it covers.
        """
        self._settle()
        if self._failed:
            return
        states, self._states = self._states, {}
        complete, self._complete = self._complete, set()
        taken = [
            Waiting(table, self._batches.pop(stream, []), stream in complete)
            for stream, table in self._tables.items()
            if stream in streams
        ]
        if not taken and not states:
            return
        self._loading = sum(rows.count for rows in taken)
        self._count = sum(batch.num_rows for batches in self._batches.values() for batch in batches)
        self._size = sum(batch.nbytes for batches in self._batches.values() for batch in batches)
        self._under_way = self._thread.submit(self._load, taken, states)

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


def last_of_each_key(rows: pa.Table, key: list[str]) -> pa.Array | None:
    """Returns the positions of the rows to keep, in order; None if no two rows share a key."""
    keys = zip(*(rows[column].to_pylist() for column in key), strict=True)
    last = {values: position for position, values in enumerate(keys)}
    return None if len(last) == rows.num_rows else pa.array(sorted(last.values()), pa.int64())
