"""Calls a function for several accounts, each call in its own process.

A fork server imports the function's module once and forks the processes, which saves each call seconds of importing.
Accounts share no memory, and a killed process harms no other.
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
from amocrm_fleet.accounts_folder import STATE, FleetAccount, make_private
from amocrm_fleet.locks import account_held
from amocrm_warehouse.live_line import Step, Tell
from source_amocrm import shutdown

TIME_TO_STOP = shutdown.EXCHANGE_PATIENCE + 10.0
"""Time for a process to end after an interrupt, as it may be exchanging a token (seconds). Past that it is killed."""
LARGEST_LOG = 1 << 20
"""Size of an account's log when a call begins (bytes). A larger log is renamed NAME.log.1, over the older one."""
KEPT_SECONDS = 90 * 86_400.0
"""Time after which NAME.log.1 goes, counted from its last line (seconds)."""
_TICK = 1.0
_BEGIN, _END = "--- ", "=== "
"""Prefixes of the log lines that open and close one call."""

Call = Callable[[FleetAccount, Tell], Any]
"""Runs in the account's process, and tells its steps to the fleet. The function, the steps and the result are pickled.
The fork server imports the function's module once."""


@dataclass(frozen=True)
class ProcessEnd:
    """How the process of an account ended.

    `result`: the call's return value, None if it did not return. `held`: the sentence that says which process holds the
    account, "" if none does. `code`: the exit code, or the negative number of the signal that killed the process; None
    after a timeout. `last_words`: the last line that the call logged.
    """

    result: Any = None
    held: str = ""
    code: int | None = 0
    last_words: str = ""


@dataclass
class UnderWay:
    """An account's process. `started`: seconds, time.monotonic. `step`: its last reported step, if any."""

    account: FleetAccount
    started: float = field(default_factory=time.monotonic)
    step: Step | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


@dataclass
class _Running(UnderWay):
    process: Any = None
    connection: Any = None
    message: tuple[str, Any] | None = None
    kill_at: float | None = None

    def receive(self) -> None:
        """Keeps the last step and the last other message of the process. The pipe ends with the process."""
        with suppress(EOFError, OSError):
            while self.connection.poll():
                kind, value = self.connection.recv()
                if kind == "step":
                    self.step = value
                else:
                    self.message = kind, value

    def stop(self) -> None:
        """Interrupts the process once and sets the time at which it is killed."""
        if self.kill_at is None:
            self.kill_at = time.monotonic() + TIME_TO_STOP
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kills the process and its process group, which holds every process that it has started."""
        for send_signal in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                send_signal(self.process.pid, signal.SIGKILL)


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
    """Yields each account with the end of its process, in the order of completion.

    A process that takes longer than `seconds` is stopped. `imported`: modules that the fork server imports before it
    forks. `watch` gets the running processes about once a second. When the caller stops iterating or fails, every
    process is interrupted and waited for.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, call.__module__, "source_amocrm.run", *imported])
    # numpy starts threads when it is imported, and a fork inherits none of them
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    waiting, running = deque(chosen), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(_start(context, call, waiting.popleft()))
            watch(running)
            yield from _pop_ended(running, seconds)
    finally:
        for one in running:
            one.stop()
        while running:
            for _ in _pop_ended(running, None):
                pass


def _start(context: Any, call: Call, account: FleetAccount) -> _Running:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(call, account, theirs, TIME_TO_STOP), name=account.name)
    with theirs:
        process.start()
    return _Running(account, process=process, connection=ours)


def _pop_ended(running: list[_Running], seconds: float | None) -> Iterator[tuple[FleetAccount, ProcessEnd]]:
    """Waits at most _TICK seconds, removes the ended processes from `running` and stops or kills the late ones."""
    wait([waitable for one in running for waitable in (one.process.sentinel, one.connection)], _TICK)
    for one in list(running):
        one.receive()
        if not one.process.is_alive():
            running.remove(one)
            yield one.account, _close(one, seconds)
        elif one.kill_at is not None and time.monotonic() > one.kill_at:
            one.kill()
        elif seconds is not None and one.seconds > seconds:
            one.stop()


def _close(one: _Running, seconds: float | None) -> ProcessEnd:
    one.receive()
    code = one.process.exitcode
    if one.message is None and code == _SERVER_DIED:
        code = -signal.SIGKILL
    if one.message is None:
        one.kill()  # kills its children, and itself too: it may have outlived the fork server
    one.process.close()
    one.connection.close()
    kind, value = one.message or ("", None)
    if kind == "result":
        return ProcessEnd(value)
    late = one.kill_at is not None and seconds is not None
    return ProcessEnd(
        None, str(value) if kind == "held" else "", None if late else code, _last_line(log_of(one.account))
    )


_SERVER_DIED = 255
"""The exit code that multiprocessing reports for a process whose fork server ended before the process did."""


def _main(call: Call, account: FleetAccount, connection: Connection[Any, Any], time_to_stop: float) -> NoReturn:
    """The main function of an account's process."""
    os.setsid()
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    shutdown.hold_signals()
    threading.Thread(target=_end_with_the_fleet, args=(os.getppid(), time_to_stop), daemon=True).start()
    code = 0

    def tell(step: Step) -> None:
        with suppress(OSError):  # a fleet that died ends this process in another way
            connection.send(("step", step))

    try:
        with ExitStack() as stack:
            try:
                _redirect_output(log_of(account))
                stack.enter_context(account_held(account))
            except FleetError as error:
                connection.send(("held", str(error)))
            else:
                connection.send(("result", call(account, tell)))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:
        from source_amocrm.secrecy import mask  # imports the CDK, which the call has imported by now

        code = 1
        print(mask(traceback.format_exc()), file=sys.stderr)
    finally:
        with suppress(OSError, ValueError):
            print(f"{_END}{time.process_time():.2f} s of CPU", flush=True)
        shutdown.end(code)


def _redirect_output(log: Path) -> None:
    """Redirects standard output and error into the account's log. Raises FleetError."""
    try:
        make_private(log.parent)
        with suppress(FileNotFoundError):
            older = log.with_suffix(".log.1")
            if log.stat().st_size > LARGEST_LOG:
                os.replace(log, older)
            elif older.stat().st_mtime < time.time() - KEPT_SECONDS:
                older.unlink()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FleetError(f"The log {log} cannot be written: {error.strerror}.") from None
    empty_input = os.open(os.devnull, os.O_RDONLY)
    for opened, standard in ((empty_input, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(opened, standard)
    os.close(descriptor)
    print(f"{_BEGIN}{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}, process {os.getpid()}", flush=True)


def _end_with_the_fleet(server: int, time_to_stop: float) -> None:
    """Stops this process when the fleet or the fork server has died, as nobody waits for the result then."""
    fleet = multiprocessing.parent_process()
    assert fleet
    while os.getppid() == server and fleet.is_alive():
        fleet.join(_TICK)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(time_to_stop)
    os.killpg(os.getpid(), signal.SIGKILL)


def _last_line(log: Path) -> str:
    """Returns the last non-empty line that the last call wrote into the log, "" if it wrote none."""
    with suppress(OSError), log.open("rb") as lines:
        lines.seek(max(0, log.stat().st_size - 4096))
        for line in reversed(lines.read().decode(errors="replace").splitlines()):
            if line.startswith(_BEGIN):
                break
            if line.strip() and not line.startswith(_END):
                return line.strip()
    return ""
