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
from amocrm_warehouse.publish.published_tables import (
    JSON,
    LIST,
    PROJECT,
    Column,
    PublishError,
    Source,
    Table,
    foreign_tables,
    in_native_types,
    other_type,
)

for chatty in ("urllib3.connectionpool", "clickhouse_connect"):
    logging.getLogger(chatty).setLevel(logging.ERROR)  # they warn of each retry; the last error is told in a sentence
MADE_BY = "Made by source-amocrm publish"
"""The comment of each table that publish has made. It writes into no other."""
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


class ClickhouseWarehouse:
    """`address`: clickhouse://user@host:8123, with the password in CLICKHOUSE_PASSWORD. Methods raise PublishError."""

    def __init__(self, address: str) -> None:
        self._shown = without_password(address)
        self._server = _server(address)

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:  # noqa: ARG002
        """Replaces a project's partition of each table. Returns the number of rows, by table."""
        own = {table.schema: f"{table.schema}_load_{project}" for table in tables}
        try:
            with clickhouse_connect.get_client(**self._server) as client:
                _check(client, tables)
                try:
                    for schema, loading in own.items():
                        client.command(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
                        client.command(f"DROP DATABASE IF EXISTS `{loading}` SYNC")
                        client.command(f"CREATE DATABASE `{loading}`")
                    for table in tables:
                        _make(client, table)
                    counts = {table.full_name: _load(client, table, own[table.schema], source) for table in tables}
                    for table in tables:
                        _put(client, project, table, own[table.schema], counts[table.full_name])
                finally:
                    for loading in own.values():
                        with suppress(ClickHouseError):  # the next run drops it
                            client.command(f"DROP DATABASE IF EXISTS `{loading}` SYNC")
        except ClickHouseError as error:
            said = " ".join(without_password(str(error)).split()).rstrip(".")
            advice = next((advice for words, advice in ADVICE.items() if words in said), "Publish again.")
            raise PublishError(
                f"{self._shown} did not take the tables: {_of_network(error) or said}. {advice}"
            ) from None
        return counts


def _of_network(error: BaseException) -> str:
    """Returns what the network said if the server was not reached, else ""."""
    step: BaseException | None = error
    while step:
        if isinstance(step, OSError) and step.strerror:
            return step.strerror
        step = step.__cause__ or step.__context__
    return ""


def _check(client: Any, tables: list[Table]) -> None:
    """Raises PublishError if something else has made one of the tables, or if a column has another type."""
    found = client.query("SELECT database || '.' || name, comment FROM system.tables").result_rows
    comments = dict(found)
    if foreign := [table.full_name for table in tables if comments.get(table.full_name, MADE_BY) != MADE_BY]:
        raise foreign_tables(foreign)
    for table in tables:
        there = _columns_of(client, table.schema, table.name)
        for column in table.columns:
            if (kind := there.get(column.name, (_type(column),))[0]) != _type(column):
                raise other_type(table.full_name, column.name, _type(column), kind)


def _make(client: Any, table: Table) -> None:
    """Makes the table, its new columns and their comments."""
    columns = ", ".join(map(_definition, table.columns))
    client.command(
        f"CREATE TABLE IF NOT EXISTS {_name(table)} ({columns}) ENGINE = MergeTree PARTITION BY `{PROJECT}` "
        f"ORDER BY tuple() COMMENT '{MADE_BY}'"
    )
    there = _columns_of(client, table.schema, table.name)
    for column in table.columns:
        if column.name not in there:
            client.command(f"ALTER TABLE {_name(table)} ADD COLUMN IF NOT EXISTS {_definition(column)}")
        elif there[column.name][1] != column.description:
            words = _literal(column.description)
            client.command(f"ALTER TABLE {_name(table)} COMMENT COLUMN `{column.name}` {words}")


def _load(client: Any, table: Table, own: str, source: Source) -> int:
    """Loads the rows into a table of the database `own`. Returns their number."""
    client.command(f"CREATE TABLE `{own}`.`{table.name}` AS {_name(table)}")
    count = 0
    for batch in source.batches(table):
        count += batch.num_rows
        client.insert_arrow(table.name, pa.Table.from_batches([in_native_types(batch, table)]), database=own)
    arrived = client.query(f"SELECT count() FROM `{own}`.`{table.name}`").result_rows[0][0]
    if arrived != count:
        raise PublishError(
            f"Of the {count:,} rows of {table.full_name} {arrived:,} arrived. The warehouse is as before: run again."
        )
    return count


def _put(client: Any, project: str, table: Table, own: str, count: int) -> None:
    """Moves the project's partition into the shared table. ClickHouse takes no partition without rows."""
    if not count:
        client.command(f"ALTER TABLE {_name(table)} DROP PARTITION '{project}'")
        return
    for left in reversed(range(TRIES)):
        here = _columns_of(client, own, table.name)
        for name, (kind, _) in _columns_of(client, table.schema, table.name).items():
            if name not in here:  # another account has added it
                client.command(f"ALTER TABLE `{own}`.`{table.name}` ADD COLUMN `{name}` {kind}")
        try:
            client.command(f"ALTER TABLE {_name(table)} REPLACE PARTITION '{project}' FROM `{own}`.`{table.name}`")
            return
        except ClickHouseError as error:
            if not left or "INCOMPATIBLE_COLUMNS" not in str(error):
                raise


def _columns_of(client: Any, database: str, table: str) -> dict[str, tuple[str, str]]:
    """Returns the type and the comment of each column of a table."""
    where = f"database = '{database}' AND table = '{table}'"
    found = client.query(f"SELECT name, type, comment FROM system.columns WHERE {where} ORDER BY position").result_rows
    return {name: (kind, comment) for name, kind, comment in found}


def _definition(column: Column) -> str:
    return f"`{column.name}` {_type(column)} COMMENT {_literal(column.description)}"


def _type(column: Column) -> str:
    if column.type == LIST:
        return "Array(String)"
    decimal = pa.types.is_decimal(column.type)
    kind = f"Decimal(38, {column.type.scale})" if decimal else TYPES[column.type]
    return kind if column.name == PROJECT else f"Nullable({kind})"


def _name(table: Table) -> str:
    return f"`{table.schema}`.`{table.name}`"


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
