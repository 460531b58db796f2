"""Parts of what amoCRM sent, whatever it sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from source_amocrm.walk.listing import seconds

Row = dict[str, Any]


def within(row: Any, *path: str | int) -> Any:
    """The value at a path of names and places; None where it ends before."""
    for step in path:
        if isinstance(row, dict) and isinstance(step, str):
            row = row.get(step)
        elif isinstance(row, list) and isinstance(step, int) and -len(row) <= step < len(row):
            row = row[step]
        else:
            return None
    return row


def word(row: Any, name: str) -> str:
    """A text of the row; "" where there is something else."""
    value = within(row, name)
    return value if isinstance(value, str) else ""


def objects(value: Any) -> list[Row]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def moment(row: Row, name: str) -> int | None:
    return seconds(row.get(name)) if isinstance(row.get(name), (int, str)) else None


def moments(rows: Iterable[Row], name: str) -> list[int]:
    return [at for row in rows if (at := moment(row, name)) is not None]


def own(row: Row) -> int | str | None:
    """The row's id."""
    value = row.get("id")
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def numbered(row: Row) -> int | None:
    value = row.get("id")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def direction(values: Sequence[int]) -> str | None:
    """ "asc" or "desc"; "" where all are equal, None where they go up and down."""
    up, down = (
        any(one < other for one, other in pairwise(values)),
        any(one > other for one, other in pairwise(values)),
    )
    if up and down:
        return None
    return "asc" if up else "desc" if down else ""
