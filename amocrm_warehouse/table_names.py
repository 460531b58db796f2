"""How the tables of an account are named: `amocrm_<project>_<stream>`, by default in the schema `amocrm`."""

from __future__ import annotations

SCHEMA = "amocrm"
"""The schema to which a sync writes by default."""


def rows_of_tables(rows: int, tables: int) -> str:
    """Returns how a sentence says how many rows of how many tables are somewhere."""
    named = "1 row" if rows == 1 else f"{rows:,} rows"
    return f"{named} of {'1 table' if tables == 1 else f'{tables} tables'} {'is' if rows == 1 else 'are'}"


def table_name(project: str, stream: str = "") -> str:
    """Returns the name of a stream's table; without a stream the prefix of all tables of the project."""
    return f"amocrm_{project.lower()}_{stream}"
