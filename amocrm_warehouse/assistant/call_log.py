"""The log of the assistant's calls: who asked what, in JSON lines without any answer."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

PERSONAL = ("query", "value")
"""Arguments that may hold personal data."""
KEY = "SOURCE_AMOCRM_MCP_LOG_KEY"
"""The environment variable with the key of their hashes; without it equal ones are alike until the server ends."""
MOST_BYTES, KEPT = 10_000_000, 5
"""The size of a file past which the log goes on in a new one (bytes), and how many earlier ones are kept."""
Record = Callable[..., None]


def recorder(path: Path, personal: str) -> Record:
    """Returns a function that writes a call into a log. `personal`: keep, hash or drop. Raises ValueError."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        handler = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"The log {path} cannot be written: {error.strerror}. Name another file.") from None
    log = logging.Logger(f"calls of {path}")
    log.addHandler(handler)
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
        log.info(json.dumps(line, ensure_ascii=False, default=str))

    return record


def calls_command(arguments: list[str]) -> int:
    """`source-amocrm mcp calls`: shows the last calls of a log, and what was asked most."""
    parser = argparse.ArgumentParser(prog="source-amocrm mcp calls", description=calls_command.__doc__)
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
