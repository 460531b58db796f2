"""How load jobs replace the rows of a table: in one transaction, straight from a package's file.

dlt would fill a table of a staging dataset first and then copy its rows, in two jobs, with twice the writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WithoutStaging:
    """dlt's job client for such jobs, which need no staging dataset and no emptied table."""

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:  # noqa: ARG002 - none is
        return False

    def should_truncate_table_before_load(self, table_name: str) -> bool:  # noqa: ARG002 - readers would see it empty
        return False


def deletion(client: Any, table: Mapping[str, Any], rows: str = "") -> str:
    """Returns the statement that deletes the rows of a table that new rows replace.

    These are all rows of a table that is loaded whole, else the rows with the keys of the relation `rows`.
    """
    held = client.make_qualified_table_name(table["name"])
    if table["write_disposition"] == "replace":
        return f"DELETE FROM {held}"
    keys = [client.escape_column_name(name) for name, hints in table["columns"].items() if hints.get("primary_key")]
    same = " AND ".join(f"new.{key} = held.{key}" for key in keys)
    return f"DELETE FROM {held} AS held WHERE EXISTS (SELECT 1 FROM {rows} AS new WHERE {same})"
