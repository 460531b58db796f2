"""A PostgreSQL server that a sync writes to. Rows go by COPY into a temporary table, which no log of the server holds.

The driver is psycopg2, which dbt brings and by which everything else reads PostgreSQL; Arrow writes the CSV that COPY
takes. A second driver (ADBC) would save a second of a first sync of 50,000 deals.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult

import psycopg2
import pyarrow as pa
from pyarrow import csv

from amocrm_warehouse.database import server_connection
from amocrm_warehouse.database_errors import RIGHTS, check_rights
from amocrm_warehouse.sync.destination import Destination, LoadError, literal, quoted

LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('source-amocrm'), hashtext(%s))"
HOLDER = (
    "SELECT coalesce(host(client_addr), 'the server itself'), backend_start FROM pg_locks "
    "JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND classid = hashtext('source-amocrm')::oid AND objid = hashtext(%s)::oid"
)
TEMPORARY = (
    "SELECT format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user) "
    "WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')"
)
"""The statement that lets this user make temporary tables; no row if it may."""
NEW_ROWS = "pg_temp.new_rows"
COPY_BYTES = 4 << 20
"""Bytes of Arrow rows in one COPY."""


class Postgres(Destination):
    types: Mapping[str, str] = {**Destination.types, "json": "JSONB"}
    longest_name = 63

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._locking: Any = None
        self._connection: Any = None

    def open(self, dataset: str, prefix: str) -> None:
        self.connect(f"{dataset}.{prefix}", "sync", RIGHTS.format(schemas=dataset), TEMPORARY)

    def connect(self, locked: str, command: str, *rights: str) -> None:
        """Connects, and holds the lock `locked` until `close`. Raises LoadError if another process holds it.

        `command`: the word for whoever holds the lock. `rights`: queries of the statements that grant a missing right.
        """
        self._locking = server_connection(self._url)
        if holder := lock(self._locking, locked):
            raise LoadError(
                f"Another {command} writes to these tables: {holder}. One writes at a time; wait for its end."
            )
        self._connection = server_connection(self._url)
        self._connection.autocommit = True
        try:
            check_rights([sql for query in rights for (sql,) in self.query(query) if sql])
        except ValueError as error:
            raise LoadError(str(error)) from None

    def close(self) -> None:
        for connection in filter(None, (self._connection, self._locking)):
            # a rollback waits until the server has released the lock, a close does not
            for end in (connection.rollback, connection.close):
                with suppress(psycopg2.Error):
                    end()

    def execute(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()  # type: ignore[no-any-return]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._locking.cursor() as cursor:
            cursor.execute("SELECT 1")  # fails if the connection, and the lock with it, is gone
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(psycopg2.Error):
                self.execute("ROLLBACK")
            raise

    def make_schema(self, name: str) -> None:
        """Keeps others from making it until the end of the transaction: two at once would fail.

        Whoever may write to a schema that is there may perhaps make none.
        """
        self.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(name)}, 1))")
        if not self.query(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(name)}"):
            super().make_schema(name)

    def size(self, dataset: str, prefix: str) -> int:
        [(size,)] = self.query(
            "SELECT coalesce(sum(pg_total_relation_size(tables.oid)), 0) FROM pg_class AS tables "
            "JOIN pg_namespace AS home ON home.oid = relnamespace WHERE relkind = 'r' "
            f"AND nspname = {literal(dataset)} AND starts_with(relname, {literal(prefix)})"
        )
        return int(size)

    def matches(self, text: str, pattern: str) -> str:
        return f"{text} ~ {pattern}"

    @contextmanager
    def staged(self, rows: pa.Table, like: str) -> Iterator[str]:
        columns = ", ".join(map(quoted, rows.column_names))
        self.execute(f"CREATE TEMPORARY TABLE new_rows ON COMMIT DROP AS SELECT {columns} FROM {like} LIMIT 0")
        self.copy(rows, f"{NEW_ROWS} ({columns})")
        yield NEW_ROWS
        self.execute(f"DROP TABLE {NEW_ROWS}")

    def copy(self, rows: pa.Table, into: str) -> int:
        """Adds rows to a table. Returns how many it has kept. `into`: its SQL name and its columns."""
        kept, at_once = 0, max(1, rows.num_rows * COPY_BYTES // max(rows.nbytes, COPY_BYTES))
        with self._connection.cursor() as cursor:
            for start in range(0, rows.num_rows, at_once):
                file = io.BytesIO()
                csv.write_csv(rows.slice(start, at_once), file, csv.WriteOptions(include_header=False))
                file.seek(0)
                cursor.copy_expert(f"COPY {into} FROM STDIN (FORMAT csv)", file)
                kept += cursor.rowcount
        return kept


def lock(connection: Any, name: str) -> str | None:
    """Takes a lock while this connection lives, against other machines too. Returns whoever holds the lock already.

    The lock is one of a transaction that stays open, because a connection pooler would keep the lock of a session.
    Raises ValueError for a database whose texts are not in UTF-8.
    """
    if (encoding := connection.get_parameter_status("server_encoding")) != "UTF8":
        raise ValueError(
            f"it keeps texts in {encoding}, which lacks letters and emoji that amoCRM has. Make one with CREATE "
            "DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(LOCK, (name,))
        if cursor.fetchone()[0]:
            return None
        cursor.execute(HOLDER, (name,))
        holder = cursor.fetchone()
    return f"a connection from {holder[0]}, since {holder[1]:%Y-%m-%d %H:%M:%S %Z}" if holder else "it has just ended"
