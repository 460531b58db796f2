"""Puts the config, the API, the streams and the sync together as a source of the CDK."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, cast

from airbyte_cdk import models
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream

from source_amocrm.account import Account
from source_amocrm.airbyte.check import EXTRAS, POLICY, findings
from source_amocrm.airbyte.concurrent_reading import ConcurrentReading
from source_amocrm.airbyte.monitor import Monitor, OnProgress, log_pause, log_progress
from source_amocrm.airbyte.output import MessageQueue, Pack, records
from source_amocrm.auth import HandOver, print_settings
from source_amocrm.config import parse_config
from source_amocrm.engine import Sync
from source_amocrm.engine.read_plan import Progress
from source_amocrm.engine.stream_interface import Declaration
from source_amocrm.errors import AmocrmError, ConfigError
from source_amocrm.http import open_api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.secrecy import mask
from source_amocrm.streams import STREAMS
from source_amocrm.streams.chats import note_of_texts
from source_amocrm.streams.personal_data import PersonalData, unknown_fields
from source_amocrm.streams.schema_drift import KNOWN, SchemaDrift, drift_warning
from source_amocrm.walk.listing import Row


class SourceAmocrm(AbstractSource):
    """The source of amoCRM and Kommo. Everything that a sync needs is made when the sync starts.

    `pack` makes the messages of rows. `hand_over` gets the config when amoCRM has changed something in it.
    `on_progress` gets the progress of a sync every ten seconds. `on_account` gets the account before any of its lists
    is read, and may raise AmocrmError to leave it unread.
    """

    check_config_against_spec = False
    """Our own check of the config explains a mistake in words, and never repeats the typed text."""

    def __init__(self, pack: Pack = records, hand_over: HandOver = print_settings) -> None:
        self._pack = pack
        self._hand_over = hand_over
        self.on_progress: OnProgress = log_progress
        self.on_account: Callable[[Account], None] = lambda _: None

    @staticmethod
    def read_config(config_path: str) -> Any:
        """Raises OSError, or ValueError if the file is no JSON. Some editors of Windows begin a file with a BOM."""
        return json.loads(Path(config_path).read_text(encoding="utf-8-sig"))

    def configure(self, config: Mapping[str, Any], _: str) -> Mapping[str, Any]:
        """Returns the config as it was read: the CDK would leave a copy, with the tokens, in a temporary folder."""
        return config

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> models.AirbyteConnectionStatus:
        """Overridden: the CDK's shows a message as a Python literal, and none if the account can be read."""
        try:
            found = notes(open_account(config, EXTRAS, self._hand_over, policy=POLICY))
        except AmocrmError as error:
            return models.AirbyteConnectionStatus(models.Status.FAILED, mask(str(error)))
        for note in found:
            logger.warning(note)
        return models.AirbyteConnectionStatus(models.Status.SUCCEEDED, mask("\n".join(found)) or None)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """Returns whether the account can be read, and the reason why not or what will be incomplete or empty."""
        status = self.check(logger, config)
        return status.status is models.Status.SUCCEEDED, status.message

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        account = open_account(config, hand_over=self._hand_over)
        return [stream(account) for stream in STREAMS.values()]

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: models.ConfiguredAirbyteCatalog,
        state: list[models.AirbyteStateMessage] | None = None,
    ) -> Iterator[models.AirbyteMessage]:
        drift = SchemaDrift(KNOWN)
        account = open_account(config, hand_over=self._hand_over, observe=drift.look)
        states = _states(state or [])
        _check_streams(catalog)
        selected: dict[Declaration, Progress | None] = {}
        keeping_state: list[str] = []
        for configured in catalog.streams:
            columns = (configured.stream.json_schema or {}).get("properties") or {}
            stream = STREAMS[configured.stream.name](account, columns)
            incremental = configured.sync_mode == models.SyncMode.incremental
            progress = stream.progress(states.get(stream.name) if incremental else None)
            selected[stream] = progress
            keeping_state += [stream.name] if incremental and progress else []
            account.extras.update(stream.account_extras)
        self.on_account(account)
        for warning in _warnings(account):
            logger.warning(warning)
        queue = MessageQueue()
        monitor = Monitor(account.api, selected, queue.put_at_once, self.on_progress)
        account.api.budget.on_pause = monitor.limited
        sync = Sync(account, selected)
        reading = ConcurrentReading(sync, keeping_state, queue, monitor, self._pack)
        try:
            with monitor:
                yield from reading.messages([stream.name for stream in selected])
        finally:
            account.pool.shut_down()
            if unknown := drift_warning(drift.found()):
                logger.warning(unknown)


def open_account(
    config: Mapping[str, Any],
    extras: Collection[str] = (),
    hand_over: HandOver = print_settings,
    observe: Callable[[str, Row | None], None] = lambda *_: None,
    policy: RetryPolicy | None = None,
) -> Account:
    """Returns the account of a config. Raises ConfigError.

    `extras`: the `with` parameters of `/account`. `hand_over` gets the config when amoCRM has changed something in it.
    `observe` gets the path and the body of each response. `policy`: the limits of a request with its retries.
    """
    parsed = parse_config(config)
    personal = PersonalData(parsed)

    def receive(path: str, body: Row | None) -> Row | None:
        observe(path, body)
        return personal.replaced(path, body)

    api = open_api(parsed, cast("MutableMapping[str, Any]", config), policy, hand_over=hand_over, receive=receive)
    api.budget.on_pause = log_pause
    account = Account(parsed, api, extras)
    personal.account = account
    return account


def notes(account: Account) -> list[str]:
    """Returns the warnings of a check. Raises AmocrmError if the account cannot be read."""
    return _warnings(account, note_of_texts(account), *map(str, findings(account)))


def _warnings(account: Account, *found: str | None) -> list[str]:
    """Returns the notes `found`, with warnings of a token that expires soon and of settings that change nothing."""
    expiry = account.api.auth.expiry_warning(account.api.wall())
    return [one for one in (*account.config.unknown, expiry, *found, unknown_fields(account)) if one]


def _check_streams(catalog: models.ConfiguredAirbyteCatalog) -> None:
    names = [stream.stream.name for stream in catalog.streams]
    if not names:
        raise ConfigError("The catalog selects no stream, so there is nothing to read. Select one and run again.")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ConfigError(f"The catalog selects {', '.join(twice)} more than once. Select each stream once.")
    if unknown := [name for name in names if name not in STREAMS]:
        raise ConfigError(
            f"The connection asks for a stream “{unknown[0]}”, which this source does not have. "
            f"Refresh the source's schema; the streams are: {', '.join(STREAMS)}."
        )


def _states(messages: list[models.AirbyteStateMessage]) -> dict[str, Mapping[str, Any]]:
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
