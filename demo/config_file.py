"""The config on disk, and the rotated token put back into it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def load(path: Path) -> dict[str, Any]:
    """Raises ValueError with a sentence for a person."""
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(f"There is no config at {path}. `source-amocrm connect` writes one.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"The config {path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}."
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"The config {path} is not JSON: {error.msg} in line {error.lineno}.") from None
    if not isinstance(config, dict):
        raise ValueError(f"The config {path} must be a JSON object.")
    return config


def save(path: Path, config: dict[str, Any]) -> None:
    """Replaces the file as a whole and for its owner alone: a token half written is a token lost.

    A link is followed, so that a config mounted or linked from elsewhere stays where it is.
    """
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(config, file, ensure_ascii=False, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
