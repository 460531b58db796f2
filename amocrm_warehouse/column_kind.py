"""The kind of a column, by which each database gives it a type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def column_kind(column: Mapping[str, Any]) -> str:
    """Returns integer, number, boolean, time, json or string. `column`: its JSON schema."""
    types = [column["type"]] if isinstance(column["type"], str) else column["type"]
    [kind] = [one for one in types if one != "null"]
    if kind in ("array", "object"):
        return "json"
    return "time" if column.get("format") == "date-time" else str(kind)
