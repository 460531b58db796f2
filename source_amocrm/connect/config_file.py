"""config.json: written whole or not at all, and for its owner alone."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from source_amocrm import whole_file
from source_amocrm.config.hosts import account_domain
from source_amocrm.connect.problems import Problem
from source_amocrm.errors import ConfigError

LARGEST = 1 << 20
"""Bytes of a file that may be settings."""


def read(path: Path) -> dict[str, Any] | None:
    """The settings that are there already; None when there is no file, {} when it holds something else."""
    try:
        found = path.stat()
        # a pipe or a device would be waited for without end
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return {}
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def may_be_written(path: Path) -> bool:
    """As far as it can be told before: nothing but a file is there, and a file can be put into its folder."""
    try:
        target = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                return False
        folder = _missing(target)[-1].parent
        return folder.is_dir() and os.access(folder, os.W_OK)
    except (OSError, ValueError):
        return False


def _missing(target: Path) -> list[Path]:
    """`target` and the folders above it that are not there, the innermost first."""
    gone = itertools.takewhile(lambda folder: not folder.exists(), target.parents)
    return [target, *gone]


def renewed(held: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, and what a person had set beside the sign-in for the same account: a start date and the like."""
    if not held or not is_of_account(held, settings["account_domain"]):
        return dict(settings)
    kept = {name: value for name, value in held.items() if name != "api_base_url"}
    return {**kept, **settings}


def is_of_account(held: Mapping[str, Any], domain: str) -> bool:
    """Whether the settings are of the account at `domain`, however a person typed its address."""
    try:
        return account_domain(held.get("account_domain")) == domain
    except ConfigError:
        return False


def write(path: Path, settings: Mapping[str, Any], *, replace: bool) -> None:
    """Raises Problem when the file is there and is not to be replaced, or when it cannot be written."""
    target = Path(os.path.realpath(path))
    put = whole_file.write if replace else whole_file.create
    try:
        for folder in reversed(_missing(target)[1:]):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        put(target, whole_file.json_text(settings))
    except FileExistsError:
        raise Problem("file_exists", {"path": str(path)}) from None
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> Problem:
    return Problem("file_not_written", {"path": str(path)}, detail=error.strerror or "")
