"""Keeps the results of verifications in the database: the table `amocrm_<project>_verifications`, a row per table."""

from __future__ import annotations

from typing import Any

from amocrm_warehouse.database import reading
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.database_errors import RIGHTS, check_rights
from amocrm_warehouse.sync.table_lock import table_set
from amocrm_warehouse.table_names import table_name
from amocrm_warehouse.verify.findings import Verification

TABLE = "verifications"
COLUMNS = {
    "verified_at": "TIMESTAMP WITH TIME ZONE", "synced_at": "TIMESTAMP WITH TIME ZONE", "source_table": "VARCHAR",
    "is_whole": "BOOLEAN", "rows_in_account": "BIGINT", "rows_in_database": "BIGINT", "looked_at": "BIGINT",
    "missing": "BIGINT", "extra": "BIGINT", "stale": "BIGINT", "changed_since": "BIGINT", "sampled": "BIGINT",
    "unequal": "BIGINT", "unequal_columns": "VARCHAR", "failure": "VARCHAR",
}  # fmt: skip


def keep(found: Verification, database: str, project: str, dataset: str) -> None:
    """Appends the result. Writes no other table. Raises ValueError with a sentence, or one of DATABASE_ERRORS.

    One row after another by plain SQL: dlt would take 60 MB, and leave tables of its own beside those of Airbyte.
    """
    table = f'"{dataset}".{table_name(project.lower(), TABLE)}'
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with table_set(database, project.lower(), dataset), reading(database) as run:
        if not is_file(database):
            check_rights([sql for (sql,) in run(RIGHTS.format(schemas=dataset))[1] if sql])
        run(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        for row in rows_of(found):
            run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f'${name}' for name in row)})", **row)
        run("COMMIT")


def rows_of(found: Verification) -> list[dict[str, Any]]:
    return [
        {
            "verified_at": found.verified_at,
            "synced_at": found.synced_at,
            "source_table": stream,
            "is_whole": one.whole and not one.failure,
            "rows_in_account": one.account,
            "rows_in_database": one.database,
            "looked_at": one.looked_at,
            "missing": one.missing,
            "extra": one.extra,
            "stale": one.stale,
            "changed_since": one.changed_since,
            "sampled": one.sampled,
            "unequal": one.unequal.total(),
            "unequal_columns": ", ".join(f"{column} {count}" for column, count in sorted(one.unequal.items())) or None,
            "failure": one.failure,
        }
        for stream, one in found.tables.items()
    ]
