"""Tells the failures of a sync: each in its own sentence, once, and all of them together at the end."""

from __future__ import annotations

import logging
import threading

from airbyte_cdk.models import AirbyteMessage, StreamDescriptor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.errors import AmocrmError, SyncFailed, without_ids

NAMED = 4
"""Tables that the summary names for one reason; of more it tells the number."""


class Failures:
    """The streams that were not read to their end, and why. Safe to share by threads."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._sentences: dict[str, str] = {}
        self._first: dict[str, str] = {}
        """The first stream with each failure."""
        self._lock = threading.Lock()

    def message(self, name: str, error: Exception) -> AirbyteMessage:
        """Logs the failure of a stream, with a stack trace if we did not foresee it, and returns its TRACE message."""
        stream = StreamDescriptor(name=name)
        if isinstance(error, AmocrmError):
            message = error.as_airbyte_message(stream)
            with self._lock:
                first = self._first.setdefault(without_ids(str(error)), name)
            why = str(error) if first == name else f"the same as of {first}"
            self._logger.error("%s was not read to its end: %s", name, why)
        else:
            said = f"An unexpected error occurred in stream {name}: {type(error).__name__}"
            message = AirbyteTracedException.from_exception(error, stream, message=said).as_airbyte_message()
            self._logger.error("%s was not read to its end.", name, exc_info=error)
        with self._lock:
            self._sentences[name] = message.trace.error.message  # type: ignore[union-attr]
        return message

    def summary(self) -> SyncFailed | None:
        """Returns the error of the whole sync, each reason once with its streams; None if nothing failed."""
        if not self._sentences:
            return None
        names: dict[str, list[str]] = {}
        for name, said in self._sentences.items():
            names.setdefault(without_ids(said), []).append(name)
        reasons = [f"{self._sentences[of[0]]} Not read to the end: {_tables(of)}." for of in names.values()]
        return SyncFailed("\n".join([*reasons, "What has been read is kept."]))


def _tables(names: list[str]) -> str:
    """The names of a few tables, the number of many. The log has said of each one that it failed."""
    return ", ".join(sorted(names)) if len(names) <= NAMED else f"{len(names)} tables"
