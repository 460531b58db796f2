"""Makes the pages of a list into rows of a stream, with a `Checkpoint` wherever a later sync can resume."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import BEGINNING, Progress
from source_amocrm.engine.state import dump
from source_amocrm.engine.stream_interface import READ_AT, Context, Incremental, Lookup
from source_amocrm.errors import AmocrmError
from source_amocrm.walk import Page, PageCheckpoint, Row
from source_amocrm.walk.intervals import FOREVER, Interval
from source_amocrm.walk.listing import Key, key, numeric_id, seconds

ROWS_BETWEEN_STATES = 1_000  # records after which the next possible checkpoint is delivered
ROWS_AT_ONCE = 250  # rows from which on a list of them is handed on


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Follows the rows that it covers. `state`: the stream's state after them."""

    state: Mapping[str, Any]


Delivered = Iterator["list[Row] | Checkpoint"]
Wanted = tuple[Row, int]
"""A row, and the id in another list from which it takes a column."""


@dataclass
class Delivery:
    """Delivers the rows that a stream makes of one list, in the order of their pages.

    `take` gets every page of the list, in order. `now`: the time by the later of the two clocks (Unix seconds).
    """

    stream: Incremental
    resource: Resource
    progress: Progress
    resolver: Resolver | None
    now: Callable[[], int]

    def __post_init__(self) -> None:
        self._list, self._cursor = self.resource.name, self.resource.cursor
        self._needed = self.progress.needed[self._list]
        self._latest: dict[Key, int] = {}
        self._since_checkpoint = 0
        """Needed records since the last checkpoint, also records without a row: to read these again costs as much."""

    def take(self, page: Page) -> Delivered:
        """Yields the rows of a page that the stream needs."""
        if page.by_id:
            self.progress.begin_to_read_again(self._list, (row["id"] for row in page.rows))
        yield from self._deliver_page(page)
        yield from self._tombstones(page)
        self.progress.cover(self._list, page, page.taken_since, page.walked)
        if self._since_checkpoint >= ROWS_BETWEEN_STATES:
            yield self._checkpoint()

    def _checkpoint(self) -> Checkpoint:
        self._since_checkpoint, self.progress.unsaved = 0, False
        return Checkpoint(dump(self.progress))

    @cached_property
    def _context(self) -> Context:
        return self.stream.context(self.resource)

    def _second(self, row: Row) -> int | None:
        return seconds(row.get(self._cursor))

    def _rows_of(self, record: Row) -> list[Row]:
        return list(self.stream.rows(record, self._context))

    def _rows_by_record(self, records: list[Row]) -> Iterator[list[Row]]:
        """Yields the rows of each record in turn. Raises an AmocrmError after the rows of the records before it."""
        for record in self.stream.prepare(records, self._context):
            self.progress.mark_incomplete(self._list, self._second(record))
        lookup = self.stream.lookup
        if not lookup or not self.resolver:
            yield from map(self._rows_of, records)
            return
        made: list[list[Row]] = []
        failure = None
        try:
            for record in records:
                made.append(self._rows_of(record))
        except AmocrmError as error:
            failure = error
        keys = ((row, lookup.key(row)) for rows in made for row in rows)
        wanted = self._rows_to_fill(lookup, [(row, record_id) for row, record_id in keys if record_id is not None])
        known = self.resolver.values(record_id for _, record_id in wanted)
        for row, record_id in wanted:
            row[lookup.column] = known.get(record_id)
        yield from made
        if failure:
            raise failure

    def _rows_to_fill(self, lookup: Lookup, wanted: list[Wanted]) -> list[Wanted]:  # noqa: ARG002
        """Returns the rows whose column is to be filled."""
        return wanted

    def _deliver_page(self, page: Page) -> Delivered:
        now = self.now()
        # events do not change, so no later version of an event is dated earlier
        answered = () if self.resource is EVENTS else page.answered
        read_at = min((one.earliest for one in answered), default=FOREVER)
        wanted = dated = page.rows
        moments = [seconds(row.get(self._cursor)) for row in wanted]
        if page.at_least or self.progress.postdated or not self._all_needed(moments, min(now, read_at)):
            needs = [
                (row, second)
                for row, second in zip(page.rows, moments, strict=True)
                if self._needs(row, second, page.taken_since, now)
            ]
            wanted, moments = [row for row, _ in needs], [second for _, second in needs]
            dated = [self._dated(row, second, page, read_at) for row, second in needs]
        yield from self._checkpoint_if_unsaved()
        made, failure = list[Row](), None
        try:
            for position, rows in enumerate(self._rows_by_record(dated)):
                made += _stamped(rows, page.read_at)
                self._since_checkpoint += max(1, len(rows))
                due = self._since_checkpoint >= ROWS_BETWEEN_STATES
                part = self._part_up_to(page, wanted, position) if due else None
                if made and (part or len(made) >= ROWS_AT_ONCE):
                    yield made
                    made = []
                if part:
                    self.progress.cover(self._list, part, page.taken_since)
                    yield self._checkpoint()
        except Exception as error:
            failure = error
        if made:
            yield made
        if failure:
            raise failure
        self.progress.note_newest(self._list, moments)

    def _dated(self, row: Row, second: int | None, page: Page, read_at: float) -> Row:
        """Returns the row with the date to deliver."""
        postdated = (second or 0) > read_at
        if not (postdated or page.at_least or self.progress.postdated):
            return row
        at_least = page.at_least.get(key(row), BEGINNING)
        at = self.progress.date(self._list, key(row), second, postdated, at_least)
        return row if at == second else {**row, self._cursor: at}

    def _all_needed(self, moments: Collection[int | None], latest: float) -> bool:
        """Whether rows of these seconds are surely all needed: none changed after `latest` or during this sync."""
        known = [second for second in moments if second is not None]
        if self._latest or not known or len(known) < len(moments):
            return False
        first, last = min(known), max(known)
        return last <= min(latest, self.progress.watermark or BEGINNING) and self._needed.covers((first, last))

    def _needs(self, row: Row, second: int | None, taken_since: int, now: int) -> bool:
        """Whether the row is needed, and no later version of it was delivered in this sync from a newer page."""
        if second is None:
            return True
        if second not in self._needed and second < taken_since:
            return False
        if second > now:
            return True
        changed = second > (self.progress.watermark or BEGINNING)
        if not changed and not self._latest:
            return True
        known = self._latest.get(key(row), BEGINNING)
        if changed:
            self._latest[key(row)] = max(second, known)
        return second >= known

    def _part_up_to(self, page: Page, rows: list[Row], position: int) -> Page | None:
        """Returns the part of the page that ends with the row at `position`; None if a sync cannot resume after it.

        The rows are in the order of amoCRM's own dates. A version may be delivered with a later date than that.
        """
        if position + 1 >= len(rows):
            return None
        if page.checkpoint:
            row_id = rows[position].get("id")
            if not isinstance(row_id, int):
                return None
            behind = sum(1 for row in page.rows if (numeric_id(row.get("id")) or 0) > row_id)
            return replace(page, rows=[], checkpoint=PageCheckpoint(max(0, page.checkpoint.position - behind), row_id))
        second, following = (self._second(rows[index]) for index in (position, position + 1))
        if page.completed is None or second is None or following is None or second == following:
            return None
        low, high = page.completed
        return Page([], (low, following - 1) if second < following else (following + 1, high))

    def _tombstones(self, page: Page) -> Delivered:
        """Yields tombstones, each dated later than any delivered version of its row.

        Their reading brought no part of a card, so a deleted card has no current parts.
        """
        deletions = page.deletions if self.stream.deletable else ()
        dated = [self.progress.date(self._list, gone.id, gone.at) or gone.at for gone in deletions]
        yield from self._checkpoint_if_unsaved()
        pairs = zip(deletions, dated, strict=True)
        # else the row came back during this sync and was delivered
        last = [replace(gone, at=at) for gone, at in pairs if at >= self._latest.get(gone.id, BEGINNING)]
        self._since_checkpoint += len(last)
        if last:
            yield _stamped([self.stream.tombstone(gone, self._context) for gone in last], page.read_at)

    def _checkpoint_if_unsaved(self) -> Delivered:
        """Yields a checkpoint before rows of which the next sync must know, should this one be killed amid them."""
        if self.progress.unsaved:
            yield self._checkpoint()


def _stamped(rows: list[Row], read_at: str | None) -> list[Row]:
    """Returns the rows with the moment of their reading, if their table has it."""
    for row in rows:
        if READ_AT in row:
            row[READ_AT] = read_at
    return rows


@dataclass
class NewestFirst(Delivery):
    """Delivers rows of events from the newest to the oldest.

    Buffers events until no newer one can come and ROWS_BETWEEN_STATES wait, so that one lookup serves them all.
    `until`: the last second read. `between` reads the stream's events between two seconds, both included.
    """

    until: int
    between: Callable[[int, int], Iterable[Row]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._missing = self._needed - (self.until + 1, FOREVER)
        self._gaps = [*self._needed.gaps]
        """The intervals between the needed ones (newest last), whose events an earlier sync delivered."""
        self._newer_gaps: list[Interval] = []
        """The gaps that are newer than the rows delivered next, and whose events were not read yet."""
        self._met: dict[int | None, str] = {}  # By lookup key, the time of the newest row that has it
        self._held: list[Row] = []

    def take(self, page: Page) -> Delivered:
        dated = ((row, self._second(row)) for row in page.rows)
        needed = [row for row, second in dated if second is None or second in self._needed]
        held = [row for row in needed if not self.stream.kinds or row.get("type") in self.stream.kinds]
        self._held += held
        self._since_checkpoint += len(needed) - len(held)
        if page.completed:
            self._missing -= page.completed
        if self._since_checkpoint + len(self._held) >= ROWS_BETWEEN_STATES or not self._missing:
            yield from self._release()

    def _release(self) -> Delivered:
        """Delivers the held rows that are newer than the newest missing second as one page."""
        complete = self._missing.intervals[-1][1] + 1 if self._missing else BEGINNING
        ready = [row for row in self._held if (self._second(row) or complete) >= complete]
        self._held = [row for row in self._held if (self._second(row) or complete) < complete]
        ready.sort(key=lambda row: (self._second(row) or 0, str(row.get("id"))), reverse=True)
        yield from super().take(Page(ready, (complete, FOREVER)))

    def _rows_by_record(self, records: list[Row]) -> Iterator[list[Row]]:
        """Yields each event's rows. Events of a gap (delivered by an earlier sync) are processed before older ones."""
        while records:
            low = self._gaps[-1][0] if self._gaps else BEGINNING
            older = next((at for at, row in enumerate(records) if (self._second(row) or FOREVER) < low), len(records))
            yield from super()._rows_by_record(records[:older])
            records = records[older:]
            if records:
                self._newer_gaps.append(self._gaps.pop())

    def _rows_to_fill(self, lookup: Lookup, wanted: list[Wanted]) -> list[Wanted]:
        while wanted and self._newer_gaps:
            events = self.between(*self._newer_gaps.pop(0))
            for row in (row for event in events for row in self._rows_of(event)):
                self._meet(row, lookup.key(row))
        return [(row, record_id) for row, record_id in wanted if self._meet(row, record_id)]

    def _meet(self, row: Row, record_id: int | None) -> bool:
        """Notes a row. Returns whether it is the newest with its lookup key; a list in no order may bring it late."""
        at = str(row.get(self._cursor) or "")
        known = self._met.get(record_id)
        self._met[record_id] = max(at, known or at)
        return known is None or at > known
