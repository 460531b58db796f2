"""Chooses ports for programs that take the port to listen on as an argument."""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, LAST = 10_000, 29_999
"""Below the system's range of ephemeral ports, so that no connection takes a port before the program listens on it."""
_APART = 97
"""Distance between the first ports of two processes of tests. No process needs so many."""

_numbers = count(_APART * os.getpid())


def free_port() -> int:
    """Returns a free port that no other process of tests is likely to choose."""
    while True:
        port = FIRST + next(_numbers) % (LAST - FIRST + 1)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
