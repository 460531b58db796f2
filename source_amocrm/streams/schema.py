"""The JSON schemas that `discover` shows, one file a stream."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import Any


def load(stream_name: str) -> dict[str, Any]:
    """The schema of a stream, the caller's own copy. Raises FileNotFoundError for a stream that has none."""
    return deepcopy(_read(stream_name))


def blank_row(stream_name: str) -> dict[str, Any]:
    """A row that knows nothing: `[]` in the columns that are never null, None in all others."""
    columns = _read(stream_name)["properties"]
    return {name: [] if column["type"] == "array" else None for name, column in columns.items()}


@cache
def _read(stream_name: str) -> dict[str, Any]:
    file = resources.files("source_amocrm") / "schemas" / f"{stream_name}.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema
