"""Values that a config does not hold but names: an environment variable, or a file of a secrets manager."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from source_amocrm.accounts import FleetError

KINDS = ("env", "file")
"""`{"env": "NAME"}` and `{"file": "/run/secrets/name"}` stand for a value."""


def is_reference(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in KINDS


def holds_references(value: object) -> bool:
    return is_reference(value) or (isinstance(value, Mapping) and any(map(holds_references, value.values())))


def resolved(settings: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """`settings` with every reference replaced by what it stands for. Raises FleetError."""
    return {name: _resolved(value, f"{place}{name}") for name, value in settings.items()}


def _resolved(value: Any, place: str) -> Any:
    if is_reference(value):
        [(kind, name)] = value.items()
        return _value_of(kind, name, place)
    return resolved(value, f"{place}.") if isinstance(value, Mapping) else value


def _value_of(kind: str, name: object, place: str) -> str:
    if not isinstance(name, str) or not name:
        raise FleetError(f'{place} names no {"variable" if kind == "env" else "file"}: {{"{kind}": "NAME"}}.')
    if kind == "env":
        if not os.environ.get(name):
            raise FleetError(f"{place} is in the environment variable {name}, which is not set.")
        return os.environ[name]
    try:
        text = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise FleetError(f"{place} is in the file {name}, which cannot be read: {reason}.") from None
    if not text:
        raise FleetError(f"{place} is in the file {name}, which is empty.")
    return text
