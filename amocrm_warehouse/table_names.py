"""How the tables of an account are named: `amocrm_<project>_<stream>`, by default in the schema `amocrm`."""

from __future__ import annotations

SCHEMA = "amocrm"
"""The schema to which a sync writes by default."""


def table_name(project: str, stream: str = "") -> str:
    """Returns the name of a stream's table; without a stream the prefix of all tables of the project."""
    return f"amocrm_{project.lower()}_{stream}"
