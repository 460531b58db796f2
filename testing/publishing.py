"""Runs `source-amocrm publish`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import forked, small_marts
from .leaks import clean


def publish(source: str, to: str, *options: str, constants: Mapping[str, Any] | None = None) -> str:
    """Publishes, which must succeed. Returns the output."""
    done = run(source, to, *options, constants=constants)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(
    source: str,
    to: str,
    *options: str,
    constants: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    variables = {"DB": source, "PUBLISH_TO": to, **(environment or {})}
    return forked.run(["publish", "--quiet", *options], variables, constants)


def publish_together(to: str, schema: str, projects: Sequence[str], folder: Path) -> None:
    """Publishes accounts at the same time, which must succeed. Deals of the first have cf_0_size, and so on."""
    for number, name in enumerate(projects):
        small_marts.build(str(folder / name), [name], extra=f", cf_{number}_size decimal(38,9) default {number}")
    processes = [
        forked.Forked(["publish", "--quiet", "--schema", schema], {"DB": str(folder / name), "PUBLISH_TO": to})
        for name in projects
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(projects), said


def refused(source: str, to: str, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """Publishes, which must be refused. Returns the sentence."""
    done = run(source, to, *options, environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    return clean(done.stderr)


def killed(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
