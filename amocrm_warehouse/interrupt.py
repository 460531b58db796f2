"""Ctrl-C ends a command with one sentence."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import NoReturn

from source_amocrm.shutdown import INTERRUPTED, hold_signals

STOPPED = "\nStopped. What was read is kept; the next run goes on from there."


class _Interrupt:
    """Ctrl-C, at whatever moment: what fails after it (a query, a file half written, an import) is no news."""

    met = False
    _held = False
    _waits = False

    def __call__(self, _: int, __: FrameType | None) -> None:
        if self._held:
            self._waits = True
        else:
            self._interrupt()

    def __enter__(self) -> None:
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
        if self._waits:
            self._waits = False
            self._interrupt()

    def _interrupt(self) -> NoReturn:
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
_before = signal.getsignal(signal.SIGINT)
if callable(_before):
    signal.signal(signal.SIGINT, _interrupt)
    if _before is not signal.default_int_handler:
        hold_signals()  # the console script's handler waits for a token exchange; so does this one
    sys.excepthook, sys.unraisablehook = _interrupt.tell, _interrupt.tell_unraisable
UNINTERRUPTED = _interrupt
"""`with UNINTERRUPTED:` Ctrl-C interrupts after the block."""


def interrupted() -> bool:
    """Whether Ctrl-C was met, by the handler of this module."""
    return _interrupt.met


def ended(error: BaseException) -> int:
    """The exit code of a command that ended so, after a sentence about it."""
    if _interrupt.met:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    print(error, file=sys.stderr)
    return 2
