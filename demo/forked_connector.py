"""The connector for PyAirbyte, within a fleet: a fork of the process that has imported it already."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

from airbyte._executors.base import Executor
from airbyte.exceptions import AirbyteSubprocessFailedError

from amocrm_fleet.fork_server import begin

TIME_TO_STOP = 10.0
"""Seconds, as PyAirbyte gives to those that it starts itself."""
_ENDED_WELL = (0, -signal.SIGTERM)


class ForkedConnector(Executor):  # type: ignore[misc]
    """What PyAirbyte's own executor of a local command does, without the start of a Python and its imports."""

    def __init__(self) -> None:
        super().__init__(name="source-amocrm")

    @property
    def _cli(self) -> list[str]:
        return ["source-amocrm"]

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """It is there."""

    def install(self) -> None:
        raise NotImplementedError

    def uninstall(self) -> None:
        raise NotImplementedError

    def execute(self, args: list[str], *, stdin: Any = None, suppress_stderr: bool = False) -> Iterator[str]:
        """Its lines as they come. Whoever wants no more of them closes this, and it is asked to stop."""
        assert stdin is None, "a source is told nothing"
        reading, writing = os.pipe()
        with open(reading, encoding="utf-8") as lines, open(os.devnull, "wb") as nothing:
            try:
                forked = begin("connector", args, writing, nothing.fileno() if suppress_stderr else 2)
            finally:
                os.close(writing)
            try:
                yield from lines
                code = forked.wait()
            finally:
                forked.stop(TIME_TO_STOP, signal.SIGTERM)
        if code not in _ENDED_WELL:
            raise AirbyteSubprocessFailedError(run_args=args, exit_code=code)
