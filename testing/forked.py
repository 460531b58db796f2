"""Runs `source-amocrm` in processes forked from a server that has imported DuckDB and dbt, which takes seconds.

Tests of start-up and of memory start a real process instead.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

CONTEXT = multiprocessing.get_context("forkserver")
ROOT = Path(__file__).resolve().parents[1]
SOURCE_AMOCRM, DBT = "source_amocrm.run.run", "dbt.cli.main.cli"
Environment = Mapping[str, str | None]
"""Environment variables added to those of the tests. None removes a variable."""


class Forked:
    """One command, with the part of the interface of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        environment: Environment,
        constants: Mapping[str, object] | None = None,
        *,
        stderr_apart: bool = False,
        cwd: Path | None = None,
        terminal: int | None = None,
        program: str = SOURCE_AMOCRM,
    ) -> None:
        """`constants`: values to set in the process, by dotted name. Without `stderr_apart` both outputs share a pipe.

        `cwd`: by default the folder of the tests. `terminal`: a descriptor for its stdin, stdout and stderr. `program`:
        the function to run, by dotted name.
        """
        variables = {name: text for name, text in {**os.environ, **environment}.items() if text is not None}
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(1 + stderr_apart)] if terminal is None else []
        outputs = [writer for _, writer in pipes] or [Connection(os.dup(terminal or 0))]
        _start_server()
        target_arguments = (list(map(str, arguments)), variables, constants or {}, outputs, cwd or Path.cwd(), program)
        self._process = CONTEXT.Process(target=_run, args=target_arguments)
        self._process.start()
        # the output of a killed process may end in the middle of a letter
        self._read = [os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace") for reader, _ in pipes]
        self._outputs: list[str] | None = None
        for connection in [reader for reader, _ in pipes] + outputs:
            connection.close()

    @property
    def stdout(self) -> TextIO:
        return self._read[0]

    @property
    def stderr(self) -> TextIO:
        return self._read[-1]

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int, *, group: bool = False) -> None:
        """Sends a signal, unless the process has ended. `group`: also to every process that it has started."""
        for send in (os.killpg, os.kill) if group else (os.kill,):
            try:
                return send(self.pid, number)
            except ProcessLookupError:
                continue  # the process has ended, or it has just begun and has no group yet

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("source-amocrm", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float = 600) -> list[str]:
        """Waits for the end of the process. Returns the unread output, stdout first."""
        if self._outputs is not None:
            return self._outputs
        with ThreadPoolExecutor(len(self._read)) as readers:
            texts = [readers.submit(pipe.read) for pipe in self._read]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.send_signal(signal.SIGKILL, group=True)
                raise
            self._outputs = [text.result(timeout) for text in texts]
        for pipe in self._read:
            pipe.close()
        return self._outputs


def run(
    arguments: Sequence[str | Path],
    environment: Environment | None = None,
    constants: Mapping[str, object] | None = None,
    *,
    cwd: Path | None = None,
    program: str = SOURCE_AMOCRM,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    process = Forked(arguments, environment or {}, constants, stderr_apart=True, cwd=cwd, program=program)
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(arguments, process.wait(), stdout, stderr)


def _unpaced(_: float) -> Any:
    rate_limit: Any = import_module("source_amocrm.http.rate_limit")
    return rate_limit.Budget(1_000_000.0)


UNPACED = {"source_amocrm.http.api.Budget": _unpaced}
"""Constants of a command without a rate limit, for tests in which it does not matter."""


@cache
def _start_server() -> None:
    """Starts the server in ROOT, which it imports from: the folder of a test would leave it without its module.

    A process has one fork server. One that `amocrm_fleet` started in it has not imported that module, and is stopped.
    """
    server: Any = forkserver._forkserver
    server._stop()
    CONTEXT.set_forkserver_preload([f"{__package__}.fork_server"])
    folder = Path.cwd()
    os.chdir(ROOT)
    forkserver.ensure_running()
    os.chdir(folder)


def _run(
    arguments: list[str], environment: Mapping[str, str], constants: Mapping[str, object], outputs: list[Connection],
    cwd: Path, program: str,
) -> None:  # fmt: skip
    os.setsid()
    os.chdir(cwd)
    before = sys.modules[f"{__package__}.fork_server"].BEFORE  # which no fork imports: it takes seconds
    imported = {name: text for name, text in os.environ.items() if name not in before}
    os.environ.clear()
    os.environ.update({**imported, **environment})
    terminal = os.isatty(outputs[0].fileno())
    for descriptor, output in ((1, outputs[0]), (2, outputs[-1])):
        os.dup2(output.fileno(), descriptor)
    if terminal:
        os.dup2(1, 0)
    for output in outputs:
        output.close()
    # the streams of a new process
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", 1 if terminal else -1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        setattr(import_module(module), constant, value)
    sys.argv[1:] = arguments
    module, _, function = program.rpartition(".")
    try:
        getattr(import_module(module), function)()
    finally:
        atexit._run_exitfuncs()  # dbt closes its database in one, and a fork does not run them by itself
