"""One sync: the selected streams, their read plans, and one reading of each list for all its streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from airbyte_cdk.models import SyncMode

from source_amocrm.account import Account
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.errors import AmocrmError, combined_error, error_copy
from source_amocrm.sync.declaration import Batch, Declaration, Incremental, with_parameter
from source_amocrm.sync.deletions import EventLog
from source_amocrm.sync.delivery import Checkpoint, Delivery, NewestFirst
from source_amocrm.sync.events import EventReading, events_between
from source_amocrm.sync.lookup import Resolver
from source_amocrm.sync.read_plan import Progress, agree, merged
from source_amocrm.sync.reading import EntityReading
from source_amocrm.sync.state import dump
from source_amocrm.walk import Row

LOGGER = logging.getLogger("airbyte")
Selected = Mapping[Declaration, Progress | None]
"""The streams to read, with the progress of incremental ones."""


@dataclass(frozen=True, slots=True)
class End:
    """Follows the last row and checkpoint of a stream. `failure`: why rows are missing, or None."""

    failure: Exception | None


Item = Row | Checkpoint | End
Items = Generator[tuple[str, Item], None, None]
"""Rows, checkpoints and ends, each with the name of its stream."""


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
        """Returns the failures of all lists as one; a failure that we did not foresee comes first."""
        foreseen = [error for error in self.failures if isinstance(error, AmocrmError)]
        unforeseen = (error for error in self.failures if not isinstance(error, AmocrmError))
        return next(unforeseen, combined_error(foreseen) if foreseen else None)


class Sync:
    """Reads each list once for the streams that are made of it.

    Each part that `parts` lists can be read in a thread of its own: a list with all its streams, or a stream that is
    read whole. `observe` sees each batch of a list, by the list's path, and None at its end.
    """

    def __init__(
        self, account: Account, selected: Selected, observe: Callable[[str, Batch | None], None] = lambda *_: None
    ) -> None:
        self.account = account
        self._observe = observe
        self._whole = [stream for stream, progress in selected.items() if not progress]
        self._streams = [
            StreamSync(stream, progress, set(stream.inputs()))
            for stream, progress in selected.items()
            if isinstance(stream, Incremental) and progress
        ]
        for one in self._streams:
            one.progress.restart_from_the_future(account.clocks.ours())
            if lookup := one.stream.lookup:
                one.resolver = Resolver(account, lookup, expected=bool(self._readers(lookup.resource)))
        for resource in {resource for one in self._streams for resource in one.stream.resources}:
            agree([one.progress for one in self._readers(resource)], resource.name)
        self._event_log = EventLog(account)
        self._readings: dict[Resource, EntityReading | EventReading] = {
            resource: self._event_reading() if resource is EVENTS else self._entity_reading(resource)
            for resource in dict.fromkeys(resource for one in self._streams for resource in one.stream.inputs())
        }

    def parts(self) -> list[Resource | Declaration]:
        return [*self._readings, *self._whole]

    def start(self) -> None:
        """Asks for what every list needs: the account, and the events."""
        self.account.pool.submit(self.account.facts)
        # a killed sync that resumes may be killed again, long before its end where the events are wanted
        if self._event_log.types_since and not any(one.progress.pending for one in self._streams):
            self.account.pool.submit(self._event_log.events)

    def read(self, part: Resource | Declaration) -> Items:
        """Yields what comes of a part's streams. One stream's failure ends that stream alone."""
        return self._read_list(part) if isinstance(part, Resource) else self._read_whole(part)

    def _read_whole(self, stream: Declaration) -> Items:
        failure = None
        try:
            for row in stream.read_records(sync_mode=SyncMode.full_refresh):
                yield stream.name, row
        except Exception as error:
            failure = error
        yield stream.name, End(failure)

    def _read_list(self, resource: Resource) -> Items:
        streams = [one for one in self._streams if resource in one.stream.inputs()]
        failure = None
        try:
            with closing(self._readings[resource].batches()) as batches:
                for batch in batches:
                    self._observe(resource.path, batch)
                    for one in list(streams):
                        if not (yield from self._deliver(one, resource, batch)):
                            streams.remove(one)
                    # each stage before refers to its batch until the next one comes, and a row may have 30 MB
                    batch.page.rows.clear()
                    if not streams:
                        break
        except Exception as error:
            failure = error
        finally:
            self._observe(resource.path, None)
        for one in streams:
            # each stream has a copy, so that their tracebacks do not mix
            yield from self._deliver(one, resource, None, failure and error_copy(failure))

    def _deliver(
        self, one: StreamSync, resource: Resource, batch: Batch | None, failure: Exception | None = None
    ) -> Generator[tuple[str, Item], None, bool]:
        """Yields a stream's items of a batch. Without a batch, and where the stream fails, ends the list for it.

        Returns whether the stream takes further batches. `failure`: why the list was not read to its end.
        """
        name = one.stream.name
        with one.lock:
            try:
                if not one.deliveries:
                    lists = one.stream.inputs()
                    one.progress.begin([own.name for own in lists], self.account.facts().started)
                    one.deliveries = {own: self._delivery(one, own) for own in lists}
                if failure:
                    raise failure
                if batch:
                    part = {"delivery": one.deliveries[resource], "batch": batch}
                    mode, cursor = SyncMode.incremental, [one.stream.cursor_field]
                    for item in one.stream.read_records(sync_mode=mode, cursor_field=cursor, stream_slice=part):
                        yield name, item
                    return True
            except Exception as error:
                failure = error
            one.unread.discard(resource)
            if failure is None:
                one.progress.finish(resource.name, not one.stream.deletable or self.account.config.mark_deleted)
            elif one.deliveries and self._is_off(resource, failure):
                LOGGER.info("%s of %s: there are none in this account. %s", name, resource.name, failure)
                one.progress.postpone(resource.name)
            else:
                one.failures.append(failure)
            if one.deliveries:
                yield name, Checkpoint(dump(one.progress))
            if not one.unread:
                yield name, End(one.failure())
        return False

    def _is_off(self, resource: Resource, failure: Exception) -> bool:
        """Whether the failure means that the account has no such list."""
        return isinstance(failure, AmocrmError) and failure.path == resource.path and self.account.lacks(failure)

    def _delivery(self, one: StreamSync, resource: Resource) -> Delivery:
        made = one.stream, resource, one.progress, one.resolver, self.account.clocks.now
        if resource is EVENTS and one.stream.newest_first:
            between = partial(events_between, self.account, one.stream.kinds or ())
            return NewestFirst(*made, self.account.facts().until, between)
        return Delivery(*made)

    def _readers(self, resource: Resource) -> list[StreamSync]:
        return [one for one in self._streams if resource in one.stream.resources]

    def _entity_reading(self, resource: Resource) -> EntityReading:
        readers = self._readers(resource)
        streams = [one.stream for one in readers]
        plans = [one.progress.plan(resource.name) for one in readers]
        marked = [stream.deletable and self.account.config.mark_deleted for stream in streams]
        told = [self._event_log.want(resource, plan, marks) for plan, marks in zip(plans, marked, strict=True)]
        return EntityReading(
            self.account,
            resource,
            plans,
            params=with_parameter({extra for stream in streams for extra in stream.wanted_extras()}),
            event_log=self._event_log if any(told) else None,
            mark_deleted=any(marked),
            several_rows=any(stream.several_rows for stream in streams),
            resolvers=[one.resolver for one in self._streams if one.resolver and one.resolver.resource == resource],
        )

    def _event_reading(self) -> EventReading:
        readers = [one for one in self._streams if one.stream.kinds is not None]
        kinds = {kind for one in readers for kind in one.stream.kinds or ()}
        everything = any(not one.stream.kinds for one in readers)
        return EventReading(
            account=self.account,
            plan=merged([one.progress.plan(EVENTS.name) for one in readers]),
            kinds=() if everything else tuple(kinds),
            newest_first=any(one.stream.newest_first for one in readers),
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
            elif not isinstance(item, Checkpoint):
                yield item
