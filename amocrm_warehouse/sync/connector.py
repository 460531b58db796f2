"""Reads the connector in this process."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    FailureType,
    StreamDescriptor,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from amocrm_warehouse.live_line import Watch
from amocrm_warehouse.sync.arrow_table import CHANGES, Row, Table
from amocrm_warehouse.sync.load_queue import LoadQueue
from source_amocrm.account import Account
from source_amocrm.account.resources import CARDS
from source_amocrm.airbyte.output import PackedRows, changes_of
from source_amocrm.auth import FileKeeper
from source_amocrm.catalog_command import check_names, chosen, configured
from source_amocrm.config_file import ConfigFile, ConfigFileError
from source_amocrm.errors import ConfigError, SyncFailed
from source_amocrm.secrecy import hide_in_record
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS

if TYPE_CHECKING:
    from amocrm_warehouse.sync.account_sync import Outcome

LOGGER = logging.getLogger("airbyte")
ALL = "all"
"""In `refresh` and `history`: every stream of the sync."""
IDS = "live_entities"
"""The stream of all cards' ids and dates, which repeats what other streams tell."""
WITHOUT = "The other tables are read well. A sync ends without this error if it leaves out the rest: --without {tables}"


class Reading:
    """Reads the chosen streams of an account.

    Raises ValueError for an unknown stream, and ConfigFileError for a config that cannot work.
    """

    def __init__(
        self,
        account: ConfigFile,
        settings: dict[str, Any],
        streams: list[str] | None,
        without: Collection[str],
        refresh: Collection[str],
        out: Outcome,
    ) -> None:
        self.settings = settings
        """The config as it is by now, with the settings that amoCRM has changed since the start."""
        self._first_settings = settings
        self._outcome = out
        self._failures: list[FailureType] = []  # of the streams that failed
        self._source = SourceAmocrm(self._pack, hand_over=FileKeeper(account, then=self._take_over))
        try:
            found = {one.name: one.as_airbyte_stream() for one in self._source.streams(copy.deepcopy(settings))}
        except AirbyteTracedException as error:
            raise ConfigFileError(error.message) from None
        names = chosen(streams, without, list(found))
        refresh = names if {*refresh} == {ALL} else refresh
        check_names(refresh, list(found))
        self.refreshed = {*refresh}
        """The streams whose tables are asked to be read from the beginning."""
        if left_out := sorted({*refresh} - {*names}):
            raise ValueError(
                f"This sync leaves out {', '.join(left_out)}, which --refresh names. Name it in --streams, too, and "
                "not in --without."
            )
        self._streams = [found[name] for name in names]
        self.tables = [_table(one) for one in self._streams]
        self._by_stream = {table.stream: table for table in self.tables}
        self.lists_of_cards = {table.stream: name for table in self.tables for name in _lists_of_cards(table.stream)}
        """By table of cards or of their parts, the path of the cards' list."""

    def kept_by_version(self, names: Collection[str]) -> set[str]:
        """Returns the streams of which versions of rows are kept. Raises ValueError for an unknown one."""
        there = {table.stream for table in self.tables}
        if {*names} == {ALL}:
            return there - {IDS}
        check_names(names, [*there])
        return {*names}

    def refresh(self, names: Collection[str]) -> set[str]:
        """Makes the tables of these streams whole: their rows are replaced once all are read. Returns the streams.

        A table of a card's parts comes with its card's, because parts are current by the date of the card's row.
        """
        lists = {one for name in names for one in _lists_of_cards(name)}
        chosen = {
            table.stream for table in self.tables if table.stream in names or lists & _lists_of_cards(table.stream)
        }
        for table in self.tables:
            table.whole = table.whole or table.stream in chosen
        return chosen

    def into(
        self, loads: LoadQueue, states: Mapping[str, str], watch: Watch, on_account: Callable[[Account], None]
    ) -> None:
        """Reads from the states on. The connector's failures go into the outcome; failures of `loads` are raised.

        `on_account`: as that of SourceAmocrm. Raises ConfigFileError for a config that does not fit the account.
        """
        catalog = configured(self._streams)
        self._source.on_progress, self._source.on_account = watch.progress, on_account
        messages = self._source.read(
            LOGGER, copy.deepcopy(self._first_settings), catalog, [_state(*one) for one in states.items()]
        )
        with _logs_go_to(watch), closing(messages):  # type: ignore[type-var] # it is a generator
            while (message := self._next(messages)) is not None:
                if isinstance(message, Batch):
                    loads.add(message.stream, message.batch)
                    watch.count(message.stream, message.count)
                elif isinstance(message, PageEnd):
                    loads.end_page(message.stream)
                else:
                    _take(message, loads)
                    watch(message)
                if (status := message.trace and message.trace.stream_status) and status.status.value == "COMPLETE":
                    self._outcome.complete.add(status.stream_descriptor.name)
                if message.trace and message.trace.error and message.trace.error.failure_type:
                    self._failures.append(message.trace.error.failure_type)

    def _pack(self, stream: str, rows: Sequence[Row]) -> Iterator[PackedRows]:
        """Yields the messages of a stream's rows, or the end of a list's page. The thread that reads the list calls it,
        so that rows wait as Arrow, which takes a tenth of their memory."""
        if not rows:
            yield PageEnd(stream, 0, 0)
            return
        for row in rows:
            if changed := changes_of(row):
                row[CHANGES] = [
                    {"field": one.field, "change": one.change.value, "reason": one.reason.value}
                    for one in changed.changes or ()
                ]
        for batch in self._by_stream[stream].batches(rows, time.time_ns() // 1_000_000):
            yield Batch(stream, batch)

    def _next(self, messages: Iterator[AirbyteMessage]) -> AirbyteMessage | None:
        """Returns the next message; None after the last one, and after a failure of the connector."""
        from source_amocrm.entrypoint import unforeseen

        try:
            return next(messages, None)
        except ConfigError as error:  # a stream's own is one of the reasons of SyncFailed
            raise ConfigFileError(str(error)) from None
        except AirbyteTracedException as error:
            self._outcome.errors += error.reasons if isinstance(error, SyncFailed) else [error.message or str(error)]
            kinds = self._failures or [error.failure_type]
            self._outcome.config_error = all(kind is FailureType.config_error for kind in kinds)
            failed = {*self._by_stream} - self._outcome.complete
            if isinstance(error, SyncFailed) and error.are_refusals and len(failed) < len(self._outcome.complete):
                self._outcome.notices.append(WITHOUT.format(tables=",".join(sorted(failed))))
        except Exception as error:
            LOGGER.exception("An unforeseen error")
            self._outcome.errors.append(unforeseen(error))
        return None

    def _take_over(self, changed: Mapping[str, Any]) -> None:
        """Takes over settings that amoCRM changed and the connector wrote into the config."""
        new = copy.deepcopy(dict(changed))
        if moved := renamed(self.settings, new):
            self._outcome.notices.append(moved)
        self.settings = new


def _lists_of_cards(name: str) -> set[str]:
    return {card.path for card in getattr(STREAMS[name], "resources", ())} & {card.path for card in CARDS}


class Batch(PackedRows):
    """`batch`: the rows as Arrow."""

    def __init__(self, stream: str, batch: pa.RecordBatch) -> None:
        super().__init__(stream, batch.num_rows, batch.nbytes)
        self.batch = batch


class PageEnd(PackedRows):
    """`stream`: the path of the list of which a page has come whole."""


def _take(message: AirbyteMessage, loads: LoadQueue) -> None:
    if message.state and message.state.stream:
        state = message.state.stream.stream_state
        loads.cover(message.state.stream.stream_descriptor.name, json.dumps(state.__dict__ if state else {}))
    elif (status := message.trace and message.trace.stream_status) and status.status.value == "COMPLETE":
        loads.complete(status.stream_descriptor.name)
    else:
        loads.load_if_due()


@contextmanager
def _logs_go_to(watch: Watch) -> Iterator[None]:
    handler = _Handler(watch)
    handler.addFilter(hide_in_record)
    before = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    except KeyboardInterrupt:
        before = LOGGER.level, False  # the threads that still read would log in the platform's JSON
        raise
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.log(record.levelname, "\n".join(filter(None, (record.getMessage(), record.exc_text))))


def _table(stream: AirbyteStream) -> Table:
    [*key] = (column for [column] in stream.source_defined_primary_key or [])
    return Table(stream.name, stream.json_schema, key, whole=not stream.default_cursor_field)


def _state(stream: str, state: str) -> AirbyteStateMessage:
    blob = AirbyteStateBlob(json.loads(state))
    of_stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name=stream), stream_state=blob)
    return AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=of_stream)


def renamed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Returns a sentence if amoCRM has changed the address of the account, and the connector has followed."""
    old, new = before.get("account_domain"), after.get("account_domain")
    return None if old == new else f"The account {old} is now called {new}. Its config has the new address."
