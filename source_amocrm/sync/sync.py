"""One sync: the selected tables, what each still needs, and the readings that they share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from source_amocrm.account.account import Account
from source_amocrm.account.event_kinds import ADDED, DELETED, LINKED, MERGED, NOTE_DELETED, RESTORED, TAGGED
from source_amocrm.account.resources import COMPANIES, EVENTS_PATH, LEADS, LOST, EntityList
from source_amocrm.streams.rows.readable import Column
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.entity_reading import EntityReading
from source_amocrm.sync.event_log import History
from source_amocrm.sync.event_reading import EventReading
from source_amocrm.sync.lookup import Lookup
from source_amocrm.sync.progress import Need, Progress, agree
from source_amocrm.sync.tables import Entities, Table, events_of, wanted_extras
from source_amocrm.walk.feed import Feed, Reader
from source_amocrm.walk.listing import Params, Row

T = TypeVar("T")
EVENTS = "events"


@dataclass(frozen=True)
class Selection:
    """A table to read. `columns`: those that are wanted, None for all; `progress` for tables with a cursor.

    `fields`: the columns of custom fields, by the field's id.
    """

    table: Table
    progress: Progress | None = None
    columns: frozenset[str] | None = None
    fields: Mapping[int, Column] = field(default_factory=dict)


class Sync:
    """`followed`: sees the batches of each list, by its path, as they are read."""

    def __init__(
        self,
        account: Account,
        selections: Sequence[Selection],
        followed: Callable[[str, Iterator[Batch]], Iterator[Batch]] = lambda _, batches: batches,
    ) -> None:
        self.account = account
        self._followed = followed
        self._selections = selections
        self._shared: dict[str, Any] = {}
        self._lock = threading.Lock()
        for entities in {place for selection in selections for place in places(selection.table) if place}:
            progresses = [selection.progress for _, selection in self._readers(entities) if selection.progress]
            agree(progresses, entities.name)
        self.loss_reasons: Lookup[int] = Lookup(account, LEADS, _loss_reason, expected=bool(self._readers(LEADS)))
        self.company_names: Lookup[str] = Lookup(account, COMPANIES, _name, expected=bool(self._readers(COMPANIES)))
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
            selection.table.name: [(place, self._feed(place).join()) for place in places(selection.table)]
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
        """Nobody reads any more."""
        for feed in self._feeds.values():
            feed.stop()

    def joined(self, table: Table) -> list[tuple[EntityList | None, Reader[Batch]]]:
        """The lists of a table (None for the events), each to be read once, and closed; to be called once."""
        return self._joined.pop(table.name)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """Something that is made once in a sync."""
        with self._lock:
            found: T = self._shared.setdefault(name, make())
            return found

    def _readers(self, entities: EntityList) -> list[tuple[Entities, Selection]]:
        return [
            (selection.table, selection)
            for selection in self._selections
            if isinstance(selection.table, Entities) and entities in selection.table.lists
        ]

    def _selected(self, name: str) -> bool:
        return any(selection.table.name == name for selection in self._selections)

    def _feed(self, place: EntityList | None) -> Feed[Batch]:
        name = place.path if place else EVENTS
        if name not in self._feeds:
            reading = self._entity_reading(place) if place else self._event_reading()
            path = place.path if place else EVENTS_PATH
            self._feeds[name] = Feed(name, lambda: self._followed(path, reading.batches()))
        return self._feeds[name]

    def _entity_reading(self, entities: EntityList) -> EntityReading:
        readers = self._readers(entities)
        reading = self._entity_readings[entities.path] = EntityReading(
            account=self.account,
            entities=entities,
            needs=[_need(selection, entities.name) for _, selection in readers],
            params=_extras(readers),
            history=self._history if any(self._kinds(table, sel, entities) for table, sel in readers) else None,
            mark_deleted=self.account.config.mark_deleted and any(table.tombstone for table, _ in readers),
            several_rows=any(table.several_rows for table, _ in readers),
        )
        lookup: Lookup[Any] | None = None
        if entities is LEADS and self._selected("deal_statuses"):
            lookup = self.loss_reasons
        elif entities is COMPANIES and self._selected("contacts"):
            lookup = self.company_names
        if lookup:
            reading.observe, reading.read_through = lookup.observe, lookup.done
        return reading

    def _event_reading(self) -> EventReading:
        readers = [(events, sel) for sel in self._selections if (events := events_of(sel.table))]
        everything = any(not events.kinds for events, _ in readers)
        return EventReading(
            account=self.account,
            needs=[_need(selection, EVENTS) for _, selection in readers],
            kinds=() if everything else tuple(sorted({kind for events, _ in readers for kind in events.kinds})),
            newest_first=any(events.newest_first for events, _ in readers),
        )

    def _kinds_since(self) -> dict[str, int]:
        """The kinds of events that the selected tables need, each from the earliest second wanted."""
        since: dict[str, int] = {}
        for selection in self._selections:
            if isinstance(selection.table, Entities):
                for entities in selection.table.lists:
                    for kind, second in self._kinds(selection.table, selection, entities).items():
                        since[kind] = min(second, since.get(kind, second))
        return since

    def _kinds(self, table: Entities, selection: Selection, entities: EntityList) -> dict[str, int]:
        need = _need(selection, entities.name)
        kinds: dict[str, int] = {}
        if need.changes_since is not None and entities.has_links:
            entered = (ADDED | RESTORED.keys()) & {f"{entities.entity}_added", f"{entities.entity}_restored"}
            kinds |= dict.fromkeys({*LINKED, *TAGGED, MERGED, *entered}, need.changes_since)
        if table.tombstone and self.account.config.mark_deleted:
            own = {NOTE_DELETED} if entities.entity == "note" else {f"{entities.entity}_deleted"} & DELETED.keys()
            # where all live rows come in this sync, those that were restored are among them
            back = set() if need.at_first and entities.has_trash else RESTORED.keys() & {f"{entities.entity}_restored"}
            kinds |= dict.fromkeys({*own, *back}, need.deletions_since)
        return kinds


def places(table: Table) -> list[EntityList | None]:
    """The lists that a table is made of, in the order in which they are read; None for the events."""
    lists = table.lists if isinstance(table, Entities) else ()
    return [*lists, None] if events_of(table) else list(lists)


def _certain(place: EntityList | None) -> bool:
    """Whether every account has it."""
    return place is None or not place.optional


def _need(selection: Selection, name: str) -> Need:
    assert selection.progress is not None
    return selection.progress.need(name)


def _extras(readers: list[tuple[Entities, Selection]]) -> Params:
    """The `with` parameter: only what the wanted columns need."""
    wanted = frozenset[str]().union(*(wanted_extras(table, selection.columns) for table, selection in readers))
    return {"with": ",".join(sorted(wanted))} if wanted else {}


def _loss_reason(lead: Row) -> int | None:
    reason = lead.get("loss_reason_id")
    return reason if lead.get("status_id") == LOST and isinstance(reason, int) and reason else None


def _name(company: Row) -> str | None:
    name = company.get("name")
    return name if isinstance(name, str) else None
