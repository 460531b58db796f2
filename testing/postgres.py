"""Starts a PostgreSQL server for a test: the machine's programs, a new data folder, loopback only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg

from .machine import POSTGRES
from .ports import free_port

# the server refuses to run as root; Debian's package creates this user
USER = "postgres" if os.geteuid() == 0 else None
FRESH = tempfile.TemporaryDirectory(prefix="amocrm-postgres-")


@contextmanager
def server() -> Iterator[str]:
    """Starts a new server and yields its address, postgresql://…/postgres. Raises RuntimeError with the cause."""
    bin_folder = POSTGRES.need().resolve().parent
    with tempfile.TemporaryDirectory(prefix="amocrm-postgres-") as folder:
        home = Path(folder)
        if USER:
            shutil.chown(home, USER)
        data = home / "data"
        port = free_port()
        _run(home, "cp", "-a", _fresh_data(bin_folder), data)
        options = f"-h 127.0.0.1 -p {port} -k {home} -c fsync=off"
        _run(home, bin_folder / "pg_ctl", "-D", data, "-l", home / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _run(home, bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@cache
def _fresh_data(bin_folder: Path) -> Path:
    """Makes a data folder once, which takes a second, for every server to copy."""
    home = Path(FRESH.name)
    if USER:
        shutil.chown(home, USER)
    _run(home, bin_folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    return home / "data"


def _run(home: Path, *command: str | Path) -> None:
    done = subprocess.run(
        command, user=USER, cwd=home, capture_output=True, text=True, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def wait_until_refused(url: str) -> None:
    """Waits until the server applies its new rules: it reloads them some time after the request."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return
    raise AssertionError("the server lets in whoever asks")
