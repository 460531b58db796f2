"""A database on a server that publish writes to by dlt, and how PostgreSQL is one.

dlt loads an account's rows into a schema of this account alone. One transaction then puts them into the tables that all
accounts share, in the place of the account's rows there. A reader sees the rows before or the rows after, in all
tables alike. A process that is killed before the end of that transaction leaves the shared tables as they were, and
the next run of the account drops its schema.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from amocrm_warehouse.database_errors import RIGHTS, check_rights
from amocrm_warehouse.publish.published_tables import (
    JSON,
    LIST,
    MARTS,
    PROJECT,
    Batches,
    Column,
    PublishError,
    Table,
    foreign_tables,
    other_type,
)
from amocrm_warehouse.sync.destination import KINDS, destination
from amocrm_warehouse.sync.loader import DISK_FULL, DltSource, cause_of, dlt, reason_of
from amocrm_warehouse.sync.postgres_destination import lock_tables, one_sync_at_a_time
from amocrm_warehouse.sync.row_buffer import no_room

NAME = "amocrm_publish"
"""The dlt schema that lists the tables and columns that publish has made."""
LONGEST_NAME = 63
"""Letters of a schema's name in PostgreSQL, which cuts off what is more; MariaDB takes one more."""
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
    """`file_format`: of dlt's load packages. `loaded_at_once`: tables that are loaded in parallel, which takes memory.

    Methods raise PublishError.
    """

    file_format: str
    loaded_at_once = 4

    def __init__(self, made: Any) -> None:
        """`made`: dlt's destination."""
        os.environ.update(
            LOAD__WORKERS=str(self.loaded_at_once), SCHEMA__NAMING="direct", RESTORE_FROM_DESTINATION="false",
            NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION="true", EXTRACT__NEXT_ITEM_MODE="fifo",  # one table at a time
        )  # fmt: skip
        self._destination = made
        self._pipelines = dict[Path, Any]()

    def replace(self, project: str, tables: list[Table], batches: Batches, folder: Path) -> dict[str, int]:
        """Replaces the rows of a project in these tables, all at once. Returns the number of rows, by table.

        `folder`: empty, for load packages.
        """
        names = sorted({table.schema for table in tables})
        schemas = {name: [table for table in tables if table.schema == name] for name in names}
        lock = f"publish {names[0].removesuffix(f'_{MARTS}')} {project}"  # the same for marts and tables
        own = {schema: f"{schema}_load_{project}" for schema in schemas}
        if (longest := max(map(len, own.values()))) > LONGEST_NAME:
            raise PublishError(
                f"Choose a --schema with {longest - LONGEST_NAME} letters less: names are joined from it."
            )
        try:
            with self._one_writer(lock, [*schemas, *own.values()], folder) as transaction:
                for schema, of_schema in schemas.items():
                    with self._client(schema, folder) as client:
                        self._agree(client, of_schema)
                counts = dict[str, int]()
                for schema, of_schema in schemas.items():
                    with self._client(own[schema], folder) as client:
                        _drop(client.sql_client, own[schema])
                    counts |= self._load(own[schema], of_schema, batches, folder)
                    with self._alone(schema, folder), self._client(schema, folder) as client:
                        self._make(client, of_schema)
                self._take_turn(transaction, names)
                for table in tables:
                    _put(transaction, project, table, own[table.schema], counts[table.full_name])
                for schema in own.values():
                    _drop(transaction, schema)
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

    def _take_turn(self, transaction: Any, schemas: list[str]) -> None:
        """Waits, if the database needs that, until no other project is put into the tables of these schemas."""

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

    def _load(self, schema: str, tables: list[Table], batches: Batches, folder: Path) -> dict[str, int]:
        """Loads rows into the tables of a new schema. Returns the number of rows of each table."""
        counts = {table.full_name: 0 for table in tables}

        def rows(table: Table) -> Iterator[pa.RecordBatch]:
            for batch in batches(table):
                counts[table.full_name] += batch.num_rows
                yield batch

        resources = [
            dlt.resource(rows(table), name=table.name, columns=_columns(table), write_disposition="append")
            for table in tables
        ]
        pipeline = self._pipeline(schema, folder)
        pipeline.activate()
        pipeline.extract(DltSource(dlt.Schema(NAME), NAME, resources), loader_file_format=self.file_format)
        pipeline.normalize()
        pipeline.load()
        return counts

    def _make(self, client: Any, tables: list[Table]) -> None:
        """Makes the tables and columns that the warehouse does not have yet, and describes them."""
        new_words = self._agree(client, tables)
        client.schema = dlt.Schema.from_stored_schema(client.schema.to_dict())  # with the hash of what it holds now
        client.initialize_storage()
        made = client.update_stored_schema(force=True)
        sql = client.sql_client
        for name, table in (made or {}).items():
            if PROJECT in table["columns"]:
                index, column = (sql.escape_column_name(one) for one in (f"{name}_{PROJECT}", PROJECT))
                sql.execute_sql(f"CREATE INDEX {index} ON {sql.make_qualified_table_name(name)} ({column})")
        for table, column, description in new_words:
            self._describe(sql, table, column, description)

    def _agree(self, client: Any, tables: Iterable[Table]) -> list[tuple[str, str, str]]:
        """Lets dlt's schema of the client hold all that publish has made there, and these tables.

        Returns the tables and columns whose descriptions are new. Raises PublishError if something else has made one
        of the tables, or if a column has another type.
        """
        if client.is_storage_initialized():
            if stored := client.get_stored_schema(NAME):
                client.schema = dlt.Schema.from_stored_schema(json.loads(stored.schema))
            self._check_owner(client, [table for table in tables if table.name not in client.schema.tables])
        new_words = []
        for table in tables:
            made = client.schema.tables.get(table.name, {}).get("columns", {})
            for name, hints in _columns(table).items():
                before = made.get(name, {})
                if before and any(before.get(key) != hints.get(key) for key in OF_TYPE):
                    raise other_type(table.full_name, name, _type(hints), _type(before))
                if hints["description"] != before.get("description", ""):
                    new_words.append((table.name, name, hints["description"]))
            client.schema.update_table({"name": table.name, "columns": _columns(table), "write_disposition": "append"})
        return new_words

    def _check_owner(self, client: Any, tables: list[Table]) -> None:
        """Raises PublishError if one of the tables is there. An empty one was left behind by a run that was killed."""
        sql = client.sql_client
        there = {name: columns for name, columns in client.get_storage_tables([one.name for one in tables]) if columns}
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
    file_format = "csv"

    def __init__(self, address: str) -> None:
        super().__init__(destination(KINDS["postgresql"], address))

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
        with self._pipeline(schema, folder).sql_client() as client, one_sync_at_a_time(client, schema):
            yield

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


def _put(transaction: Any, project: str, table: Table, own: str, count: int) -> None:
    """Replaces the project's rows of a shared table by those in the schema `own`."""
    shared, loaded = (
        ".".join(transaction.make_qualified_table_name_path(table.name, dataset_name=schema))
        for schema in (table.schema, own)
    )
    own_rows = f"{transaction.escape_column_name(PROJECT)} = %s"
    transaction.execute_sql(f"DELETE FROM {shared} WHERE {own_rows}", project)
    if count:  # dlt makes no table for no rows
        columns = ", ".join(transaction.escape_column_name(name) for name in table.arrow.names)
        transaction.execute_sql(f"INSERT INTO {shared} ({columns}) SELECT {columns} FROM {loaded}")
    [(arrived,)] = transaction.execute_sql(f"SELECT count(*) FROM {shared} WHERE {own_rows}", project)
    if arrived != count:
        raise PublishError(
            f"Of the {count:,} rows of {table.full_name} {arrived:,} arrived. The warehouse is as before: run again."
        )


def _drop(client: Any, schema: str) -> None:
    with client.with_alternative_dataset_name(schema):
        if client.has_dataset():
            client.drop_dataset()


def _failed(error: Exception, folder: Path) -> ValueError:
    """Returns an error of dlt or of the database as a sentence."""
    step: BaseException | None = error
    while step:
        if isinstance(step, PublishError):
            return step
        step = step.__cause__ or step.__context__
    cause = cause_of(error)
    if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return no_room(folder, cause)
    reason = reason_of(error).rstrip(".")
    if getattr(cause, "pgcode", None) == DISK_FULL or os.strerror(errno.ENOSPC) in reason:
        return PublishError(
            f"The disk of the warehouse is full: {reason}. Make room on it and publish again. Its tables are as before."
        )
    return PublishError(f"The warehouse did not take the tables: {reason}. Its tables are as before.")
