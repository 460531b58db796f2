"""The JSON text of a row, on its way from the thread that makes it to the one that writes it."""

from __future__ import annotations

import json

import orjson

from source_amocrm.walk.listing import Row

PACKED = "packed"
"""The key of the PackedRow in the data of a record, which the CDK wants to be a mapping."""


class PackedRow:
    """`text`: the row in JSON, in UTF-8; empty once it was let go of. `size`: its bytes, also after that."""

    __slots__ = ("size", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.size = len(text)

    def let_go(self) -> None:
        """Forgets the text, for the CDK refers to each record until the next one comes."""
        self.text = b""


def packed(row: Row) -> dict[str, PackedRow]:
    """The data of the record of a row.

    Written where it is made, the row is still in the processor's cache: a tenth of the time that it takes later.
    """
    try:
        text = orjson.dumps(row)
    except TypeError:
        text = json.dumps(row).encode()  # a number beyond 64 bits
    return {PACKED: PackedRow(text)}
