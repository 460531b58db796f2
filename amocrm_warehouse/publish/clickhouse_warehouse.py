"""ClickHouse as a warehouse of publish, over its HTTP interface. A schema is a database there.

An account's rows are one partition of each table. They are first loaded into a database of this account alone; then
each table takes the account's partition from there at once. A reader sees the partition before or the partition after.
A process that is killed leaves the tables as they were, or some of them new, and the next run drops that database.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.publish.published_tables import JSON, LIST, PROJECT, Column, Source, Table, in_native_types
from amocrm_warehouse.publish.shared_tables import SharedTables
from amocrm_warehouse.publish.warehouse import MADE_BY, PublishError, rows_missing

for chatty in ("urllib3.connectionpool", "clickhouse_connect"):
    logging.getLogger(chatty).setLevel(logging.ERROR)  # they warn of each retry; the last error is told in a sentence
PORT, TLS_PORTS = 8123, (443, 8443)
TRIES = 10
"""How often a partition is moved into a table to which other accounts are adding columns at the same time."""
TYPES = {
    pa.string(): "String",
    pa.int64(): "Int64",
    pa.float64(): "Float64",
    pa.bool_(): "Bool",
    pa.date32(): "Date32",
    pa.timestamp("us"): "DateTime64(6, 'UTC')",
    pa.timestamp("us", "UTC"): "DateTime64(6, 'UTC')",
    JSON: "String",
}
ADVICE = {
    "AUTHENTICATION_FAILED": "Correct the user in --to, or the password: in --to, or else in CLICKHOUSE_PASSWORD.",
    "REQUIRED_PASSWORD": "Put the password into CLICKHOUSE_PASSWORD.",
    "ACCESS_DENIED": "Let an administrator run GRANT CREATE, DROP, ALTER, INSERT, SELECT ON amocrm*.* TO this user.",
    "NOT_ENOUGH_SPACE": "The disk of the warehouse is full. Make room on it and publish again.",
    "Connection": "Start the server, or correct the host and the port in --to.",
}
"""What to do about an error, by words of its message."""


class ClickhouseWarehouse(SharedTables):
    """`address`: clickhouse://user@host:8123, with the password in CLICKHOUSE_PASSWORD.

    It has neither locks nor transactions over several tables.
    """

    columns = (
        "SELECT table, tables.comment, columns.name, columns.type, columns.comment FROM system.columns AS columns "
        "JOIN system.tables AS tables ON tables.database = columns.database AND tables.name = columns.table "
        "WHERE database = '{schema}' ORDER BY position"
    )

    def __init__(self, address: str) -> None:
        self._shown = without_password(address)
        self._server = _server(address)
        self.client: Any = None

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:
        """Replaces a project's partition of one table after another."""
        loading = {table.schema: f"{table.schema}_load_{project}" for table in tables}
        try:
            with clickhouse_connect.get_client(**self._server) as self.client:
                self.missing(tables)  # refuses before anything changes
                try:
                    for schema, own in loading.items():
                        self.execute(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
                        self.execute(f"DROP DATABASE IF EXISTS `{own}` SYNC")
                        self.execute(f"CREATE DATABASE `{own}`")
                    for _ in range(2):  # another account may have made a table since, without a column of this one
                        for statement in self.missing(tables):
                            self.execute(statement)
                    counts = {
                        table.full_name: _load(self, table, loading[table.schema], source, folder) for table in tables
                    }
                    for table in tables:
                        _put(self, project, table, loading[table.schema], counts[table.full_name])
                finally:
                    for own in loading.values():
                        with suppress(ClickHouseError):  # the next run drops it
                            self.execute(f"DROP DATABASE IF EXISTS `{own}` SYNC")
        except ClickHouseError as error:
            said = " ".join(without_password(str(error)).split()).rstrip(".")
            advice = next((advice for words, advice in ADVICE.items() if words in said), "Publish again.")
            raise PublishError(
                f"{self._shown} did not take the tables: {_of_network(error) or said}. {advice}"
            ) from None
        return counts

    def execute(self, sql: str) -> None:
        self.client.command(sql)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return [*self.client.query(sql).result_rows]

    def qualified(self, *names: str) -> str:
        return ".".join(f"`{name}`" for name in names)

    def kind(self, column: Column) -> str:
        if column.type == LIST:
            return "Array(String)"
        decimal = pa.types.is_decimal(column.type)
        kind = f"Decimal(38, {column.type.scale})" if decimal else TYPES[column.type]
        return kind if column.name == PROJECT else f"Nullable({kind})"

    def definition(self, column: Column) -> str:
        return f"{self.qualified(column.name)} {self.kind(column)} COMMENT {_literal(column.description)}"

    def created(self, table: Table) -> list[str]:
        columns = ", ".join(map(self.definition, table.columns))
        return [
            f"CREATE TABLE IF NOT EXISTS {self.name(table)} ({columns}) ENGINE = MergeTree PARTITION BY `{PROJECT}` "
            f"ORDER BY tuple() COMMENT '{MADE_BY}'"
        ]

    def described(self, table: Table, column: Column) -> list[str]:
        words = _literal(column.description)
        return [f"ALTER TABLE {self.name(table)} COMMENT COLUMN {self.qualified(column.name)} {words}"]

    def types_of(self, schema: str, table: str) -> dict[str, str]:
        """Returns the types of a table's columns, in their order."""
        found = self.query(self.columns.format(schema=schema))
        return {column: kind for name, _, column, kind, _ in found if name == table}


def _load(warehouse: ClickhouseWarehouse, table: Table, own: str, source: Source, folder: Path) -> int:
    """Loads the rows into a table of the database `own`. Returns their number."""
    warehouse.execute(f"CREATE TABLE `{own}`.`{table.name}` AS {warehouse.name(table)}")
    count = 0
    for batch in source.batches(table, folder):
        count += batch.num_rows
        rows = pa.Table.from_batches([in_native_types(batch, table)])
        warehouse.client.insert_arrow(table.name, rows, database=own)
    arrived = warehouse.query(f"SELECT count() FROM `{own}`.`{table.name}`")[0][0]
    if arrived != count:
        raise rows_missing(table.full_name, count, arrived)
    return count


def _put(warehouse: ClickhouseWarehouse, project: str, table: Table, own: str, count: int) -> None:
    """Moves the project's partition into the shared table. ClickHouse takes no partition without rows."""
    if not count:
        warehouse.execute(f"ALTER TABLE {warehouse.name(table)} DROP PARTITION '{project}'")
        return
    for left in reversed(range(TRIES)):
        here = warehouse.types_of(own, table.name)
        for name, kind in warehouse.types_of(table.schema, table.name).items():
            if name not in here:  # another account has added it
                warehouse.execute(f"ALTER TABLE `{own}`.`{table.name}` ADD COLUMN `{name}` {kind}")
        try:
            warehouse.execute(
                f"ALTER TABLE {warehouse.name(table)} REPLACE PARTITION '{project}' FROM `{own}`.`{table.name}`"
            )
            return
        except ClickHouseError as error:
            if not left or "INCOMPATIBLE_COLUMNS" not in str(error):
                raise


def _of_network(error: BaseException) -> str:
    """Returns what the network said if the server was not reached, else ""."""
    step: BaseException | None = error
    while step:
        if isinstance(step, OSError) and step.strerror:
            return step.strerror
        step = step.__cause__ or step.__context__
    return ""


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _server(address: str) -> dict[str, Any]:
    """Returns where the server is and who asks. Raises ValueError, which does not repeat the address."""
    try:
        url = urlsplit(address)
        if url.hostname and url.port != 0 and not url.path.strip("/") and not url.query and not url.fragment:
            port = url.port or PORT
            return {
                "host": url.hostname,
                "port": port,
                "secure": port in TLS_PORTS,
                "username": unquote(url.username or "default"),
                "password": unquote(url.password or "") or os.environ.get("CLICKHOUSE_PASSWORD", ""),
                "autogenerate_session_id": False,
            }
    except ValueError:
        pass  # the host or the port cannot be one
    raise ValueError(
        "ClickHouse is written clickhouse://user@host:8123, with the password in the environment variable "
        "CLICKHOUSE_PASSWORD; the ports 443 and 8443 are asked by TLS."
    )
