"""A destination that behaves as Airbyte's do, and watches how the rows come."""

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
Own = tuple[Any, ...]
MOST_ROWS_BETWEEN_STATES = 10_000


@dataclass
class Destination:
    """Append with deduplication: by key, the newest cursor wins, and of equal ones the later. What no state covers
    is lost when a sync is killed, or some of it as `spill` draws; a stream without cursor is replaced by each sync
    that ends.

    `complaints`: what the platform would not forgive, in words.
    """

    spill: Random | None = None
    rows: dict[str, dict[Own, Row]] = field(default_factory=dict)
    states: dict[str, AirbyteStateMessage] = field(default_factory=dict)
    delivered: Counter[str] = field(default_factory=Counter)
    """Records by stream, over all syncs."""
    messages: int = 0
    """Of the last sync."""
    complaints: list[str] = field(default_factory=list)
    _waiting: dict[str, list[Row]] = field(default_factory=dict)
    _newest: dict[tuple[str, Own], Row] = field(default_factory=dict)

    def take(self, stream: Iterable[AirbyteMessage], stop_after: int | None = None) -> bool:
        """Read on, at most `stop_after` messages, as if the process was killed then. False when it was."""
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
                # as the platform stores it: through JSON
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
        """A row of a sync is never older than one of the same key before it."""
        table = STREAMS[name]
        if not isinstance(table.cursor_field, str):
            return
        place = name, tuple(row[column] for column in table.primary_key)
        before = self._newest.setdefault(place, row)
        if not not_older(row, before, table.cursor_field):
            then, now = before[table.cursor_field], row[table.cursor_field]
            self.complaints.append(f"{name} {place[1]}: a row of {now} after one of {then}")
        self._newest[place] = row

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
        """The first rows of those that no state covers may have been written when the sync was killed."""
        for name, rows in self._waiting.items():
            if self.spill and STREAMS[name].cursor_field:
                for row in rows[: self.spill.randint(0, len(rows))]:
                    keep(STREAMS[name], self.rows.setdefault(name, {}), row)


def keep(table: type[AmocrmStream], kept: dict[Own, Row], row: Row) -> None:
    own = tuple(row[column] for column in table.primary_key)
    before = kept.get(own)
    if not isinstance(table.cursor_field, str) or before is None or not_older(row, before, table.cursor_field):
        kept[own] = row


def not_older(row: Mapping[str, Any], before: Mapping[str, Any], cursor: str) -> bool:
    return (row[cursor] or "") >= (before[cursor] or "")
