"""A command on a terminal of its own: what a person would see of it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .forked import Forked
from .leaks import clean

TERMINAL = {"TERM": "xterm", "COLUMNS": "100"}
COLOURS_AND_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

TAKEN_BACK = re.compile(r"[^\n]*\n(?:\x1b\[\?25h)?\r?\x1b\[1A\x1b\[2K")
"""A line that was ended, and gone back to, and erased."""


@dataclass(frozen=True)
class Seen:
    """`raw` is what came, its colours and moves of the cursor included."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return COLOURS_AND_MOVES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def stays(self) -> list[str]:
        """The lines as they are in the end: what was written over is gone."""
        left = Seen(self.code, TAKEN_BACK.sub("", self.raw)).text
        return [line.rpartition("\r")[2].rstrip() for line in left.split("\n")]


def on_a_terminal(
    command: Sequence[str | Path], cwd: Path | None = None, answers: Sequence[str] = (), **environment: str
) -> Seen:
    """Waits for its end. The terminal has 100 columns and is both its stdout and its stderr.

    `answers` are typed one by one, each when a line that ends with a colon asks for it; the terminal itself shows none.
    """

    def start(its: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, **TERMINAL, **environment},
            start_new_session=True,
        )

    return _seen(start, answers)


def forked_on_a_terminal(arguments: Sequence[str | Path], cwd: Path | None = None, **environment: str) -> Seen:
    """The same of `source-amocrm`."""
    return _seen(lambda its: Forked(arguments, {**TERMINAL, **environment}, cwd=cwd, terminal=its))


def _seen(start: Callable[[int], subprocess.Popen[bytes] | Forked], answers: Sequence[str] = ()) -> Seen:
    left = iter(answers)
    ours, its = pty.openpty()
    if answers:
        modes = termios.tcgetattr(its)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(its, termios.TCSANOW, modes)
    process = start(its)
    os.close(its)
    chunks = []
    try:
        while chunk := os.read(ours, 65_536):
            chunks.append(chunk)
            if chunk.endswith(b": ") and (answer := next(left, None)) is not None:
                os.write(ours, f"{answer}\n".encode())
    except OSError:
        pass  # Linux tells the end so
    os.close(ours)
    return Seen(process.wait(), clean(b"".join(chunks).decode()))
