"""The line that goes on from a config.json: it works as it stands, from whichever folder, in a POSIX shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import source_amocrm

CLONE = Path(source_amocrm.__file__).resolve().parents[1]


def next_line(config: Path, account_id: int | None) -> str:
    """A sync where there is the repository, into tables named after the account; else a check."""
    path = os.path.abspath(config)
    if (CLONE / "Makefile").is_file() and (CLONE / "demo" / "sync.py").is_file():
        elsewhere = [] if Path.cwd() == CLONE else ["-C", str(CLONE)]
        settings = [_setting("CONFIG", path)] + ([_setting("PROJECT", str(account_id))] if account_id else [])
        return shlex.join(["make", *elsewhere, "sync", *settings])
    return shlex.join([_command(), "check", "--config", path])


def _setting(name: str, text: str) -> str:
    """make takes a dollar for a variable of its own."""
    return f"{name}={text.replace('$', '$$')}"


def _command() -> str:
    """The whole path of the command that is running, or of the one beside this Python."""
    beside = Path(sys.executable).with_name("source-amocrm")
    run = Path(sys.argv[0])
    if run.name == beside.name and run.is_file():
        return os.path.abspath(run)
    return str(beside) if beside.is_file() else shutil.which(beside.name) or beside.name
