"""How the failures of a sync are told: each in its own sentence, once, and all of them together at the end."""

from __future__ import annotations

import logging

from airbyte_cdk.models import AirbyteMessage

from source_amocrm.errors import AmocrmError, SyncFailed, without_ids

NAMED = 4
"""Tables that the summary names for one reason; of more it tells the number."""


class Failures:
    """The streams that were not read to their end, and why."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def note(self, message: AirbyteMessage) -> None:
        """Notes the failure of a stream, if that is what the message tells."""
        error = message.trace.error if message.trace else None
        if error and error.stream_descriptor:
            self._said[error.stream_descriptor.name] = error.message

    def summary(self) -> SyncFailed:
        """In place of the CDK's, which says a failure once a stream and calls each one of the settings."""
        names: dict[str, list[str]] = {}
        for name, said in self._said.items():
            names.setdefault(without_ids(said), []).append(name)
        reasons = [f"{self._said[of[0]]} Not read to the end: {_tables(of)}." for of in names.values()]
        return SyncFailed("\n".join([*reasons, "What has been read is kept."]))


def _tables(names: list[str]) -> str:
    """The names of a few tables, the number of many. The log has said of each one that it failed."""
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} tables"


def without_stack_traces(logger: logging.Logger) -> logging.Logger:
    """A logger for the CDK's concurrent source that tells foreseen failures in their sentences."""
    plain = logger.getChild("sync")
    plain.filters = [_Plain()]
    return plain


class _Plain(logging.Filter):
    """Tells a failure that we foresaw in its sentence, and once: a stack trace would tell a user nothing.

    The CDK ends its line about a failure with the name of the stream. Its summary repeats every failure, so that it is
    left out.
    """

    SUMMARY = "During the sync, the following streams did not sync successfully"

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.getMessage().startswith(self.SUMMARY):
            return False
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, AmocrmError):
            whose = record.getMessage().rpartition(" ")[2]
            first = self._told.setdefault(without_ids(str(error)), whose)
            why = str(error) if first == whose else f"the same as of {first}"
            record.msg, record.args, record.exc_info = f"{record.getMessage()}: {why}", (), None
        return True
