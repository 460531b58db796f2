"""The log of the assistant's calls: who asked what, without any answer, in JSON lines or in a table of PostgreSQL."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from amocrm_warehouse.database import DATABASE_ERRORS, opened
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.database_errors import why
from source_amocrm.arguments import ArgumentParser

PERSONAL = ("query", "value")
"""Arguments that may hold personal data."""
KEY = "SOURCE_AMOCRM_MCP_LOG_KEY"
"""The environment variable with the key of their hashes; without it equal ones are alike until the server ends."""
MOST_BYTES, KEPT = 10_000_000, 5
"""The size of a file past which the log goes on in a new one (bytes), and how many earlier ones are kept."""
Record = Callable[..., None]


CALLS = "amocrm_log.mcp_calls"
"""The table of the calls, in a schema of its own, which no build of the marts touches."""
COLUMNS = {
    "at": "timestamptz", "who": "text", "tool": "text", "arguments": "jsonb", "accounts": "jsonb", "rows": "bigint",
    "bytes": "bigint", "ms": "bigint", "refused": "text",
}  # fmt: skip
Line = dict[str, Any]


def into_file(path: Path) -> Callable[[Line], None]:
    """Returns a function that adds a call to a file. Raises ValueError if the file cannot be written."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        handler = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"The log {path} cannot be written: {error.strerror}. Name another file.") from None
    log = logging.Logger(f"calls of {path}")
    log.addHandler(handler)
    return lambda line: log.info(json.dumps(line, ensure_ascii=False, default=str))


def into_table(database: str) -> Callable[[Line], None]:
    """Returns a function that adds a call to the table CALLS. Raises ValueError if the table cannot be written."""
    if is_file(database):
        raise ValueError("A DuckDB file has one writer at a time, and syncs write this one: use --log FILE.")

    def write(*statements: tuple[str, tuple[Any, ...]]) -> None:
        with closing(opened(database)) as connection, connection.cursor() as cursor:
            for sql, values in statements:
                cursor.execute(sql, values)
            connection.commit()

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    schema = f"create schema if not exists {CALLS.partition('.')[0]}"
    try:
        write((schema, ()), (f"create table if not exists {CALLS} ({columns})", ()))
    except DATABASE_ERRORS as error:
        raise ValueError(f"The table {CALLS} cannot be made: {why(error)[:300]}") from None

    def add(line: Line) -> None:
        values = [json.dumps(line[one], default=str) if COLUMNS[one] == "jsonb" else line[one] for one in COLUMNS]
        try:
            write((f"insert into {CALLS} values ({', '.join(['%s'] * len(values))})", tuple(values)))
        except DATABASE_ERRORS as error:
            print(f"A call could not be written into {CALLS}: {why(error)[:300]}", file=sys.stderr)

    return add


def recorder(path: Path | None, personal: str, database: str = "") -> Record:
    """Returns a function that writes a call into a log, a table of a database, or both. `personal`: keep, hash or drop.

    Raises ValueError.
    """
    sinks = [*([into_file(path)] if path else []), *([into_table(database)] if database else [])]
    key = (os.environ.get(KEY) or secrets.token_hex(32)).encode()

    def hidden(text: str) -> str | None:
        if personal == "keep":
            return text
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16] if personal == "hash" else None

    def shown(name: str, value: Any) -> Any:
        if name == "select" and isinstance(value, str):
            return re.sub(r"'((?:[^']|'')*)'", lambda text: f"'{hidden(text[1]) or ''}'", value)
        return hidden(str(value)) if name in PERSONAL else value

    def record(who: str, tool: str, arguments: Mapping[str, Any], refused: str = "", **facts: Any) -> None:
        why = re.sub("“[^”]*”", "“…”", refused.partition(". ")[0])  # what it lists is an answer
        line = {
            "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "who": who, "tool": tool,
            "arguments": {name: shown(name, value) for name, value in arguments.items()}, **facts,
            "refused": why,
        }  # fmt: skip
        for add in sinks:
            add(line)

    return record


def calls_command(arguments: list[str]) -> int:
    """`source-amocrm mcp calls`: shows the last calls of a log, and what was asked most."""
    parser = ArgumentParser(prog="source-amocrm mcp calls", description=calls_command.__doc__)
    parser.add_argument("log", type=Path, help="the file of --log")
    parser.add_argument("--last", type=int, default=20, help="how many calls; 20 by default")
    options = parser.parse_args(arguments)
    try:
        calls = [json.loads(line) for line in options.log.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ValueError(f"The log {options.log} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ValueError(f"{options.log} is no log of calls.") from None
    for call in calls[-options.last :]:
        given = ", ".join(f"{name}={value}" for name, value in call["arguments"].items())
        end = f"refused: {call['refused']}" if call["refused"] else f"{call['rows']} rows, {call['bytes']} bytes"
        print(f"{call['at'][:19].replace('T', ' ')}  {call['who']}  {call['tool']}({given})  {call['ms']} ms, {end}")
    most = Counter((call["who"], call["tool"]) for call in calls).most_common(10)
    print("\nMost asked: " + ", ".join(f"{tool} by {who} ({times})" for (who, tool), times in most))
    return 0
