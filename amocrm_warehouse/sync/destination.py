"""Makes dlt's destination for the address of a database."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.database_address import duckdb_file, postgres_url, scheme, server_of

if TYPE_CHECKING:
    from dlt.common.destination import Destination


@dataclass(frozen=True)
class Kind:
    """How dlt writes to one kind of database.

    `file_format`: of load packages. `loaded_at_once`: files of a package that are loaded in parallel; more hide the
    network's delays, and take memory.
    """

    make: Callable[[str], Any]
    file_format: str
    loaded_at_once: int = 4


def _duckdb(address: str) -> Any:
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    from amocrm_warehouse.sync.duckdb_destination import duckdb

    return duckdb(DuckDbCredentials(str(duckdb_file(address))))


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
        }
    )


KINDS = {
    "duckdb": Kind(_duckdb, "parquet", loaded_at_once=1),
    "postgresql": Kind(_postgres, "csv"),
}


def kind_of(address: str) -> Kind:
    """Returns the kind of a database. Raises ValueError for an unknown kind or a wrong address."""
    name = scheme(address)
    if name == "postgresql":
        postgres_url(address)
    return KINDS[name]


def destination(kind: Kind, address: str) -> Destination[Any, Any]:
    """Raises ValueError, which does not repeat the address, if dlt does not understand the address."""
    try:
        made: Destination[Any, Any] = kind.make(address)
    except Exception as error:
        raise ValueError(f"The address of the database is not understood ({type(error).__name__}).") from None
    return made
