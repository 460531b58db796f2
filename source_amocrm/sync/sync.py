"""One sync: the selected streams, their read plans, and the readings that they share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.event_kinds import ADDED, DELETED, LINKED, MERGED, NOTE_DELETED, RESTORED, TAGGED, TRASHED
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.dates import iso
from source_amocrm.http.answer import Params
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.declaration import FullRefresh, Incremental, Lookup
from source_amocrm.sync.entity_reading import EntityReading, Readers
from source_amocrm.sync.event_log import EventLog
from source_amocrm.sync.event_reading import EventReading
from source_amocrm.sync.lookup import Resolver
from source_amocrm.sync.progress import Progress, ReadPlan, agree, merged
from source_amocrm.walk.broadcast import Broadcast, Subscription

LOGGER = logging.getLogger("airbyte")


@dataclass(frozen=True)
class Selection:
    """A stream to read, and its `progress` if it is incremental."""

    stream: FullRefresh | Incremental
    progress: Progress | None = None


class Sync:
    """The readings of one sync, each shared by the streams that are made of its list.

    `followed` sees the batches of each list, by its path, as they are read.
    """

    def __init__(
        self,
        account: Account,
        selections: Sequence[Selection],
        followed: Callable[[str, Iterator[Batch]], Iterator[Batch]] = lambda _, batches: batches,
    ) -> None:
        self.account = account
        self._followed = followed
        self._selections = selections
        _restart_from_the_future(selections, account.clocks.ours())
        progress = {selection.stream.name: selection.progress for selection in selections if selection.progress}
        for resource in {resource for stream in self._incremental() for resource in stream.resources}:
            agree([progress[stream.name] for stream in self._readers(resource)], resource.name)
        self.plans: Mapping[str, Mapping[str, ReadPlan]] = {
            stream.name: progress[stream.name].plans(stream.input_names()) for stream in self._incremental()
        }
        """The read plans, by stream and by the name of a list in its state. They are made once."""
        self._resolvers = {
            lookup: Resolver(account, lookup, expected=bool(self._readers(lookup.resource)))
            for selection in selections
            for lookup in selection.stream.lookups.values()
        }
        kinds = self._kinds_since()
        links_since = [plan.changes_since for plans in self.plans.values() for plan in plans.values()]
        self._event_log = EventLog(
            account, kinds, min((since for since in links_since if since is not None), default=None)
        )
        # what a killed sync goes on from may be killed again, long before its end where the history is wanted
        goes_on = any(selection.progress and selection.progress.pending for selection in selections)
        self._prefetches: list[Callable[[], Any]] = [
            account.facts,
            *([self._event_log.prefetch] if kinds and not goes_on else []),
        ]
        self._broadcasts: dict[str, Broadcast[Batch]] = {}
        self._entity_readings: dict[str, EntityReading] = {}
        self._subscriptions = {
            selection.stream.name: [
                (resource, self._broadcast(resource).subscribe()) for resource in selection.stream.inputs()
            ]
            for selection in selections
        }

    def start(self) -> None:
        """Starts what may be read before the first row is wanted: facts, events, and every list that is to be read.

        A stream takes its lists one after the other. The first pages of a later one wait for it, so that requests do
        not pause between two lists.
        """
        turns: dict[Resource, int] = {}
        for inputs in self._subscriptions.values():
            for turn, (resource, _) in enumerate(inputs):
                turns[resource] = min(turn, turns.get(resource, turn))
        # a list that not every account has may not be there to be asked
        begun = sorted((resource for resource in turns if not resource.optional), key=turns.__getitem__)
        for resource in begun:
            if resource.path in self._entity_readings:
                self._entity_readings[resource.path].ask_first()
        for work in self._prefetches:
            self.account.pool.submit(work)
        for resource in begun:
            self._broadcast(resource).start()

    def stop(self) -> None:
        """Cancels the readings."""
        for broadcast in self._broadcasts.values():
            broadcast.cancel()

    def subscriptions(self, name: str) -> list[tuple[Resource, Subscription[Batch]]]:
        """The inputs of a stream, each to be read once and closed. To be called once a stream."""
        return self._subscriptions.pop(name)

    def resolver(self, lookup: Lookup) -> Resolver:
        """The resolver of a lookup that a selected stream declares."""
        return self._resolvers[lookup]

    def _readers(self, resource: Resource) -> list[Incremental]:
        return [stream for stream in self._incremental() if resource in stream.resources]

    def _incremental(self) -> list[Incremental]:
        return [selection.stream for selection in self._selections if isinstance(selection.stream, Incremental)]

    def _broadcast(self, resource: Resource) -> Broadcast[Batch]:
        path = resource.path
        if path not in self._broadcasts:
            reading = self._event_reading() if resource is EVENTS else self._entity_reading(resource)
            self._broadcasts[path] = Broadcast(
                path, lambda: self._followed(path, reading.batches()), lambda: self.account.api.memory.is_short
            )
        return self._broadcasts[path]

    def _entity_reading(self, resource: Resource) -> EntityReading:
        readers = self._readers(resource)
        resolvers = [resolver for lookup, resolver in self._resolvers.items() if lookup.resource == resource]
        needed = Readers(
            plans=[self.plans[stream.name][resource.name] for stream in readers],
            params=_extras(readers),
            event_log=self._event_log if any(self._kinds(stream, resource) for stream in readers) else None,
            mark_deleted=self.account.config.mark_deleted and any(stream.deletable for stream in readers),
            several_rows=any(stream.several_rows for stream in readers),
            resolvers=resolvers,
        )
        reading = self._entity_readings[resource.path] = EntityReading(self.account, resource, needed)
        return reading

    def _event_reading(self) -> EventReading:
        readers = [stream for stream in self._incremental() if stream.kinds is not None]
        kinds = {kind for stream in readers for kind in stream.kinds or ()}
        everything = any(not stream.kinds for stream in readers)
        return EventReading(
            account=self.account,
            plan=merged([self.plans[stream.name][EVENTS.name] for stream in readers]),
            kinds=() if everything else tuple(sorted(kinds)),
            newest_first=any(stream.newest_first for stream in readers),
        )

    def _kinds_since(self) -> dict[str, int]:
        """The kinds of events that the selected streams need, each with the earliest second that any of them needs."""
        since: dict[str, int] = {}
        for stream in self._incremental():
            for resource in stream.resources:
                for kind, second in self._kinds(stream, resource).items():
                    since[kind] = min(second, since.get(kind, second))
        return since

    def _kinds(self, stream: Incremental, resource: Resource) -> dict[str, int]:
        plan = self.plans[stream.name][resource.name]
        kinds: dict[str, int] = {}
        if plan.changes_since is not None and resource.has_links:
            entered = ADDED & {f"{resource.entity}_added"}
            linked = {*LINKED, *TAGGED, MERGED, *RESTORED, *TRASHED}
            kinds |= dict.fromkeys({*entered, *linked}, plan.changes_since)
        if stream.deletable and self.account.config.mark_deleted:
            deleted = {NOTE_DELETED} if resource.holds_notes else {f"{resource.entity}_deleted"} & DELETED.keys()
            # where all live rows come in this sync, those that were restored are among them
            restored = (
                set() if plan.at_first and resource.has_trash else RESTORED.keys() & {f"{resource.entity}_restored"}
            )
            for kind in {*deleted, *restored}:
                kinds[kind] = min(plan.deletions_since, kinds.get(kind, plan.deletions_since))
        return kinds


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


def _extras(readers: list[Incremental]) -> Params:
    """The `with` parameter with only what the wanted columns need."""
    wanted = frozenset[str]().union(*(stream.wanted_extras() for stream in readers))
    return {"with": ",".join(sorted(wanted))} if wanted else {}
