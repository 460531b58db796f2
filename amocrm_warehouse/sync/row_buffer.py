"""The rows of a table that wait for the next load package."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amocrm_warehouse.sync.arrow_table import Table
from amocrm_warehouse.this_machine import HOME

SLICE_ROWS = 10_000
SLICE_BYTES = 4 << 20
"""Rows, and bytes, past either of which an Arrow table ends and the next one begins."""
ROWS_AT_ONCE = 2_048
"""Rows that DuckDB works on at a time."""
IN_MEMORY = 1 << 20
"""Bytes of a table's rows that wait in memory; past them they wait on the disk."""

Size = tuple[int, int]
"""The rows and the bytes of an Arrow batch."""


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
    """Collects the Arrow batches of a table's rows, until `take` returns all of them and starts again with none.

    A whole table is taken when its list has ended. Past IN_MEMORY the rows wait in a file in `folder`. `count`: rows;
    `size`: bytes of the batches; `at_once`: bytes of the largest batches in a row with ROWS_AT_ONCE rows.
    """

    def __init__(self, table: Table, folder: Path) -> None:
        self.table = table
        self._path = folder / f"{table.stream}.arrow"
        self._begin()

    def _begin(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._file: pa.NativeFile | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._sizes = list[Size]()
        self._latest = deque[Size]()  # of the latest batches
        self.count = self.size = self.at_once = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.count += batch.num_rows
        self.size += batch.nbytes
        self._sizes.append((batch.num_rows, batch.nbytes))
        self._latest.append(self._sizes[-1])
        while sum(rows for rows, _ in self._latest) - self._latest[0][0] >= ROWS_AT_ONCE:
            self._latest.popleft()
        self.at_once = max(self.at_once, sum(size for _, size in self._latest))
        self._batches.append(batch)
        if self.size <= IN_MEMORY:
            return
        with on_disk(self._path.parent):
            if not self._writer:
                self._file = pa.OSFile(str(self._path), "wb")
                self._writer = pa.ipc.new_file(self._file, self.table.schema)
            for held in self._batches:
                self._writer.write(held)
        self._batches = []

    def take(self) -> TakenRows:
        path: Path | None = None
        with on_disk(self._path.parent):
            if self._file and self._writer:
                self._writer.close()
                self._file.close()
                path = self._path.replace(self._path.with_suffix(".taken"))  # the next rows may need a file meanwhile
        taken = TakenRows(self.table, self.at_once, self._sizes, self._batches, path)
        self._begin()
        return taken


class TakenRows:
    """Rows for a package, in memory or in the file at `path`. `at_once`: as that of `Rows`. `sizes`: of the batches."""

    def __init__(
        self, table: Table, at_once: int, sizes: list[Size], batches: list[pa.RecordBatch], path: Path | None = None
    ) -> None:
        self.table = table
        self.at_once = at_once
        self._sizes = sizes
        self._batches = batches
        self._path = path

    def __iter__(self) -> Iterator[pa.Table]:
        """Yields the last row of each key, in one or more Arrow tables. Then frees the rows.

        Of a file only the keys and one of these tables are in memory at a time.
        """
        columns = sorted(self.table.schema.get_field_index(name) for name in self.table.key)
        with self._opened(columns) as keys:
            of_keys = pa.schema([self.table.schema.field(column) for column in columns])
            kept = last_of_each_key(pa.Table.from_batches(keys, of_keys), self.table.key)
        start = 0
        with self._opened([*range(len(self.table.schema))]) as batches:
            for number in slices(self._sizes):
                part = pa.Table.from_batches(islice(batches, number), self.table.schema)
                end = start + part.num_rows
                if kept is None:
                    yield part
                else:
                    own = pc.and_(pc.greater_equal(kept, start), pc.less(kept, end))
                    yield part.take(pc.subtract(kept.filter(own), start))
                start = end
        self._batches = []

    @contextmanager
    def _opened(self, columns: list[int]) -> Iterator[Iterator[pa.RecordBatch]]:
        """Lets these columns of the batches be read, by their numbers in order, one batch after another."""
        if not self._path:
            yield (batch.select(columns) for batch in self._batches)
            return
        with pa.OSFile(str(self._path)) as source:
            file = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=columns))
            yield map(file.get_batch, range(file.num_record_batches))

    def write_parquet(self, path: Path) -> int:
        """Writes the last row of each key into a Parquet file. Returns how many.

        A dictionary, statistics and compression of a large text each hold another copy of it.
        """
        rows = 0
        with pq.ParquetWriter(
            path, self.table.schema, use_dictionary=False, write_statistics=False, compression="none"
        ) as file:
            for part in self:
                file.write_table(part)
                rows += part.num_rows
        return rows

    def forget(self) -> None:
        self._batches = []
        if self._path:
            self._path.unlink(missing_ok=True)


def slices(sizes: Iterable[Size]) -> Iterator[int]:
    """Yields the number of batches of each Arrow table; at least one table, an empty one if there are no batches."""
    number = rows = size = 0
    for more, its_size in sizes:
        if rows and (rows + more > SLICE_ROWS or size + its_size > SLICE_BYTES):
            yield number
            number = rows = size = 0
        number, rows, size = number + 1, rows + more, size + its_size
    yield number


def last_of_each_key(rows: pa.Table, key: list[str]) -> pa.Array | None:
    """Returns the positions of the rows to keep, in order; None if no two rows share a key."""
    numbered = rows.select(key).append_column("position", pa.array(range(rows.num_rows), pa.int64()))
    last = numbered.group_by(key, use_threads=False).aggregate([("position", "max")]).column("position_max")
    return None if len(last) == rows.num_rows else last.take(pc.sort_indices(last))
