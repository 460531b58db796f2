"""Runs an assistant's SELECT in a process of its own, which has bounds of time and memory and is killed past them.

DuckDB's own limits do not hold: a median takes gigabytes that `memory_limit` does not count, and the end of a sort
cannot be interrupted. PostgreSQL sends whatever a statement makes, as numbers of 130,000 digits.
"""

from __future__ import annotations

import contextlib
import pickle
import re
import subprocess
import sys
from typing import Any

from amocrm_warehouse.assistant.statement_guard import rows_of
from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_address import without_password

SECONDS = 15.0
"""Past it the database is told to end the statement (seconds)."""
MOST_SECONDS = 20.0
"""Past it the process is killed (seconds)."""
MEMORY = "400MB"
"""DuckDB's memory_limit in the process; past it DuckDB spills to disk."""
MOST_MEMORY = 800_000_000
"""The most memory of the process; past it an allocation fails (bytes; where the system has such a limit)."""
MOST_BYTES = 400_000
"""Rows are read until they have so many bytes: no answer holds more."""
UNKNOWN_TABLE = re.compile(
    r'Table with name (?P<duckdb>\S+) does not exist|(?:relation|отношение) "(?P<postgresql>[^"]+)" (?:does not|не) '
)
"""A database's error about a table that is not there; DuckDB adds a guess among its own tables."""
TOO_MUCH = "The statement takes more time or memory than it may. Select fewer rows, or sums of them."


def bounded_rows(database: str, select: str, most: int) -> list[dict[str, Any]]:
    """Returns the first rows of one SELECT. Raises ValueError with a sentence about the mistake in the statement."""
    asked = pickle.dumps((database, select, most, SECONDS))
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__], input=asked, capture_output=True, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(TOO_MUCH) from None
    if done.returncode:
        raise ValueError(TOO_MUCH)
    found = pickle.loads(done.stdout)  # of our own process
    if isinstance(found, str):
        raise ValueError(found)
    columns, rows = found
    return [dict(zip(columns, row, strict=True)) for row in rows]


def rows_or_sentence(database: str, select: str, most: int, seconds: float) -> Any:
    """Returns the columns and rows of a SELECT, or the sentence about what is wrong with it."""
    try:
        return rows_of(database, select, most, seconds, MOST_BYTES, MEMORY)
    except DATABASE_ERRORS as error:
        if unknown := UNKNOWN_TABLE.search(str(error)):
            name = unknown["duckdb"] or unknown["postgresql"]
            return f"There is no table {name} here. sql without a select lists the tables."
        if re.search("(?i)interrupt|statement timeout|out of memory", str(error)):
            return TOO_MUCH
        return without_password(" ".join(str(error).split()))[:500]
    except MemoryError:
        return TOO_MUCH
    except ValueError as error:
        return str(error)


def main() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    answer = rows_or_sentence(*pickle.load(sys.stdin.buffer))  # of the process that started this one
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
