"""Makes dlt's destination for the address of a database."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.database_address import duckdb_file, postgres_url, scheme, server_of

if TYPE_CHECKING:
    from dlt.common.destination import Destination

SETTINGS = {"staging_dataset_name_layout": "%s_load", "replace_strategy": "insert-from-staging"}
"""By dlt's defaults, its staging dataset has the name `…_staging` of dbt's, and a killed load leaves an empty table."""


@dataclass(frozen=True)
class Kind:
    """How dlt writes to one kind of database.

    `driver`: the module that must be importable, `package`: what pip installs for it. `file_format`: of load packages;
    None leaves the choice to dlt. `has_catalog`: whether the loader reads its catalog and comments its columns.
    `loaded_at_once`: files of a package that are loaded in parallel; more hide the network's delays, and take memory.
    """

    driver: str
    package: str
    make: Callable[[str], Any]
    file_format: str | None = None
    has_catalog: bool = False
    loaded_at_once: int = 4


def _duckdb(address: str) -> Any:
    from amocrm_warehouse.sync.duckdb_destination import credentials_of, duckdb

    return duckdb(credentials_of(str(duckdb_file(address))), **SETTINGS)


def _postgres(address: str) -> Any:
    from amocrm_warehouse.sync.postgres_destination import postgres

    server = server_of(postgres_url(address))
    return postgres(
        {
            "drivername": "postgresql",
            "host": server.host,
            "port": server.port,
            "username": server.user,
            "password": server.password or os.environ.get("PGPASSWORD", ""),
            "database": server.database,
            "client_encoding": "UTF8",  # as dlt writes load packages, whatever PGCLIENTENCODING and the role say
        },
        **SETTINGS,
    )


def _by_name(name: str) -> Callable[[str], Any]:
    def make(address: str) -> Any:
        import dlt.destinations

        rest = address.partition("://")[2]
        # dlt takes Google's credentials from the environment, the project from the address; psycopg2 knows no redshift
        own = {"bigquery": {"project_id": rest.strip("/")}, "redshift": f"postgresql://{rest}"}
        credentials = own.get(name, address)
        return getattr(dlt.destinations, name)(credentials, **SETTINGS)

    return make


def _mysql(address: str) -> Any:
    from dlt.destinations import sqlalchemy

    return sqlalchemy(f"mysql+pymysql://{address.partition('://')[2]}", **SETTINGS)


KINDS = {
    "duckdb": Kind("duckdb", "duckdb", _duckdb, "parquet", has_catalog=True, loaded_at_once=1),
    "postgresql": Kind("psycopg2", "psycopg2-binary", _postgres, "csv", has_catalog=True),
    "motherduck": Kind("duckdb", "duckdb", _by_name("motherduck"), "parquet"),
    "clickhouse": Kind("clickhouse_driver", "dlt[clickhouse]", _by_name("clickhouse")),
    "bigquery": Kind("google.cloud.bigquery", "dlt[bigquery]", _by_name("bigquery")),
    "mssql": Kind("pyodbc", "dlt[mssql]", _by_name("mssql")),
    "snowflake": Kind("snowflake.connector", "dlt[snowflake]", _by_name("snowflake")),
    "redshift": Kind("psycopg2", "dlt[redshift]", _by_name("redshift")),
    "mysql": Kind("pymysql", "dlt[sqlalchemy] pymysql", _mysql),
}


def kind_of(address: str) -> Kind:
    """Returns the kind of a database. Raises ValueError for an unknown kind, a wrong address, or a missing driver."""
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
    """Raises ValueError, which does not repeat the address, if dlt does not understand the address."""
    try:
        made: Destination[Any, Any] = kind.make(address)
    except Exception as error:
        raise ValueError(f"The address of the database is not understood ({type(error).__name__}).") from None
    return made
