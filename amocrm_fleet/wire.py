"""How one process asks a fork server for works, and hears how they end.

To ask is to send one end of a socket pair, the wire, and down the other what is to be done. Signals for the process go
down the wire as bytes; up come two lines: its number, and how it ended. Whoever closes the wire wants no more of it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

FILES = 8
"""Files that may be handed over with one work."""


class Gone(Exception):
    """The fork server has ended."""


@dataclass(frozen=True)
class Asked:
    """A piece of work: which, its arguments, and the environment of the process that does it."""

    work: str
    arguments: list[str]
    environment: dict[str, str]


class Forked:
    """A process that was asked for, and that is to be stopped by whoever asked, though it may have ended by then."""

    def __init__(self, wire: socket.socket, pid: int) -> None:
        self.pid = pid
        self._wire = wire

    def wait(self, seconds: float | None = None) -> int:
        """How it ended: its exit code, or below zero the signal that ended it. Raises TimeoutError, and Gone."""
        self._wire.settimeout(seconds)
        return int(line_of(self._wire))

    def send(self, number: signal.Signals) -> None:
        """SIGKILL goes to what it has started, too."""
        with suppress(OSError):  # it has ended
            self._wire.sendall(bytes([number]))

    def stop(self, seconds: float, number: signal.Signals = signal.SIGINT) -> None:
        """Asks it to stop if it still runs, kills it after so many seconds, and closes the wire."""
        try:
            self.send(number)
            with suppress(TimeoutError):
                self.wait(seconds)
                return
            self.send(signal.SIGKILL)
            self.wait()
        except Gone:
            pass
        finally:
            self._wire.close()


def begin(control: socket.socket, asked: Asked, stdout: int, stderr: int, keep: Sequence[int] = ()) -> Forked:
    """Returns when the process is there. It keeps the files of `keep` open, a lock for instance. Raises Gone."""
    wire, theirs = socket.socketpair()
    try:
        with theirs:
            socket.send_fds(control, [b"."], [theirs.fileno()])
        text = json.dumps(asdict(asked)).encode() + b"\n"
        sent = socket.send_fds(wire, [text], [stdout, stderr, *keep])
        if rest := text[sent:]:  # to send nothing would fail where the work has ended already
            wire.sendall(rest)
        return Forked(wire, int(line_of(wire)))
    except OSError:
        wire.close()
        raise Gone from None
    except BaseException:
        wire.close()
        raise


def receive(control: socket.socket) -> socket.socket | None:
    """The wire of a new work; None when nobody will ask any more."""
    said, [*wires], _, _ = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=wires[0]) if said and wires else None


def read(wire: socket.socket) -> tuple[Asked, list[int]]:
    """What is asked for, and the files that come with it: standard output, standard error, those to keep."""
    text, files, _, _ = socket.recv_fds(wire, 1 << 16, FILES)
    for number in files:
        os.set_inheritable(number, False)
    if not text.endswith(b"\n"):
        text += line_of(wire)
    return Asked(**json.loads(text)), list(files)


def line_of(wire: socket.socket) -> bytes:
    """Up to the end of the line, byte by byte. Raises Gone when the other end is closed before it."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            got = wire.recv(1)
        except ConnectionError:
            got = b""
        if not got:
            raise Gone
        line += got
    return line


def told(wire: socket.socket, number: int) -> None:
    """Tells the other end, if it is still there."""
    with suppress(OSError):
        wire.sendall(b"%d\n" % number)
