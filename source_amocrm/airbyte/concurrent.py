"""Adapts streams to the CDK's concurrent source: one partition a stream, and each state behind the rows it covers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.message import MessageRepository
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.availability_strategy import StreamAvailability
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

from source_amocrm.streams.base import AmocrmStream
from source_amocrm.walk.listing import Row

Deliver = Callable[[], Iterator["Row | None"]]
State = Callable[[], Mapping[str, Any]]
Pack = Callable[[Row], Mapping[str, Any]]


class StreamCursor(Cursor):
    """Emits the stream's state through the same queue as the rows, so that it comes after them."""

    def __init__(self, name: str, repository: MessageRepository, state: State) -> None:
        self._name = name
        self._repository = repository
        self._state = state

    @property
    def state(self) -> MutableMapping[str, Any]:
        return dict(self._state())

    def emit(self) -> None:
        self._repository.emit_message(
            AirbyteMessage(
                type=Type.STATE,
                state=AirbyteStateMessage(
                    type=AirbyteStateType.STREAM,
                    stream=AirbyteStreamState(
                        stream_descriptor=StreamDescriptor(name=self._name),
                        stream_state=AirbyteStateBlob(self.state),
                    ),
                ),
            )
        )

    def observe(self, _: Record) -> None:
        """Does nothing: the order of the rows does not tell what is complete."""

    def close_partition(self, _: Partition) -> None:
        self.emit()

    def ensure_at_least_one_state_emitted(self) -> None:
        """Does nothing: the stream's one partition has emitted its last state."""

    def should_be_synced(self, _: Record) -> bool:
        return True


class StreamPartition(Partition):
    """A whole stream. Its pages are read in parallel by the walks, which know the rate limit."""

    def __init__(self, name: str, deliver: Deliver, cursor: StreamCursor, pack: Pack) -> None:
        self._name = name
        self._deliver = deliver
        self._cursor = cursor
        self._pack = pack

    def read(self) -> Iterable[Record]:
        name, pack = self._name, self._pack
        for row in self._deliver():
            if row is None:
                self._cursor.emit()
            else:
                yield Record(pack(row), name)

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._name

    def __hash__(self) -> int:
        return hash(self._name)


class ConcurrentStream(AbstractStream):
    """A stream that is read at the same time as others.

    `deliver` yields rows, and None where a state is due; `state` tells it. `pack` makes the data of a row's record.
    """

    def __init__(
        self,
        stream: AmocrmStream,
        repository: MessageRepository,
        deliver: Deliver,
        state: State | None,
        pack: Pack,
        logger: logging.Logger,
    ) -> None:
        self._stream = stream
        self._logger = logger
        self._pack = pack
        self._cursor = StreamCursor(stream.name, repository, state or (lambda: {NO_CURSOR_STATE_KEY: True}))
        self._deliver = deliver if state else lambda: (row for row in deliver() if row is not None)

    def generate_partitions(self) -> Iterable[Partition]:
        yield StreamPartition(self.name, self._deliver, self._cursor, self._pack)

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def cursor_field(self) -> str | None:
        return self._stream.cursor_field or None  # type: ignore[return-value] # a column, or none at all

    @property
    def cursor(self) -> Cursor:
        return self._cursor

    def get_json_schema(self) -> Mapping[str, Any]:
        return self._stream.get_json_schema()

    def as_airbyte_stream(self) -> AirbyteStream:
        return self._stream.as_airbyte_stream()

    def log_stream_sync_configuration(self) -> None:
        self._logger.debug("Syncing stream %s", self.name)

    def check_availability(self) -> StreamAvailability:
        return StreamAvailability.available()
