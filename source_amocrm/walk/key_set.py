"""A set of row keys that takes 8 bytes for a number and 16 for a text, however many there are."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b

RECENT = 20_000
"""How many keys are kept as objects. Past it they are packed into sorted arrays."""
_DIGEST = 16
_LARGEST = 2**63


class KeySet:
    """Numbers are exact; texts, and numbers of more than 63 bits, are told apart by a digest of 128 bits."""

    def __init__(self, keys: Iterable[int | str] = ()) -> None:
        self._recent: set[int | bytes] = set()
        self._numbers: list[array[int]] = []
        """Sorted runs, each longer than the next."""
        self._digests: list[bytes] = []
        """The same, each a sequence of digests."""
        self._packed = 0
        self.add(keys)

    def __len__(self) -> int:
        return self._packed + len(self._recent)

    def add(self, keys: Iterable[int | str]) -> bool:
        """Adds the keys. Whether one of them is new."""
        return self._add(map(_short, keys))

    def update(self, other: KeySet) -> None:
        self._add(iter(other))

    def __contains__(self, key: int | str) -> bool:
        return self._has(_short(key))

    def __iter__(self) -> Iterator[int | bytes]:
        yield from self._recent
        for numbers in self._numbers:
            yield from numbers
        for digests in self._digests:
            yield from _split(digests)

    def _add(self, keys: Iterable[int | bytes]) -> bool:
        fresh = False
        for key in keys:
            if not self._has(key):
                fresh = True
                self._recent.add(key)
                if len(self._recent) >= RECENT:
                    self._pack()
        return fresh

    def _has(self, key: int | bytes) -> bool:
        if key in self._recent:
            return True
        if isinstance(key, int):
            return any(at < len(run) and run[at] == key for run in self._numbers for at in [bisect_left(run, key)])
        return any(_holds(run, key) for run in self._digests)

    def _pack(self) -> None:
        self._packed += len(self._recent)
        numbers = sorted(key for key in self._recent if isinstance(key, int))
        digests = sorted(key for key in self._recent if isinstance(key, bytes))
        self._recent = set()
        if numbers:
            self._numbers.append(array("q", numbers))
        if digests:
            self._digests.append(b"".join(digests))
        while len(self._numbers) > 1 and len(self._numbers[-2]) <= len(self._numbers[-1]):
            self._numbers.append(array("q", heapq.merge(self._numbers.pop(), self._numbers.pop())))
        while len(self._digests) > 1 and len(self._digests[-2]) <= len(self._digests[-1]):
            merged = bytearray()
            for digest in heapq.merge(_split(self._digests.pop()), _split(self._digests.pop())):
                merged += digest
            self._digests.append(bytes(merged))


def _short(key: int | str) -> int | bytes:
    if isinstance(key, int) and -_LARGEST <= key < _LARGEST:
        return key
    return blake2b(repr(key).encode(errors="surrogatepass"), digest_size=_DIGEST).digest()


def _split(digests: bytes) -> Iterator[bytes]:
    return (digests[start : start + _DIGEST] for start in range(0, len(digests), _DIGEST))


def _holds(run: bytes, key: bytes) -> bool:
    at = _DIGEST * bisect_left(range(len(run) // _DIGEST), key, key=lambda at: run[at * _DIGEST : (at + 1) * _DIGEST])
    return run[at : at + _DIGEST] == key
