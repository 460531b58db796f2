"""Keeps the results of verifications in the database: the table `amocrm_<project>_verifications`, a row per table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from amocrm_warehouse.sync.account_sync import files_for_their_owner
from amocrm_warehouse.sync.destination import kind_of
from amocrm_warehouse.sync.loader import Loader
from amocrm_warehouse.sync.table_lock import table_set
from amocrm_warehouse.verify.findings import Verification

TABLE = "verifications"
NUMBERS = (
    "rows_in_account", "rows_in_database", "looked_at", "missing", "extra", "stale", "changed_since", "sampled",
    "unequal",
)  # fmt: skip
COLUMNS = pa.schema(
    [
        pa.field("verified_at", pa.timestamp("us", "UTC")),
        pa.field("synced_at", pa.timestamp("us", "UTC")),
        pa.field("source_table", pa.string()),
        pa.field("is_whole", pa.bool_()),
        *(pa.field(name, pa.int64()) for name in NUMBERS),
        pa.field("unequal_columns", pa.string()),
        pa.field("failure", pa.string()),
    ]
)


def keep(found: Verification, database: str, project: str, dataset: str) -> None:
    """Appends the result. Writes no other table of ours. Raises ValueError with a sentence if it cannot be kept."""
    kind = kind_of(database)
    with files_for_their_owner(), table_set(database, project.lower(), dataset) as folder:
        loader = Loader(kind, database, project=project.lower(), dataset=dataset, folder=folder)
        # dlt keeps its settings by thread, and in the main thread it would handle signals
        with ThreadPoolExecutor(1, thread_name_prefix="load") as thread:
            try:
                thread.submit(loader.open).result()
                thread.submit(loader.append, TABLE, rows_of(found)).result()
            finally:
                thread.submit(loader.close).result()


def rows_of(found: Verification) -> pa.Table:
    rows = [
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
    return pa.Table.from_pylist(rows, schema=COLUMNS)
