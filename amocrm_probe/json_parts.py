"""Reads parts of amoCRM's JSON, of whatever types it may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from source_amocrm.walk.listing import seconds

Row = dict[str, Any]


def value_at(row: Any, *path: str | int) -> Any:
    """Returns the value at a path of keys and indexes, or None if the path leads nowhere."""
    for step in path:
        if isinstance(row, dict) and isinstance(step, str):
            row = row.get(step)
        elif isinstance(row, list) and isinstance(step, int) and -len(row) <= step < len(row):
            row = row[step]
        else:
            return None
    return row


def text_at(row: Any, name: str) -> str:
    """Returns a text of the row, or "" if the value is no text."""
    value = value_at(row, name)
    return value if isinstance(value, str) else ""


def objects(value: Any) -> list[Row]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def time_of(row: Row, name: str) -> int | None:
    return seconds(row.get(name)) if isinstance(row.get(name), (int, str)) else None


def times_of(rows: Iterable[Row], name: str) -> list[int]:
    return [at for row in rows if (at := time_of(row, name)) is not None]


def row_id(row: Row) -> int | str | None:
    value = row.get("id")
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def integer_id(row: Row) -> int | None:
    value = row.get("id")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def direction(values: Sequence[int]) -> str | None:
    """Returns "asc" or "desc", "" if all values are equal, None if they rise and fall."""
    up, down = (
        any(one < other for one, other in pairwise(values)),
        any(one > other for one, other in pairwise(values)),
    )
    if up and down:
        return None
    return "asc" if up else "desc" if down else ""
