"""Locks: a folder of accounts belongs to one fleet at a time, and an account to one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import STATE, FleetAccount


def myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def folder_held(folder: Path, fleet: str | None = None) -> Iterator[None]:
    """Locks the folder against other fleets; processes of the same `fleet` share the lock.

    Without a name, this process is a fleet of its own. The system releases the lock when the process dies. Raises
    FleetError that names the holder.
    """
    fleet = fleet or myself()
    descriptor = _open(folder / STATE / "lock")
    try:
        if not _acquire(descriptor, fleet):
            _join(descriptor, folder, fleet)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def account_held(account: FleetAccount) -> Iterator[int]:
    """Locks the account against other runs and yields the lock's file descriptor. Raises FleetError.

    A child that inherits the descriptor holds the lock, too, and keeps it when this process is killed.
    """
    descriptor = _open(account.beside("lock"))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FleetError(
                f"{account.name} is being synced or checked already, by {_holder(descriptor)}. Two at once would spend "
                "each other's refresh token: wait until that one is done."
            ) from None
        _write_holder(descriptor, myself())
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, fleet: str) -> bool:
    """Takes a free lock for `fleet`, shared with its other processes. False where another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _write_holder(descriptor, fleet)
    # the system releases the exclusive lock before it grants the shared one: another fleet may lock in between
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return _holder(descriptor) == fleet


def _join(descriptor: int, folder: Path, fleet: str) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    # the holder may have released the lock meanwhile
    if _holder(descriptor) != fleet and not _acquire(descriptor, fleet):
        raise FleetError(
            f"The accounts in {folder} are in the hands of another fleet, {_holder(descriptor)}. Two fleets would "
            "spend each other's refresh tokens: stop one of them, or give each its own folder."
        )


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FleetError(f"{path} cannot be written: {error.strerror}.") from None


def _write_holder(descriptor: int, name: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"holder": name}).encode(), 0)
    except OSError as error:
        raise FleetError(f"The locks beside the accounts cannot be written: {error.strerror}.") from None


def _holder(descriptor: int) -> str:
    try:
        return str(json.loads(os.pread(descriptor, 4096, 0))["holder"])
    except (ValueError, KeyError):
        return "another process"
