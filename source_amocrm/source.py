"""Wiring: the config, the API, the streams and the CDK's concurrent source put together."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, cast

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    Level,
    Status,
    SyncMode,
)
from airbyte_cdk.sources.abstract_source import AbstractSource
from airbyte_cdk.sources.message import InMemoryMessageRepository, MessageRepository
from airbyte_cdk.sources.message.concurrent_repository import ConcurrentMessageRepository
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.utils.slice_logger import DebugSliceLogger
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_amocrm.account.account import Account
from source_amocrm.account.census import Census, told
from source_amocrm.airbyte.check import EXTRAS, findings
from source_amocrm.airbyte.concurrent import ConcurrentStream
from source_amocrm.airbyte.failures import Failures, without_stack_traces
from source_amocrm.airbyte.pauses import log_pause
from source_amocrm.airbyte.report import Report
from source_amocrm.airbyte.row_queue import RowQueue
from source_amocrm.auth.handover import HandOver, print_settings
from source_amocrm.config.settings import Config, parse_config
from source_amocrm.errors import AmocrmError, ConfigError, masked
from source_amocrm.http.wiring import open_api
from source_amocrm.secrecy import mask
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream
from source_amocrm.streams.known import KNOWN
from source_amocrm.sync.declaration import FullRefresh, Incremental
from source_amocrm.sync.delivery import deliver
from source_amocrm.sync.progress import Progress
from source_amocrm.sync.state import dump
from source_amocrm.sync.sync import Selection, Sync
from source_amocrm.walk.listing import Row

if TYPE_CHECKING:
    from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource


class SourceAmocrm(AbstractSource):
    """amoCRM and Kommo; everything of a sync is made when it starts.

    `pack` makes the data of a row's record. `hand_over` gets the config when amoCRM has changed something in it.
    """

    check_config_against_spec = False
    """Our own reading of the config says in words what is wrong, and never repeats what was typed."""
    message_repository: MessageRepository = InMemoryMessageRepository()

    def __init__(
        self,
        pack: Callable[[Row], Mapping[str, Any]] = lambda row: row,
        hand_over: HandOver = print_settings,
    ) -> None:
        self._pack = pack
        self._hand_over = hand_over

    @staticmethod
    def read_config(config_path: str) -> Any:
        """Raises OSError, or ValueError for what is no JSON. Some editors of Windows begin a file with a BOM."""
        return json.loads(Path(config_path).read_text(encoding="utf-8-sig"))

    def configure(self, config: Mapping[str, Any], _: str) -> Mapping[str, Any]:
        """The config as it was read: the CDK would leave a copy, with the tokens, in a temporary folder."""
        return config

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """With what keeps it from being read, or else what will be incomplete or empty, if anything."""
        try:
            told = notes(open_account(config, EXTRAS, self._hand_over))
        except AmocrmError as error:
            return False, mask(str(error))
        for note in told:
            logger.warning(note)
        return True, mask("\n".join(told)) or None

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """The CDK's would show the message as a Python literal, and none where the account can be read."""
        readable, message = self.check_connection(logger, config)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED if readable else Status.FAILED, message=message)

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        account = open_account(config, hand_over=self._hand_over)
        return [stream(account) for stream in STREAMS.values()]

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        parsed = parse_config(config)
        states = _states(state or [])
        _check_streams(catalog)
        wanted = [_Wanted.of(parsed, stream, states) for stream in catalog.streams]
        census = Census(KNOWN)
        account = self._account(parsed, config, wanted, census)
        # One queue for rows and states keeps a state behind the rows that it covers.
        queue = RowQueue()
        self.message_repository = ConcurrentMessageRepository(queue, InMemoryMessageRepository(Level.INFO))
        for warning in (*parsed.unknown, *_expiry(account)):
            logger.warning(warning)
        selections = [one.selection(account) for one in wanted]
        report = Report(account.api, logger, selections)
        account.api.budget.on_pause = lambda seconds: _pause(seconds, report, self.message_repository)
        sync = Sync(account, selections, report.followed)
        streams = [
            self._stream(one, selection, sync, report, logger)
            for one, selection in zip(wanted, selections, strict=True)
        ]
        sync.start()
        failures = Failures()
        try:
            with report:
                for message in self._concurrent(len(streams), queue, logger).read(streams):
                    failures.note(message)
                    yield masked(message)
        except AirbyteTracedException:
            raise failures.summary() from None
        finally:
            sync.stop()
            account.pool.shut_down()
            if unknown := told(census.found()):
                logger.warning(unknown)

    def _account(self, parsed: Config, config: Mapping[str, Any], wanted: Sequence[_Wanted], census: Census) -> Account:
        """The account, which is asked for what the wanted streams need, and whose answers the census looks at."""
        extras = {extra for one in wanted for extra in one.kind.extras_of_account(parsed, one.properties)}
        given = cast("MutableMapping[str, Any]", config)
        return Account(parsed, open_api(parsed, given, hand_over=self._hand_over, observe=census.look), extras)

    def _stream(
        self, wanted: _Wanted, selection: Selection, sync: Sync, report: Report, logger: logging.Logger
    ) -> AbstractStream:
        return ConcurrentStream(
            cast("AmocrmStream", selection.stream),
            self.message_repository,
            lambda: report.counted(wanted.kind.name, deliver(sync, selection)),
            wanted.state,
            self._pack,
            logger,
        )

    def _concurrent(self, streams: int, queue: Queue[Any], logger: logging.Logger) -> ConcurrentSource:
        # It takes a while to import, in which the first answers are on their way.
        from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource

        # Every stream waits in a thread of its own for the readings that it shares with others.
        return ConcurrentSource.create(
            streams + 1,
            streams,
            without_stack_traces(logger),
            DebugSliceLogger(),
            self.message_repository,
            queue=queue,
        )


def open_account(
    config: Mapping[str, Any], extras: Collection[str] = (), hand_over: HandOver = print_settings
) -> Account:
    """The account of a config, for a command that reads no tables. Raises ConfigError for a config that cannot work.

    `extras`: what `/account` must tell. `hand_over` gets the config when amoCRM has changed something in it.
    """
    parsed = parse_config(config)
    api = open_api(parsed, cast("MutableMapping[str, Any]", config), hand_over=hand_over)
    api.budget.on_pause = log_pause
    return Account(parsed, api, extras)


def notes(account: Account) -> list[str]:
    """What a check warns of, though the account can be read. Raises AmocrmError where it cannot."""
    return [*account.config.unknown, *_expiry(account), *map(str, findings(account))]


def _pause(seconds: float, report: Report, repository: MessageRepository) -> None:
    log_pause(seconds)
    report.limited(seconds, repository.emit_message)


def _expiry(account: Account) -> list[str]:
    """What must be done before long for syncs to go on."""
    warning = account.api.auth.expiry_warning(account.api.wall())
    return [warning] if warning else []


def _check_streams(catalog: ConfiguredAirbyteCatalog) -> None:
    names = [stream.stream.name for stream in catalog.streams]
    if not names:
        raise ConfigError("The catalog selects no stream, so there is nothing to read. Select one and run again.")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ConfigError(f"The catalog selects {', '.join(twice)} more than once. Select each stream once.")


def _states(messages: list[AirbyteStateMessage]) -> dict[str, Mapping[str, Any]]:
    states: dict[str, Mapping[str, Any]] = {}
    for message in messages:
        if message.stream is None:
            raise ConfigError(
                "The saved state is not one of single streams (type STREAM), so it is not known what was delivered "
                "before. Leave the state out to read everything again."
            )
        if message.stream.stream_state is not None:
            states[message.stream.stream_descriptor.name] = dict(message.stream.stream_state.__dict__)
    return states


@dataclass(frozen=True)
class _Wanted:
    """A stream that the connection asks for.

    `properties`: of its schema, as configured. `keeps_state`: it is to go on from a state, and to emit states.
    """

    kind: type[AmocrmStream]
    properties: Mapping[str, Any]
    progress: Progress | None
    keeps_state: bool

    @classmethod
    def of(cls, config: Config, stream: ConfiguredAirbyteStream, states: Mapping[str, Mapping[str, Any]]) -> _Wanted:
        name = stream.stream.name
        kind = STREAMS.get(name)
        if kind is None:
            raise ConfigError(
                f"The connection asks for a stream “{name}”, which this source does not have. "
                f"Refresh the source's schema; the streams are: {', '.join(STREAMS)}."
            )
        keeps_state = stream.sync_mode == SyncMode.incremental
        progress = kind.progress(config, states.get(name) if keeps_state else None)
        return cls(kind, (stream.stream.json_schema or {}).get("properties") or {}, progress, keeps_state)

    def selection(self, account: Account) -> Selection:
        return Selection(cast("FullRefresh | Incremental", self.kind(account, self.properties)), self.progress)

    @property
    def state(self) -> Callable[[], Mapping[str, Any]] | None:
        """What tells the state of the stream at any moment; None where none is emitted."""
        progress = self.progress
        return partial(dump, progress) if progress and self.keeps_state else None
