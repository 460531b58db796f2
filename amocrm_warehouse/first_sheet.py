"""Reads the first sheet of the workbook on its standard input, and prints its cells as JSON: lists of texts.

It runs in a process of its own with little memory, because the reader of workbooks holds the whole area between the
first cell and the last, and where that is too large it ends its process.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from datetime import date
from decimal import Decimal

MOST_MEMORY = 1 << 30
"""Address space of this process (bytes), where the system limits it. A sheet that needs more is not read."""
DAMAGED = 3
"""The exit code for what is no workbook, or one with a password."""


def text(value: object) -> str:
    """Returns a cell's value. Excel keeps 15 digits of a number, and a date with a time."""
    if isinstance(value, float):
        return f"{Decimal(f'{value:.15g}'):f}"
    return date(value.year, value.month, value.day).isoformat() if isinstance(value, date) else str(value)


def main() -> int:
    from python_calamine import CalamineError, CalamineWorkbook

    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, and a user's may be lower
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read())).get_sheet_by_index(0)
    except CalamineError:
        return DAMAGED
    rows = sheet.to_python(skip_empty_area=False)
    json.dump([[text(value) for value in row] for row in rows], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
