"""`make sync` as a process of its own, in PyAirbyte's environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .leaks import clean
from .sandbox import Fault, Server

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-pyairbyte" / "bin" / "python"


def start(config: Path, database: str, project: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    assert PYTHON.exists(), "`make test` sets up .venv-pyairbyte, which this test reads through"
    return subprocess.Popen(
        [str(PYTHON), "-m", "demo.sync", "--config", str(config), "--project", project, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "DB": database, **environment},
    )


@contextmanager
def unanswered(server: Server, path: str, since: int = 1) -> Iterator[None]:
    """While it lasts no request for that list is answered from that one on, so that a sync cannot come to its end."""
    fault = Fault("hang", path, since=since)
    server.sandbox.faults.faults.insert(0, fault)
    try:
        yield
    finally:
        server.sandbox.faults.faults.remove(fault)


def refused(*arguments: str, **environment: str) -> str:
    """What is said instead of a sync, before anything is asked for."""
    command = [str(PYTHON), "-m", "demo.sync", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert (done.returncode, done.stdout) == (2, "")
    return clean(done.stderr)
