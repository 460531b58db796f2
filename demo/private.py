"""A folder for the temporary files of one run, the config with its tokens among them, that no one else can open."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = f"amocrm-sync-{os.getuid()}-"


@contextmanager
def private_folder() -> Iterator[Path]:
    """While it lasts, this process and those that it starts put their temporary files here; then it is removed.

    PyAirbyte gives everybody the right to read the config that it writes for the connector: the folder, mode 0700,
    keeps them out. A run holds a lock on its folder, which the system releases when the run is killed, so that the
    next run knows what was left behind, and removes it.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{PREFIX}*"):
        _remove_unless_in_use(left)
    folder, lock = _locked(place)
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(place: Path) -> tuple[Path, int]:
    """A new folder and the lock on it. Another run may take it for a killed one's before it is locked: then again."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _remove_unless_in_use(folder: Path) -> None:
    """Nothing of other users: neither what a link leads to nor what they have named so."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
