"""Shows the progress of a command: on a terminal by one line that changes, in a file by a line every ten seconds."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from amocrm_warehouse.interrupt import UNINTERRUPTED

if TYPE_CHECKING:
    from source_amocrm.airbyte.monitor import ReadingProgress

EVERY = 10.0
"""Time between two lines about the step in a file (seconds)."""
REFRESHES = 4
"""Refreshes of the terminal's line per second."""
WIDTH = 80
"""Most letters of a line about a step, and of one on a wide terminal."""


@dataclass(frozen=True)
class Step:
    """A step of a running command, and how far it is: `done` of `total` things (`unit`), and the place (`at`).

    `total` is None while nobody knows it.
    """

    name: str = "starting"
    done: int | None = None
    total: int | None = None
    unit: str = ""
    at: str = ""

    def __str__(self) -> str:
        total = "" if self.total is None else f" of {self.total:,}"
        count = "" if self.done is None else f"{self.done:,}{total} {self.unit}".rstrip()
        parts = (f"{self.name} {count}",) if total else (self.name, count)
        return ", ".join(filter(None, (*parts, self.at)))


Tell = Callable[[Step], None]
"""Gets each new step of a command as data."""


def untold(step: Step) -> None:
    """Tells nobody."""


def fitted(text: str, width: int = WIDTH) -> str:
    """Returns the text in at most so many letters. What comes first is kept."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


class LiveLine:
    """The line about the present step. `say` writes a line that stays; `tell` gets each new step as data.

    `step`: returns the present step. It is called from another thread.
    """

    def __init__(self, write: Callable[[str], None], tell: Tell = untold) -> None:
        self.step: Callable[[], Step] = Step
        self._write = write
        self._tell = tell
        self._told = self._counted = Step()
        self._writing = threading.Lock()
        self._begun = self._stepped = time.monotonic()

    def begin(self, name: str, total: int, unit: str = "") -> None:
        """Begins a step of `total` things, which `count` counts."""
        self._counted = Step(name, 0, total, unit)
        self.step = lambda: self._counted

    def count(self) -> None:
        """Counts one thing of the step. There may be more of them than it began with."""
        done, total = (self._counted.done or 0) + 1, self._counted.total or 0
        self._counted = replace(self._counted, done=done, total=max(done, total))

    def now(self, width: int = WIDTH) -> str:
        """Returns the line that changes."""
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        return fitted(f"{minutes}:{seconds:02}  {self.step()}", width)

    def say(self, text: str) -> None:
        with self._writing, UNINTERRUPTED:  # Ctrl-C in the middle of a line would have it written twice
            self._write(f"{time.monotonic() - self._begun:6.1f} s  {text}")

    def tick(self) -> None:
        """Tells the step if it is a new one, and says it every ten seconds."""
        step = self.step()
        if step != self._told:
            self._told = step
            self._tell(step)
        if time.monotonic() - self._stepped >= EVERY:
            self._stepped = time.monotonic()
            self.say(fitted(str(step), WIDTH - 10))


SILENT = LiveLine(lambda _: None)


@contextmanager
def live_line(stream: TextIO | None = None, tell: Tell = untold, *, shown: bool = True) -> Iterator[LiveLine]:
    """Yields the line, by default on the present stdout. Writes nothing unless `shown`."""
    stream = stream or sys.stdout
    if not shown:
        yield SILENT
    elif stream.isatty():
        console = Console(file=stream, highlight=False, markup=False, emoji=False)
        line = LiveLine(lambda text: console.print(text, soft_wrap=True))

        def shown_now() -> Text:
            return Text(line.now(min(WIDTH, shutil.get_terminal_size().columns)), no_wrap=True, overflow="ellipsis")

        with Live(
            console=console,
            get_renderable=shown_now,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield line
    else:
        line, over = LiveLine(lambda text: print(text, file=stream, flush=True), tell), threading.Event()
        thread = threading.Thread(target=_tick, args=(line, over), name="live-line", daemon=True)
        thread.start()
        try:
            yield line
        finally:
            over.set()
            thread.join()


def _tick(line: LiveLine, over: threading.Event) -> None:
    while not over.wait(1.0):
        line.tick()


class Watch:
    """Counts the connector's rows (`received`), takes its other messages, and prints the warnings for a person.

    `progress` gets the progress of the reading.
    """

    def __init__(self, received: Counter[str], line: LiveLine) -> None:
        self._received = received
        self._line = line
        self._table = ""  # of the latest row
        self._progress: ReadingProgress | None = None

    def count(self, stream: str, rows: int) -> None:
        self._table = stream
        self._received[stream] += rows

    def __call__(self, message: Any) -> None:
        if message.log:
            self.log(message.log.level.value, message.log.message)
        elif message.trace and message.trace.stream_status and message.trace.stream_status.status.value == "COMPLETE":
            stream = message.trace.stream_status.stream_descriptor.name
            self._line.say(f"{stream}: {self._received[stream]:,} rows")

    def progress(self, progress: ReadingProgress) -> None:
        self._progress = progress

    def step(self) -> Step:
        read, rows = self._progress, self._received.total()
        if read is None:
            return Step("reading" if self._table else "asking amoCRM", rows or None, unit="rows", at=self._table)
        return Step("reading", rows, None, "rows", read.at or self._table)

    def log(self, level: str, text: str) -> None:
        """Takes a line of the connector's log, from any thread."""
        if level in ("WARN", "WARNING"):
            self._line.say(text)
