"""Runs the command as the platform does, in this process or in its own, and returns its exit code and its output."""

from __future__ import annotations

import io
import logging
import re
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
    Status,
    TraceType,
    Type,
)

from sandbox import Sandbox
from source_amocrm.entrypoint import launch
from source_amocrm.streams import STREAMS, schema

from . import forked
from .connector import Clock, catalog, config, dumped, files, plain, without_sockets
from .destination import Key, Row
from .leaks import clean


@dataclass(frozen=True)
class Outcome:
    """`said`: everything printed and logged. `waited`: the most that one of its threads would have slept (seconds)."""

    code: int
    messages: list[AirbyteMessage]
    said: str
    waited: float = 0.0

    def errors(self) -> dict[str | None, AirbyteErrorTraceMessage]:
        """Returns the error of each stream and, as None, of the command. Fails if there are two of the same."""
        found: dict[str | None, AirbyteErrorTraceMessage] = {}
        for message in self.messages:
            if message.type == Type.TRACE and message.trace and message.trace.type == TraceType.ERROR:
                error = message.trace.error
                assert error is not None
                name = error.stream_descriptor.name if error.stream_descriptor else None
                assert name not in found, f"told twice: {name}"
                found[name] = error
        return found

    def rows(self) -> dict[str, dict[Key, Row]]:
        """Returns the delivered rows by stream and key."""
        found: dict[str, dict[Key, Row]] = {name: {} for name in STREAMS}
        columns = {name: [column.name for column in schema.columns(name)] for name in STREAMS}
        for message in self.messages:
            if message.record:
                name, data = message.record.stream, message.record.data
                row = {column: data.get(column) for column in columns[name]}
                found[name][tuple(row[column] for column in STREAMS[name].primary_key)] = row
        return found

    def sentences(self) -> dict[str | None, str]:
        """Returns the message of each error; of one that names another stream's failure, that one's. Fails if an error
        has a stack trace."""
        for error in self.errors().values():
            assert error.message
            assert error.stack_trace is None
        assert "Traceback" not in self.said
        said = {name: error.message for name, error in self.errors().items()}
        same = re.compile(r"The same failure as that of (\w+)\.")
        return {name: said[other[1]] if (other := same.fullmatch(one)) else one for name, one in said.items()}


def run(
    sandbox: Sandbox,
    verb: str,
    folder: Path,
    streams: list[str] | None = None,
    state: list[AirbyteStateMessage] | None = None,
    **settings: Any,
) -> Outcome:
    """Runs a command in this process without sockets. The rate limit, pauses and timeouts take no time."""
    contents: dict[str, Any] = {"config": config(sandbox, **settings)}
    if verb == "read":
        contents["catalog"] = dumped(catalog(streams))
        contents["state"] = [AirbyteStateMessageSerializer.dump(message) for message in state or []]
    arguments = [verb, *files(folder, **{name: plain(content) for name, content in contents.items()})]
    clock = Clock(sandbox.account.clock)
    with without_sockets(sandbox, clock):
        outcome = run_in_process(arguments)
    return replace(outcome, waited=clock.longest)


def run_in_process(arguments: list[str]) -> Outcome:
    """Runs one of Airbyte's commands in this process."""
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
    """Runs one of Airbyte's commands in its own process."""
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


def status(told: Outcome) -> tuple[Status, str]:
    [message] = [m.connectionStatus for m in told.messages if m.type == Type.CONNECTION_STATUS]
    assert message is not None
    return message.status, message.message or ""


def named(notes: str, *heads: str) -> set[str]:
    """The streams that `check` names under these heads."""
    lists = re.findall(f"^(?:{'|'.join(heads)}): ([a-z_, ]+)\\.", notes, re.MULTILINE)
    return {name for one in lists for name in one.split(", ")}
