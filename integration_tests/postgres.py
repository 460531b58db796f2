"""A PostgreSQL server of the test's own: the machine's programs, a data folder of its own, loopback only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .machine import POSTGRES
from .ports import free_port


@contextmanager
def server() -> Iterator[str]:
    """Yields postgresql://…/postgres of a fresh server. Raises RuntimeError that says what failed."""
    bin_folder = POSTGRES.need().resolve().parent
    # the server refuses to run as root; Debian's package brings this user
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="amocrm-postgres-") as folder:
        home = Path(folder)
        if user:
            shutil.chown(home, user)
        data = home / "data"
        port = free_port()

        def run(*command: str | Path) -> None:
            done = subprocess.run(
                command, user=user, cwd=home, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"}
            )
            if done.returncode:
                raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")

        run(bin_folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {home} -c fsync=off"
        run(bin_folder / "pg_ctl", "-D", data, "-l", home / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
