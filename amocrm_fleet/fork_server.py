"""A process that imports once and forks for every work: seconds of importing are paid for once for all of a fleet.

It runs one thread, opens no account and no database itself, and every work has a process, a session and an environment
of its own: what one of them remembers, spends or breaks is not met by another.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from amocrm_fleet import wire as wires
from amocrm_fleet.wire import Asked, Forked

Work = Callable[[list[str]], int]
"""Gets arguments as a command does, and gives its exit code."""

TIME_TO_STOP = 20.0
"""Seconds that a work has to stop after whoever asked for it has gone."""
_INTERRUPTED = 128 + signal.SIGINT
_FEW = 16
"""Signals that are taken from a wire at a time."""

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl.h."""

_asks: tuple[socket.socket, list[int]] | None = None
"""In a work: where it asks for works itself, and the files it was given to keep."""


def inside() -> bool:
    """Whether this process is a work of a fork server."""
    return _asks is not None


def begin(work: str, arguments: list[str], stdout: int, stderr: int) -> Forked:
    """From within a work: another of the same server, with this one's environment and kept files. Raises Gone."""
    assert _asks is not None
    control, kept = _asks
    return wires.begin(control, Asked(work, arguments, dict(os.environ)), stdout, stderr, kept)


def serve(control: socket.socket, works: Mapping[str, Work]) -> None:
    """Returns when the other end of `control` is closed and every work has ended."""
    _Server(control, works).run()


@dataclass
class _Child:
    pid: int
    wire: socket.socket
    kill_at: float | None = None


class _Server:
    def __init__(self, control: socket.socket, works: Mapping[str, Work]) -> None:
        self._pid = os.getpid()
        self._works = works
        self._control = control
        self._from_works, self._for_works = socket.socketpair()
        self._ended, self._wake = socket.socketpair()
        self._children: dict[socket.socket, _Child] = {}
        self._listening = True
        self._selector = selectors.DefaultSelector()
        self._ended.setblocking(False)
        self._wake.setblocking(False)

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, _wake_up)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for asking in (self._control, self._from_works):
            self._selector.register(asking, selectors.EVENT_READ, self._meet)
        self._selector.register(self._ended, selectors.EVENT_READ, _drain)
        while self._listening or self._children:
            for key, _ in self._selector.select(self._patience()):
                key.data(key.fileobj)
            self._reap()
            self._lose_patience()

    def _meet(self, asking: socket.socket) -> None:
        wire = wires.receive(asking)
        if wire is not None:
            self._selector.register(wire, selectors.EVENT_READ, self._start)
            return
        self._selector.unregister(asking)
        self._listening = False

    def _start(self, wire: socket.socket) -> None:
        self._selector.unregister(wire)
        try:
            asked, files = wires.read(wire)
        except wires.Gone:
            wire.close()
            return
        pid = os.fork()
        if pid == 0:
            self._become(asked, wire, files)
        for number in files:
            os.close(number)
        self._children[wire] = _Child(pid, wire)
        self._selector.register(wire, selectors.EVENT_READ, self._heed)
        wires.told(wire, pid)

    def _become(self, asked: Asked, wire: socket.socket, files: list[int]) -> NoReturn:
        """What the process that was forked does with the rest of its life."""
        global _asks
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            _die_with(self._pid)
            stdout, stderr, *kept = files
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            self._leave_behind(wire)
            os.environ.clear()
            os.environ.update(asked.environment)
            tempfile.tempdir = None
            _asks = self._for_works, kept
            code = self._works[asked.work](asked.arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            # nothing of the server's is to be put away twice
            os._exit(code)

    def _leave_behind(self, wire: socket.socket) -> None:
        """What is the server's own, and the wires of others, which the other end is to see closed with the server's."""
        met = [key.fileobj for key in self._selector.get_map().values()]
        self._selector.close()
        for end in {wire, self._wake, *self._children, *met}:
            assert isinstance(end, socket.socket)
            end.close()

    def _heed(self, wire: socket.socket) -> None:
        """Signals for the work; a wire that was closed means that nobody waits for it any more."""
        child = self._children[wire]
        try:
            numbers = wire.recv(_FEW)
        except ConnectionError:
            numbers = b""
        for number in numbers:
            _signal(child, signal.Signals(number))
        if not numbers:
            self._selector.unregister(wire)
            _signal(child, signal.SIGINT)
            child.kill_at = time.monotonic() + TIME_TO_STOP

    def _reap(self) -> None:
        for wire, child in list(self._children.items()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                del self._children[wire]
                with suppress(KeyError):
                    self._selector.unregister(wire)
                wires.told(wire, os.waitstatus_to_exitcode(status))
                wire.close()

    def _patience(self) -> float | None:
        """Seconds until the next work that did not stop is to be killed."""
        moments = [child.kill_at for child in self._children.values() if child.kill_at is not None]
        return max(min(moments) - time.monotonic(), 0) if moments else None

    def _lose_patience(self) -> None:
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= time.monotonic():
                _signal(child, signal.SIGKILL)
                child.kill_at = None


def _signal(child: _Child, number: signal.Signals) -> None:
    """Its number is no other's, for it is reaped by this thread alone."""
    if number == signal.SIGKILL:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
    os.kill(child.pid, number)


def _die_with(parent: int) -> None:
    """Where the system can: what is left of a killed server would hold its account with nobody to stop it."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _wake_up(*_: object) -> None:
    """The wakeup descriptor is written to only where a signal has a handler."""


def _drain(ended: socket.socket) -> None:
    with suppress(BlockingIOError):
        while ended.recv(1 << 12):
            pass
