"""The queue between the threads that make rows and the one that writes them, bounded by the bytes in it."""

from __future__ import annotations

from queue import Queue
from typing import Any

from airbyte_cdk.sources.types import Record

from source_amocrm.airbyte.packed_row import PACKED, PackedRow

MOST = 4 << 20
"""Bytes that may wait; with whatever came last it may be more."""
LEAST = 1 << 14
"""Bytes that anything counts at least, so that at most 256 rows wait."""


class RowQueue(Queue[Any]):
    """Rows count by the size of their text, so that large ones do not fill the memory while the reader is slow."""

    def __init__(self) -> None:
        super().__init__(MOST)
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: Any) -> None:
        self._bytes += _size(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= _size(item)
        return item


def _size(item: Any) -> int:
    one = item.data.get(PACKED) if isinstance(item, Record) else None
    return max(LEAST, one.size if isinstance(one, PackedRow) else 0)
