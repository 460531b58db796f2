"""The command as the platform runs it, in process or as a process of its own: its exit code and all that it says."""

from __future__ import annotations

import io
import logging
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
from airbyte_cdk.models import (
    AirbyteErrorTraceMessage,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    TraceType,
    Type,
)

from source_amocrm.entrypoint import launch
from source_amocrm.streams import STREAMS, schema

from . import forked
from .connector import Clock, catalog, config, dumped, files, plain, without_sockets
from .destination import Own, Row
from .leaks import clean
from .sandbox import Sandbox


@dataclass(frozen=True)
class Outcome:
    """`said`: all that was printed and logged. `waited`: the longest that any thread of it would have slept."""

    code: int
    messages: list[AirbyteMessage]
    said: str
    waited: float = 0.0

    def errors(self) -> dict[str | None, AirbyteErrorTraceMessage]:
        """The error of each stream, or of the command (None); fails when one is told twice."""
        found: dict[str | None, AirbyteErrorTraceMessage] = {}
        for message in self.messages:
            if message.type == Type.TRACE and message.trace and message.trace.type == TraceType.ERROR:
                error = message.trace.error
                assert error is not None
                name = error.stream_descriptor.name if error.stream_descriptor else None
                assert name not in found, f"told twice: {name}"
                found[name] = error
        return found

    def rows(self) -> dict[str, dict[Own, Row]]:
        """What was delivered, by stream and key."""
        found: dict[str, dict[Own, Row]] = {name: {} for name in STREAMS}
        columns = {name: [column.name for column in schema.columns(name)] for name in STREAMS}
        for message in self.messages:
            if message.record:
                name, data = message.record.stream, message.record.data
                row = {column: data.get(column) for column in columns[name]}
                found[name][tuple(row[column] for column in STREAMS[name].primary_key)] = row
        return found

    def sentences(self) -> dict[str | None, str]:
        """What each error says; fails when that is more than a sentence."""
        for error in self.errors().values():
            assert error.message
            assert error.stack_trace is None
        assert "Traceback" not in self.said
        return {name: error.message for name, error in self.errors().items()}


def run(
    sandbox: Sandbox,
    verb: str,
    folder: Path,
    streams: list[str] | None = None,
    state: list[AirbyteStateMessage] | None = None,
    **settings: Any,
) -> Outcome:
    """In process, without sockets; no pace, no pause and no server that hangs takes time."""
    given: dict[str, Any] = {"config": config(sandbox, **settings)}
    if verb == "read":
        given["catalog"] = dumped(catalog(streams))
        given["state"] = [AirbyteStateMessageSerializer.dump(message) for message in state or []]
    arguments = [verb, *files(folder, **{name: plain(content) for name, content in given.items()})]
    clock = Clock(sandbox.account.clock)
    with without_sockets(sandbox, clock):
        told = run_here(arguments)
    return replace(told, waited=clock.longest)


def run_here(arguments: list[str]) -> Outcome:
    """Airbyte's commands in this process."""
    out, log = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), _Log()
    logger = logging.getLogger("airbyte")
    logger.addHandler(log)
    try:
        with patch("source_amocrm.entrypoint.PRINT_BUFFER", nullcontext()), redirect_stdout(out):
            code = launch(arguments)
    finally:
        logger.removeHandler(log)
    out.seek(0)
    printed = out.read()
    return Outcome(code, _messages(printed), clean("\n".join([printed, *log.lines])))


def run_process(arguments: list[str]) -> Outcome:
    """A process of its own."""
    done = forked.run(arguments, cwd=Path.cwd())
    return Outcome(done.returncode, _messages(done.stdout), clean(done.stdout + done.stderr))


def _messages(printed: str) -> list[AirbyteMessage]:
    return [AirbyteMessageSerializer.load(orjson.loads(line)) for line in printed.split("\n") if line]


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
