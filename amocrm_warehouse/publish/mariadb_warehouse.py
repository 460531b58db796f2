"""MariaDB as a warehouse of publish, by dlt's SQLAlchemy destination. A schema is a database there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from dlt.destinations.impl.sqlalchemy.dialect import MysqlDialectCapabilities, register_dialect_capabilities
from dlt.destinations.impl.sqlalchemy.factory import sqlalchemy as factory
from dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client import SqlalchemyJobClient
from dlt.destinations.impl.sqlalchemy.type_mapper import MysqlVariantTypeMapper
from sqlalchemy import URL, String
from sqlalchemy.dialects.mysql import LONGTEXT

from amocrm_warehouse.publish.published_tables import PROJECT, PublishError
from amocrm_warehouse.publish.sql_warehouse import SqlWarehouse

LONGEST_COMMENT = 1024
"""Letters of a column's comment past which MariaDB refuses it."""
ROW = "_row"
LONGEST_WAIT = 86_400
"""Time for which a project waits until another one has been put into the tables (seconds)."""


class TypeMapper(MysqlVariantTypeMapper):
    def db_type_from_text_type(self, column: Any, table: Any) -> Any:  # noqa: ARG002
        """Texts without a bound are LONGTEXT: dlt's TEXT ends at 64 kB."""
        return String(column["precision"]) if column.get("precision") else LONGTEXT()

    def db_type_from_json_type(self, column: Any, table: Any) -> Any:  # noqa: ARG002
        """JSON travels as its text, which SQLAlchemy's type JSON would quote once more. MariaDB's JSON is LONGTEXT."""
        return LONGTEXT()


class Capabilities(MysqlDialectCapabilities):
    def type_mapper_class(self) -> type[TypeMapper]:
        return TypeMapper


register_dialect_capabilities("mysql", Capabilities)


class MariaClient(SqlalchemyJobClient):
    def _to_column_object(self, schema_column: Any, table: Any) -> Any:
        """Adds the description as the column's comment."""
        column = super()._to_column_object(schema_column, table)
        column.comment = (schema_column.get("description") or "")[:LONGEST_COMMENT] or None
        return column


class mariadb(factory):  # noqa: N801 - dlt stores a destination by the name of its class
    @property
    def client_class(self) -> type[MariaClient]:
        return MariaClient


class MariaWarehouse(SqlWarehouse):
    null = "NULL"
    plain = True
    kinds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("varchar", "longtext", "json"), "text"), **dict.fromkeys(("tinyint", "bool"), "bigint"),
        **dict.fromkeys(("timestamp with time zone", "timestamp without time zone"), "datetime"),
    }  # fmt: skip

    def __init__(self, address: str) -> None:
        super().__init__(mariadb(_url(address)))

    @contextmanager
    def _one_writer(self, lock: str, schemas: list[str], folder: Path) -> Iterator[Any]:
        with self._pipeline(schemas[0], folder).sql_client() as client:
            try:
                if not _lock(client, lock, seconds=0):
                    raise PublishError("Another publish writes these tables, on another machine. Wait for its end.")
                with client.begin_transaction():
                    yield client
            finally:
                client.execute_sql("SELECT RELEASE_ALL_LOCKS()")  # the connection returns to a pool

    @contextmanager
    def _alone(self, schema: str, folder: Path) -> Iterator[None]:
        with self._pipeline(schema, folder).sql_client() as client:
            try:
                _lock(client, f"publish {schema}")
                yield
            finally:
                client.execute_sql("SELECT RELEASE_ALL_LOCKS()")

    def _copy(self, transaction: Any, file: Path, table: str, columns: str) -> int:
        """Raises PublishError if MariaDB took a value as another one, which is a mere warning where files are local."""
        place = str(file).replace("\\", "\\\\").replace("'", "\\'")
        run = transaction.native_connection.exec_driver_sql
        added: int = run(
            f"LOAD DATA LOCAL INFILE '{place}' INTO TABLE {table} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' "
            f"OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' ({columns})"
        ).rowcount
        if warnings := run("SHOW WARNINGS LIMIT 1").fetchall():
            raise PublishError(f"MariaDB does not hold a value of {table}: {warnings[0][2]}. Its tables are as before.")
        return added

    def _index(self, client: Any, table: str) -> None:
        """InnoDB stores rows by their key: a project's stand together, and are deleted without a second index.

        No query shows the column that makes the key unique, unless it is named.
        """
        name = client.make_qualified_table_name(table)
        kind = "BIGINT UNSIGNED NOT NULL INVISIBLE DEFAULT (UUID_SHORT())"
        client.execute_sql(f"ALTER TABLE {name} ADD COLUMN {ROW} {kind}, ADD PRIMARY KEY ({PROJECT}, {ROW})")

    def _take_turn(self, transaction: Any, schemas: list[str]) -> None:
        """Waits for other projects: their deleted rows lock the gaps into which this one inserts."""
        for schema in schemas:
            _lock(transaction, f"publish {schema}")


def _lock(client: Any, name: str, seconds: int = LONGEST_WAIT) -> bool:
    """Takes a lock of this session. Returns whether it got the lock."""
    found = client.execute_sql(f"SELECT GET_LOCK(SHA2('{name}', 256), {seconds})")
    return bool(found[0][0])


def _url(address: str) -> str:
    """Returns SQLAlchemy's form of an address. Raises ValueError, which does not repeat the address."""
    try:
        url = urlsplit(address)
        if url.hostname and url.port != 0 and not url.query and not url.fragment:
            return URL.create(
                "mysql+pymysql",
                unquote(url.username or "root"),
                unquote(url.password or "") or os.environ.get("MYSQL_PWD"),
                url.hostname,
                url.port or 3306,
                url.path.strip("/") or None,
                {"charset": "utf8mb4", "local_infile": "1"},
            ).render_as_string(hide_password=False)
    except ValueError:
        pass  # the host or the port cannot be one
    raise ValueError(
        "MariaDB is written mysql://user@host:port/name, with the password in the environment variable MYSQL_PWD."
    )
