"""The rows of a table that wait for the next load package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from amocrm_warehouse.sync.arrow_table import Row, Table
from amocrm_warehouse.this_machine import HOME

BATCH_ROWS = 250
BATCH_CHARACTERS = 1 << 20
"""Rows, and characters of their texts, past either of which the rows become an Arrow batch."""
SLICE = 10_000
"""Rows of each Arrow table that dlt gets."""
IN_MEMORY = 8 << 20
"""Bytes of a whole table that wait in memory; past them its rows wait on the disk."""


class LoadError(ValueError):
    """Says in a sentence why rows could not be kept on this machine, or the database could not be read or written."""


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Raises LoadError if the folder does not take the rows under way."""
    try:
        yield
    except OSError as error:
        raise no_room(folder, error) from None


def no_room(folder: Path | str, error: OSError) -> LoadError:
    reason = os.strerror(error.errno) if error.errno else error
    return LoadError(
        f"Rows under way cannot be kept in {folder}: {reason}. Make room there, or name another folder in {HOME}."
    )


class Rows:
    """Collects the rows of a table as Arrow batches, until `take` returns all of them and starts again with none.

    A whole table is taken when its list has ended; past IN_MEMORY its rows wait in a file in `folder`. `count`: rows;
    `size`: bytes of the batches in memory; `largest`: characters of the texts of the largest row.
    """

    def __init__(self, table: Table, folder: Path) -> None:
        self.table = table
        self._path = folder / f"{table.stream}.arrow"
        self._begin()

    def _begin(self) -> None:
        self._rows: list[Row] = []
        self._read_at: list[int] = []
        self._text = 0
        self._batches: list[pa.RecordBatch] = []
        self._file: pa.NativeFile | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.count = self.size = self.largest = 0

    def add(self, row: Row, read_at: int) -> None:
        """`read_at`: milliseconds."""
        size = self.table.prepare(row)
        self._text += size
        self.largest = max(self.largest, size)
        self._rows.append(row)
        self._read_at.append(read_at)
        self.count += 1
        if len(self._rows) >= BATCH_ROWS or self._text >= BATCH_CHARACTERS:
            self._pack()

    def take(self) -> TakenRows:
        self._pack()
        path: Path | None = None
        with on_disk(self._path.parent):
            if self._file and self._writer:
                self._writer.close()
                self._file.close()
                path = self._path.replace(self._path.with_suffix(".taken"))  # the next rows may need a file meanwhile
        taken = TakenRows(self.table, self.largest, self._batches, path)
        self._begin()
        return taken

    def _pack(self) -> None:
        if not self._rows:
            return
        batch = self.table.batch(self._rows, self._read_at)
        self._rows, self._read_at, self._text = [], [], 0
        with on_disk(self._path.parent):
            self._keep(batch)

    def _keep(self, batch: pa.RecordBatch) -> None:
        if self._writer:
            self._writer.write(batch)
            return
        self._batches.append(batch)
        self.size += batch.nbytes
        if self.table.whole and self.size > IN_MEMORY:
            self._file = pa.OSFile(str(self._path), "wb")
            self._writer = pa.ipc.new_file(self._file, self.table.schema)
            for held in self._batches:
                self._writer.write(held)
            self._batches, self.size = [], 0


class TakenRows:
    """Rows for a package, in memory or in the file at `path`."""

    def __init__(self, table: Table, largest: int, batches: list[pa.RecordBatch], path: Path | None = None) -> None:
        self.table = table
        self.largest = largest
        self._batches = batches
        self._path = path

    def __iter__(self) -> Iterator[pa.Table]:
        """Yields the last row of each key, in one or more Arrow tables. Then frees the rows."""
        with ExitStack() as opened:
            batches = self._batches
            if self._path:
                file = pa.ipc.open_file(opened.enter_context(pa.memory_map(str(self._path))))
                batches = [file.get_batch(number) for number in range(file.num_record_batches)]
            whole = pa.Table.from_batches(batches, self.table.schema)
            kept = last_of_each_key(whole, self.table.key)
            if kept is None:
                yield from (whole.slice(start, SLICE) for start in range(0, max(whole.num_rows, 1), SLICE))
            else:
                yield from (whole.take(kept.slice(start, SLICE)) for start in range(0, len(kept), SLICE))
        self._batches = []

    def forget(self) -> None:
        self._batches = []
        if self._path:
            self._path.unlink(missing_ok=True)


def last_of_each_key(rows: pa.Table, key: list[str]) -> pa.Array | None:
    """Returns the positions of the rows to keep, in order; None if no two rows share a key."""
    numbered = rows.select(key).append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    last = numbered.group_by(key, use_threads=False).aggregate([("position", "max")]).column("position_max")
    return None if len(last) == rows.num_rows else last.take(pc.sort_indices(last))
