"""The interface of the warehouses that publish writes to, and the refusals that they share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amocrm_warehouse.publish.published_tables import Source, Table

MADE_BY = "Made by source-amocrm publish"
"""The comment of each table that publish has made in a database. It writes into no other."""


class PublishError(ValueError):
    """Says in a sentence why tables could not be published."""


class Warehouse:
    """A place that holds published tables. `__init__` takes its address, and raises ValueError for a wrong one."""

    def replace(self, project: str, tables: list[Table], source: Source, folder: Path) -> dict[str, int]:
        """Replaces the rows of a project in these tables. Returns the number of rows, by table.

        `folder`: empty, for files of rows under way. Raises ValueError with a sentence.
        """
        raise NotImplementedError


def other_type(table: str, column: str, here: object, there: object) -> PublishError:
    """Returns the error about a column whose type in the warehouse is another one. `table`: its full name."""
    return PublishError(
        f"The column {column} of {table} is {here} here and {there} in the warehouse. Drop the table {table} there and "
        "publish every account again, or leave this table out with --only."
    )


def foreign_tables(names: list[str]) -> PublishError:
    """Returns the error about tables that somebody else has made."""
    return PublishError(
        f"Something else has made {', '.join(names)} in this warehouse, and publish leaves it alone. Name another "
        "schema with --schema."
    )


def rows_missing(table: str, sent: int, arrived: int) -> PublishError:
    """Returns the error about rows that the warehouse did not keep."""
    return PublishError(f"Of the {sent:,} rows of {table} {arrived:,} arrived. The warehouse is as before: run again.")
