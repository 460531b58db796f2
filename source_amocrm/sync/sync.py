"""One sync: the selected streams, their read plans, and one reading of each list for all its streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial

from airbyte_cdk.models import SyncMode

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.dates import iso
from source_amocrm.errors import AmocrmError, combined_error, error_copy
from source_amocrm.sync.declaration import Batch, FullRefresh, Incremental, with_parameter
from source_amocrm.sync.deletions import EventLog, kinds_needed
from source_amocrm.sync.delivery import Checkpoint, Delivery, NewestFirst, PageOrder, RowMaker
from source_amocrm.sync.events import EventReading
from source_amocrm.sync.lookup import Resolver
from source_amocrm.sync.read_plan import Progress, ReadPlan, agree, merged
from source_amocrm.sync.reading import EntityReading
from source_amocrm.sync.state import dump
from source_amocrm.walk import Row
from source_amocrm.walk.intervals import FOREVER, IntervalSet

LOGGER = logging.getLogger("airbyte")


@dataclass(frozen=True)
class Selection:
    """A stream to read, and its `progress` if it is incremental."""

    stream: FullRefresh | Incremental
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Follows the last row and checkpoint of a stream. `failure`: why rows are missing, or None."""

    failure: Exception | None


Item = Row | Checkpoint | End


@dataclass
class StreamSync:
    """An incremental stream during a sync.

    `plans`: what it needs of each list, by the list's name in its state; made once. `unread`: the lists that have not
    ended. `lock`: held while rows of one list are made and handed on, because the threads of several lists may share
    the progress.
    """

    stream: Incremental
    progress: Progress
    unread: set[str]
    plans: Mapping[str, ReadPlan] = field(default_factory=dict)
    begun: bool = False
    failures: list[Exception] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def begin(self, started: int) -> None:
        """Begins the progress with the first batch of any of its lists. `started`: by amoCRM's clock."""
        if self.progress.in_the_future(started):
            LOGGER.warning(
                "%s: by amoCRM's clock its saved state is of a time that has not come yet. If that is right, rows may "
                "have been passed over, so the next sync reads the stream anew.",
                self.stream.name,
            )
        self.progress.begin(self.plans, started)
        self.begun = True

    def items(self, delivery: Delivery, batch: Batch) -> Iterable[Row | Checkpoint]:
        part = {"delivery": delivery, "batch": batch}
        mode, cursor = SyncMode.incremental, [self.stream.cursor_field]
        return self.stream.read_records(sync_mode=mode, cursor_field=cursor, stream_slice=part)

    def failure(self) -> Exception | None:
        """Returns the failures of all lists as one; a failure that we did not foresee comes first."""
        foreseen: list[AmocrmError] = []
        for error in self.failures:
            if not isinstance(error, AmocrmError):
                return error
            foreseen.append(error)
        return combined_error(foreseen) if foreseen else None


class Sync:
    """Reads each list once for the streams that are made of it.

    Each part that `parts` lists can be read in a thread of its own: a list with all its streams, or a stream that is
    read whole. `followed` encloses the reading of a list, by its path; what it returns is called with each batch.
    """

    def __init__(
        self,
        account: Account,
        selections: Sequence[Selection],
        followed: Callable[[str], AbstractContextManager[Callable[[Batch], object]]] = lambda _: nullcontext(id),
    ) -> None:
        self.account = account
        self._followed = followed
        _restart_from_the_future(selections, account.clocks.ours())
        self._whole = [one.stream for one in selections if isinstance(one.stream, FullRefresh)]
        self._streams = [
            StreamSync(one.stream, one.progress, set(one.stream.input_names()))
            for one in selections
            if isinstance(one.stream, Incremental) and one.progress
        ]
        for resource in {resource for one in self._streams for resource in one.stream.resources}:
            agree([one.progress for one in self._readers(resource)], resource.name)
        for one in self._streams:
            one.plans = one.progress.plans(one.stream.input_names())
        self._resolvers = {
            lookup: Resolver(account, lookup, expected=bool(self._readers(lookup.resource)))
            for one in selections
            for lookup in one.stream.lookups.values()
        }
        kinds = self._kinds_since()
        links_since = (plan.changes_since for one in self._streams for plan in one.plans.values())
        self._event_log = EventLog(account, kinds, min(links_since, default=FOREVER))
        # a killed sync that resumes may be killed again, long before its end where the events are wanted
        self._events_first = bool(kinds) and not any(one.progress.pending for one in self._streams)
        self._readings: dict[Resource, EntityReading | EventReading] = {
            resource: self._event_reading() if resource is EVENTS else self._entity_reading(resource)
            for resource in dict.fromkeys(resource for one in self._streams for resource in one.stream.inputs())
        }

    def parts(self) -> list[Resource | FullRefresh]:
        return [*self._readings, *self._whole]

    def start(self) -> None:
        """Asks for what every list needs: the first pages of lists that are read whole, the account, the events."""
        for resource, reading in self._readings.items():
            # an optional list may not be there to be asked
            if isinstance(reading, EntityReading) and not resource.optional:
                reading.walk.ask_first()
        self.account.pool.submit(self.account.facts)
        if self._events_first:
            self.account.pool.submit(self._event_log.events)

    def read(self, part: Resource | FullRefresh) -> Generator[tuple[str, Item], None, None]:
        """Yields the rows, checkpoints and ends of the part's streams, each with the name of its stream.

        One stream's failure ends that stream alone.
        """
        return self._read_list(part) if isinstance(part, Resource) else self._read_whole(part)

    def _read_whole(self, stream: FullRefresh) -> Generator[tuple[str, Item], None, None]:
        failure = None
        try:
            for row in stream.read_records(sync_mode=SyncMode.full_refresh):
                yield stream.name, row
        except Exception as error:
            failure = error
        yield stream.name, End(failure)

    def _read_list(self, resource: Resource) -> Generator[tuple[str, Item], None, None]:
        streams = _ListOfStreams(self, resource, [one for one in self._streams if resource in one.stream.inputs()])
        failure = None
        try:
            with self._followed(resource.path) as count, closing(self._batches(resource)) as batches:
                for batch in batches:
                    count(batch)
                    yield from streams.take(batch)
                    # each stage before refers to its batch until the next one comes, and a row may have 30 MB
                    batch.page.rows.clear()
                    if not streams.open:
                        break
        except Exception as error:
            failure = error
        finally:
            for lookup, resolver in self._resolvers.items():
                if lookup.resource == resource:
                    resolver.abandon()
        yield from streams.end(failure)

    def _batches(self, resource: Resource) -> Generator[Batch, None, None]:
        self.account.require(resource.path)
        yield from self._readings[resource].batches()

    def delivery(self, one: StreamSync, resource: Resource) -> Delivery:
        maker = RowMaker(one.stream, resource, self._resolvers.__getitem__)
        if resource is EVENTS and one.stream.newest_first:
            kinds, until = one.stream.kinds or (), self.account.facts().until
            return NewestFirst(maker, one.progress, kinds, until, partial(self._events_between, kinds))
        return PageOrder(maker, one.progress, resource.name, self.account.clocks.now)

    def _events_between(self, kinds: tuple[str, ...], low: int, high: int) -> Iterator[Row]:
        reading = EventReading(self.account, ReadPlan(IntervalSet(((low, high),)), deletions_since=low), kinds)
        return (row for batch in reading.batches() for row in batch.page.rows)

    def _readers(self, resource: Resource) -> list[StreamSync]:
        return [one for one in self._streams if resource in one.stream.resources]

    def _entity_reading(self, resource: Resource) -> EntityReading:
        readers = self._readers(resource)
        streams = [one.stream for one in readers]
        return EntityReading(
            self.account,
            resource,
            plans=[one.plans[resource.name] for one in readers],
            params=with_parameter({extra for stream in streams for extra in stream.wanted_extras()}),
            event_log=self._event_log if any(self._kinds(one, resource) for one in readers) else None,
            mark_deleted=self.account.config.mark_deleted and any(stream.deletable for stream in streams),
            several_rows=any(stream.several_rows for stream in streams),
            resolvers=[resolver for lookup, resolver in self._resolvers.items() if lookup.resource == resource],
        )

    def _event_reading(self) -> EventReading:
        readers = [one for one in self._streams if one.stream.kinds is not None]
        kinds = {kind for one in readers for kind in one.stream.kinds or ()}
        everything = any(not one.stream.kinds for one in readers)
        return EventReading(
            account=self.account,
            plan=merged([one.plans[EVENTS.name] for one in readers]),
            kinds=() if everything else tuple(sorted(kinds)),
            newest_first=any(one.stream.newest_first for one in readers),
        )

    def _kinds(self, one: StreamSync, resource: Resource) -> dict[str, int]:
        marks = one.stream.deletable and self.account.config.mark_deleted
        return kinds_needed(resource, one.plans[resource.name], marks)

    def _kinds_since(self) -> dict[str, int]:
        """Returns the kinds of events that the streams need, each with the earliest second that any of them needs."""
        since: dict[str, int] = {}
        for one in self._streams:
            for resource in one.stream.resources:
                for kind, second in self._kinds(one, resource).items():
                    since[kind] = min(second, since.get(kind, second))
        return since


class _ListOfStreams:
    """The streams that are made of one list. `open`: the streams that still take its batches."""

    def __init__(self, sync: Sync, resource: Resource, streams: Sequence[StreamSync]) -> None:
        self._sync = sync
        self._resource = resource
        self._deliveries: dict[str, Delivery] = {}
        self.open = list(streams)

    def take(self, batch: Batch) -> Iterator[tuple[str, Item]]:
        """Yields the rows of a batch for every stream. A stream that fails takes no more."""
        for one in list(self.open):
            with one.lock:
                failure = yield from self._items(one, batch)
                if failure:
                    yield from self._end(one, failure)

    def end(self, failure: Exception | None) -> Iterator[tuple[str, Item]]:
        """Ends the list for every stream that is left. `failure`: why the list was not read to its end."""
        for one in list(self.open):
            with one.lock:
                # each stream has a copy, so that their tracebacks do not mix
                failed = yield from self._items(one, None, failure and error_copy(failure))
                yield from self._end(one, failed)

    def _items(
        self, one: StreamSync, batch: Batch | None, failure: Exception | None = None
    ) -> Generator[tuple[str, Item], None, Exception | None]:
        """Yields the stream's items of `batch`; without a batch, those that it held back. Returns a failure."""
        name = one.stream.name
        try:
            if not one.begun:
                one.begin(self._sync.account.facts().started)
            if failure:
                raise failure
            if name not in self._deliveries:
                self._deliveries[name] = self._sync.delivery(one, self._resource)
            delivery = self._deliveries[name]
            for item in one.items(delivery, batch) if batch else delivery.end():
                yield name, item
        except Exception as error:
            return error
        return None

    def _end(self, one: StreamSync, failure: Exception | None) -> Iterator[tuple[str, Item]]:
        name = one.stream.name
        self.open.remove(one)
        one.unread.discard(self._resource.name)
        if failure is None:
            one.progress.finish(self._resource.name)
        elif one.begun and self._is_off(failure):
            LOGGER.info("%s of %s: there are none in this account. %s", name, self._resource.name, failure)
            one.progress.postpone(self._resource.name)
        else:
            one.failures.append(failure)
        if one.begun:
            yield name, Checkpoint(dump(one.progress))
        if not one.unread:
            yield name, End(one.failure())

    def _is_off(self, failure: Exception) -> bool:
        """Whether the failure means that the account has no such list."""
        if not isinstance(failure, AmocrmError) or failure.path != self._resource.path:
            return False
        return self._sync.account.lacks(failure)


def read_alone(account: Account, stream: Incremental, progress: Progress) -> Iterator[Row]:
    """Yields every row that a sync of this one stream brings. Raises its failure after the last row."""
    sync = Sync(account, [Selection(stream, progress)])
    sync.start()
    for part in sync.parts():
        for _, item in sync.read(part):
            if isinstance(item, End):
                if item.failure:
                    raise item.failure
            elif not isinstance(item, Checkpoint):
                yield item


def _restart_from_the_future(selections: Sequence[Selection], now: int) -> None:
    """Makes a stream be read anew whose state is of a time that has not come, so that it tells nothing."""
    for selection in selections:
        progress = selection.progress
        if progress and progress.watermark is not None and progress.in_the_future(now):
            LOGGER.warning(
                "%s: its saved state says that all was read up to %s, and that has not come yet. A clock was wrong, "
                "and nothing tells what was passed over, so the stream is read anew%s.",
                selection.stream.name,
                iso(progress.watermark),
                "" if progress.start is None else f" from {iso(progress.start)} on",
            )
            progress.begin_anew()
