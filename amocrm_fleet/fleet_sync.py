"""Syncs and checks several accounts, for the command line and for Dagster."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TextIO

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.fleet_work import WORK, Watch, Work
from amocrm_fleet.processes import ProcessEnd, UnderWay, call_each
from amocrm_fleet.status import LastSync, record
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.kept_options import ALL, AS_BEFORE, Kept
from amocrm_warehouse.live_line import Tell, fitted
from source_amocrm.run import install_command

LONGEST_STEP = 60
"""Most letters of the text about an account's present step; the rest is cut off."""
LINE_EVERY = 10.0
"""Time between two progress lines where the stream is no terminal (seconds)."""


@dataclass(frozen=True)
class Syncing(Work[LastSync]):
    """The database, streams and time limit of syncs.

    `to`: the database's address; `{name}` in it becomes the account's name, so that each account has its own DuckDB
    file. `streams`: empty for all; `without`: streams to leave out. `seconds`: limit of one sync. `kept`: what the
    syncs keep beside the present rows.
    """

    called = "sync"
    rounds = 1
    imported: ClassVar[tuple[str, ...]] = (
        "amocrm_warehouse.sync.loader",
        "amocrm_warehouse.sync.connector",
        "amocrm_warehouse.sync.duckdb_destination",
        "amocrm_warehouse.sync.postgres_destination",
        "pandas",
        "pyarrow.dataset",
    )

    to: str
    streams: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    seconds: float | None = None
    kept: Kept = AS_BEFORE

    def __call__(self, account: FleetAccount, tell: Tell) -> LastSync:
        from amocrm_fleet.account_process import sync

        database = self.to.replace("{name}", account.name)
        streams = list(self.streams) or None
        return sync(account, database, streams, self.without, self.kept, self.function(), tell)

    @staticmethod
    def function() -> Callable[..., Any]:
        from amocrm_warehouse.sync import sync

        return sync

    @property
    def one_at_a_time(self) -> bool:
        """Whether all accounts share one DuckDB file, to which one process at a time may write."""
        return is_file(self.to) and "{name}" not in self.to

    def within(self, seconds: float) -> Syncing:
        """Returns a copy whose time limit is at most `seconds`."""
        return replace(self, seconds=min(self.seconds or seconds, seconds))

    def check(self) -> None:
        """Raises FleetError if the loader is not installed, or the kind of database or a stream is unknown."""
        if importlib.util.find_spec("duckdb") is None:
            raise FleetError(f"A sync needs more than the connector: {install_command('fleet')}")
        from amocrm_warehouse.sync.destination import destination

        try:
            destination(self.to.replace("{name}", "name"))
            versions = [name for name in self.kept.history or () if name != ALL]
            if self.streams or self.without or versions:
                from source_amocrm.catalog_command import check_names, chosen  # the CDK takes a second to import
                from source_amocrm.streams import STREAMS

                check_names(versions, chosen(list(self.streams) or None, self.without, list(STREAMS)))
        except ValueError as error:
            raise FleetError(str(error)) from None

    def at_a_time(self, parallel: int) -> int:
        return 1 if self.one_at_a_time else parallel

    def failed(self, why: str) -> LastSync:
        return LastSync(failures=[why])

    def recorded(self, account: FleetAccount, outcome: LastSync) -> LastSync:
        if reason := record(account, outcome):
            outcome.failures.append(reason)
        return outcome

    def _outcome(self, ended: ProcessEnd) -> LastSync:
        outcome = super()._outcome(ended)
        return replace(outcome, seconds=self.seconds or 0.0) if ended.code is None else outcome

    def reason(self, ended: ProcessEnd) -> str:
        if ended.code is None:
            return f"It was stopped after {self.seconds:g} s. What it read is kept; the next sync goes on from there."
        if ended.code < 0:
            name = signal.Signals(-ended.code).name
            return f"The sync was killed ({name}). What it wrote is kept; the next one goes on."
        return super().reason(ended)


def _check(account: FleetAccount, _: Tell) -> tuple[bool, str]:
    from amocrm_fleet.account_process import check

    return check(account)


def check_each(
    chosen: Iterable[FleetAccount], parallel: int = 1, watch: Watch = lambda _: None
) -> Iterator[tuple[FleetAccount, bool, str]]:
    """Yields each account with whether it can be read and the sentences that say so."""
    for account, ended in call_each(_check, chosen, parallel, imported=(WORK,), watch=watch):
        if isinstance(ended.result, tuple):
            readable, text = ended.result
        else:
            readable = False
            text = ended.held or ended.last_words or f"The check ended with {ended.code} and said nothing."
        yield account, readable, text


class ProgressLine:
    """Shows the running accounts: on a terminal in one changing line, else in a new line every LINE_EVERY seconds."""

    def __init__(self, count: int, stream: TextIO = sys.stderr) -> None:
        self._done, self._count = 0, count
        self._stream = stream
        self._live = stream.isatty()
        self._shown_at = float("-inf")
        self._show("starting")  # the first account waits until the fork server has imported its modules

    def ended(self) -> None:
        """Counts one more ended account and clears the line, so that the caller can print the outcome."""
        self._done += 1
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, running: Sequence[UnderWay]) -> None:
        if running and (self._live or time.monotonic() - self._shown_at > LINE_EVERY):
            self._shown_at = time.monotonic()
            shown = (f"{one.account.name} {one.seconds:.0f} s{_in_brackets(one)}" for one in running)
            self._show(f"under way: {', '.join(shown)}")

    def _show(self, activity: str) -> None:
        line = f"{self._done} of {self._count} done; {activity}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}" if self._live else f"{line}\n")
        self._stream.flush()


def _in_brackets(one: UnderWay) -> str:
    return f" ({fitted(str(one.step), LONGEST_STEP)})" if one.step else ""
