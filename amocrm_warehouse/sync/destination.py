"""What a sync needs of a database, and which databases there are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.database_address import duckdb_file, is_file, postgres_url

if TYPE_CHECKING:
    import pyarrow as pa


class LoadError(ValueError):
    """Says in a sentence why the database could not be opened, read or written."""


class Destination:
    """A database that a sync writes to. It is used in one thread at a time. Methods raise what its driver raises.

    `types`: SQL types by the kind of a column. `longest_name`: the most letters of a name.
    """

    types: Mapping[str, str] = {
        "integer": "BIGINT",
        "number": "NUMERIC(38, 9)",
        "boolean": "BOOLEAN",
        "time": "TIMESTAMP WITH TIME ZONE",
        "json": "JSON",
        "string": "VARCHAR",
    }
    longest_name = 1 << 16

    def open(self, dataset: str, prefix: str) -> None:
        """Connects, and locks the tables of this prefix until `close`. Raises LoadError if another sync has them,
        or if rights are missing."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def execute(self, sql: str) -> None:
        raise NotImplementedError

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[None]:
        """Commits the statements of the block together, or none of them. Raises if the lock is lost."""
        raise NotImplementedError

    def staged(self, rows: pa.Table, like: str) -> AbstractContextManager[str]:
        """Yields the SQL name of a relation of these rows, within a transaction. `like`: the table that they go to."""
        raise NotImplementedError

    def make_schema(self, name: str) -> None:
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.qualified(name)}")

    def size(self, dataset: str, prefix: str) -> int:
        """Returns the bytes of the tables of this prefix, or of all that is in the same file."""
        raise NotImplementedError

    def disk_free(self) -> int | None:
        """Returns the free bytes of the database's disk; None if only the server knows them."""
        return None

    def matches(self, text: str, pattern: str) -> str:
        """Returns the condition in SQL that a text holds a match of a regular expression."""
        raise NotImplementedError

    def qualified(self, *names: str) -> str:
        """Returns the SQL name of a schema, or of a table in it."""
        return ".".join(map(quoted, names))

    def columns(self, dataset: str) -> list[tuple[Any, ...]]:
        """Returns the table and the name of each column of a schema."""
        return self.query(
            f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = {literal(dataset)}"
        )


def destination(address: str) -> Destination:
    """Returns the database of an address, not yet opened. Raises ValueError for an unknown kind or a wrong address."""
    if is_file(address):
        from amocrm_warehouse.sync.duckdb_destination import DuckDb

        return DuckDb(duckdb_file(address))
    url = postgres_url(address)
    from amocrm_warehouse.sync.postgres_destination import Postgres

    return Postgres(url)


def quoted(name: str) -> str:
    """Returns a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text for SQL."""
    return "'" + text.replace("'", "''") + "'"
