"""`source-amocrm` in processes forked from one that has imported what its commands import: the imports take seconds."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([
    __name__, "integration_tests.models", "source_amocrm.source", "amocrm_warehouse.sync.syncing",
    "amocrm_warehouse.sync.loader", "duckdb", "dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres",
])  # fmt: skip
# numpy would start threads when the server imports it, and a fork has none of them
os.environ["OPENBLAS_NUM_THREADS"] = "1"


class Forked:
    """One command with stdout and stderr in one pipe, and what the tests use of `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], constants: Mapping[str, object] | None = None
    ) -> None:
        """`constants`: values, by dotted name, that are other ones in this process."""
        ours, theirs = CONTEXT.Pipe(duplex=False)
        given = (list(arguments), {**os.environ, **environment}, constants or {}, theirs)
        self._process = CONTEXT.Process(target=_run, args=given)
        with ours, theirs:
            self._process.start()
            self.stdout = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")

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

    def communicate(self, timeout: float = 60) -> tuple[str, None]:
        said: list[str] = []
        reader = Thread(target=lambda: said.append(self.stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        self.wait(timeout)
        self.stdout.close()
        return said[0], None


def _run(
    arguments: list[str], environment: Mapping[str, str], constants: Mapping[str, object], output: Connection
) -> None:
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        setattr(import_module(module), constant, value)
    sys.argv[1:] = arguments
    run: Any = import_module("source_amocrm.run")
    run.run()
