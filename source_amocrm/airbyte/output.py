"""Packs rows as JSON text, queues messages within a bound of bytes, and writes many rows to stdout at once.

The CDK would decode, buffer, copy and encode the text of each row again, which is a fifth of a row's whole cost.
"""

from __future__ import annotations

import json
import queue
import time
from typing import Any, BinaryIO

import orjson
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage

from source_amocrm.walk.listing import Row

PACKED = "packed"
"""The key of a row's JSON (UTF-8) in the data of its record, which the CDK wants to be a mapping."""

MOST_QUEUED = 4 << 20
"""Bytes in the queue from which on a thread waits to put another message. A message itself may be of any size."""
LEAST_COUNTED = 1 << 14  # bytes that every message counts at least, so that at most 256 messages wait

WRITTEN_TOGETHER = 1 << 16  # as soon as so many bytes wait, they are written
JOINED = 1 << 20  # bytes up to which rows are joined for one write: joining makes a second copy in memory
LATE = 0.1  # seconds that a row may wait for more rows


def packed(row: Row) -> dict[str, bytes]:
    """Returns the data of a row's record.

    The thread that makes a row packs it at once: in the processor's cache, the row takes a tenth of the time.
    """
    try:
        return {PACKED: orjson.dumps(row)}
    except TypeError:
        return {PACKED: json.dumps(row).encode()}  # a number beyond 64 bits


class Closed(Exception):
    """Nobody takes messages from the queue any more."""


class MessageQueue(queue.Queue[Any]):
    """Hands messages from the threads that read lists to the thread that writes, in order; bounded in bytes.

    Large rows count by the size of their text, so that they do not fill the memory while the reader is slow. `put`
    raises Closed.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._closed = False
        super().__init__(MOST_QUEUED)

    def put_at_once(self, item: Any) -> None:
        """Puts a small message that must not wait. Raises Closed."""
        with self.mutex:
            self._put(item)
            self.not_empty.notify()

    def close(self) -> None:
        with self.mutex:
            self._closed = True
            self._bytes = 0
            self.queue.clear()
            self.not_full.notify_all()

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: Any) -> None:
        if self._closed:
            raise Closed
        self._bytes += _size(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= _size(item)
        return item


def _size(item: Any) -> int:
    record = item.record if isinstance(item, AirbyteMessage) else None
    text = record.data.get(PACKED) if record else None
    return max(LEAST_COUNTED, len(text) if isinstance(text, bytes) else 0)


class Output:
    """Writes to stdout. At the end of a `with` block, however the block ends, everything is written.

    Every other thread prints through the CDK's PRINT_BUFFER. A write flushes that buffer first and holds its lock, so
    that lines stay whole and in order. Raises BrokenPipeError if nobody reads.
    """

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout
        self._pieces: list[bytes] = []
        self._size = 0
        self._written = time.monotonic()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def row(self, row: AirbyteRecordMessage) -> None:
        """Writes a row that was `packed`. A large text is freed once it is written."""
        text: bytes = row.data[PACKED]
        before = b'{"type":"RECORD","record":{"stream":%s,"data":' % orjson.dumps(row.stream)
        meta = b',"meta":%s' % orjson.dumps(row.meta) if row.meta else b""
        after = b',"emitted_at":%d%s}}\n' % (row.emitted_at, meta)
        self._pieces += (before, text, after)
        self._size += len(before) + len(text) + len(after)
        if self._size >= WRITTEN_TOGETHER or time.monotonic() >= self._written + LATE:
            self._write()
        if len(text) >= WRITTEN_TOGETHER:
            row.data = {}

    def line(self, message: str) -> None:
        """Writes a message at once, so that the output of a killed sync tells how far it came."""
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
