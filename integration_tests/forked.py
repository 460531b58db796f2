"""Runs `source-amocrm` in processes forked from a server that has imported dlt and dbt: the imports take seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from .warehouse import ROOT

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([
    __name__, "source_amocrm.source", "amocrm_warehouse.models", "amocrm_warehouse.sync.syncing",
    "amocrm_warehouse.sync.loader", "duckdb", "dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres",
])  # fmt: skip
# numpy would start threads when the server imports it, and a fork has none of them
os.environ["OPENBLAS_NUM_THREADS"] = "1"


class Forked:
    """One command, and what the tests use of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        constants: Mapping[str, object] | None = None,
        *,
        stderr_apart: bool = False,
    ) -> None:
        """`constants`: values for this process, by dotted name. Without `stderr_apart` both outputs share a pipe."""
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(1 + stderr_apart)]
        outputs = [theirs for _, theirs in pipes]
        given = (list(arguments), {**os.environ, **environment}, constants or {}, outputs)
        self._process = CONTEXT.Process(target=_run, args=given)
        self._process.start()
        self._read = [os.fdopen(os.dup(ours.fileno()), encoding="utf-8") for ours, _ in pipes]
        for pipe in pipes:
            for end in pipe:
                end.close()
        self.stdout = self._read[0]

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("source-amocrm", timeout)
        return self.returncode

    def communicate(self, timeout: float = 60) -> list[str]:
        """Returns what was written, stdout first, once the process has ended."""
        with ThreadPoolExecutor(len(self._read)) as readers:
            texts = [readers.submit(pipe.read) for pipe in self._read]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                raise
            said = [text.result(timeout) for text in texts]
        for pipe in self._read:
            pipe.close()
        return said


def _run(
    arguments: list[str], environment: Mapping[str, str], constants: Mapping[str, object], outputs: list[Connection]
) -> None:
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, output in ((1, outputs[0]), (2, outputs[-1])):
        os.dup2(output.fileno(), descriptor)
    for output in outputs:
        output.close()
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        setattr(import_module(module), constant, value)
    sys.argv[1:] = arguments
    run: Any = import_module("source_amocrm.run")
    run.run()
