"""Runs a command on a pseudo-terminal and returns what a person would see."""

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
"""A line that was written, then erased by moving the cursor back."""


@dataclass(frozen=True)
class TerminalOutput:
    """`raw`: the output with its colours and moves of the cursor."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return COLOURS_AND_MOVES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def stays(self) -> list[str]:
        """Returns the lines on the screen in the end, without overwritten text."""
        left = TerminalOutput(self.code, TAKEN_BACK.sub("", self.raw)).text
        return [line.rpartition("\r")[2].rstrip() for line in left.split("\n")]


def on_a_terminal(
    command: Sequence[str | Path], cwd: Path | None = None, answers: Sequence[str] = (), **environment: str
) -> TerminalOutput:
    """Runs a command to its end. The terminal has 100 columns and is both stdout and stderr.

    `answers`: typed one by one, each after an output that ends with a colon, without an echo.
    """

    def start(child: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=child,
            stdout=child,
            stderr=child,
            env={**os.environ, **TERMINAL, **environment},
            start_new_session=True,
        )

    return _output(start, answers)


def forked_on_a_terminal(
    arguments: Sequence[str | Path], cwd: Path | None = None, **environment: str
) -> TerminalOutput:
    """Runs `source-amocrm` to its end, forked."""
    return _output(lambda child: Forked(arguments, {**TERMINAL, **environment}, cwd=cwd, terminal=child))


def _output(start: Callable[[int], subprocess.Popen[bytes] | Forked], answers: Sequence[str] = ()) -> TerminalOutput:
    left = iter(answers)
    parent, child = pty.openpty()
    if answers:
        modes = termios.tcgetattr(child)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(child, termios.TCSANOW, modes)
    process = start(child)
    os.close(child)
    chunks = []
    try:
        while chunk := os.read(parent, 65_536):
            chunks.append(chunk)
            if chunk.endswith(b": ") and (answer := next(left, None)) is not None:
                os.write(parent, f"{answer}\n".encode())
    except OSError:
        pass  # on Linux, the read fails when the process has closed the terminal
    os.close(parent)
    return TerminalOutput(process.wait(), clean(b"".join(chunks).decode()))
