"""Which warehouse an address of `publish --to` names, and what is said about any other address."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from source_amocrm.run import install_command

if TYPE_CHECKING:
    from amocrm_warehouse.publish.warehouse import Warehouse

KINDS = ("postgresql", "mysql", "clickhouse", "file", "s3")


def warehouse(address: str) -> Warehouse:
    """Returns the warehouse of an address. Raises ValueError for an address of another kind."""
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if scheme in ("postgresql", "postgres"):
        from amocrm_warehouse.publish.postgres_warehouse import PostgresWarehouse

        return PostgresWarehouse(address)
    if scheme in ("mysql", "mariadb"):
        try:
            from amocrm_warehouse.publish.mariadb_warehouse import MariaWarehouse
        except ImportError:
            raise ValueError(f"Writing to MariaDB needs its driver: {install_command('mariadb')}") from None

        return MariaWarehouse(address)
    if scheme == "clickhouse":
        try:
            from amocrm_warehouse.publish.clickhouse_warehouse import ClickhouseWarehouse
        except ImportError:
            raise ValueError(f"Writing to ClickHouse needs its driver: {install_command('clickhouse')}") from None

        return ClickhouseWarehouse(address)
    if scheme in ("file", "s3"):
        from amocrm_warehouse.publish.parquet_lake import ParquetLake

        return ParquetLake(address)
    hint = ""
    if nearest := get_close_matches(scheme, KINDS, 1):
        hint = f" Did you mean {nearest[0]}://…?"
    elif not scheme:
        hint = f" A folder is written {Path(address).resolve().as_uri()}."
    kinds = ", ".join(f"{kind}://…" for kind in KINDS)
    raise ValueError(f"publish writes to no “{scheme or address}”.{hint} It writes to {kinds}.")
