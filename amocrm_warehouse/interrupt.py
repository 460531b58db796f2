"""Ctrl-C ends a command with one sentence."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import NoReturn

STOPPED = "\nStopped. What was read is kept; the next run goes on from there."
_INTERRUPTED = 128 + signal.SIGINT


class _Interrupt:
    """Ctrl-C, at whatever moment: what fails after it (a query, a file half written, an import) is no news."""

    met = False

    def __call__(self, _: int, __: FrameType | None) -> NoReturn:
        self.met = True
        raise KeyboardInterrupt

    def tell(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if self.met:
            print(STOPPED, file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    def tell_unraisable(self, told: sys.UnraisableHookArgs) -> None:
        if not self.met:
            sys.__unraisablehook__(told)


_interrupt = _Interrupt()
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _interrupt)
    sys.excepthook, sys.unraisablehook = _interrupt.tell, _interrupt.tell_unraisable


def interrupted() -> bool:
    """Whether Ctrl-C was met: PyAirbyte may tell of the connector that it ended instead."""
    return _interrupt.met


def ended(error: BaseException) -> int:
    """The exit code of a command that ended so, after a sentence about it."""
    if _interrupt.met:
        print(STOPPED, file=sys.stderr)
        return _INTERRUPTED
    print(error, file=sys.stderr)
    return 2
