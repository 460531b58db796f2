"""The connector run in process against a sandbox without sockets, and a destination that behaves as Airbyte's do."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import orjson
import requests
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)

from source_amocrm.airbyte import airbyte_stream
from source_amocrm.auth import make_auth
from source_amocrm.config import Config
from source_amocrm.http.api import Api
from source_amocrm.http.budget import Budget
from source_amocrm.http.retry import RetryPolicy
from source_amocrm.http.tokens import HttpTokenEndpoint
from source_amocrm.http.transport import Transport
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import TABLES

from .sandbox import Sandbox, SandboxAdapter

Row = dict[str, Any]
UNPACED = 1_000_000.0


def config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    return {
        "account_domain": sandbox.account.domain,
        "credentials": {"auth_type": "long_lived_token", "access_token": sandbox.tokens.long_lived()},
        **settings,
    }


def catalog(streams: Iterable[str] | None = None, mode: SyncMode = SyncMode.incremental) -> ConfiguredAirbyteCatalog:
    return ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=airbyte_stream(TABLES[name]),
                sync_mode=mode if TABLES[name].cursor else SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.append,
            )
            for name in (TABLES if streams is None else streams)
        ]
    )


@contextmanager
def without_sockets(sandbox: Sandbox, retry: RetryPolicy | None = None) -> Iterator[None]:
    """While it lasts the connector's requests go to `sandbox`, and neither pace nor pause takes time."""

    def open_api(parsed: Config, raw: Any) -> Api:
        session = requests.Session()
        session.mount("https://", SandboxAdapter(sandbox))
        budget = Budget(UNPACED, sleep=lambda _: None)
        policy = retry or RetryPolicy()
        endpoint = HttpTokenEndpoint(Transport(session, budget, policy), budget, policy)
        auth = make_auth(parsed, raw, endpoint)
        return Api(parsed, auth, budget, retry=policy, session=session, sleep=lambda _: None)

    with patch("source_amocrm.source.open_api", open_api):
        yield


def messages(
    sandbox: Sandbox,
    streams: Iterable[str] | None = None,
    state: list[AirbyteStateMessage] | None = None,
    mode: SyncMode = SyncMode.incremental,
    **settings: Any,
) -> Iterator[AirbyteMessage]:
    """What a `read` prints, message by message; raises at the end when a stream failed."""
    counter: Any = {}
    with without_sockets(sandbox):
        source = SourceAmocrm()
        logger = logging.getLogger("airbyte")
        for message in source.read(logger, config(sandbox, **settings), catalog(streams, mode), state or []):
            yield AirbyteEntrypoint.handle_record_counts(message, _Counter(counter))


class _Counter(dict[Any, float]):
    def __init__(self, shared: dict[Any, float]) -> None:
        super().__init__()
        self._shared = shared

    def __getitem__(self, name: Any) -> float:
        return self._shared.get(name, 0.0)

    def __setitem__(self, name: Any, value: float) -> None:
        self._shared[name] = value

    def get(self, name: Any, default: Any = None) -> Any:
        return self._shared.get(name, default)


@dataclass
class Destination:
    """Append with deduplication: by key, the newest cursor wins, and of equal ones the later. What no state covers
    is lost when a sync is killed; a stream without cursor is replaced by each sync."""

    rows: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    states: dict[str, AirbyteStateMessage] = field(default_factory=dict)
    delivered: int = 0
    _waiting: dict[str, list[Row]] = field(default_factory=dict)

    def take(self, stream: Iterable[AirbyteMessage], stop_after: int | None = None) -> bool:
        """Read on, at most `stop_after` messages, as if the process was killed then. False when it was."""
        self._waiting = {}
        fresh: set[str] = set()
        for number, message in enumerate(stream, 1):
            if stop_after is not None and number > stop_after:
                return False
            if message.type == Type.RECORD and message.record:
                self.delivered += 1
                self._waiting.setdefault(message.record.stream, []).append(dict(message.record.data))
            elif message.type == Type.STATE and message.state and message.state.stream:
                name = message.state.stream.stream_descriptor.name
                self._commit(name, first=name not in fresh)
                fresh.add(name)
                # as the platform stores it: through JSON
                self.states[name] = AirbyteStateMessageSerializer.load(
                    orjson.loads(orjson.dumps(AirbyteStateMessageSerializer.dump(message.state)))
                )
        return True

    def state(self) -> list[AirbyteStateMessage]:
        return [message for name, message in self.states.items() if TABLES[name].cursor]

    def _commit(self, name: str, first: bool) -> None:
        table = TABLES[name]
        if table.cursor is None and first:
            self.rows[name] = {}
        kept = self.rows.setdefault(name, {})
        for row in self._waiting.pop(name, []):
            own = tuple(row[column] for column in table.key)
            before = kept.get(own)
            if table.cursor is None or before is None or _not_older(row, before, table.cursor):
                kept[own] = row


def _not_older(row: Mapping[str, Any], before: Mapping[str, Any], cursor: str) -> bool:
    return (row[cursor] or "") >= (before[cursor] or "")
