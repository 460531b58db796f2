"""Syncs and checks of several accounts, as a command and a scheduler see them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from amocrm_fleet import FleetError
from amocrm_fleet.folder import FleetAccount
from amocrm_fleet.processes import ProcessEnd, UnderWay, call_each
from amocrm_fleet.status import LastSync, record
from amocrm_warehouse.address import is_file

WORK = "amocrm_fleet.work"
IMPORTED = (
    "amocrm_warehouse.sync.loader",
    "amocrm_warehouse.sync.packages",
    "amocrm_warehouse.sync.reading",
    "dlt.common.libs.pyarrow",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.postgres.postgres",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "sqlalchemy",
)
"""What a sync imports on its way: each second of it is paid for once, and not by each account."""
Watch = Callable[[Sequence[UnderWay]], None]
EVERY = 10.0
"""Seconds between two lines about what is under way, where standard output is no terminal."""


def _nothing(_: Sequence[UnderWay]) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Syncing:
    """Into which database accounts are synced, and which of their streams; all of them where none is named.

    `{name}` in the address stands for the account's name, so that each has a DuckDB file of its own. `seconds` is how
    long one sync may take. `loader`: the function that loads, as `module:name`. Called in an account's process.
    """

    to: str
    streams: tuple[str, ...] = ()
    seconds: float | None = None
    loader: str = "amocrm_warehouse.sync:sync"

    def __call__(self, account: FleetAccount) -> LastSync:
        from amocrm_fleet.work import sync

        return sync(account, self.to.replace("{name}", account.name), list(self.streams) or None, self.loader)

    @property
    def one_at_a_time(self) -> bool:
        """DuckDB lets one program write to a file."""
        return is_file(self.to) and "{name}" not in self.to

    def within(self, seconds: float) -> Syncing:
        """The same with less time for a sync, if that is less."""
        return replace(self, seconds=min(self.seconds or seconds, seconds))

    def check(self) -> None:
        """Raises FleetError where nothing can be loaded, or not into this database."""
        if importlib.util.find_spec("dlt") is None:
            raise FleetError("A sync needs more than the connector: pip install 'source-amocrm[fleet]'.")
        from amocrm_warehouse.sync.destination import kind_of

        try:
            kind_of(self.to.replace("{name}", "name"))
        except ValueError as error:
            raise FleetError(str(error)) from None

    def sync_each(
        self, chosen: Iterable[FleetAccount], parallel: int = 1, watch: Watch = _nothing
    ) -> Iterator[tuple[FleetAccount, LastSync]]:
        """Yields accounts and what became of them, as they come, and keeps it as their status.

        An account that another process holds has failed, and its status stays. Raises FleetError, see `check`.
        """
        self.check()
        parallel = 1 if self.one_at_a_time else parallel
        imported = (WORK, self.loader.partition(":")[0], *IMPORTED)
        for account, ended in call_each(self, chosen, parallel, self.seconds, imported=imported, watch=watch):
            done = self._outcome(ended)
            if not ended.held:
                try:
                    record(account, done)
                except OSError as error:
                    done.failures.append(f"{account.beside('status.json')} cannot be written: {error.strerror}.")
            yield account, done

    def _outcome(self, ended: ProcessEnd) -> LastSync:
        if isinstance(ended.result, LastSync):
            return ended.result
        return LastSync(seconds=self.seconds or 0.0 if ended.code is None else 0.0, failures=[self._failure(ended)])

    def _failure(self, ended: ProcessEnd) -> str:
        if ended.held:
            return ended.held
        if ended.code is None:
            return f"It was stopped after {self.seconds:g} s. What it read is kept; the next sync goes on from there."
        if ended.code < 0:
            name = signal.Signals(-ended.code).name
            return f"The sync was killed ({name}). What it wrote is kept; the next one goes on."
        return ended.last_words or f"The sync ended with {ended.code} and said nothing."


def _check(account: FleetAccount) -> tuple[bool, str]:
    from amocrm_fleet.work import check

    return check(account)


def check_each(
    chosen: Iterable[FleetAccount], parallel: int = 1, watch: Watch = _nothing
) -> Iterator[tuple[FleetAccount, bool, str]]:
    """Yields accounts, whether each can be read, and the sentences about it."""
    for account, ended in call_each(_check, chosen, parallel, imported=(WORK,), watch=watch):
        if isinstance(ended.result, tuple):
            fine, said = ended.result
        else:
            fine, said = False, ended.held or ended.last_words or f"The check ended with {ended.code} and said nothing."
        yield account, fine, said


class ProgressLine:
    """Shows what is under way: on a terminal in one line that changes, else in a line every EVERY seconds."""

    def __init__(self, count: int, stream: TextIO = sys.stderr) -> None:
        self._done, self._count = 0, count
        self._stream = stream
        self._live = stream.isatty()
        self._said = float("-inf")
        self._show("starting")  # the first account waits for the imports of the server

    def ended(self) -> None:
        """One more account has ended, which is told after this."""
        self._done += 1
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, running: Sequence[UnderWay]) -> None:
        if running and (self._live or time.monotonic() - self._said > EVERY):
            self._said = time.monotonic()
            shown = (f"{one.account.name} {one.seconds:.0f} s{_words(one.last_line)}" for one in running)
            self._show(f"under way: {', '.join(shown)}")

    def _show(self, what: str) -> None:
        line = f"{self._done} of {self._count} done; {what}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}" if self._live else f"{line}\n")
        self._stream.flush()


def _words(line: str) -> str:
    """The last line of a log, without the seconds that it begins with."""
    line = re.sub(r"^[\d.]+ s\s+", "", "".join(letter for letter in line if letter.isprintable()))
    return f" ({line[:60]})" if line else ""
