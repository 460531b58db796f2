"""Lets one process at a time publish an account into one warehouse."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.this_machine import HOME, own_folder


@contextmanager
def one_writer(address: str, schema: str, project: str) -> Iterator[Path]:
    """Locks an account's tables, and yields an empty folder for its rows. Raises ValueError if the lock is taken.

    The system releases the lock of a killed process; the files that it left in the folder are removed.
    """
    shown = without_password(address)
    digest = hashlib.sha256(f"{shown} {schema} {project}".encode()).hexdigest()[:24]
    under_way = own_folder("publish")
    lock, holder, folder = (under_way / f"{digest}{suffix}" for suffix in (".lock", ".json", ""))
    with ExitStack() as locked:
        try:
            locked.enter_context(FileLock(lock, timeout=0, mode=0o600))
            holder.write_text(json.dumps(_this_process()), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        except Timeout:
            raise ValueError(
                f"Another publish writes to these tables ({shown}): {_process_in(holder)}. One writes at a time; "
                "wait for its end."
            ) from None
        except OSError as error:
            raise ValueError(
                f"The folder for temporary files {under_way} cannot be written: {error.strerror}. Name another one in "
                f"{HOME}."
            ) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                holder.unlink()


def _this_process() -> dict[str, str | int]:
    return {
        "process": os.getpid(),
        "user": _user(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user may be a number without a name
        return "a user without a name"


def _process_in(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {who['process']} of {who['user']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError):
        return "it has just begun"
