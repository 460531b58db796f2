"""Lets one process at a time write the tables of an account in one database."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from amocrm_warehouse.database_address import duckdb_file, is_file, without_password
from amocrm_warehouse.this_machine import HOME, own_folder


def table_set(address: str, project: str, dataset: str) -> AbstractContextManager[Path]:
    """Locks the tables for a sync.

    DuckDB lets one process write to a file, so all accounts in one file share a lock.
    """
    shown = str(duckdb_file(address)) if is_file(address) else without_password(address)
    return one_writer(shown, "" if is_file(address) else f" {dataset} {project}", "sync")


@contextmanager
def one_writer(shown: str, tables: str, command: str) -> Iterator[Path]:
    """Locks tables of a database and yields an empty folder for load packages. Raises ValueError if the lock is taken.

    The system releases the lock of a killed process; the files that it left in the folder are removed. `shown`: the
    database. `command`: the word for whoever holds the lock.
    """
    key = shown + tables
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    syncs = own_folder("syncs")
    lock, holder, folder = (syncs / f"{digest}{suffix}" for suffix in (".lock", ".json", ""))
    with ExitStack() as locked:
        try:
            locked.enter_context(FileLock(lock, timeout=0, mode=0o600))
            holder.write_text(json.dumps(_this_process()), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        except Timeout:
            raise ValueError(
                f"Another {command} writes to these tables ({shown}): {_process_in(holder)}. One writes at a time; "
                "wait for its end."
            ) from None
        except OSError as error:
            raise ValueError(
                f"The folder for temporary files {syncs} cannot be written: {error.strerror}. Name another one in "
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
