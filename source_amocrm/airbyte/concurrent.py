"""Our streams as the CDK's concurrent source wants them: one partition a stream, states behind the rows they cover."""

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
    SyncMode,
    Type,
)
from airbyte_cdk.sources.message import MessageRepository
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.availability_strategy import StreamAvailability
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

from source_amocrm.errors import let_go
from source_amocrm.streams import schema
from source_amocrm.sync.tables import Table
from source_amocrm.walk.listing import Row

Deliver = Callable[[], Iterator["Row | None"]]
State = Callable[[], Mapping[str, Any]]
Pack = Callable[[Row], Mapping[str, Any]]


def airbyte_stream(table: Table, columns: Mapping[str, Mapping[str, Any]] | None = None) -> AirbyteStream:
    """The table as `discover` shows it, with further `columns` and their schemas."""
    json_schema = schema.load(table.name)
    json_schema["properties"].update(columns or {})
    modes = [SyncMode.full_refresh, SyncMode.incremental] if table.cursor else [SyncMode.full_refresh]
    return AirbyteStream(
        name=table.name,
        json_schema=json_schema,
        supported_sync_modes=modes,
        source_defined_cursor=True if table.cursor else None,
        default_cursor_field=[table.cursor] if table.cursor else None,
        source_defined_primary_key=[[column] for column in table.key],
        is_resumable=table.cursor is not None,
    )


class TableCursor(Cursor):
    """Emits the stream's state when it is told to; through the same queue as the rows, so that it comes after them."""

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
        """Nothing: the rows' own order says nothing about what is complete."""

    def close_partition(self, _: Partition) -> None:
        self.emit()

    def ensure_at_least_one_state_emitted(self) -> None:
        """The one partition of the stream has emitted it."""

    def should_be_synced(self, _: Record) -> bool:
        return True


class TablePartition(Partition):
    """All of a stream: its parts are read concurrently below, where the budget of requests is known."""

    def __init__(self, name: str, deliver: Deliver, cursor: TableCursor, pack: Pack) -> None:
        self._name = name
        self._deliver = deliver
        self._cursor = cursor
        self._pack = pack

    def read(self) -> Iterable[Record]:
        name, pack = self._name, self._pack
        try:
            for row in self._deliver():
                if row is None:
                    self._cursor.emit()
                else:
                    yield Record(pack(row), name)
        except Exception as error:
            let_go(error)
            raise

    def to_slice(self) -> Mapping[str, Any] | None:
        return None

    def stream_name(self) -> str:
        return self._name

    def __hash__(self) -> int:
        return hash(self._name)


class TableStream(AbstractStream):
    """`deliver` yields rows, and None where a state is due; `state` tells it. `pack`: what a record holds of a row."""

    def __init__(
        self,
        table: Table,
        repository: MessageRepository,
        deliver: Deliver,
        state: State | None,
        pack: Pack,
        logger: logging.Logger,
    ) -> None:
        self._table = table
        self._logger = logger
        self._pack = pack
        self._cursor = TableCursor(table.name, repository, state or (lambda: {NO_CURSOR_STATE_KEY: True}))
        self._deliver = deliver if state else lambda: (row for row in deliver() if row is not None)

    def generate_partitions(self) -> Iterable[Partition]:
        yield TablePartition(self.name, self._deliver, self._cursor, self._pack)

    @property
    def name(self) -> str:
        return self._table.name

    @property
    def cursor_field(self) -> str | None:
        return self._table.cursor

    @property
    def cursor(self) -> Cursor:
        return self._cursor

    def get_json_schema(self) -> Mapping[str, Any]:
        return schema.load(self.name)

    def as_airbyte_stream(self) -> AirbyteStream:
        return airbyte_stream(self._table)

    def log_stream_sync_configuration(self) -> None:
        self._logger.debug("Syncing stream %s", self.name)

    def check_availability(self) -> StreamAvailability:
        return StreamAvailability.available()
