"""The console script: Airbyte's four commands and our own verbs."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from source_amocrm.airbyte.stdout import STOPPED_BY_SIGNAL, guard

WRONG_USAGE = 2
"""As argparse exits."""
GARBAGE = (100_000, 50, 100)
"""Containers made since the last search for cycles, and after how many searches the older ones are looked at."""
AIRBYTES = ("spec", "check", "discover", "read")
OWN = {
    "connect": "source_amocrm.connect.cli",
    "fleet": "amocrm_fleet.cli",
    "invite": "amocrm_fleet.invite.cli",
    "probe": "amocrm_probe.cli",
}
"""Verbs beside Airbyte's, each with the module whose `main` takes the arguments after the verb."""
HELP = """\
source-amocrm reads an amoCRM or Kommo account for Airbyte.

  source-amocrm connect    lead through the sign-in and write config.json
  source-amocrm invite     links by which administrators elsewhere connect their accounts
  source-amocrm check      --config FILE
  source-amocrm probe      --config FILE [--output FOLDER]   ask an account what amoCRM's documents leave open
  source-amocrm discover   --config FILE
  source-amocrm read       --config FILE --catalog FILE [--state FILE]
  source-amocrm spec       the settings as a JSON schema
  source-amocrm fleet      many accounts: check, sync, status, airbyte
  source-amocrm --version

Each with --help for more."""


def run() -> None:
    """`source-amocrm spec|check|discover|read|connect|probe|fleet|invite …`"""
    arguments = sys.argv[1:]
    guard()
    signal.signal(signal.SIGTERM, _stop)
    if not set(arguments[:1]) & set(OWN) and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    code = _command(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    # at once: threads that still wait for an answer have nothing to deliver any more
    os._exit(code)


def _command(arguments: list[str]) -> int:
    """Each command loads only what it needs: `spec` is asked for often."""
    verb = arguments[0] if arguments else None
    if verb in ("--help", "-h"):
        print(HELP)
        return 0
    if verb == "--version":
        from importlib.metadata import version

        print(f"source-amocrm {version('source-amocrm')}")
        return 0
    if verb not in (*AIRBYTES, *OWN):
        print(HELP, file=sys.stderr)
        return WRONG_USAGE
    if verb in OWN:
        try:
            code: int = importlib.import_module(OWN[verb]).main(arguments[1:])
        except ModuleNotFoundError as error:
            if error.name != OWN[verb].partition(".")[0]:
                raise
            print(f"`{verb}` is not installed here: pip install 'source-amocrm[all]'", file=sys.stderr)
            return WRONG_USAGE
        return code
    if verb == "check" and "--debug" not in arguments and sys.stdout.isatty():
        from source_amocrm.check_on_terminal import check

        return check(arguments)
    from source_amocrm.auth.keeping import told_by_environment
    from source_amocrm.entrypoint import launch

    # What is imported stays for good, and rows are trees. With Python's own thresholds a fifth of a sync's CPU goes
    # into the search for cycles.
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    return launch(arguments, told_by_environment())


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """Without a flush, which would wait for a reader that is gone or never came.

    By the signal itself: PyAirbyte ends a command that has said enough so, and takes any other end for a failure.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # the first process of a container is not ended by a signal
    os._exit(STOPPED_BY_SIGNAL + number)
