"""The database of an address as a destination of dlt."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from amocrm_warehouse.address import duckdb_file, postgres_url, scheme

if TYPE_CHECKING:
    from dlt.common.destination import Destination

LOADED_INTO = {"staging_dataset_name_layout": "%s_load", "replace_strategy": "insert-from-staging"}
"""dlt's default name, `…_staging`, is dbt's; its default replacement leaves an empty table when it is killed."""


@dataclass(frozen=True)
class Kind:
    """How dlt writes to one kind of database.

    `driver`: the module that must be importable, `package`: what pip installs for it. `file_format`: of load packages;
    None leaves the choice to dlt. `comments`: whether it has COMMENT ON COLUMN.
    `loaded_at_once`: files of a package; more take a network's time in parallel, and memory.
    """

    driver: str
    package: str
    make: Callable[[str], Any]
    file_format: str | None = None
    comments: bool = False
    loaded_at_once: int = 4


def _duckdb(address: str) -> Any:
    from amocrm_warehouse.sync.duckdb import credentials_of, duckdb

    return duckdb(credentials_of(str(duckdb_file(address))), **LOADED_INTO)


def _postgres(address: str) -> Any:
    from amocrm_warehouse.sync.postgres import postgres

    url = postgres_url(address)
    return postgres(
        {
            "drivername": "postgresql",
            "host": url.hostname or "localhost",
            "port": url.port or 5432,
            "username": unquote(url.username or "postgres"),
            "password": unquote(url.password or "") or os.environ.get("PGPASSWORD", ""),
            "database": url.path.strip("/") or "postgres",
            "client_encoding": "UTF8",  # of load packages, whatever PGCLIENTENCODING and the role say
        },
        **LOADED_INTO,
    )


def _by_name(name: str) -> Callable[[str], Any]:
    def make(address: str) -> Any:
        import dlt.destinations

        # dlt takes the account of Google's environment; the address names the project
        given = {"project_id": address.partition("://")[2].strip("/")} if name == "bigquery" else address
        return getattr(dlt.destinations, name)(given, **LOADED_INTO)

    return make


def _mysql(address: str) -> Any:
    from dlt.destinations import sqlalchemy

    return sqlalchemy(f"mysql+pymysql://{address.partition('://')[2]}", **LOADED_INTO)


KINDS = {
    "duckdb": Kind("duckdb", "duckdb", _duckdb, "parquet", comments=True, loaded_at_once=1),
    "postgresql": Kind("psycopg2", "psycopg2-binary", _postgres, "csv", comments=True),
    "motherduck": Kind("duckdb", "duckdb", _by_name("motherduck"), "parquet"),
    "clickhouse": Kind("clickhouse_driver", "dlt[clickhouse]", _by_name("clickhouse")),
    "bigquery": Kind("google.cloud.bigquery", "dlt[bigquery]", _by_name("bigquery")),
    "mssql": Kind("pyodbc", "dlt[mssql]", _by_name("mssql")),
    "snowflake": Kind("snowflake.connector", "dlt[snowflake]", _by_name("snowflake")),
    "redshift": Kind("psycopg2", "dlt[redshift]", _by_name("redshift")),
    "mysql": Kind("pymysql", "dlt[sqlalchemy] pymysql", _mysql),
}


def kind_of(address: str) -> Kind:
    """Raises ValueError for an unknown kind, an address that is wrong, and a driver that is not installed."""
    name = scheme(address)
    kind = KINDS[name]
    if name == "postgresql":
        postgres_url(address)
    try:
        importlib.import_module(kind.driver)
    except ImportError:
        packages = " ".join(f"'{package}'" for package in kind.package.split())
        raise ValueError(f"Writing to {name} needs its driver: pip install {packages}") from None
    return kind


def destination(kind: Kind, address: str) -> Destination[Any, Any]:
    """Raises ValueError for an address that dlt does not understand, without a word of it."""
    try:
        made: Destination[Any, Any] = kind.make(address)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"The address of the database is not understood ({type(error).__name__}).") from None
    return made
