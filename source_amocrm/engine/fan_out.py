"""Runs a sync with one reading of each list, whose rows go to every selected stream made of that list."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from airbyte_cdk.models import SyncMode

from source_amocrm.account import Account
from source_amocrm.account.availability import NONE_THERE
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.engine.deletions import EventLog
from source_amocrm.engine.delivery import ROWS_AT_ONCE, Checkpoint, Delivery, NewestFirst
from source_amocrm.engine.entity_reading import EntityReading
from source_amocrm.engine.event_reading import EventReading, events_between
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import Progress, agree, merged
from source_amocrm.engine.state import dump
from source_amocrm.engine.stream_interface import Declaration, Incremental, with_parameter
from source_amocrm.errors import AmocrmError, combined_error, error_copy
from source_amocrm.walk import Page, Row

LOGGER = logging.getLogger("airbyte")
Selected = Mapping[Declaration, Progress | None]
"""The streams to read, with the progress of incremental ones."""


@dataclass(frozen=True, slots=True)
class End:
    """Follows the last row and checkpoint of a stream. `failure`: why rows are missing, or None."""

    failure: Exception | None


class PageEnd:
    """Follows the items of all streams that are made of one page, and those that end with the list."""


Item = list[Row] | Checkpoint | End | PageEnd
Items = Generator[tuple[str, Item], None, None]
"""Lists of rows, checkpoints and ends, each with the name of its stream; ends of pages, with the path of the list."""


@dataclass
class StreamSync:
    """An incremental stream during a sync.

    `unread`: its lists that have not ended. `deliveries`: one for each list, once the progress has begun. `lock`: held
    while rows of one list are made and handed on, because the threads of several lists may share the progress.
    """

    stream: Incremental
    progress: Progress
    unread: set[Resource]
    resolver: Resolver | None = None
    deliveries: dict[Resource, Delivery] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def failure(self) -> Exception | None:
        """Returns the failures of all lists as one error. An unforeseen failure stands for all."""
        foreseen = [error for error in self.failures if isinstance(error, AmocrmError)]
        unforeseen = (error for error in self.failures if not isinstance(error, AmocrmError))
        return next(unforeseen, combined_error(foreseen) if foreseen else None)


class Sync:
    """Reads each list once for the streams that are made of it.

    Each part that `parts` lists can be read in a thread of its own: a list with all its streams, or a stream that is
    read whole.
    """

    def __init__(self, account: Account, selected: Selected) -> None:
        self.account = account
        self._whole = [stream for stream, progress in selected.items() if not progress]
        self._streams = [
            StreamSync(stream, progress, set(stream.inputs()))
            for stream, progress in selected.items()
            if isinstance(stream, Incremental) and progress
        ]
        for reader in self._streams:
            reader.progress.restart_from_the_future(account.clocks.ours())
            if lookup := reader.stream.lookup:
                reader.resolver = Resolver(account, lookup, expected=bool(self._readers(lookup.resource)))
        for resource in {resource for reader in self._streams for resource in reader.stream.resources}:
            agree([reader.progress for reader in self._readers(resource)], resource.name, resource.has_links)
        self._event_log = EventLog(account)
        lists = dict.fromkeys(resource for reader in self._streams for resource in reader.stream.inputs())
        needs_events = {resource: self._want_events(resource) for resource in lists}
        self._readings: dict[Resource, EntityReading | EventReading] = {
            resource: self._event_reading() if resource is EVENTS else self._entity_reading(resource, needs)
            for resource, needs in needs_events.items()
        }

    def parts(self) -> list[Resource | Declaration]:
        return [*self._readings, *self._whole]

    def start(self) -> None:
        """Prefetches `/account` and the events, which several lists need."""
        self.account.pool.submit(self.account.facts)
        # not in a resumed sync: it may be killed again, long before its end, when the events are needed
        if self._event_log.kinds_since and not any(reader.progress.pending for reader in self._streams):
            self.account.pool.submit(self._event_log.events)

    def read(self, part: Resource | Declaration) -> Items:
        """Yields the items of a part's streams. One stream's failure ends that stream alone."""
        return self._read_list(part) if isinstance(part, Resource) else self._read_whole(part)

    def _read_whole(self, stream: Declaration) -> Items:
        rows, failure = list[Row](), None
        try:
            for row in stream.read_records(sync_mode=SyncMode.full_refresh):
                rows.append(row)
                if len(rows) >= ROWS_AT_ONCE:
                    yield stream.name, rows
                    rows = []
        except Exception as error:
            failure = error
        if rows:
            yield stream.name, rows
        yield stream.name, End(failure)

    def _read_list(self, resource: Resource) -> Items:
        readers = [reader for reader in self._streams if resource in reader.stream.inputs()]
        failure = None
        try:
            with closing(self._readings[resource].pages()) as pages:
                for page in pages:
                    read = replace(page, read_at=self.account.clocks.reading(page.answered))
                    for reader in list(readers):
                        if not (yield from self._deliver(reader, resource, read)):
                            readers.remove(reader)
                    yield resource.path, PageEnd()
                    # each earlier stage refers to its page until the next page comes, and a row may have 30 MB
                    page.rows.clear()
                    if not readers:
                        break
        except Exception as error:
            failure = error
        for reader in readers:
            # each stream gets a copy of the error, so that tracebacks do not mix
            yield from self._deliver(reader, resource, None, failure and error_copy(failure))
        yield resource.path, PageEnd()

    def _deliver(
        self, reader: StreamSync, resource: Resource, page: Page | None, failure: Exception | None = None
    ) -> Generator[tuple[str, Item], None, bool]:
        """Yields a stream's items of a page. Without a page, or if the stream fails, ends the list for the stream.

        Returns whether the stream takes further pages. `failure`: why the list was not read to its end.
        """
        name = reader.stream.name
        with reader.lock:
            try:
                if not reader.deliveries:
                    lists = reader.stream.inputs()
                    reader.progress.begin([each.name for each in lists], self.account.facts().started)
                    reader.deliveries = {each: self._delivery(reader, each) for each in lists}
                if failure:
                    raise failure
                if page:
                    for item in reader.deliveries[resource].take(page):
                        yield name, item
                    return True
            except Exception as error:
                failure = error
            reader.unread.discard(resource)
            if failure is None:
                marks = not reader.stream.deletable or self.account.config.mark_deleted
                reader.progress.finish(resource.name, marks, not self._event_log.refused)
            elif reader.deliveries and self._is_off(resource, failure):
                LOGGER.info(NONE_THERE, f"{name} of {resource.name}", failure)
                reader.progress.postpone(resource.name)
            else:
                reader.failures.append(failure)
            if reader.deliveries:
                yield name, Checkpoint(dump(reader.progress))
            if not reader.unread:
                yield name, End(reader.failure())
        return False

    def _is_off(self, resource: Resource, failure: Exception) -> bool:
        """Whether the failure means that the account has no such list."""
        return isinstance(failure, AmocrmError) and failure.path == resource.path and self.account.lacks(failure)

    def _delivery(self, reader: StreamSync, resource: Resource) -> Delivery:
        arguments = reader.stream, resource, reader.progress, reader.resolver, self.account.clocks.now
        if resource is EVENTS and reader.stream.newest_first:
            between = partial(events_between, self.account, reader.stream.kinds or ())
            return NewestFirst(*arguments, self.account.facts().until, between)
        return Delivery(*arguments)

    def _readers(self, resource: Resource) -> list[StreamSync]:
        return [reader for reader in self._streams if resource in reader.stream.resources]

    def _want_events(self, resource: Resource) -> bool:
        """Tells the log which events the streams of a list need. Returns whether they need any."""
        needs = [
            self._event_log.want(resource, reader.progress.plan(resource.name), self._marks(reader))
            for reader in self._readers(resource)
        ]
        return any(needs)

    def _marks(self, reader: StreamSync) -> bool:
        return reader.stream.deletable and self.account.config.mark_deleted

    def _entity_reading(self, resource: Resource, needs_events: bool) -> EntityReading:
        readers = self._readers(resource)
        extras = {extra for reader in readers for extra in reader.stream.wanted_extras()}
        # the links of a new card tell which other cards have changed
        if resource.has_links and self._event_log.wants_links:
            extras |= {*resource.links_with.split(",")}
        return EntityReading(
            self.account,
            resource,
            [reader.progress.plan(resource.name) for reader in readers],
            params=with_parameter(extras),
            event_log=self._event_log,
            needs_events=needs_events,
            mark_deleted=any(map(self._marks, readers)),
            resolvers=[each for reader in self._streams if (each := reader.resolver) and each.resource == resource],
        )

    def _event_reading(self) -> EventReading:
        readers = [reader for reader in self._streams if reader.stream.kinds is not None]
        kinds = {kind for reader in readers for kind in reader.stream.kinds or ()}
        everything = any(not reader.stream.kinds for reader in readers)
        return EventReading(
            account=self.account,
            plan=merged([reader.progress.plan(EVENTS.name) for reader in readers]),
            kinds=() if everything else tuple(kinds),
            newest_first=any(reader.stream.newest_first for reader in readers),
        )


def read_alone(account: Account, stream: Incremental, progress: Progress) -> Iterator[Row]:
    """Yields every row that a sync of this one stream brings. Raises its failure after the last row."""
    sync = Sync(account, {stream: progress})
    sync.start()
    for part in sync.parts():
        for _, item in sync.read(part):
            if isinstance(item, End):
                if item.failure:
                    raise item.failure
            elif isinstance(item, list):
                yield from item
