"""dlt's DuckDB destination, which attaches the file to a database in memory: only ATTACH sets the size of row groups.

DuckDB rewrites a table's last row group with each package, and holds the whole group in memory meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.factory import duckdb as factory
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from amocrm_warehouse.sync.row_buffer import TakenRows

GROUP_ROWS = 8_192
"""Rows of a row group; DuckDB's default is 122,880."""
MEMORY, MOST_MEMORY = 96_000_000, 1_000_000_000
"""DuckDB's memory_limit for small rows, and for any rows (bytes).

Past it DuckDB spills into files beside the database; its default is most of the machine.
"""
ROWS_AT_ONCE, COPIES = 2_048, 12
"""Rows that DuckDB works on at a time, and how often it may need the size of such rows for JSON."""
LOG = "1MB"
"""Size of the log past which DuckDB moves new rows into its file. Until then it keeps them in the log and in memory."""
CATALOG = "attached"
"""Name of the file's database in statements. By the file's own name, `amocrm` could be the database or the schema."""


class SqlClient(DuckDbSqlClient):
    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:  # noqa: ARG002 - the same in any case
        return f'"{CATALOG}"' if quote else CATALOG


class AmocrmDuckDbClient(DuckDbClient):
    def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client.__class__ = SqlClient
        memory = f":memory:{config.credentials.database}"  # all of dlt's connections share this database
        config.credentials._conn_str = lambda: memory


class duckdb(factory):  # noqa: N801 - dlt stores a destination by the name of its class
    @property
    def client_class(self) -> type[DuckDbClient]:
        return AmocrmDuckDbClient

    def make_room(self, rows: Iterable[TakenRows]) -> None:
        """Lets the next connection take as much memory as these rows need."""
        self.config_params["credentials"].global_config["memory_limit"] = f"{memory_for(rows)}B"


def memory_for(rows: Iterable[TakenRows]) -> int:
    """Returns the memory_limit for the rows of a package, whose tables are loaded one after another (bytes)."""
    at_once = max((min(ROWS_AT_ONCE * taken.largest, taken.size) for taken in rows), default=0)
    return min(MEMORY + COPIES * at_once, MOST_MEMORY)


def credentials_of(path: str) -> DuckDbCredentials:
    credentials = DuckDbCredentials(path)
    credentials.global_config = {"memory_limit": f"{MEMORY}B", "threads": 1}
    literal = path.replace("'", "''")
    credentials.statements = [
        f"ATTACH IF NOT EXISTS '{literal}' AS {CATALOG} (ROW_GROUP_SIZE {GROUP_ROWS})",
        f"SET GLOBAL checkpoint_threshold = '{LOG}'",  # in global_config, dlt's own 1 GB would win
    ]
    return credentials
