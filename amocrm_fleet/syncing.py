"""Accounts synced by processes of their own, forked from one that has imported PyAirbyte and the connector."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO

from amocrm_fleet import FleetError
from amocrm_fleet.at_a_time import each
from amocrm_fleet.folder import Account
from amocrm_fleet.locks import account_held
from amocrm_fleet.status import Outcome, outcome_of, record
from amocrm_fleet.wire import Asked, Forked, Gone, begin
from source_amocrm.config.config_file import ConfigFileError

CHECKOUT = Path(__file__).resolve().parents[1]
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

    def within(self, seconds: float) -> Loader:
        """The same with less time for a sync, if that is less."""
        return replace(self, seconds=min(self.seconds or seconds, seconds))

    def check(self) -> None:
        """Raises FleetError when there is nothing to load with."""
        if not self.python.exists():
            raise FleetError(
                f"Syncs run on PyAirbyte, which is not at {self.python}. Run `make setup demo` in a clone of the "
                "repository once, and source-amocrm from its .venv."
            )

    def asked(self, account: Account) -> Asked:
        chosen = ["--streams", self.streams] if self.streams else []
        config = ["--config", str(account.path.absolute()), "--project", account.project]
        return Asked("sync", ["--json", *config, *chosen], self.environment(account))

    def environment(self, account: Account) -> dict[str, str]:
        """By the environment: a command line, which may hold a password, is shown to whoever lists the processes."""
        database = self.database.replace("{name}", account.name)
        return {**os.environ, "DB": database if "://" in database else str(Path(database).absolute())}


class Loading:
    """`with Loading(loader) as loading: loading.sync(account)`, from any thread. Raises FleetError, see Loader.check.

    The process that forks is started by the first sync, and again by the next one when it was killed. When this one
    ends, whichever way, every sync that still runs is told to stop.
    """

    def __init__(self, loader: Loader) -> None:
        loader.check()
        self._loader = loader
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._under_way: set[Forked] = set()

    def __enter__(self) -> Loading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.stop()

    def sync(self, account: Account) -> Outcome:
        """Brings one account's tables up to date and keeps the outcome as its status. Raises FleetError when held."""
        with account_held(account) as lock:
            try:
                account.check_mode()
                outcome = self._run(account, lock)
            except ConfigFileError as error:
                outcome = Outcome(failures=[str(error)])
            record(account, outcome)
        return outcome

    def sync_each(self, chosen: Iterable[Account], parallel: int) -> Iterator[tuple[Account, Outcome]]:
        """Accounts and their outcomes as they come; one that cannot be synced fails alone."""
        return each(self._sync_or_say_why, chosen, 1 if self._loader.one_at_a_time else parallel, self._interrupt)

    def _sync_or_say_why(self, account: Account) -> Outcome:
        try:
            return self.sync(account)
        except (ConfigFileError, OSError) as error:
            return Outcome(failures=[str(error)])

    def _run(self, account: Account, lock: int) -> Outcome:
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
            forked = self._begin(account, said.fileno(), complaints.fileno(), lock)
            self._under_way.add(forked)
            try:
                code = forked.wait(self._loader.seconds)
            except TimeoutError:
                seconds = self._loader.seconds or 0.0
                late = f"It was stopped after {seconds:g} s. What it read is kept; the next sync goes on from there."
                return Outcome(seconds=seconds, failures=[late])
            except Gone:
                code = -signal.SIGKILL
            finally:
                self._under_way.discard(forked)
                forked.stop(_TIME_TO_STOP)
            return outcome_of(code, _lines(said), _lines(complaints))

    def _begin(self, account: Account, said: int, complaints: int, lock: int) -> Forked:
        """By another server where the first has been killed meanwhile. Raises FleetError with its last words."""
        words = ""
        for _ in range(2):
            server = self._running()
            try:
                return begin(server.control, self._loader.asked(account), said, complaints, [lock])
            except Gone:
                words = server.last_words()
        raise FleetError(words)

    def _interrupt(self) -> None:
        for forked in self._under_way.copy():
            forked.send(signal.SIGINT)

    def _running(self) -> _Server:
        with self._lock:
            if self._server is None or not self._server.lives:
                self._server = _Server(self._loader)
            return self._server


class _Server:
    """The process that forks. What it complains of goes into a file that only this process sees."""

    def __init__(self, loader: Loader) -> None:
        self.control, theirs = socket.socketpair()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        with theirs:
            self._process = subprocess.Popen(
                [str(loader.python), "-m", "demo.fleet_loader"],
                cwd=loader.checkout,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                start_new_session=True,
            )

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        """Of one that has ended, or is about to."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_TIME_TO_STOP)
        self._process.kill()
        code = self._process.wait()
        told = _lines(self._complaints)
        return told[-1] if told else f"The process that starts the syncs ended with {code} and said nothing."

    def stop(self) -> None:
        self.control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_TIME_TO_STOP)
        self._process.kill()
        self._process.wait()
        self._complaints.close()


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode(errors="replace").strip().splitlines()
