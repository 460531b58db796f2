"""A database on a server that publish writes to by dlt, and how PostgreSQL is one.

dlt makes the tables that all accounts share, and their new columns. An account's rows are written into files first; one
transaction then puts them into the tables, in the place of the account's rows there. A reader sees the rows before or
the rows after, in all tables alike. A process that is killed leaves the tables as they were.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from amocrm_warehouse.database_errors import RIGHTS, check_rights
from amocrm_warehouse.publish.pipelines import (
    cause_of,
    dlt,
    has_no_room,
    lock_tables,
    no_room,
    one_at_a_time,
    postgres_of,
    reason_of,
)
from amocrm_warehouse.publish.published_tables import (
    JSON,
    LIST,
    MARTS,
    PROJECT,
    Column,
    PublishError,
    Source,
    Table,
    foreign_tables,
    other_type,
)
from amocrm_warehouse.sync.loader import DISK_FULL

NAME = "amocrm_publish"
"""The dlt schema that lists the tables and columns that publish has made."""
LONGEST_PROJECT = 64
"""Letters of a project's id; MariaDB makes an index of a text only if the text has a bound."""
TYPES: dict[pa.DataType, dict[str, Any]] = {
    pa.string(): {"data_type": "text"},
    pa.int64(): {"data_type": "bigint"},
    pa.float64(): {"data_type": "double"},
    pa.bool_(): {"data_type": "bool"},
    pa.date32(): {"data_type": "date"},
    pa.timestamp("us"): {"data_type": "timestamp", "timezone": False},
    pa.timestamp("us", "UTC"): {"data_type": "timestamp", "timezone": True},
    JSON: {"data_type": "json"},
    LIST: {"data_type": "json"},
}
"""dlt's hint of each type."""
OF_TYPE = ("data_type", "precision", "scale", "timezone")


class SqlWarehouse:
    """Methods raise PublishError.

    `null`, `plain`: how its files of rows are written, as of Source.write_csv. `kinds`: types of the database, and of
    dlt, each with the name of a type that holds the same; a type that is not in it has its own.
    """

    null = ""
    plain = False
    kinds: ClassVar[Mapping[str, str]] = {}

    def __init__(self, made: Any) -> None:
        """`made`: dlt's destination."""
        os.environ.update(SCHEMA__NAMING="direct", RESTORE_FROM_DESTINATION="false")
        self._destination = made
        self._pipelines = dict[Path, Any]()

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:
        """Replaces the rows of a project in these tables, all at once. Returns the number of rows, by table.

        `folder`: empty, for the files of rows.
        """
        names = sorted({table.schema for table in tables})
        schemas = {name: [table for table in tables if table.schema == name] for name in names}
        lock = f"publish {names[0].removesuffix(f'_{MARTS}')} {project}"  # the same for marts and tables
        try:
            with self._one_writer(lock, names, folder) as transaction:
                for schema, of_schema in schemas.items():
                    with self._alone(schema, folder), self._client(schema, folder) as client:
                        self._agree(client, of_schema)
                counts = dict[str, int]()
                for table in tables:
                    counts[table.full_name] = source.write_csv(table, _file(table, folder), self.null, plain=self.plain)
                for schema, of_schema in schemas.items():
                    with self._alone(schema, folder), self._client(schema, folder) as client:
                        self._make(client, of_schema)
                self._take_turn(transaction, names)
                for table in tables:
                    copy = partial(self._copy, transaction, _file(table, folder))
                    _put(transaction, project, table, counts[table.full_name], copy)
                transaction.commit_transaction()
        except PublishError:
            raise
        except Exception as error:
            raise _failed(error, folder) from None
        return counts

    def _one_writer(self, lock: str, schemas: list[str], folder: Path) -> AbstractContextManager[Any]:
        """Takes the lock of a project. Yields dlt's SQL client with an open transaction.

        Raises ValueError if another machine publishes the project, or if this user may not create one of the schemas.
        """
        raise NotImplementedError

    def _alone(self, schema: str, folder: Path) -> AbstractContextManager[None]:
        """Keeps other projects from changing the tables of the schema in the block."""
        raise NotImplementedError

    def _copy(self, transaction: Any, file: Path, table: str, columns: str) -> int:
        """Adds the rows of a file to a table. Returns how many. `table`, `columns`: as they stand in SQL."""
        raise NotImplementedError

    def _take_turn(self, transaction: Any, schemas: list[str]) -> None:
        """Waits, if the database needs that, until no other project is put into the tables of these schemas."""

    def _index(self, client: Any, table: str) -> None:
        """Lets a project's rows be found in a new table."""
        index, column = (client.escape_column_name(one) for one in (f"{table}_{PROJECT}", PROJECT))
        client.execute_sql(f"CREATE INDEX {index} ON {client.make_qualified_table_name(table)} ({column})")

    def _describe(self, client: Any, table: str, column: str, description: str) -> None:
        """Writes the description of a column, if that was not done when the column was made."""

    def _pipeline(self, schema: str, folder: Path) -> Any:
        """Returns dlt's pipeline into a schema of the warehouse. To make one takes a third of a second."""
        if (place := folder / schema) not in self._pipelines:
            self._pipelines[place] = dlt.pipeline(
                NAME, pipelines_dir=str(place), destination=self._destination, dataset_name=schema
            )
        return self._pipelines[place]

    def _client(self, schema: str, folder: Path) -> Any:
        """Returns dlt's client of a schema of the warehouse."""
        return self._pipeline(schema, folder).destination_client()

    def _make(self, client: Any, tables: list[Table]) -> None:
        """Makes the tables and columns that the warehouse does not have yet, and describes them."""
        new_words = self._agree(client, tables)
        client.schema = dlt.Schema.from_stored_schema(client.schema.to_dict())  # with the hash of what it holds now
        client.initialize_storage()
        made = client.update_stored_schema(force=True)
        sql = client.sql_client
        for name, table in (made or {}).items():
            if PROJECT in table["columns"]:
                self._index(sql, name)
        for table, column, description in new_words:
            self._describe(sql, table, column, description)

    def _agree(self, client: Any, tables: Iterable[Table]) -> list[tuple[str, str, str]]:
        """Lets dlt's schema of the client hold all that publish has made there, and these tables.

        Returns the tables and columns whose descriptions are new. Raises PublishError if something else has made one
        of the tables, or if a column has another type, by dlt's schema or in the database.
        """
        there = dict[str, dict[str, str]]()
        if client.is_storage_initialized():
            if stored := client.get_stored_schema(NAME):
                client.schema = dlt.Schema.from_stored_schema(json.loads(stored.schema))
            there = self._columns_there(client.sql_client)
            self._check_owner(client, there, [table for table in tables if table.name not in client.schema.tables])
        new_words = []
        for table in tables:
            if table.name not in there and table.name in client.schema.tables:
                client.schema.drop_tables([table.name])  # somebody has dropped it, so its types count no more
            made = client.schema.tables.get(table.name, {}).get("columns", {})
            for name, hints in _columns(table).items():
                before, held = made.get(name, {}), there.get(table.name, {}).get(name)
                if before and any(before.get(key) != hints.get(key) for key in OF_TYPE):
                    raise other_type(table.full_name, name, _type(hints), _type(before))
                if held and self.kinds.get(held, held) != self.kinds.get(_type(hints), _type(hints)):
                    raise other_type(table.full_name, name, _type(hints), held)
                if hints["description"] != before.get("description", ""):
                    new_words.append((table.name, name, hints["description"]))
            client.schema.update_table({"name": table.name, "columns": _columns(table), "write_disposition": "append"})
        return new_words

    def _columns_there(self, sql: Any) -> dict[str, dict[str, str]]:
        """Returns the types of the columns of each table of a schema, as the database has them."""
        found: dict[str, dict[str, str]] = {}
        columns = (
            "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale "
            "FROM information_schema.columns WHERE table_schema = %s"
        )
        for table, name, kind, precision, scale in sql.execute_sql(columns, sql.dataset_name):
            is_decimal = kind in ("numeric", "decimal")
            found.setdefault(table, {})[name] = f"decimal({precision},{scale})" if is_decimal else kind
        return found

    def _check_owner(self, client: Any, there: Mapping[str, Any], tables: list[Table]) -> None:
        """Raises PublishError if one of the tables is there. An empty one was left behind by a run that was killed.

        `there`: the columns of each table in the database.
        """
        sql = client.sql_client
        foreign = [
            table.full_name
            for table in tables
            if table.name in there
            and (
                not there[table.name].keys() >= set(table.arrow.names)
                or sql.execute_sql(f"SELECT 1 FROM {sql.make_qualified_table_name(table.name)} LIMIT 1")
            )
        ]
        if foreign:
            raise foreign_tables(foreign)


class PostgresWarehouse(SqlWarehouse):
    kinds: ClassVar[Mapping[str, str]] = {
        "character varying": "text", "double precision": "double", "boolean": "bool", "jsonb": "json",
    }  # fmt: skip

    def __init__(self, address: str) -> None:
        super().__init__(postgres_of(address))

    @contextmanager
    def _one_writer(self, lock: str, schemas: list[str], folder: Path) -> Iterator[Any]:
        with self._pipeline(schemas[0], folder).sql_client() as client:
            if holder := lock_tables(client, lock):
                raise PublishError(f"Another publish writes these tables: {holder}. Wait for its end.")
            found: Any = client.execute_sql(RIGHTS.format(schemas=",".join(schemas)))
            try:
                check_rights([sql for (sql,) in found if sql])
            except ValueError as error:
                raise PublishError(str(error)) from None
            yield client

    @contextmanager
    def _alone(self, schema: str, folder: Path) -> Iterator[None]:
        with self._pipeline(schema, folder).sql_client() as client, one_at_a_time(client, schema):
            yield

    def _copy(self, transaction: Any, file: Path, table: str, columns: str) -> int:
        with file.open("rb") as rows, transaction.native_connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)", rows)
            added: int = cursor.rowcount
        return added

    def _describe(self, client: Any, table: str, column: str, description: str) -> None:
        name = f"{client.make_qualified_table_name(table)}.{client.escape_column_name(column)}"
        client.execute_sql(f"COMMENT ON COLUMN {name} IS {client.capabilities.escape_literal(description)}")


def _columns(table: Table) -> dict[str, dict[str, Any]]:
    """Returns dlt's hints of the columns of a table."""
    return {column.name: _hints(column) for column in table.columns}


def _hints(column: Column) -> dict[str, Any]:
    hints = {"name": column.name, "description": column.description, "nullable": column.name != PROJECT}
    if pa.types.is_decimal(column.type):
        return {**hints, "data_type": "decimal", "precision": 38, "scale": column.type.scale}
    bound = {"precision": LONGEST_PROJECT} if column.name == PROJECT else {}
    return {**hints, **TYPES[column.type], **bound}


def _type(hints: Mapping[str, Any]) -> str:
    scale = f"({hints['precision']},{hints['scale']})" if "scale" in hints else ""
    zone = {True: " with time zone", False: " without time zone"}.get(hints.get("timezone"), "")  # type: ignore[arg-type]
    return f"{hints['data_type']}{scale}{zone}"


def _file(table: Table, folder: Path) -> Path:
    return folder / f"{table.full_name}.csv"


def _put(transaction: Any, project: str, table: Table, count: int, copy: Callable[[str, str], int]) -> None:
    """Replaces the project's rows of a shared table. `copy`: adds the new ones. `count`: how many these are."""
    shared = ".".join(transaction.make_qualified_table_name_path(table.name, dataset_name=table.schema))
    own_rows = f"{transaction.escape_column_name(PROJECT)} = %s"
    transaction.execute_sql(f"DELETE FROM {shared} WHERE {own_rows}", project)
    arrived = copy(shared, ", ".join(transaction.escape_column_name(name) for name in table.arrow.names))
    if arrived != count:
        raise PublishError(
            f"Of the {count:,} rows of {table.full_name} {arrived:,} arrived. The warehouse is as before: run again."
        )


def _failed(error: Exception, folder: Path) -> ValueError:
    """Returns an error of dlt or of the database as a sentence."""
    step: BaseException | None = error
    while step:
        if isinstance(step, PublishError):
            return step
        step = step.__cause__ or step.__context__
    cause = cause_of(error)
    if isinstance(cause, OSError) and has_no_room(cause):
        return no_room(folder, cause)
    if isinstance(cause, duckdb.IOException) and os.strerror(errno.ENOSPC) in str(cause):
        return no_room(folder, OSError(errno.ENOSPC, ""))
    reason = reason_of(error).rstrip(".")
    if getattr(cause, "pgcode", None) == DISK_FULL or os.strerror(errno.ENOSPC) in reason:
        return PublishError(
            f"The disk of the warehouse is full: {reason}. Make room on it and publish again. Its tables are as before."
        )
    return PublishError(f"The warehouse did not take the tables: {reason}. Its tables are as before.")
