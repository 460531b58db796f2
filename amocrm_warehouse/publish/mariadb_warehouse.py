"""MariaDB as a warehouse of publish. A schema is a database there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa
import pymysql

from amocrm_warehouse.publish.published_tables import PROJECT, Column, Table
from amocrm_warehouse.publish.sql_warehouse import SqlWarehouse
from amocrm_warehouse.publish.warehouse import MADE_BY, PublishError

LONGEST_COMMENT = 1024
"""Letters of a column's comment past which MariaDB refuses it."""
LONGEST_WAIT = 86_400
"""Time for which a project waits until another one has been put into the tables (seconds)."""
ROW = "_row"


class MariaWarehouse(SqlWarehouse):
    columns = (
        "SELECT table_name, table_comment, column_name, IF(data_type = 'decimal', column_type, data_type), "
        "column_comment FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = '{schema}'"
    )
    types: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("text", "json"), "longtext"),
        **dict.fromkeys(("timestamp with time zone", "timestamp without time zone"), "datetime(6)"),
    }
    kinds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("varchar", "longtext", "json"), "text"), **dict.fromkeys(("tinyint", "bool"), "bigint"),
        **dict.fromkeys(("timestamp with time zone", "timestamp without time zone"), "datetime"),
    }  # fmt: skip

    def __init__(self, address: str) -> None:
        self._server = _server(address)
        self._connection: Any = None

    @contextmanager
    def opened(self, lock: str, schemas: list[str]) -> Iterator[None]:  # noqa: ARG002 - what is missing, MariaDB says
        """The locks are the session's, and end with it."""
        with closing(pymysql.connect(**self._server, autocommit=True)) as self._connection:
            if not self._lock(lock, seconds=0):
                raise PublishError("Another publish writes these tables, on another machine. Wait for its end.")
            yield

    @contextmanager
    def making(self, schema: str) -> Iterator[None]:
        self._lock(f"publish {schema}")
        self.execute(f"CREATE DATABASE IF NOT EXISTS {self.qualified(schema)}")
        yield
        self.query(f"SELECT RELEASE_LOCK({_hashed(f'publish {schema}')})")

    @contextmanager
    def transaction(self, schemas: list[str]) -> Iterator[None]:
        """Waits for other projects: their deleted rows lock the gaps into which this one inserts."""
        for schema in schemas:
            self._lock(f"publish {schema}")
        self._connection.begin()
        yield
        self._connection.commit()

    def execute(self, sql: str) -> None:
        self.query(sql)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [*cursor.fetchall()]

    def copy(self, rows: pa.RecordBatch, table: str, columns: str, folder: Path) -> int:
        """Raises PublishError if MariaDB took a value as another one, which is a mere warning where files are local."""
        file = str(folder / "rows.csv")
        with duckdb.connect() as memory:
            memory.register("new_rows", pa.table([_plain(values) for values in rows.columns], rows.schema.names))
            memory.execute("COPY new_rows TO $file (FORMAT csv, HEADER false, NULLSTR 'NULL')", {"file": file})
        with self._connection.cursor() as cursor:
            added: int = cursor.execute(
                f"LOAD DATA LOCAL INFILE {_literal(file)} INTO TABLE {table} {FORMAT} ({columns})"
            )
            if cursor.execute("SHOW WARNINGS LIMIT 1"):
                raise PublishError(
                    f"MariaDB does not hold a value of {table}: {cursor.fetchone()[2]}. Its tables are as before."
                )
        return added

    def qualified(self, *names: str) -> str:
        return ".".join(f"`{name.replace('`', '``')}`" for name in names)

    def definition(self, column: Column) -> str:
        return f"{super().definition(column)} COMMENT {_literal(column.description[:LONGEST_COMMENT])}"

    def created(self, table: Table) -> list[str]:
        """The key begins with project_id, so one DELETE finds a project's rows; invisible `_row` only makes it
        unique."""
        columns = ", ".join(map(self.definition, table.columns))
        row = f"{ROW} BIGINT UNSIGNED NOT NULL INVISIBLE DEFAULT (UUID_SHORT()), PRIMARY KEY ({PROJECT}, {ROW})"
        return [f"CREATE TABLE {self.name(table)} ({columns}, {row}) CHARACTER SET utf8mb4 COMMENT {_literal(MADE_BY)}"]

    def _lock(self, name: str, seconds: int = LONGEST_WAIT) -> bool:
        """Takes a lock of this session. Returns whether it got the lock."""
        return bool(self.query(f"SELECT GET_LOCK({_hashed(name)}, {seconds})")[0][0])


FORMAT = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)
"""How LOAD DATA reads a file of rows."""


def _plain(values: pa.Array) -> pa.Array:
    """Returns values as MariaDB reads them: booleans as 1 and 0, moments in UTC without their zone."""
    plain = {pa.bool_(): pa.int8(), pa.timestamp("us", "UTC"): pa.timestamp("us")}
    return values.cast(plain.get(values.type, values.type))


def _hashed(lock: str) -> str:
    """Returns the name of a lock, which MariaDB bounds, as SQL."""
    return f"SHA2('{lock}', 256)"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _server(address: str) -> dict[str, Any]:
    """Returns where the server is and who asks. Raises ValueError, which does not repeat the address."""
    try:
        url = urlsplit(address)
        if url.hostname and url.port != 0 and not url.query and not url.fragment:
            return {
                "host": url.hostname,
                "port": url.port or 3306,
                "user": unquote(url.username or "root"),
                "password": unquote(url.password or "") or os.environ.get("MYSQL_PWD", ""),
                "database": url.path.strip("/") or None,
                "charset": "utf8mb4",
                "local_infile": True,
            }
    except ValueError:
        pass  # the host or the port cannot be one
    raise ValueError(
        "MariaDB is written mysql://user@host:port/name, with the password in the environment variable MYSQL_PWD."
    )
