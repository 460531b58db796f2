"""Event ids: 26 lowercase characters that sort by time, as amoCRM's `01pz58t6p04ymgsgfbmfyfy1mf`."""

from __future__ import annotations

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def ulid(milliseconds: int, randomness: int) -> str:
    """Makes a ULID of a time (48 bits) and a random number (80 bits)."""
    p = _PAIRS
    m, r = milliseconds, randomness
    return (
        f"{p[m >> 40 & 1023]}{p[m >> 30 & 1023]}{p[m >> 20 & 1023]}{p[m >> 10 & 1023]}{p[m & 1023]}"
        f"{p[r >> 70 & 1023]}{p[r >> 60 & 1023]}{p[r >> 50 & 1023]}{p[r >> 40 & 1023]}"
        f"{p[r >> 30 & 1023]}{p[r >> 20 & 1023]}{p[r >> 10 & 1023]}{p[r & 1023]}"
    )
