"""Who may touch a folder of accounts: one fleet at a time, and within it one run an account."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.folder import FleetAccount
from source_amocrm.config_file import STATE


def myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def folder_held(folder: Path, fleet: str | None = None) -> Iterator[None]:
    """While it lasts, no other fleet touches the folder; processes of the same `fleet` share it.

    Without a name the process is a fleet of its own. The system lets go of the lock when its process dies. Raises
    FleetError that names the holder.
    """
    fleet = fleet or myself()
    number = _opened(folder / STATE / "lock")
    try:
        if not _taken(number, fleet):
            _join(number, folder, fleet)
        yield
    finally:
        os.close(number)


@contextmanager
def account_held(account: FleetAccount) -> Iterator[int]:
    """While it lasts, no other run touches the account. Yields the lock's file descriptor.

    A child that inherits it holds the lock, too, and goes on holding it when this process is killed. Raises FleetError.
    """
    number = _opened(account.beside("lock"))
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FleetError(
                f"{account.name} is being synced or checked already, by {_holder(number)}. Two at once would spend "
                "each other's refresh token: wait until that one is done."
            ) from None
        _sign(number, myself())
        yield number
    finally:
        os.close(number)


def _taken(number: int, fleet: str) -> bool:
    """Whether nobody held the folder, so that its fleet is now `fleet`, with room for others of it."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _sign(number, fleet)
    # the exclusive lock is let go of first, and another may come in between
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return _holder(number) == fleet


def _join(number: int, folder: Path, fleet: str) -> None:
    fcntl.flock(number, fcntl.LOCK_SH)
    # the holder may have let go meanwhile
    if _holder(number) != fleet and not _taken(number, fleet):
        raise FleetError(
            f"The accounts in {folder} are in the hands of another fleet, {_holder(number)}. Two fleets would spend "
            "each other's refresh tokens: stop one of them, or give each its own folder."
        )


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FleetError(f"{path} cannot be written: {error.strerror}.") from None


def _sign(number: int, name: str) -> None:
    try:
        os.ftruncate(number, 0)
        os.pwrite(number, json.dumps({"holder": name}).encode(), 0)
    except OSError as error:
        raise FleetError(f"The locks beside the accounts cannot be written: {error.strerror}.") from None


def _holder(number: int) -> str:
    try:
        return str(json.loads(os.pread(number, 4096, 0))["holder"])
    except (ValueError, KeyError):
        return "another process"
