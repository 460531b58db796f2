"""Writes files atomically, so that they are whole or not there even if the machine dies meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST_NAME = 255
"""Bytes of a file's name that file systems allow; a draft whose name would be longer is named by a hash."""


def write(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Writes the file, for its owner alone; when this returns, it is on the disk. Follows links. Raises OSError.

    Raises FileExistsError if the file exists and is not to be replaced. Writes a draft beside the file first: if the
    machine dies before the draft takes the file's place, `read_json` finds the draft.
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    if not replace:
        target.touch(0o600, exist_ok=False)  # empty: it only reserves the name
    try:
        _put(draft, content if isinstance(content, bytes) else content.encode())
    except OSError:
        with contextlib.suppress(OSError):
            if not replace:
                target.unlink()
            draft.unlink()
        raise
    _take_place(draft, target)


def may_be_written(path: Path) -> bool:
    """Whether `path` is a file or free, and its folder lets us write, as far as that can be told before writing."""
    try:
        target = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                return False
        folder = next((folder for folder in target.parents if folder.exists()), target)
        return folder.is_dir() and os.access(folder, os.W_OK)
    except (OSError, ValueError):
        return False


def make_folders(path: Path) -> None:
    """Makes the missing folders above `path`, for their owner alone. Raises OSError."""
    missing = list(itertools.takewhile(lambda folder: not folder.exists(), path.parents))
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def json_text(value: Mapping[str, Any]) -> str:
    """Returns the JSON text for a file that a person may open."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def read_json(path: Path) -> Any:
    """Returns the newest value of the file. A whole draft takes the file's place, unless it is older than the file.

    Raises OSError, ValueError or RecursionError.
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    try:
        value = json.loads(read_text(draft))
        with contextlib.suppress(FileNotFoundError):
            if draft.stat().st_mtime_ns < target.stat().st_mtime_ns:
                raise ValueError("overtaken")
    except (OSError, ValueError, RecursionError):
        return json.loads(read_text(target))
    with contextlib.suppress(OSError):
        _take_place(draft, target)
    return value


def read_text(path: Path, largest: int = 1 << 24, kind: str = "config") -> str:
    """Returns the text of a regular file of at most `largest` bytes. Raises OSError, or ValueError for another file."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest >> 10} KB, as no {kind} is")
    return content.decode("utf-8-sig")


def _take_place(draft: Path, target: Path) -> None:
    """Renames the draft to the target, and syncs the folder to the disk, which Windows cannot and need not do."""
    os.replace(draft, target)
    if sys.platform != "win32":
        number = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def prove(path: Path, size: int) -> None:
    """Proves that a file of `size` bytes can be written at `path`, by a draft of that size. Raises OSError.

    The draft stays, so that the next `write` has room. It holds no JSON, so that `read_json` ignores it.
    """
    _put(_draft(Path(os.path.realpath(path))), b" " * size)


def _draft(target: Path) -> Path:
    name = f".{target.name}.new"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.new"
    return target.with_name(name)


def _put(path: Path, content: bytes) -> None:
    """Overwrites the file and truncates it afterwards, so that it keeps its room on a full disk."""
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
