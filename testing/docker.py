"""Runs commands in an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .leaks import clean


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    clean(done.stderr)
    return clean(done.stdout)


def docker_run(image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    return run("docker", "run", "--rm", "--network", "host", *options, image, *arguments)
