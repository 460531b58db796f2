"""Starts a MariaDB server for a test: the machine's programs, a new data folder, loopback only."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from .machine import MARIADB
from .ports import free_port

OPTIONS = ("--no-defaults", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-log-bin")


@contextmanager
def server() -> Iterator[str]:
    """Starts a new server and yields its address, mysql://root@…/mysql. Raises RuntimeError with the cause."""
    program = MARIADB.need()
    with tempfile.TemporaryDirectory(prefix="amocrm-mariadb-") as folder:
        data, port = Path(folder) / "data", free_port()
        own = ["--user=root", f"--datadir={data}"]
        made = subprocess.run(
            [shutil.which("mariadb-install-db") or "mariadb-install-db", "--no-defaults", *own, "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db failed: {made.stdout[-2000:]}{made.stderr[-2000:]}")
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(
                [program, *OPTIONS, *own, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket"],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait(process, port, Path(folder) / "log")
            yield f"mysql://root@127.0.0.1:{port}/mysql"
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while process.poll() is None:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root").close()
            return
        except pymysql.OperationalError:
            time.sleep(0.1)
    raise RuntimeError(f"mariadbd failed: {log.read_text()[-2000:]}")
