"""A file that is there whole or not at all, also when the machine dies while it is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LONGEST_NAME = 255
"""Bytes of a name in a folder."""


def write(path: Path, content: str | bytes) -> None:
    """Replaces the file, for its owner alone; when this returns, the disk has it. Raises OSError.

    A link is followed. What is written first is a draft beside the file: if the machine dies before the draft takes the
    file's place, `read` finds the draft.
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    try:
        _put(draft, content if isinstance(content, bytes) else content.encode())
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    os.replace(draft, target)
    sync_folder(target.parent)


def create(path: Path, text: str) -> None:
    """As `write`, for a file that is not there yet. Raises FileExistsError where it is."""
    # empty, it only keeps the name
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        write(path, text)
    except OSError:
        os.unlink(path)
        raise


def json_text(value: Mapping[str, Any]) -> str:
    """JSON as it is written to a file that a person may open."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def read(path: Path, whole: Callable[[str], object]) -> str:
    """The newest text that `whole` takes without a ValueError: a draft that did not get its place is given it.

    A draft that is older than the file is one that somebody has overtaken. Raises OSError or UnicodeDecodeError.
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    try:
        text = draft.read_text(encoding="utf-8")
        whole(text)
        with contextlib.suppress(FileNotFoundError):
            if draft.stat().st_mtime_ns < target.stat().st_mtime_ns:
                raise ValueError("overtaken")
    except (OSError, ValueError, RecursionError):
        return target.read_text(encoding="utf-8-sig")
    with contextlib.suppress(OSError):
        os.replace(draft, target)
        sync_folder(target.parent)
    return text


def sync_folder(folder: Path) -> None:
    """Puts the names in the folder on the disk. Windows has no way to do so, and needs none."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def prove(path: Path, size: int) -> None:
    """Proves that `size` bytes can be written there now, by a draft of as many on the disk. Raises OSError.

    The draft stays: the `write` that follows takes its place on the disk. `read` passes over it.
    """
    _put(_draft(Path(os.path.realpath(path))), b" " * size)


def _draft(target: Path) -> Path:
    name = f".{target.name}.new"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.new"
    return target.with_name(name)


def _put(path: Path, content: bytes) -> None:
    """Writes over what is there and cuts the rest off afterwards, so that room on the disk is kept, not asked for."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(number, 0o600)
        left = memoryview(content)
        while left:
            left = left[os.write(number, left) :]
        os.ftruncate(number, len(content))
        os.fsync(number)
    finally:
        os.close(number)
