"""The rows of one table in one sync, with a sign wherever a state is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EntityList
from source_amocrm.errors import AmocrmError, all_of
from source_amocrm.streams.readable import widened
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.progress import BEGINNING, Progress
from source_amocrm.sync.sync import EVENTS, Selection, Sync
from source_amocrm.sync.tables import Dictionary, Entities, FromEvents, events_of
from source_amocrm.walk.feed import Reader
from source_amocrm.walk.listing import Page, Row, key, seconds
from source_amocrm.walk.spans import FOREVER

LOGGER = logging.getLogger("airbyte")

Delivery = Iterator["Row | None"]
"""Rows, and None wherever what was delivered so far is worth a state."""

ROWS_BETWEEN_STATES = 1_000


def deliver(sync: Sync, selection: Selection) -> Delivery:
    """Every row of the table that this sync must bring. Raises AmocrmError, behind whatever could be read."""
    if isinstance(selection.table, Dictionary):
        yield from _dictionary(sync.account, selection.table)
        return
    progress = selection.progress
    assert progress is not None
    failures: list[AmocrmError] = []
    joined = sync.joined(selection.table)
    try:
        started = sync.account.facts().started
        if progress.in_the_future(started):
            LOGGER.warning(
                "%s: its saved state is of a day that has not come yet, so nothing is read until then. Clear the "
                "stream's state (in Airbyte: the connection's Settings, “Clear data”, or a refresh of the stream) and "
                "sync again.",
                selection.table.name,
            )
        progress.begin([_name(entities) for entities, _ in joined], started)
        for entities, reader in joined:
            with closing(reader):
                try:
                    yield from _list(sync, selection, progress, entities, reader)
                except AmocrmError as error:
                    failures.append(error)
            yield None
    finally:
        for _, reader in joined:
            reader.close()
    if failures:
        raise all_of(failures)


def _dictionary(account: Account, table: Dictionary) -> Iterator[Row]:
    if table.scope and (lacking := account.not_granted(table.scope)):
        raise lacking
    try:
        yield from table.rows(account)
    except AmocrmError as error:
        if not account.lacks(error):
            raise
        LOGGER.info("%s: there are none in this account. %s", table.name, error)


def _list(
    sync: Sync, selection: Selection, progress: Progress, entities: EntityList | None, reader: Reader[Batch]
) -> Delivery:
    """The rows that are made of one list of the table; of the events for None."""
    name = _name(entities)
    try:
        if entities:
            sync.account.require(entities.path)
        events = None if entities else events_of(selection.table)
        if events and events.newest_first:
            yield from _FromTheNewest(sync, events, progress).deliver(reader)
        else:
            maker = _maker(sync, selection, entities)
            yield from _AsTheyCome(maker, progress, name, sync.account.now).deliver(reader)
    except AmocrmError as error:
        if not entities or error.path != entities.path or not sync.account.lacks(error):
            raise
        LOGGER.info("%s of %s: there are none in this account. %s", selection.table.name, name, error)
        progress.put_off(name)
    else:
        progress.finish(name)


def _name(entities: EntityList | None) -> str:
    return entities.name if entities else EVENTS


@dataclass(frozen=True)
class _Maker:
    """How records of one list become rows: `rows` of each record in turn, `tombstone` of a deletion."""

    cursor: str
    rows: Callable[[list[Row]], Iterator[list[Row]]]
    tombstone: Callable[[Deletion], Row] | None = None


def _maker(sync: Sync, selection: Selection, entities: EntityList | None) -> _Maker:
    table, fields = selection.table, selection.fields
    if isinstance(table, Entities) and entities:
        bury, empty = table.tombstone, {each.name: None for each in fields.values()}

        def rows(raw: list[Row]) -> Iterator[list[Row]]:
            return table.rows(sync, entities, raw)

        return _Maker(
            "updated_at",
            widened(table.name, sync.account, fields, rows) if fields else rows,
            None if bury is None else lambda gone: {**bury(entities, gone, _account_id(sync, gone)), **empty},
        )
    events = events_of(table)
    assert events
    return _Maker("created_at", lambda raw: events.rows(sync, raw))


def _account_id(sync: Sync, gone: Deletion) -> Any:
    return sync.account.facts().id if gone.account_id is None else gone.account_id


class _AsTheyCome:
    """Rows in the order of the pages."""

    def __init__(self, maker: _Maker, progress: Progress, name: str, now: Callable[[], int]) -> None:
        self._maker = maker
        self._progress = progress
        self._name = name
        self._now = now
        self._cursor = maker.cursor
        self._needed = progress.needed[name]
        self._latest: dict[int | str, int] = {}
        self._rows = 0

    def deliver(self, batches: Iterable[Batch]) -> Delivery:
        for batch in batches:
            yield from self._page(batch)
            yield from self._gone(batch)
            self._cover(batch, batch.page)
            if batch.walked:
                self._progress.walked(self._name)
            if self._rows >= ROWS_BETWEEN_STATES:
                yield from self._state()

    def _cover(self, batch: Batch, page: Page) -> None:
        self._progress.cover(self._name, page, batch.floor or BEGINNING)

    def _state(self) -> Delivery:
        self._rows, self._progress.untold = 0, False
        yield None

    def _page(self, batch: Batch) -> Delivery:
        page = batch.page
        now = self._now()
        wanted = [row for row in page.rows if self._wanted(row, batch.floor) and not self._overtaken(row, now)]
        raw = [self._dated(row, batch) for row in wanted]
        yield from self._told()
        for place, rows in enumerate(self._maker.rows(raw)):
            yield from rows
            self._rows += len(rows)
            if self._rows >= ROWS_BETWEEN_STATES and (part := self._part(page, wanted, place)):
                self._cover(batch, part)
                yield from self._state()
        for row in wanted:
            self._progress.meet(self._name, seconds(row.get(self._cursor)))

    def _dated(self, row: Row, batch: Batch) -> Row:
        own = key(row)
        at_least = batch.back.get(own, BEGINNING)
        return self._progress.dated(self._name, row, self._cursor, own in batch.postdated, at_least)

    def _told(self) -> Delivery:
        """A state before rows that a next version of theirs must know of."""
        if self._progress.untold:
            yield from self._state()

    def _wanted(self, row: Row, floor: int | None) -> bool:
        second = seconds(row.get(self._cursor))
        return second is None or second in self._needed or (floor is not None and second >= floor)

    def _overtaken(self, row: Row, now: int) -> bool:
        """Whether a version that was written during this sync came before this one, from a page read earlier."""
        second = seconds(row.get(self._cursor))
        if second is None or second > now:
            return False
        known = self._latest.get(key(row), BEGINNING)
        if second > (self._progress.done or BEGINNING):
            self._latest[key(row)] = max(second, known)
        return second < known

    def _part(self, page: Page, rows: list[Row], place: int) -> Page | None:
        """What of the page is finished with the row at `place`, where it can be told.

        By the rows' own dates, in whose order they are: a version of theirs may have been delivered with a later one.
        """
        if place + 1 >= len(rows):
            return None
        if page.mark:
            own = rows[place].get("id")
            return Page([], mark=replace(page.mark, after=own)) if isinstance(own, int) else None
        here, after = (seconds(rows[index].get(self._cursor)) for index in (place, place + 1))
        if page.span is None or here is None or after is None or here == after:
            return None
        low, high = page.span
        return Page([], (low, after - 1) if here < after else (after + 1, high))

    def _gone(self, batch: Batch) -> Delivery:
        """Tombstones, dated later than what they replace where that lies ahead."""
        if self._maker.tombstone is None:
            return
        dated = [self._dated({"id": gone.id, self._cursor: gone.at}, batch)[self._cursor] for gone in batch.deletions]
        yield from self._told()
        for gone, at in zip(batch.deletions, dated, strict=True):
            if at < self._latest.get(gone.id, BEGINNING):
                continue  # it has come back during this sync, and its row has been delivered
            yield self._maker.tombstone(replace(gone, at=at))
            self._rows += 1


class _FromTheNewest:
    """Rows from the newest to the oldest: those are held back for which newer ones may still come.

    And until they are many, for what a row needs of another list is asked for all of them together.
    """

    def __init__(self, sync: Sync, events: FromEvents, progress: Progress) -> None:
        self._sync = sync
        self._events = events
        self._progress = progress
        self._needed = progress.needed[EVENTS]
        self._missing = self._needed - ((progress.done or BEGINNING) + 1, FOREVER)
        self._held: list[Row] = []
        self._rows = 0

    def deliver(self, batches: Iterable[Batch]) -> Delivery:
        for batch in batches:
            self._held += [row for row in batch.page.rows if self._wanted(row)]
            if batch.page.span:
                self._missing -= batch.page.span
            if len(self._held) >= ROWS_BETWEEN_STATES:
                yield from self._release()
        yield from self._release()

    def _wanted(self, row: Row) -> bool:
        if self._events.kinds and row.get("type") not in self._events.kinds:
            return False
        second = seconds(row.get("created_at"))
        return second is None or second in self._needed

    def _release(self) -> Delivery:
        """Everything from the newest second that is still missing on, in parts that a state can follow."""
        edge = self._missing.parts[-1][1] + 1 if self._missing else 0
        ready = [row for row in self._held if (seconds(row.get("created_at")) or edge) >= edge]
        if not ready and self._missing:
            return
        self._held = [row for row in self._held if (seconds(row.get("created_at")) or edge) < edge]
        ready.sort(key=lambda row: (seconds(row.get("created_at")) or 0, str(row.get("id"))), reverse=True)
        while ready:
            cut = _end_of_second(ready, ROWS_BETWEEN_STATES)
            part, ready = ready[:cut], ready[cut:]
            for rows in self._events.rows(self._sync, part):
                yield from rows
            for row in part:
                self._progress.meet(EVENTS, seconds(row.get("created_at")))
            low = seconds(part[-1].get("created_at")) or edge if ready else edge
            self._progress.cover(EVENTS, Page([], (low, FOREVER)))
            self._rows += len(part)
            if self._rows >= ROWS_BETWEEN_STATES:
                self._rows = 0
                yield None
        self._progress.cover(EVENTS, Page([], (edge, FOREVER)))


def _end_of_second(rows: list[Row], at_least: int) -> int:
    cut = min(at_least, len(rows))
    while 0 < cut < len(rows) and rows[cut].get("created_at") == rows[cut - 1].get("created_at"):
        cut += 1
    return cut
