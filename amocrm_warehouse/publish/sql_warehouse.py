"""A database on a server that publish writes to.

One transaction puts an account's rows in the place of those that the account had. A reader sees the rows before or the
rows after, in all tables alike. A process that is killed leaves the rows as they were.
"""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pyarrow as pa

from amocrm_warehouse.database_errors import why
from amocrm_warehouse.publish.published_tables import MARTS, PROJECT, Source, Table
from amocrm_warehouse.publish.shared_tables import SharedTables
from amocrm_warehouse.publish.warehouse import PublishError, rows_missing
from amocrm_warehouse.sync.destination import LoadError
from amocrm_warehouse.sync.loader import DISK_FULL
from amocrm_warehouse.this_machine import HOME


class SqlWarehouse(SharedTables):
    """Methods of one database raise what its driver raises."""

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:
        """Replaces them all at once."""
        schemas = sorted({table.schema for table in tables})
        lock = f"publish {schemas[0].removesuffix(f'_{MARTS}')} {project}"  # the same for marts and tables
        try:
            with self.opened(lock, schemas):
                self.missing(tables)  # refuses before anything changes
                for schema in schemas:
                    with self.making(schema):
                        for statement in self.missing([table for table in tables if table.schema == schema]):
                            self.execute(statement)
                with self.transaction(schemas):
                    return {table.full_name: _put(self, project, table, source, folder) for table in tables}
        except (PublishError, LoadError):
            raise
        except Exception as error:
            raise _failed(error, folder) from None

    def opened(self, lock: str, schemas: list[str]) -> AbstractContextManager[None]:
        """Connects, and holds the lock of a project in the block.

        Raises ValueError if another machine publishes the project, or if this user may not create one of the schemas.
        """
        raise NotImplementedError

    def making(self, schema: str) -> AbstractContextManager[None]:
        """Makes the schema if it is missing, and keeps other projects from changing its tables in the block."""
        raise NotImplementedError

    def transaction(self, schemas: list[str]) -> AbstractContextManager[None]:
        """Commits the statements of the block together, or none of them."""
        raise NotImplementedError

    def copy(self, rows: pa.RecordBatch, table: str, columns: str, folder: Path) -> int:
        """Adds rows to a table. Returns how many it has kept. `table`, `columns`: as they stand in SQL."""
        raise NotImplementedError


def _put(warehouse: SqlWarehouse, project: str, table: Table, source: Source, folder: Path) -> int:
    """Replaces the project's rows of a shared table. Returns how many there are now."""
    shared = warehouse.name(table)
    warehouse.execute(f"DELETE FROM {shared} WHERE {warehouse.qualified(PROJECT)} = '{project}'")
    columns = ", ".join(map(warehouse.qualified, table.arrow.names))
    count = arrived = 0
    for rows in source.batches(table, folder):
        count += rows.num_rows
        arrived += warehouse.copy(rows, shared, columns, folder)
    if arrived != count:
        raise rows_missing(table.full_name, count, arrived)
    return count


def _failed(error: Exception, folder: Path) -> PublishError:
    """Returns an error of this machine or of the database as a sentence."""
    full, reason = os.strerror(errno.ENOSPC), why(error).rstrip(".")
    if isinstance(error, (OSError, duckdb.IOException)) and full in str(error):
        return PublishError(
            f"Rows under way cannot be kept in {folder}: {full}. Make room there, or name another folder in {HOME}."
        )
    if getattr(error, "pgcode", None) == DISK_FULL or full in reason:
        return PublishError(
            f"The disk of the warehouse is full: {reason}. Make room on it and publish again. Its tables are as before."
        )
    return PublishError(f"The warehouse did not take the tables: {reason}. Its tables are as before.")
