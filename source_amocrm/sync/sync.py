"""One sync: the selected streams, what each still needs, and the readings that they share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.clocks import iso
from source_amocrm.account.event_kinds import ADDED, DELETED, LINKED, MERGED, NOTE_DELETED, RESTORED, TAGGED
from source_amocrm.account.resources import EVENTS_PATH, Resource
from source_amocrm.errors import AmocrmError
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.declaration import EVENTS, FullRefresh, Incremental, Lookup
from source_amocrm.sync.entity_reading import EntityReading
from source_amocrm.sync.event_log import History
from source_amocrm.sync.event_reading import EventReading
from source_amocrm.sync.lookup import Resolver
from source_amocrm.sync.progress import Need, Progress, agree
from source_amocrm.walk.feed import Feed, Reader
from source_amocrm.walk.listing import Params, Row

LOGGER = logging.getLogger("airbyte")


@dataclass(frozen=True)
class Selection:
    """A stream to read, with its `progress` if it is incremental."""

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
        _mend(selections, account.clocks.ours())
        for entities in {place for selection in selections for place in selection.stream.inputs() if place}:
            progresses = [selection.progress for _, selection in self._readers(entities) if selection.progress]
            agree(progresses, entities.name)
        self._resolvers = {
            lookup: Resolver(account, lookup, expected=bool(self._readers(lookup.resource)))
            for selection in selections
            for lookup in selection.stream.lookups.values()
        }
        kinds = self._kinds_since()
        self._history = History(account, kinds)
        # what a killed sync goes on from may be killed again, long before its end where the history is wanted
        goes_on = any(selection.progress and selection.progress.left for selection in selections)
        self._ahead: list[Callable[[], Any]] = [
            account.facts,
            *([self._history.ahead] if kinds and not goes_on else []),
        ]
        self._feeds: dict[str, Feed[Batch]] = {}
        self._entity_readings: dict[str, EntityReading] = {}
        self._joined = {
            selection.stream.name: [(place, self._feed(place).join()) for place in selection.stream.inputs()]
            for selection in selections
        }

    def start(self) -> None:
        """Ask for what comes first, before anybody wants it."""
        begun = [place for place in {places[0][0] for places in self._joined.values() if places} if _certain(place)]
        for place in begun:
            if place:
                self._entity_readings[place.path].ask_first()
        for work in self._ahead:
            self.account.hands.start(work)
        for place in begun:
            self._feed(place).start()

    def stop(self) -> None:
        """Cancels the readings."""
        for feed in self._feeds.values():
            feed.stop()

    def joined(self, name: str) -> list[tuple[Resource | None, Reader[Batch]]]:
        """The inputs of a stream (None for the events), each to be read once, and closed; to be called once."""
        return self._joined.pop(name)

    def resolver(self, lookup: Lookup) -> Resolver:
        """What finds the values of a lookup that a selected stream declares."""
        return self._resolvers[lookup]

    def _readers(self, resource: Resource) -> list[tuple[Incremental, Selection]]:
        return [(stream, selection) for stream, selection in self._incremental() if resource in stream.resources]

    def _incremental(self) -> list[tuple[Incremental, Selection]]:
        return [(one.stream, one) for one in self._selections if isinstance(one.stream, Incremental)]

    def _feed(self, place: Resource | None) -> Feed[Batch]:
        name = place.path if place else EVENTS
        if name not in self._feeds:
            reading = self._entity_reading(place) if place else self._event_reading()
            path = place.path if place else EVENTS_PATH
            self._feeds[name] = Feed(name, lambda: self._followed(path, reading.batches()))
        return self._feeds[name]

    def _entity_reading(self, entities: Resource) -> EntityReading:
        readers = self._readers(entities)
        resolvers = [resolver for lookup, resolver in self._resolvers.items() if lookup.resource == entities]
        observe, read_through = _observers(resolvers)
        reading = self._entity_readings[entities.path] = EntityReading(
            account=self.account,
            entities=entities,
            needs=[_need(selection, entities.name) for _, selection in readers],
            params=_extras(readers),
            history=self._history if any(self._kinds(stream, sel, entities) for stream, sel in readers) else None,
            mark_deleted=self.account.config.mark_deleted and any(stream.deletable for stream, _ in readers),
            several_rows=any(stream.several_rows for stream, _ in readers),
            observe=observe,
            read_through=read_through,
        )
        return reading

    def _event_reading(self) -> EventReading:
        readers = [(stream.kinds, stream, sel) for stream, sel in self._incremental() if stream.kinds is not None]
        everything = any(not kinds for kinds, _, _ in readers)
        return EventReading(
            account=self.account,
            needs=[_need(selection, EVENTS) for _, _, selection in readers],
            kinds=() if everything else tuple(sorted({kind for kinds, _, _ in readers for kind in kinds})),
            newest_first=any(stream.newest_first for _, stream, _ in readers),
        )

    def _kinds_since(self) -> dict[str, int]:
        """The kinds of events that the selected streams need, each from the earliest second wanted."""
        since: dict[str, int] = {}
        for stream, selection in self._incremental():
            for resource in stream.resources:
                for kind, second in self._kinds(stream, selection, resource).items():
                    since[kind] = min(second, since.get(kind, second))
        return since

    def _kinds(self, stream: Incremental, selection: Selection, entities: Resource) -> dict[str, int]:
        need = _need(selection, entities.name)
        kinds: dict[str, int] = {}
        if need.changes_since is not None and entities.has_links:
            entered = (ADDED | RESTORED.keys()) & {f"{entities.entity}_added", f"{entities.entity}_restored"}
            kinds |= dict.fromkeys({*LINKED, *TAGGED, MERGED, *entered}, need.changes_since)
        if stream.deletable and self.account.config.mark_deleted:
            own = {NOTE_DELETED} if entities.entity == "note" else {f"{entities.entity}_deleted"} & DELETED.keys()
            # where all live rows come in this sync, those that were restored are among them
            back = set() if need.at_first and entities.has_trash else RESTORED.keys() & {f"{entities.entity}_restored"}
            kinds |= dict.fromkeys({*own, *back}, need.deletions_since)
        return kinds


def _mend(selections: Sequence[Selection], now: int) -> None:
    """A state of a time that has not come does not tell up to when all was read: the stream is read anew."""
    for selection in selections:
        progress = selection.progress
        if progress and progress.done is not None and progress.in_the_future(now):
            LOGGER.warning(
                "%s: its saved state says that all was read up to %s, and that has not come yet. A clock was wrong, "
                "and nothing tells what was passed over, so the stream is read anew%s.",
                selection.stream.name,
                iso(progress.done),
                "" if progress.start is None else f" from {iso(progress.start)} on",
            )
            progress.begin_anew()


def _certain(place: Resource | None) -> bool:
    """Whether every account has it."""
    return place is None or not place.optional


def _need(selection: Selection, name: str) -> Need:
    assert selection.progress is not None
    return selection.progress.need(name)


def _extras(readers: list[tuple[Incremental, Selection]]) -> Params:
    """The `with` parameter: only what the wanted columns need."""
    wanted = frozenset[str]().union(*(stream.wanted_extras() for stream, _ in readers))
    return {"with": ",".join(sorted(wanted))} if wanted else {}


def _observers(
    resolvers: list[Resolver],
) -> tuple[Callable[[list[Row]], None], Callable[[bool, AmocrmError | None], None]]:
    """What sees every row of a reading, and its end, for those that look values up in its list."""

    def observe(rows: list[Row]) -> None:
        for resolver in resolvers:
            resolver.observe(rows)

    def done(whole: bool, failure: AmocrmError | None) -> None:
        for resolver in resolvers:
            resolver.done(whole, failure)

    return observe, done
