"""Reads all lists of a sync at once: a thread for each list, and one queue for the messages of all streams.

The one queue keeps a state behind the rows that it covers, and a stream's last status behind both.

The CDK's ConcurrentSource is not used. Its unit is a partition of one stream: if several streams are made of one list,
each would need a thread that waits for the list. It also imports the low-code half of the CDK, which is not needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.account import Resource
from source_amocrm.airbyte.monitor import Monitor
from source_amocrm.airbyte.output import Closed, MessageQueue, Pack
from source_amocrm.engine import Checkpoint, End, Sync
from source_amocrm.engine.fan_out import Item, PageEnd
from source_amocrm.engine.stream_interface import Declaration
from source_amocrm.errors import REFUSALS, AmocrmError, SyncFailed, combined_error, masked, shared_cause, without_ids
from source_amocrm.secrecy import mask

LOGGER = logging.getLogger("airbyte")

MOST_NAMED = 4  # Tables that the error of the whole sync names for one reason; of more tables it gives the number


@dataclass
class ConcurrentReading:
    """Yields the messages of a sync: statuses, records, states and errors of all its streams.

    `states`: the streams that emit a state at each checkpoint; all others emit one when they are complete. `pack` makes
    the messages of rows. `failures`: by their reason, the streams that ended early, each with its failure.
    `told`: by a failure's sentence without ids, the first stream that failed with it.
    """

    sync: Sync
    states: list[str]
    queue: MessageQueue
    monitor: Monitor
    pack: Pack
    failures: dict[str, dict[str, AmocrmError]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    def messages(self, streams: Iterable[str]) -> Iterator[AirbyteMessage]:
        """Raises SyncFailed at the end if a stream was not read to its end."""
        for name in streams:
            yield _status(name, AirbyteStreamStatus.STARTED)
        self.sync.start()
        parts = self.sync.parts()
        for part in parts:
            name = f"read-{part.path if isinstance(part, Resource) else part.name}"
            # a daemon: the process may end while a request is in flight whose rows nobody will deliver
            threading.Thread(target=self._read, args=(part,), name=name, daemon=True).start()
        running = len(parts)
        try:
            while running:
                item = self.queue.get()
                if isinstance(item, AirbyteMessage):
                    yield item
                elif item is None:  # a thread has read its part
                    running -= 1
                else:
                    raise item
        finally:
            self.queue.close()
        if self.failures:
            failures = [one for streams in self.failures.values() for one in _causes(streams.values())]
            raise SyncFailed([*self._reasons()], are_refusals=all(isinstance(one, REFUSALS) for one in failures))

    def _read(self, part: Resource | Declaration) -> None:
        failure = None
        try:
            with closing(self.sync.read(part)) as items:
                for name, item in items:
                    self._put(name, item)
        except BaseException as error:
            failure = error
        with suppress(Closed):
            self.queue.put(failure)

    def _put(self, name: str, item: Item) -> None:
        if isinstance(item, Checkpoint):
            if name in self.states:
                self.queue.put(_state(name, item.state))
        elif isinstance(item, End):
            self._end(name, item.failure)
        elif isinstance(item, PageEnd):
            for message in self.pack(name, ()):
                self.queue.put(message)
        else:
            if self.monitor.count(name, len(item)) == len(item):
                self.queue.put(_status(name, AirbyteStreamStatus.RUNNING))
            for message in self.pack(name, item):
                self.queue.put(message)

    def _end(self, name: str, failure: Exception | None) -> None:
        rows = self.monitor.ended(name)
        if failure:
            self.queue.put(self._failure(name, failure))
        else:
            LOGGER.info("%s: %s rows", name, f"{rows:,}")
            if name not in self.states:
                self.queue.put(_state(name, {NO_CURSOR_STATE_KEY: True}))
        self.queue.put(_status(name, AirbyteStreamStatus.INCOMPLETE if failure else AirbyteStreamStatus.COMPLETE))

    def _failure(self, name: str, error: Exception) -> AirbyteMessage:
        """Logs the failure of a stream, with a stack trace if we did not foresee it, and returns its TRACE message.

        The message of a failure is whole with the first of its streams; the others name that stream.
        """
        foreseen = error if isinstance(error, AmocrmError) else None
        unforeseen = f"An unexpected error occurred in stream {name}: {type(error).__name__}"
        traced = foreseen or AirbyteTracedException.from_exception(error, message=unforeseen)
        failure = foreseen or AmocrmError(unforeseen)
        first = self.told.setdefault(without_ids(str(failure)), name)
        if foreseen:
            if first != name:
                same = f"The same failure as that of {first}."
                traced = AmocrmError(same, failure_type=foreseen.failure_type)
            LOGGER.error("%s was not read to its end: %s", name, error if first == name else f"the same as of {first}")
        else:
            LOGGER.error("%s was not read to its end.", name, exc_info=error)
        reason = "\n".join(sorted({shared_cause(cause) for cause in _causes([failure])}))
        self.failures.setdefault(reason, {})[name] = failure
        return masked(traced.as_airbyte_message(StreamDescriptor(name=name)))

    def _reasons(self) -> Iterator[str]:
        for streams in self.failures.values():
            failures = _causes(streams.values())
            tables = ", ".join(sorted(streams)) if len(streams) <= MOST_NAMED else f"{len(streams)} tables"
            yield f"{mask(str(combined_error(failures)))} Not read to the end: {tables}."


def _causes(failures: Iterable[AmocrmError]) -> list[AmocrmError]:
    return [cause for failure in failures for cause in failure.causes or (failure,)]


def _state(name: str, state: Mapping[str, Any]) -> AirbyteMessage:
    stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name=name), stream_state=AirbyteStateBlob(state))
    return AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))


def _status(name: str, status: AirbyteStreamStatus) -> AirbyteMessage:
    return as_airbyte_message(StreamDescriptor(name=name), status)
