"""Writes files atomically, so that they are whole or not there even if the machine dies meanwhile."""

from __future__ import annotations

import contextlib
import errno
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
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Writes the file, for its owner alone; when this returns, it is on the disk. Follows links. Raises OSError.

    Raises FileExistsError if the file exists and is not to be replaced. Writes a draft beside the file first: if the
    machine dies before the draft takes the file's place, `read_json` finds the draft.
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target)
    data = content if isinstance(content, bytes) else content.encode()
    if not replace:
        target.touch(0o600, exist_ok=False)  # empty: it only reserves the name
    try:
        drafted = _is_drafted(draft, data, target)
    except OSError:
        with contextlib.suppress(OSError):
            if not replace:
                target.unlink()
            draft.unlink()
        raise
    if drafted:
        _take_place(draft, target)
    else:
        _overwrite(target, data)


def may_be_written(path: Path) -> bool:
    """Whether `path` is a file or free, and its folder lets us write, as far as that can be told before writing."""
    try:
        target = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            mode = target.stat().st_mode  # a file that nobody may write is made its owner's to write
            return stat.S_ISREG(mode) and (os.access(target, os.W_OK) or not mode & stat.S_IWUSR)
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
        value = _newer(draft, target)
    except (OSError, ValueError, RecursionError):
        return json.loads(read_text(target))
    with contextlib.suppress(OSError):
        _take_place(draft, target)
    return value


def _newer(draft: Path, target: Path) -> Any:
    """Returns the value of a whole draft. Raises OSError, ValueError or RecursionError if a whole file is newer."""
    value = json.loads(read_text(draft))
    with contextlib.suppress(FileNotFoundError):
        if draft.stat().st_mtime_ns < target.stat().st_mtime_ns and _is_whole(target):
            raise ValueError("overtaken")
    return value


def _is_whole(target: Path) -> bool:
    """Whether the file holds JSON, which it does not while it is being overwritten in place."""
    try:
        json.loads(read_text(target))
        return True
    except (ValueError, RecursionError):
        return False


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


def prove(path: Path, size: int) -> None:
    """Proves that a file of `size` bytes can be written at `path`. Raises OSError.

    A draft of that size stays, so that the next `write` has room. It holds no JSON, so that `read_json` ignores it. A
    file that is there must let itself be written in place, in case it cannot be replaced; blanks keep its room then.
    """
    target = Path(os.path.realpath(path))
    draft, blanks = _draft(target), b" " * size
    if not target.exists():
        _put(draft, blanks)
        return
    number = _opened(target, os.O_APPEND)
    try:
        with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
            _newer(draft, target)
            _take_place(draft, target)  # it may be the only file with the newest token
        if not _is_drafted(draft, blanks, target) or draft.stat().st_dev != target.stat().st_dev:
            _write_all(number, blanks[os.fstat(number).st_size :])
            os.fsync(number)
    finally:
        os.close(number)


def _is_drafted(draft: Path, content: bytes, target: Path) -> bool:
    """Writes the draft. Returns False if the folder holds the target, but takes no other file. Raises OSError."""
    try:
        _put(draft, content)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and target.is_file():
            return False
        raise
    return True


def _take_place(draft: Path, target: Path) -> None:
    """Renames the draft to the target, and syncs the folder to the disk, which Windows cannot and need not do.

    If the target cannot be replaced, as a file that is mounted by itself cannot, writes it in place. Raises OSError.
    """
    try:
        os.replace(draft, target)
    except OSError:
        if not target.is_file():
            raise
        _overwrite(target, draft.read_bytes())
        draft.unlink()
    if sys.platform != "win32":
        number = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _overwrite(target: Path, content: bytes) -> None:
    """Writes the content in place, its first byte last: a file that is half written is no JSON. Raises OSError."""
    number = _opened(target)
    try:
        _write_all(number, b"\0" + content[1:])
        os.ftruncate(number, len(content))
        os.fsync(number)
        os.lseek(number, 0, os.SEEK_SET)
        _write_all(number, content[:1])
        os.fsync(number)
    finally:
        os.close(number)


def _opened(target: Path, flags: int = 0) -> int:
    """Opens a file to write it in place, and makes it its owner's alone. Raises OSError."""
    os.chmod(target, 0o600)
    return os.open(target, flags | os.O_WRONLY | _FLAGS)


def _draft(target: Path) -> Path:
    name = f".{target.name}.new"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.new"
    return target.with_name(name)


def _put(path: Path, content: bytes) -> None:
    """Overwrites the file and truncates it afterwards, so that it keeps its room on a full disk."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | _FLAGS, 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(number, 0o600)
        _write_all(number, content)
        os.ftruncate(number, len(content))
        os.fsync(number)
    finally:
        os.close(number)


def _write_all(number: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(number, left) :]
