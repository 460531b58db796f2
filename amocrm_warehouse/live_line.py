"""Shows how a sync proceeds: on a terminal by one line that changes, in a file by a line now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

READING = "Reading "
"""Start of a line that the connector logs of each list every ten seconds, the list that will take longest last.

Before its semicolon the line has the list, its progress and the time left; after it, the amount read.
"""
QUIET = 10.0
"""Seconds without a line in a file, after which a line says how many rows have come."""
HOLDS = 1.5 * QUIET
"""Seconds for which the terminal shows the connector's latest line."""
REFRESHES = 4
"""Refreshes of the terminal's line per second."""


class Watch:
    """Takes every message of the connector. `received`: counts its rows by table; `say` writes a line that stays."""

    def __init__(self, received: Counter[str], say: Callable[[str], None], *, live: bool = False) -> None:
        self._received = received
        self._say = say
        self._live = live
        self._start = self._said = time.monotonic()
        self._table = ""  # of the latest row
        self._reading = ""  # the connector's latest line about a list
        self._read_at = 0.0  # when it came
        self._rows: deque[tuple[float, int]] = deque(maxlen=int(QUIET * REFRESHES))

    def __call__(self, message: Any) -> None:
        if message.record:
            self._table = message.record.stream
            self._received[self._table] += 1
        elif message.log:
            self.log(message.log.level.value, message.log.message)
        elif message.trace and message.trace.stream_status and message.trace.stream_status.status.value == "COMPLETE":
            stream = message.trace.stream_status.stream_descriptor.name
            self._line(f"{stream}: {self._received[stream]:,} rows")
        if not self._live and time.monotonic() - self._said > QUIET:
            self._line(f"… {self._received.total():,} rows so far")

    def now(self) -> str:
        """Returns the line that changes: time, the list being read, its progress, recent rows per second, all rows."""
        now, total = time.monotonic(), self._received.total()
        self._rows.append((now, total))
        before, rows = self._rows[0]
        doing = self._reading if now - self._read_at < HOLDS else self._table
        minutes, seconds = divmod(int(now - self._start), 60)
        pace = (total - rows) / max(now - before, 1)
        return f"{minutes}:{seconds:02}  {doing or 'asking amoCRM'} · {pace:,.0f} rows a second · {total:,} rows"

    def log(self, level: str, text: str) -> None:
        """Takes a line of the connector's log, from any thread."""
        if text.startswith(READING):
            self._reading, self._read_at = text.removeprefix(READING).partition(";")[0], time.monotonic()
            if not self._live:
                self._line(text)
        elif level in ("WARN", "WARNING"):
            self._line(text)

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        self._say(f"{self._said - self._start:6.1f} s  {text}")


@contextmanager
def watching(received: Counter[str]) -> Iterator[Watch]:
    """Yields a Watch that writes to the present sys.stdout, even if that is replaced meanwhile."""
    stdout = sys.stdout
    if not stdout.isatty():
        yield Watch(received, lambda text: print(text, file=stdout, flush=True))
        return
    console = Console(file=stdout, highlight=False, markup=False, emoji=False)
    watch = Watch(received, lambda text: console.print(text, soft_wrap=True), live=True)
    with Live(
        console=console,
        get_renderable=lambda: Text(watch.now(), no_wrap=True, overflow="ellipsis"),
        refresh_per_second=REFRESHES,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield watch
