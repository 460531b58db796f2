"""Reading an amoCRM account into a database of one's own, through PyAirbyte and the connector's command.

Runs in .venv-pyairbyte (`make demo`, `make sync`); the connector itself is run from .venv, as a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

HOME = Path(__file__).resolve().parent
STATE = HOME / "state"

# PyAirbyte reads these when it is imported: no registry, no telemetry, no progress view but ours, logs in our folder.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("NO_LIVE_PROGRESS", "1")
os.environ.setdefault("AIRBYTE_LOGGING_ROOT", str(STATE / "logs"))
# another place for the config than our private folder, to which nobody else has access
os.environ.pop("AIRBYTE_TEMP_DIR", None)
# a line that PyAirbyte does not understand goes into its logs, whatever is in it
with contextlib.suppress(OSError):
    STATE.mkdir(exist_ok=True)
    STATE.chmod(0o700)

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


def ended(error: BaseException) -> int:
    """The exit code of a command that ended so, after a sentence about it."""
    if _interrupt.met:
        print(STOPPED, file=sys.stderr)
        return _INTERRUPTED
    print(error, file=sys.stderr)
    return 2


# of Google's libraries, about Pythons of the year after next
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\..*")
