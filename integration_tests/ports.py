"""Ports for programs that must be told which to listen on."""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, LAST = 10_000, 29_999
"""Below those that systems give to whoever asks for any, so that no connection takes one before the program does."""
_APART = 97
"""By how many ports two processes of tests begin apart; none needs so many."""

_given = count(_APART * os.getpid())


def free_port() -> int:
    """A port of this computer that nobody listens on, and that no other process of tests is given meanwhile."""
    while True:
        port = FIRST + next(_given) % (LAST - FIRST + 1)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
