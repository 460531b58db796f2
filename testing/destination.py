"""A destination that behaves as Airbyte's do and checks the order of rows and states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage, AirbyteStateMessageSerializer, Type

from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream

Row = dict[str, Any]
Key = tuple[Any, ...]
MOST_ROWS_BETWEEN_STATES = 10_000


@dataclass
class Destination:
    """Appends with deduplication: of rows with the same key, the newest cursor wins, of equal ones the later row.

    When a sync is killed, rows after the last state are lost, except for those that `spill` draws. A stream without a
    cursor is replaced by the first state of each sync. `delivered`: records by stream, over all syncs. `messages`: the
    number in the last sync. `complaints`: violations of the platform's rules.
    """

    spill: Random | None = None
    rows: dict[str, dict[Key, Row]] = field(default_factory=dict)
    states: dict[str, AirbyteStateMessage] = field(default_factory=dict)
    delivered: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    complaints: list[str] = field(default_factory=list)
    _waiting: dict[str, list[Row]] = field(default_factory=dict)
    _newest: dict[tuple[str, Key], Row] = field(default_factory=dict)

    def take(self, stream: Iterable[AirbyteMessage], stop_after: int | None = None) -> bool:
        """Reads the messages of a sync. After `stop_after` of them, acts as if it was killed and returns False."""
        self._waiting, self._newest = {}, {}
        self.messages = 0
        replaced: set[str] = set()
        for message in stream:
            if stop_after is not None and self.messages >= stop_after:
                self._spill()
                return False
            self.messages += 1
            if message.type == Type.RECORD and message.record:
                self._receive(message.record.stream, dict(message.record.data))
            elif message.type == Type.STATE and message.state and message.state.stream:
                name = message.state.stream.stream_descriptor.name
                counted = int(message.state.sourceStats.recordCount or 0) if message.state.sourceStats else None
                self._commit(name, counted, first=name not in replaced)
                replaced.add(name)
                # the platform stores a state as JSON
                self.states[name] = AirbyteStateMessageSerializer.load(
                    orjson.loads(orjson.dumps(AirbyteStateMessageSerializer.dump(message.state)))
                )
        return True

    def state(self) -> list[AirbyteStateMessage]:
        return [message for name, message in self.states.items() if STREAMS[name].cursor_field]

    def _receive(self, name: str, row: Row) -> None:
        self.delivered[name] += 1
        waiting = self._waiting.setdefault(name, [])
        waiting.append(row)
        self._compare(name, row)
        if STREAMS[name].cursor_field and len(waiting) == MOST_ROWS_BETWEEN_STATES + 1:
            self.complaints.append(f"{name}: more than {MOST_ROWS_BETWEEN_STATES} rows without a state")

    def _compare(self, name: str, row: Row) -> None:
        """Complains of a row that is older than an earlier row with the same key in the sync."""
        table = STREAMS[name]
        if not isinstance(table.cursor_field, str):
            return
        key = tuple(row[column] for column in table.primary_key)
        before = self._newest.setdefault((name, key), row)
        if not not_older(row, before, table.cursor_field):
            then, now = before[table.cursor_field], row[table.cursor_field]
            self.complaints.append(f"{name} {key}: a row of {now} after one of {then}")
        self._newest[name, key] = row

    def _commit(self, name: str, counted: int | None, first: bool) -> None:
        table = STREAMS[name]
        if not table.cursor_field and first:
            self.rows[name] = {}
        kept = self.rows.setdefault(name, {})
        rows = self._waiting.pop(name, [])
        if counted != len(rows):
            self.complaints.append(f"{name}: the state counts {counted} rows after {len(rows)}")
        for row in rows:
            keep(table, kept, row)

    def _spill(self) -> None:
        """Writes some of the first rows after the last state, as a destination may have done before the kill."""
        for name, rows in self._waiting.items():
            if self.spill and STREAMS[name].cursor_field:
                for row in rows[: self.spill.randint(0, len(rows))]:
                    keep(STREAMS[name], self.rows.setdefault(name, {}), row)


def keep(table: type[AmocrmStream], kept: dict[Key, Row], row: Row) -> None:
    key = tuple(row[column] for column in table.primary_key)
    before = kept.get(key)
    if not isinstance(table.cursor_field, str) or before is None or not_older(row, before, table.cursor_field):
        kept[key] = row


def not_older(row: Mapping[str, Any], before: Mapping[str, Any], cursor: str) -> bool:
    return (row[cursor] or "") >= (before[cursor] or "")
