"""Keeps the results of verifications in the database: the table `amocrm_<project>_verifications`, a row per table."""

from __future__ import annotations

from datetime import timedelta

from amocrm_warehouse.database import DATABASE_ERRORS, quoted_table, reading
from amocrm_warehouse.database_address import is_file, without_password
from amocrm_warehouse.database_errors import RIGHTS, check_rights, why
from amocrm_warehouse.table_names import table_name
from amocrm_warehouse.verify.findings import Verification

KEPT_DAYS = 400
"""Days after which a result goes: a year, and the month before it."""
NUMBERS = ("looked_at", "missing", "extra", "stale", "changed_since", "sampled")
KINDS = {
    **dict.fromkeys(("verified_at", "synced_at"), "TIMESTAMP WITH TIME ZONE"), "source_table": "VARCHAR",
    "is_whole": "BOOLEAN", **dict.fromkeys(("rows_in_account", "rows_in_database", *NUMBERS, "unequal"), "BIGINT"),
    **dict.fromkeys(("unequal_columns", "failure"), "VARCHAR"),
}  # fmt: skip


def keep(found: Verification, database: str, project: str, dataset: str) -> str | None:
    """Appends the result. Writes no other table. Returns a sentence if it cannot: who may only read can verify."""
    try:
        _keep(found, database, project, dataset)
    except ValueError as error:
        return f"The result was not kept: {without_password(str(error))}"
    except DATABASE_ERRORS as error:
        return f"The result was not kept: {why(error)}"
    return None


def _keep(found: Verification, database: str, project: str, dataset: str) -> None:
    with reading(database) as run:
        if not is_file(database):
            check_rights([sql for (sql,) in run(RIGHTS.format(schemas=dataset))[1] if sql])
        table = quoted_table(run, dataset, table_name(project.lower(), "verifications"))
        run(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(f'{name} {kind}' for name, kind in KINDS.items())})")
        for stream, one in found.tables.items():
            row = {
                "verified_at": found.verified_at, "synced_at": found.synced_at, "source_table": stream,
                "is_whole": one.whole and not one.failure, "rows_in_account": one.account,
                "rows_in_database": one.database, **{name: getattr(one, name) for name in NUMBERS},
                "unequal": one.unequal.total(), "failure": one.failure,
                "unequal_columns": ", ".join(f"{name} {count}" for name, count in sorted(one.unequal.items())) or None,
            }  # fmt: skip
            run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f'${name}' for name in row)})", **row)
        run(f"DELETE FROM {table} WHERE verified_at < $oldest", oldest=found.verified_at - timedelta(days=KEPT_DAYS))
        run("COMMIT")
