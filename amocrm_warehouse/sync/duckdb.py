"""dlt's DuckDB destination, whose statements name the database as well as the schema.

DuckDB calls a database by the name of its file: in `amocrm.duckdb` the name `amocrm` alone could be the database or the
schema, and DuckDB refuses it.
"""

from __future__ import annotations

from typing import Any

from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.factory import duckdb as factory
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient


class SqlClient(DuckDbSqlClient):
    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:  # noqa: ARG002 - a name as DuckDB has it
        name: str = self.credentials.database.rpartition("/")[2].partition(".")[0]
        return f'"{name}"' if quote else name


class AmocrmDuckDbClient(DuckDbClient):
    def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client.__class__ = SqlClient


class duckdb(factory):  # noqa: N801 - dlt stores a destination by the name of its class
    @property
    def client_class(self) -> type[DuckDbClient]:
        return AmocrmDuckDbClient
