"""Makes messages of rows, queues messages within a bound of bytes, and writes them to stdout.

The CDK would make, count, decode, buffer, copy and encode a message for each row, which is half of a row's whole cost.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import orjson
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from airbyte_protocol_dataclasses.models import AirbyteRecordMessageMeta, AirbyteRecordMessageMetaChange, Change, Reason

from source_amocrm.streams.record import ChangedRow
from source_amocrm.walk.listing import Row

MOST_QUEUED = 4 << 20
"""Bytes in the queue from which on a thread waits to put another message. A message itself may be of any size."""
LEAST_COUNTED = 1 << 14  # bytes that every message counts at least, so that at most 256 messages wait

WRITTEN_TOGETHER = 1 << 16  # bytes of rows from which on a message is full
JOINED = 1 << 17  # bytes up to which the rows of a message are joined for one write

Pack = Callable[[str, Sequence[Row]], Iterable[AirbyteMessage]]
"""Makes the messages of a stream's rows. With the path of a list and no rows: of the end of its page."""


class PackedRows(AirbyteMessage):
    """Several rows of one stream as a single message. `count`: rows. `size`: bytes."""

    def __init__(self, stream: str, count: int, size: int) -> None:
        super().__init__(Type.RECORD)
        self.stream, self.count, self.size = stream, count, size


class Lines(PackedRows):
    """`texts`: the lines of the rows' RECORD messages (UTF-8)."""

    def __init__(self, stream: str, texts: list[bytes]) -> None:
        super().__init__(stream, len(texts), sum(map(len, texts)))
        self.texts = texts


def records(stream: str, rows: Sequence[Row]) -> Iterator[AirbyteMessage]:
    """Yields the message of each row, as the CDK knows it."""
    at = time.time_ns() // 1_000_000
    for row in rows:
        record = AirbyteRecordMessage(stream=stream, data=row, emitted_at=at, meta=changes_of(row))
        yield AirbyteMessage(type=Type.RECORD, record=record)


def lines(stream: str, rows: Sequence[Row]) -> Iterator[Lines]:
    """Yields the rows as lines, WRITTEN_TOGETHER bytes in a message or one larger row."""
    at = time.time_ns() // 1_000_000
    texts, size = list[bytes](), 0
    for row in rows:
        record: dict[str, Any] = {"stream": stream, "data": row, "emitted_at": at}
        if changed := changes_of(row):
            record["meta"] = orjson.loads(orjson.dumps(changed))
        texts.append(_json({"type": "RECORD", "record": record}) + b"\n")
        size += len(texts[-1])
        if size >= WRITTEN_TOGETHER:
            yield Lines(stream, texts)
            texts, size = [], 0
    if texts:
        yield Lines(stream, texts)


def _json(message: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(message)
    except TypeError:  # a number beyond 64 bits
        return json.dumps(message).encode()


def changes_of(row: Row) -> AirbyteRecordMessageMeta | None:
    """Returns the columns that do not hold all that amoCRM sent: nulled or shortened, because of their type."""
    if not isinstance(row, ChangedRow):
        return None
    kinds = ((column, Change.NULLED if row[column] is None else Change.TRUNCATED) for column in row.changes)
    return AirbyteRecordMessageMeta(
        [AirbyteRecordMessageMetaChange(column, kind, Reason.SOURCE_SERIALIZATION_ERROR) for column, kind in kinds]
    )


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
    return max(LEAST_COUNTED, item.size if isinstance(item, PackedRows) else 0)


class Output:
    """Writes to stdout. Raises BrokenPipeError if nobody reads.

    Every other thread prints through the CDK's PRINT_BUFFER. A write flushes that buffer first and holds its lock, so
    that lines stay whole and in order.
    """

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout

    def rows(self, rows: Lines) -> None:
        """Writes rows, and frees their texts. Large ones are not joined first, which would copy them."""
        self._write(rows.texts if rows.size > JOINED else [b"".join(rows.texts)])
        rows.texts.clear()

    def line(self, message: str) -> None:
        self._write([f"{message}\n".encode()])

    def _write(self, pieces: list[bytes]) -> None:
        with PRINT_BUFFER.lock:
            PRINT_BUFFER.flush()
            for piece in pieces:
                self._stdout.write(piece)
            self._stdout.flush()
