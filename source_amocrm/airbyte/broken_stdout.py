"""Ends the process at once if stdout breaks, whichever thread writes, and waits for a reader that is slow.

Replaces letters that a terminal cannot show.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
from typing import Any, NoReturn

from source_amocrm import shutdown


class _Stdout(io.FileIO):
    """The unbuffered stdout. Ends the process silently if the reader has gone."""

    def write(self, data: Any) -> int:
        try:
            # a pipe that somebody has set non-blocking takes nothing while it is full
            while (written := super().write(data)) is None:
                select.select((), (self,), ())
            return written
        except BrokenPipeError:
            shutdown.end(shutdown.STOPPED_BY_SIGNAL + signal.SIGPIPE)
        except OSError as error:
            _give_up(error.strerror or type(error).__name__)


def guard() -> None:
    """Guards stdout. Call it before printing, and before opening a file, which would get a closed stdout's number."""
    original = sys.stdout
    if not isinstance(original, io.TextIOWrapper):
        _give_up("stdout is closed")
    guarded = io.TextIOWrapper(
        io.BufferedWriter(_Stdout(original.fileno(), "wb", closefd=False)),
        encoding=original.encoding,
        errors=original.errors,
        line_buffering=original.line_buffering,
        write_through=original.write_through,
    )
    sys.stdout = guarded
    sys.__stdout__ = guarded  # type: ignore[misc]


def show_any_text() -> None:
    """Replaces letters that the terminal cannot show: not every terminal has Russian letters and arrows."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _give_up(reason: str) -> NoReturn:
    sentence = (
        f"What source-amocrm has to say cannot be written: {reason}. It ends here; make room, or open stdout, and "
        "run it again.\n"
    )
    with contextlib.suppress(OSError):
        os.write(2, sentence.encode())
    shutdown.end(1)
