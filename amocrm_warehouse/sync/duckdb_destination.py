"""dlt's DuckDB destination, with one connection for all of a sync.

It attaches the file to a database in memory, because only ATTACH sets the size of row groups: DuckDB rewrites a table's
last row group with each package, and holds the whole group in memory meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlt.common.destination.client import RunnableLoadJob
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.duckdb.factory import duckdb as factory
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from duckdb import DuckDBPyConnection, connect

from amocrm_warehouse.sync.row_buffer import TakenRows
from amocrm_warehouse.sync.row_replacement import WithoutStaging, deletion

GROUP_ROWS = 8_192
"""Rows of a row group; DuckDB's default is 122,880."""
MEMORY, MOST_MEMORY = 64_000_000, 1_000_000_000
"""DuckDB's memory_limit for small rows, and for any rows (bytes).

Past it DuckDB spills into files beside the database; its default is most of the machine.
"""
COPIES = 12
"""How often DuckDB may need the size of the rows that it works on at a time, for JSON."""
LOG = "1MB"
"""Size of the log past which DuckDB moves new rows into its file. Until then it keeps them in the log and in memory."""
CATALOG = "attached"
"""Name of the file's database in statements. By the file's own name, `amocrm` could be the database or the schema."""


class SqlClient(DuckDbSqlClient):
    shared: DuckDBPyConnection
    """The connection of the sync. dlt opens one for each of its steps, which this one's cursors stand for."""

    def open_connection(self) -> DuckDBPyConnection:
        self._conn = self.shared.cursor()
        return self._conn

    def close_connection(self) -> None:
        if self._conn:
            self._conn.close()
            self._conn = None  # type: ignore[assignment] # as dlt has it

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:  # noqa: ARG002 - the same in any case
        return f'"{CATALOG}"' if quote else CATALOG


class ReplaceJob(RunnableLoadJob):
    def run(self) -> None:
        client = self._job_client.sql_client
        rows = f"read_parquet('{_literal(self._file_path)}')"
        table = client.make_qualified_table_name(self.load_table_name)
        with client.begin_transaction():
            if self._load_table["write_disposition"] != "append":
                client.execute_sql(deletion(client, self._load_table, rows))
            client.execute_sql(f"INSERT INTO {table} BY NAME SELECT * FROM {rows}")


class AmocrmDuckDbClient(WithoutStaging, DuckDbClient):
    def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client.__class__ = SqlClient

    def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> Any:
        job = super().create_load_job(table, file_path, load_id, restore)
        return ReplaceJob(file_path) if isinstance(job, DuckDbCopyJob) else job


class duckdb(factory):  # noqa: N801 - dlt stores a destination by the name of its class
    connection: DuckDBPyConnection | None = None

    @property
    def client_class(self) -> type[DuckDbClient]:
        return AmocrmDuckDbClient

    def client(self, schema: Any, initial_config: Any = None) -> Any:
        client = super().client(schema, initial_config)
        client.sql_client.shared = self.connection
        return client

    def open(self) -> None:
        """Opens the file, which no other process can open then."""
        path = str(self.config_params["credentials"].database)
        self.connection = connect(config={"threads": 1, "temp_directory": f"{path}.tmp"})
        self.make_room([])
        self.connection.execute(
            f"ATTACH '{_literal(path)}' AS {CATALOG} (ROW_GROUP_SIZE {GROUP_ROWS}); "
            f"SET GLOBAL checkpoint_threshold = '{LOG}'; SET GLOBAL TimeZone = 'UTC'"
        )

    def make_room(self, rows: Iterable[TakenRows]) -> None:
        """Lets DuckDB take as much memory as these rows need."""
        if self.connection:
            self.connection.execute(f"SET GLOBAL memory_limit = '{memory_for(rows)}B'")

    def close(self) -> None:
        if self.connection:
            self.connection.close()


def memory_for(rows: Iterable[TakenRows]) -> int:
    """Returns the memory_limit for the rows of a package, whose tables are loaded one after another (bytes)."""
    return min(MEMORY + COPIES * max((taken.at_once for taken in rows), default=0), MOST_MEMORY)


def _literal(text: str) -> str:
    return text.replace("'", "''")
