"""Messages on stdout, many at a time: what the CDK's buffer does with each is a tenth of the cost of a row."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

LARGE = 1 << 16
"""Characters that are worth a write."""
LATE = 0.1
"""Seconds that a message may wait for the next one."""
STATE = '{"type":"STATE"'
"""How a message begins that waits for none: what a sync has done is to be known when it is killed."""


class Output:
    """`with Output(stream) as output: output.line(message)`. At the end of the block, however it ends, all is written.

    Raises BrokenPipeError when nobody reads. A write is of whole lines, so that other threads' lines come between them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._size = 0
        self._written = time.monotonic()

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def line(self, text: str) -> None:
        self._lines.append(text)
        self._size += len(text)
        if self._size >= LARGE or text.startswith(STATE) or time.monotonic() >= self._written + LATE:
            self._write()

    def _write(self) -> None:
        if self._lines:
            lines, self._lines, self._size = [*self._lines, ""], [], 0
            self._stream.write("\n".join(lines))
            self._stream.flush()
        self._written = time.monotonic()
