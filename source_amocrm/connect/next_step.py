"""The line that goes on from a config.json: it works as it stands, from whichever folder, in a POSIX shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def next_line(config: Path, account_id: int | None) -> str:
    """A sync into tables named after the account, where the extra is installed that loads them; else a check."""
    command = [_command(), "sync" if find_spec("dlt") else "check", "--config", os.path.abspath(config)]
    project = ["--project", str(account_id)] if command[1] == "sync" and account_id else []
    return shlex.join([*command, *project])


def _command() -> str:
    """The whole path of the command that is running, or of the one beside this Python."""
    beside = Path(sys.executable).with_name("source-amocrm")
    run = Path(sys.argv[0])
    if run.name == beside.name and run.is_file():
        return os.path.abspath(run)
    return str(beside) if beside.is_file() else shutil.which(beside.name) or beside.name
