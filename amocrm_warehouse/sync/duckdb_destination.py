"""A DuckDB file that a sync writes to. DuckDB takes Arrow itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from amocrm_warehouse.database import MEMORY, MOST_MEMORY
from amocrm_warehouse.sync.destination import Destination, literal

CATALOG = "attached"
"""Name of the file's database in statements. By the file's own name, `amocrm` could be the database or the schema."""
GROUP_ROWS = 8_192
"""Rows of a row group, which DuckDB holds in memory with all its columns; its default is 122,880."""
BLOCK_BYTES = 1 << 14
"""Size of a block of a new file, the smallest. DuckDB holds the rows of a transaction in memory in blocks, at least two
for each column of each table."""
BETWEEN_TRANSACTIONS = "32MB"
"""Most memory that DuckDB keeps after a transaction. It would keep every block that it has written, up to its limit."""
NEW_ROWS = "new_rows"


class DuckDb(Destination):
    """A file is attached to a database in memory, because only ATTACH sets the size of row groups.

    DuckDB lets one process, and one connection in it, write to a file: that is the lock of a sync. A file without a
    byte is what an earlier sync left on a full disk. A new file to which nothing was written is removed again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._is_new = False
        self._staged: pa.Table | None = None
        self._limit = os.environ.get(MEMORY, MOST_MEMORY)

    def open(self, dataset: str, prefix: str) -> None:  # noqa: ARG002 - the whole file is locked
        self._is_new = not self._path.exists() or not self._path.stat().st_size
        if self._is_new:
            self._path.unlink(missing_ok=True)
        try:
            self._attach(self._limit)
        except duckdb.Error as error:
            if "replaying WAL" not in str(error):
                raise
            self._attach(None)  # the log of a sync that was killed does not fit into the limit
            self.execute(f"CHECKPOINT {CATALOG}")
            self._limit_memory(self._limit)
        if self._is_new:
            self._path.chmod(0o600)

    def _attach(self, limit: str | None) -> None:
        """`limit`: of DuckDB's memory; None for its own, which is most of the machine."""
        self._connection = duckdb.connect(
            config={"threads": 1, "temp_directory": f"{self._path}.tmp", "default_block_size": BLOCK_BYTES}
        )
        if limit:
            self._limit_memory(limit)
        self.execute("SET GLOBAL TimeZone = 'UTC'")
        try:
            self.execute(f"ATTACH {literal(str(self._path))} AS {CATALOG} (ROW_GROUP_SIZE {GROUP_ROWS})")
        except duckdb.BinderException as error:
            if "already attached" not in str(error):
                raise
            raise ValueError(f"{self._path} is open in this process. Close it there, or wait for its end") from None

    def close(self) -> None:
        if not self._connection:
            return
        is_unused = False
        with suppress(duckdb.Error):  # after some errors DuckDB answers nothing more
            is_unused = self._is_new and not self.query(
                f"SELECT 1 FROM duckdb_tables() WHERE database_name = '{CATALOG}'"
            )
        self._connection.close()
        if is_unused:
            self._path.unlink(missing_ok=True)

    def execute(self, sql: str) -> None:
        self._run(sql)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self._run(sql).fetchall()

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        assert self._connection
        if self._staged is not None:
            # a stream for each statement, which scans it once: for a table DuckDB imports pyarrow.dataset, of 20 MB
            self._connection.register(NEW_ROWS, self._staged.__arrow_c_stream__())
        return self._connection.execute(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                self.execute("ROLLBACK")
            raise
        with suppress(duckdb.OutOfMemoryException):
            self._limit_memory(BETWEEN_TRANSACTIONS)
        self._limit_memory(self._limit)

    def _limit_memory(self, limit: str) -> None:
        self.execute(f"SET GLOBAL memory_limit = {literal(limit)}")

    @contextmanager
    def staged(self, rows: pa.Table, like: str) -> Iterator[str]:  # noqa: ARG002 - DuckDB casts as it inserts
        assert self._connection
        self._staged = rows
        try:
            yield NEW_ROWS
        finally:
            self._staged = None
            self._connection.unregister(NEW_ROWS)

    def size(self, dataset: str, prefix: str) -> int:  # noqa: ARG002 - the file is not divided by tables
        return self._path.stat().st_size if self._path.exists() else 0

    def disk_free(self) -> int | None:
        return shutil.disk_usage(self._path.parent).free

    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_matches({text}, {pattern})"

    def qualified(self, *names: str) -> str:
        return super().qualified(CATALOG, *names)

    def columns(self, dataset: str) -> list[tuple[Any, ...]]:
        return self.query(
            "SELECT table_name, column_name FROM duckdb_columns() "
            f"WHERE database_name = '{CATALOG}' AND schema_name = {literal(dataset)}"
        )
