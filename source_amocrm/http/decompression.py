"""The bytes of an answer, unpacked piece by piece, so that what is small on the wire cannot become large in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests

ACCEPTED = "gzip"
"""The only compression that is asked for; others are refused."""
PIECE = 1 << 18
"""How many bytes are unpacked at a time."""

_PACKED = ("gzip", "x-gzip", "deflate")
# As zlib wants it, for both of them
_EITHER = zlib.MAX_WBITS | 32


class TooLarge(Exception):
    """The answer is larger than it may be."""


class Garbled(Exception):
    """The body is not packed as its header says, or in a way that was not asked for."""


def pieces(response: requests.Response, most: int) -> Iterator[bytes]:
    """The body as it comes, unpacked. Raises TooLarge if it has more than `most` bytes, packed or unpacked."""
    arriving = _limited(_arriving(response), most)
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        return arriving
    if packing not in _PACKED:
        raise Garbled
    return _limited(_unpacked(arriving), most)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    # read1 gives what has arrived; read would sit in a dripping body for as long as it drips
    while piece := response.raw.read1(PIECE, decode_content=False):
        yield piece


def _limited(given: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for piece in given:
        size += len(piece)
        if size > most:
            raise TooLarge
        yield piece


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    """A body of gzip may have several members; what follows the last of them is passed over, as others do."""
    member, whole = zlib.decompressobj(_EITHER), 0
    for data in packed:
        left = data
        while left:
            try:
                piece = member.decompress(left, PIECE)
            except zlib.error:
                if not whole:
                    raise Garbled from None
                return
            if piece:
                yield piece
            left = member.unconsumed_tail
            if member.eof:
                left, whole = member.unused_data, whole + 1
                member = zlib.decompressobj(_EITHER)
    if tail := member.flush():
        yield tail
