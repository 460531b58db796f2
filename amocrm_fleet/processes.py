"""A function called for each of several accounts, each call in a process of its own.

The processes are forked from a server that has imported the function's module, so that seconds of importing are paid
for once. What one account remembers, spends or breaks meets no other; a process that is killed harms none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from amocrm_fleet import FleetError
from amocrm_fleet.folder import FleetAccount, make_private
from amocrm_fleet.locks import account_held
from source_amocrm import shutdown
from source_amocrm.config_file import STATE

TIME_TO_STOP = shutdown.EXCHANGE_PATIENCE + 10.0
"""Seconds that a process has to stop after an interrupt: a token may be on its way. Past that it is killed."""
LARGEST_LOG = 1 << 20
"""Bytes of a log at the start of a call. A larger one becomes NAME.log.1, in place of the one that was there."""
_TICK = 1.0
_BEGIN, _END = "--- ", "=== "
"""Beginnings of the lines between which a log has one call."""

Call = Callable[[FleetAccount], Any]
"""Called in the account's process. It and what it returns are pickled. Its module is imported once, by the server."""


@dataclass(frozen=True)
class ProcessEnd:
    """How the process of an account ended.

    `result`: what the call returned, None where it did not. `held`: the sentence about who holds the account, "" if
    nobody did. `code`: the exit code, or the negative number of the signal that killed the process; None for one that
    was stopped after its time. `last_words`: the last line of its log.
    """

    result: Any = None
    held: str = ""
    code: int | None = 0
    last_words: str = ""


@dataclass
class UnderWay:
    """An account's process. `since`: its start (seconds of time.monotonic)."""

    account: FleetAccount
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since

    @property
    def last_line(self) -> str:
        return _last_line(log_of(self.account))


@dataclass
class _Running(UnderWay):
    process: Any = None
    connection: Any = None
    told: tuple[str, Any] | None = None
    stop_by: float | None = None

    def listen(self) -> None:
        """Takes what the process has sent. The pipe ends with the process."""
        with suppress(EOFError, OSError):
            while self.connection.poll():
                self.told = self.connection.recv()

    def stop(self) -> None:
        """Interrupts the process; it is to be killed TIME_TO_STOP seconds later."""
        if self.stop_by is None:
            self.stop_by = time.monotonic() + TIME_TO_STOP
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kills the process with all that it has started: it leads a group of its own."""
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                end(self.process.pid, signal.SIGKILL)


def log_of(account: FleetAccount) -> Path:
    return account.path.parent / STATE / "logs" / f"{account.name}.log"


def call_each(
    call: Call,
    chosen: Iterable[FleetAccount],
    parallel: int,
    seconds: float | None = None,
    *,
    imported: Sequence[str] = (),
    watch: Callable[[Sequence[UnderWay]], None] = lambda _: None,
) -> Iterator[tuple[FleetAccount, ProcessEnd]]:
    """Yields each account with its end, as they come; one that takes longer than `seconds` is stopped.

    `imported`: modules for the server to import before it forks. `watch` gets what is under way, about once a second.
    When the caller leaves, whichever way, every process is interrupted and waited for.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, call.__module__, "source_amocrm.run", *imported])
    # numpy would start threads when the server imports it, and a fork has none of them
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    waiting, running = deque(chosen), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(_start(context, call, waiting.popleft()))
            watch(running)
            yield from _look(running, seconds)
    finally:
        for one in running:
            one.stop()
        while running:
            for _ in _look(running, None):
                pass


def _start(context: Any, call: Call, account: FleetAccount) -> _Running:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(call, account, theirs, TIME_TO_STOP), name=account.name)
    with theirs:
        process.start()
    return _Running(account, process=process, connection=ours)


def _look(running: list[_Running], seconds: float | None) -> Iterator[tuple[FleetAccount, ProcessEnd]]:
    """Waits a moment for news, and takes out of `running` what has ended."""
    wait([end for one in running for end in (one.process.sentinel, one.connection)], _TICK)
    for one in list(running):
        one.listen()
        if not one.process.is_alive():
            running.remove(one)
            yield one.account, _end(one, seconds)
        elif one.stop_by is not None and time.monotonic() > one.stop_by:
            one.kill()
        elif seconds is not None and one.seconds > seconds:
            one.stop()


def _end(one: _Running, seconds: float | None) -> ProcessEnd:
    one.listen()
    code = one.process.exitcode
    if one.told is None and code == _SERVER_DIED:
        code = -signal.SIGKILL
    if one.told is None:
        one.kill()  # what it started; and itself, where the server was killed that would have known whether it lives
    one.process.close()
    one.connection.close()
    kind, value = one.told or ("", None)
    if kind == "result":
        return ProcessEnd(value)
    late = one.stop_by is not None and seconds is not None
    return ProcessEnd(
        None, str(value) if kind == "held" else "", None if late else code, _last_line(log_of(one.account))
    )


_SERVER_DIED = 255
"""The exit code that multiprocessing gives to a process whose server has ended before it."""


def _main(call: Call, account: FleetAccount, connection: Connection[Any, Any], time_to_stop: float) -> NoReturn:
    """The whole life of an account's process."""
    os.setsid()
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    shutdown.hold_signals()
    threading.Thread(target=_end_with_the_fleet, args=(os.getppid(), time_to_stop), daemon=True).start()
    code = 0
    try:
        with ExitStack() as stack:
            try:
                _write_into(log_of(account))
                stack.enter_context(account_held(account))
            except FleetError as error:
                connection.send(("held", str(error)))
            else:
                connection.send(("result", call(account)))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:
        from source_amocrm.secrecy import mask  # it imports the CDK, as the call did

        code = 1
        print(mask(traceback.format_exc()), file=sys.stderr)
    finally:
        with suppress(OSError, ValueError):
            print(f"{_END}{time.process_time():.2f} s of CPU", flush=True)
        shutdown.end(code)


def _write_into(log: Path) -> None:
    """Standard output and error go into the account's log from here on. Raises FleetError."""
    try:
        make_private(log.parent)
        with suppress(FileNotFoundError):
            if log.stat().st_size > LARGEST_LOG:
                os.replace(log, log.with_suffix(".log.1"))
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FleetError(f"The log {log} cannot be written: {error.strerror}.") from None
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (number, 1), (number, 2)):
        os.dup2(ours, theirs)
    os.close(number)
    print(f"{_BEGIN}{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}, process {os.getpid()}", flush=True)


def _end_with_the_fleet(server: int, time_to_stop: float) -> None:
    """Stops this process where nobody waits for it any more: the fleet or the server that forked it is gone."""
    fleet = multiprocessing.parent_process()
    assert fleet
    while os.getppid() == server and fleet.is_alive():
        fleet.join(_TICK)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(time_to_stop)
    os.killpg(os.getpid(), signal.SIGKILL)


def _last_line(log: Path) -> str:
    """The last line of the last call that says something, "" where there is none."""
    with suppress(OSError), log.open("rb") as lines:
        lines.seek(max(0, log.stat().st_size - 4096))
        for line in reversed(lines.read().decode(errors="replace").splitlines()):
            if line.startswith(_BEGIN):
                break
            if line.strip() and not line.startswith(_END):
                return line.strip()
    return ""
