"""Runs `source-amocrm publish`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

from . import forked
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


def refused(source: str, to: str, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """Publishes, which must be refused. Returns the sentence."""
    done = run(source, to, *options, environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    return clean(done.stderr)


def killed(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
