"""`python -m amocrm_fleet.checking config.json`: whether one account can be read, in sentences.

A process an account: what the CDK and the sign-in remember of one account must not meet another.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from amocrm_fleet.folder import Account
from amocrm_fleet.locks import account_held
from source_amocrm.config.config_file import ConfigFileError

_BROKEN = 3


def check(account: Account) -> tuple[bool, str]:
    """Whether it can be read, and the sentences about it."""
    try:
        with account_held(account) as lock:
            account.check_mode()
            command = [sys.executable, "-m", "amocrm_fleet.checking", str(account.path)]
            done = subprocess.run(command, capture_output=True, text=True, pass_fds=(lock,), check=False)
    except ConfigFileError as error:
        return False, str(error)
    said = done.stdout.strip()
    if not said or done.returncode not in (0, 1):
        told = done.stderr.strip().splitlines()
        return False, told[-1] if told else f"The check ended with {done.returncode} and said nothing."
    return done.returncode == 0, said


def main(arguments: list[str]) -> int:
    from source_amocrm.auth.keeping import keeper
    from source_amocrm.check_on_terminal import printable, verdict
    from source_amocrm.config.settings import check_shape
    from source_amocrm.entrypoint import unforeseen
    from source_amocrm.errors import AmocrmError

    logging.getLogger().handlers = [logging.StreamHandler(sys.stderr)]
    account = Account(Path(arguments[0]))
    try:
        settings = account.settings()
        check_shape(settings)
        print(printable(verdict(settings, keeper(account))))
    except (AmocrmError, ConfigFileError) as error:
        print(printable(str(error)))
        return 1
    except Exception as error:
        logging.getLogger().exception("An unforeseen error")
        print(unforeseen(error), file=sys.stderr)
        return _BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
