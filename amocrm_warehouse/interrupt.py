"""Ctrl-C ends a command with one sentence, once the command has called `end_by_ctrl_c`."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import NoReturn

from amocrm_warehouse.database_address import without_password
from source_amocrm.shutdown import INTERRUPTED, READ_IS_KEPT, hold_signals


class _Interrupt:
    """Handles Ctrl-C. Errors that follow from it (of a query, a half-written file, an import) are not shown."""

    met = False
    sentence = READ_IS_KEPT
    _held = False
    _waits = False

    def __call__(self, _: int, __: FrameType | None) -> None:
        if self._held:
            self._waits = True
        else:
            self._interrupt()

    def __enter__(self) -> None:
        self._held = self._held or _is_main_thread()

    def __exit__(self, *_: object) -> None:
        if not _is_main_thread():  # which alone handles signals
            return
        self._held = False
        if self._waits:
            self._waits = False
            self._interrupt()

    def tell(self) -> None:
        with suppress(OSError, ValueError):  # what the command has said before stands before it, also in a file
            sys.stdout.flush()
        print(self.sentence, file=sys.stderr)

    def _interrupt(self) -> NoReturn:
        self.met = True
        raise KeyboardInterrupt

    def excepthook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if self.met:
            self.tell()
        else:
            sys.__excepthook__(kind, error, trace)

    def unraisablehook(self, unraisable: sys.UnraisableHookArgs) -> None:
        if not self.met:
            sys.__unraisablehook__(unraisable)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_interrupt = _Interrupt()
UNINTERRUPTED = _interrupt
"""In `with UNINTERRUPTED:`, Ctrl-C waits for the end of the block."""


def end_by_ctrl_c(*others: int) -> None:
    """Makes Ctrl-C, and these other signals, end the command with its sentence. A command calls it first."""
    before = signal.getsignal(signal.SIGINT)
    if sys.excepthook != _interrupt.excepthook and callable(before):
        signal.signal(signal.SIGINT, _interrupt)
        if before is not signal.default_int_handler:
            hold_signals()  # as the console script's handler does, this one waits for the end of a token exchange
        sys.excepthook, sys.unraisablehook = _interrupt.excepthook, _interrupt.unraisablehook
    for number in others:
        handler = signal.getsignal(signal.SIGINT)
        signal.signal(number, handler if callable(handler) else _interrupt)


def interrupted() -> bool:
    """Whether Ctrl-C was met, by the handler of this module."""
    return _interrupt.met


def stopped_means(sentence: str) -> None:
    """Sets what Ctrl-C says of the command that runs, by default that of a sync."""
    _interrupt.sentence = f"\nStopped. {sentence}"


def exit_code(error: BaseException) -> int:
    """Prints why a command ended, and returns its exit code."""
    if _interrupt.met:
        _interrupt.tell()
        return INTERRUPTED
    print(without_password(str(error)), file=sys.stderr)
    return 2
