"""One account synced by a process of its own: what `fleet sync` and a scheduler call."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from source_amocrm.accounts import FleetError
from source_amocrm.accounts.account import Account
from source_amocrm.accounts.locks import account_held
from source_amocrm.fleet.status import Outcome, record

CHECKOUT = Path(__file__).resolve().parents[2]
_TIME_TO_STOP = 20.0


@dataclass(frozen=True)
class Loader:
    """PyAirbyte, in a clone of this repository, and the database that it writes to.

    `{name}` in the database stands for the account, so that each has a file of its own. `seconds` is how long one
    sync may take; what it read until then is kept.
    """

    database: str
    streams: str = ""
    seconds: float | None = None
    checkout: Path = CHECKOUT

    @property
    def python(self) -> Path:
        return self.checkout / ".venv-pyairbyte" / "bin" / "python"

    @property
    def one_at_a_time(self) -> bool:
        """DuckDB lets one program write to a file."""
        return "://" not in self.database and "{name}" not in self.database

    def check(self) -> None:
        """Raises FleetError when there is nothing to load with."""
        if not self.python.exists():
            raise FleetError(
                f"Syncs run on PyAirbyte, which is not at {self.python}. Run `make setup demo` in a clone of the "
                "repository once, and source-amocrm from its .venv."
            )

    def command(self, account: Account) -> list[str]:
        chosen = ["--streams", self.streams] if self.streams else []
        config = ["--config", str(account.path.absolute()), "--project", account.project]
        return [str(self.python), "-m", "demo.sync", "--json", *config, *chosen]

    def environment(self, account: Account) -> dict[str, str]:
        """By the environment: a command line, which may hold a password, is shown to whoever lists the processes."""
        database = self.database.replace("{name}", account.name)
        return {**os.environ, "DB": database if "://" in database else str(Path(database).absolute())}


def sync(account: Account, loader: Loader) -> Outcome:
    """Brings one account's tables up to date and keeps the outcome as its status. Raises FleetError when it is held."""
    loader.check()
    with account_held(account) as lock:
        try:
            account.check_mode()
            outcome = _run(account, loader, lock)
        except FleetError as error:
            outcome = Outcome(failures=[str(error)])
        record(account, outcome)
    return outcome


def _run(account: Account, loader: Loader, lock: int) -> Outcome:
    with _child(account, loader, lock) as process:
        try:
            said, complaints = process.communicate(timeout=loader.seconds)
        except subprocess.TimeoutExpired:
            _stop(process)
            late = f"It was stopped after {loader.seconds:g} s. What it read is kept; the next sync goes on from there."
            return Outcome(seconds=loader.seconds or 0, failures=[late])
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        return Outcome(failures=[f"The sync was killed ({name}). What it wrote is kept; the next one goes on."])
    try:
        return Outcome(**json.loads(said.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        told = complaints.strip().splitlines()
        return Outcome(failures=[told[-1] if told else f"The sync ended with {process.returncode} and said nothing."])


@contextmanager
def _child(account: Account, loader: Loader, lock: int) -> Iterator[subprocess.Popen[str]]:
    """The process, stopped when this ends by an error or an interrupt."""
    process = subprocess.Popen(
        loader.command(account),
        cwd=loader.checkout,
        env=loader.environment(account),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=(lock,),
    )
    try:
        yield process
    except BaseException:
        _stop(process)
        raise


def _stop(process: subprocess.Popen[str]) -> None:
    """Asks it to stop, so that it keeps what it has read; then kills it, and the connector with it."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_TIME_TO_STOP)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
