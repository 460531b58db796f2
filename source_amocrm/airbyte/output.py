"""Writes messages to stdout: rows as bytes and many at a time, in order with all other messages.

What the CDK does with a row (its text decoded, buffered, copied and encoded again) is a fifth of a row's whole cost.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import BinaryIO

import orjson
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteRecordMessage

from source_amocrm.airbyte.packed_row import PACKED, PackedRow

LARGE = 1 << 16
"""As soon as so many bytes wait, they are written."""
JOINED = 1 << 20
"""At most so many bytes are written at once; of more, there would be a second copy in memory."""
LATE = 0.1
"""Seconds that a row may wait for more rows."""


class Output:
    """`with Output(sys.stdout.buffer) as output`; at the end of the block, however it ends, all is written.

    Every other thread speaks through the CDK's PRINT_BUFFER: a write under its lock, after what it holds, leaves all
    lines whole and in their order. Raises BrokenPipeError when nobody reads.
    """

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout
        self._pieces: list[bytes] = []
        self._size = 0
        self._written = time.monotonic()

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def row(self, row: AirbyteRecordMessage) -> None:
        """Writes a row that was `packed`, and lets go of its text if that is large."""
        one: PackedRow = row.data[PACKED]
        before = b'{"type":"RECORD","record":{"stream":%s,"data":' % orjson.dumps(row.stream)
        after = b',"emitted_at":%d}}\n' % row.emitted_at
        self._pieces += (before, one.text, after)
        self._size += len(before) + one.size + len(after)
        if self._size >= LARGE or time.monotonic() >= self._written + LATE:
            self._write()
        if one.size >= LARGE:
            one.let_go()

    def line(self, message: str) -> None:
        """Writes a message at once, so that what a sync has done is known if it is killed."""
        self._pieces.append(f"{message}\n".encode())
        self._write()

    def _write(self) -> None:
        pieces, size, self._pieces, self._size = self._pieces, self._size, [], 0
        with PRINT_BUFFER.lock:
            PRINT_BUFFER.flush()
            for piece in pieces if size > JOINED else [b"".join(pieces)]:
                self._stdout.write(piece)
            self._stdout.flush()
        self._written = time.monotonic()
