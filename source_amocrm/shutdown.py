"""Ends the process, but never in the middle of a token exchange.

amoCRM's refresh tokens work once. A process that ends between amoCRM's answer and the hand-over of the new token loses
the account's access. SIGKILL cannot be held: docs/amocrm.md says what to do after one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn

STOPPED_BY_SIGNAL = 128  # plus the signal's number: the exit code of a process that a signal ended
INTERRUPTED = STOPPED_BY_SIGNAL + signal.SIGINT  # the exit code of a command that Ctrl-C ended
READ_IS_KEPT = "\nStopped. What was read is kept; the next run goes on from there."  # said by a sync that Ctrl-C ended
EXCHANGE_PATIENCE = 150.0  # seconds that the end waits for the exchange in flight, whose request has a deadline of 120

# Reentrant, for a signal handler runs in the middle of the main thread, which may hold it
_changed = threading.Condition(threading.RLock())
_in_flight: set[int] = set()  # threads that have sent a refresh token and not yet handed over the new one
_ending = False


@contextmanager
def token_exchange() -> Iterator[None]:
    """Encloses an exchange of a refresh token and the hand-over of the new one. The process does not end in between."""
    try:
        yield
    finally:
        _leave()


def before_token_is_sent() -> None:
    """Keeps the process from ending until the `token_exchange` is over, or an attempt has failed."""
    with _changed:
        _changed.wait_for(lambda: not _ending)
        _in_flight.add(threading.get_ident())


def pause(sleep: Callable[[float], None], seconds: float) -> None:
    """Sleeps between two attempts at an exchange. The process may end meanwhile."""
    _leave()
    sleep(seconds)


def end(code: int) -> NoReturn:
    """Ends the process after the exchange in flight. Other threads are not waited for: they have nothing to deliver."""
    global _ending
    with _changed:
        _ending = True
        _changed.wait_for(lambda: _in_flight <= {threading.get_ident()}, EXCHANGE_PATIENCE)
    os._exit(code)


def end_by_signal(number: int, _: FrameType | None = None) -> NoReturn:
    """Ends the process by the signal itself: PyAirbyte takes any other end for a failure.

    Does not flush stdout, which would wait for a reader that has gone or never came.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # a signal does not end the first process of a container
    os._exit(STOPPED_BY_SIGNAL + number)


def hold_signals() -> None:
    """Makes SIGTERM and SIGINT wait for the exchange in flight before their present handlers run."""
    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if handler is not None and handler != signal.SIG_IGN:
            signal.signal(number, partial(_handle, handler if callable(handler) else end_by_signal))


def _handle(handler: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
    """Lets `handler` handle the signal, or has it sent again while an exchange is in flight."""
    global _ending
    with _changed:
        _ending = True
        if _in_flight:
            threading.Thread(target=_send_again, args=(number,), daemon=True).start()
            return
    try:
        handler(number, frame)
    finally:
        with _changed:
            _ending = False
            _changed.notify_all()


def _send_again(number: int) -> None:
    """Sends the signal to the main thread once no exchange is in flight. Ends the process if that takes too long."""
    with _changed:
        over = _changed.wait_for(lambda: not _in_flight, EXCHANGE_PATIENCE)
    if not over:
        os._exit(STOPPED_BY_SIGNAL + number)
    os.kill(os.getpid(), number)


def _leave() -> None:
    with _changed:
        _in_flight.discard(threading.get_ident())
        _changed.notify_all()
