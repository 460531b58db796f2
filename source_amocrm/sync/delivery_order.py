"""In which order the rows of one input of a stream are delivered, and where a state is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from source_amocrm.account.resources import EVENTS
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.progress import BEGINNING, Progress
from source_amocrm.sync.row_maker import RowMaker
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from source_amocrm.walk.listing import Page, PageCheckpoint, Row, key, seconds

Delivery = Iterator["Row | None"]
"""Rows, and None where a state should be emitted for the rows before it."""

ROWS_BETWEEN_STATES = 1_000


class PageOrder:
    """A stage that makes rows of batches in the order of their pages, for one stream."""

    def __init__(self, maker: RowMaker, progress: Progress, name: str, now: Callable[[], int]) -> None:
        self._maker = maker
        self._progress = progress
        self._name = name
        self._now = now
        self._cursor = maker.cursor
        self._needed = progress.needed[name]
        self._latest: dict[int | str, int] = {}
        self._passed = 0
        """Rows since the last state, and needed records that made no row: to read those again would cost as much."""

    def deliver(self, batches: Iterable[Batch]) -> Delivery:
        for batch in batches:
            yield from self._page(batch)
            yield from self._gone(batch)
            self._cover(batch, batch.page)
            if batch.walked:
                self._progress.walked(self._name)
            if self._passed >= ROWS_BETWEEN_STATES:
                yield from self._state()
            del batch  # the next one may need its memory

    def _cover(self, batch: Batch, page: Page) -> None:
        self._progress.cover(self._name, page, batch.floor or BEGINNING)

    def _state(self) -> Delivery:
        self._passed, self._progress.untold = 0, False
        yield None

    def _page(self, batch: Batch) -> Delivery:
        page = batch.page
        now = self._now()
        wanted = [row for row in page.rows if self._wanted(row, batch.floor) and not self._overtaken(row, now)]
        raw = [self._dated(row, batch) for row in wanted]
        yield from self._told()
        for position, rows in enumerate(self._maker.rows(raw)):
            yield from rows
            self._passed += max(1, len(rows))
            if self._passed >= ROWS_BETWEEN_STATES and (part := self._part(page, wanted, position)):
                self._cover(batch, part)
                yield from self._state()
        for row in wanted:
            self._progress.meet(self._name, seconds(row.get(self._cursor)))

    def _dated(self, row: Row, batch: Batch) -> Row:
        row_key = key(row)
        at_least = batch.at_least.get(row_key, BEGINNING)
        return self._progress.dated(self._name, row, self._cursor, row_key in batch.postdated, at_least)

    def _told(self) -> Delivery:
        """A state that tells the dates of rows before the rows are delivered, if the next sync must know them."""
        if self._progress.untold:
            yield from self._state()

    def _wanted(self, row: Row, floor: int | None) -> bool:
        second = seconds(row.get(self._cursor))
        return second is None or second in self._needed or (floor is not None and second >= floor)

    def _overtaken(self, row: Row, now: int) -> bool:
        """Whether a later version of the row has been delivered in this sync: then this one is from an older page."""
        second = seconds(row.get(self._cursor))
        if second is None or second > now:
            return False
        known = self._latest.get(key(row), BEGINNING)
        if second > (self._progress.watermark or BEGINNING):
            self._latest[key(row)] = max(second, known)
        return second < known

    def _part(self, page: Page, rows: list[Row], position: int) -> Page | None:
        """The part of the page that is finished with the row at `position`; None if that cannot be told.

        The rows are in the order of amoCRM's own dates. A version may be delivered with a later date than that.
        """
        if position + 1 >= len(rows):
            return None
        if page.checkpoint:
            row_id = rows[position].get("id")
            if not isinstance(row_id, int):
                return None
            behind = sum(1 for row in page.rows if row["id"] > row_id)
            return replace(page, rows=[], checkpoint=PageCheckpoint(max(0, page.checkpoint.position - behind), row_id))
        here, after = (seconds(rows[index].get(self._cursor)) for index in (position, position + 1))
        if page.completed is None or here is None or after is None or here == after:
            return None
        low, high = page.completed
        return Page([], (low, after - 1) if here < after else (after + 1, high))

    def _gone(self, batch: Batch) -> Delivery:
        """Tombstones; each is dated later than any delivered version of its row."""
        if not self._maker.deletable:
            return
        dated = [self._dated({"id": gone.id, self._cursor: gone.at}, batch)[self._cursor] for gone in batch.deletions]
        yield from self._told()
        for gone, at in zip(batch.deletions, dated, strict=True):
            if at < self._latest.get(gone.id, BEGINNING):
                continue  # it has come back during this sync, and its row has been delivered
            yield self._maker.tombstone(replace(gone, at=at))
            self._passed += 1


class NewestFirst:
    """A stage that makes rows of events from the newest to the oldest, for one stream.

    A row is held back as long as a newer one may still come. Rows are also held until they are many, for what they need
    of another list is asked for all of them together.
    """

    def __init__(
        self,
        maker: RowMaker,
        progress: Progress,
        kinds: Collection[str],
        until: int,
        between: Callable[[int, int], Iterable[Row]],
    ) -> None:
        """`between` reads the events of the kinds between two seconds, both included."""
        self._maker = maker
        self._progress = progress
        self._kinds = kinds
        self._between = between
        self._needed = progress.needed[EVENTS.name]
        self._missing = self._needed - (until + 1, FOREVER)
        self._gaps = self._needed.gaps
        """The intervals between what is needed, the newest last: earlier syncs delivered their events."""
        self._held: list[Row] = []
        self._edge = self._first_complete()
        """The second from which on everything was delivered when last that was looked at."""
        self._passed = 0
        """Needed events since the last state, those of other kinds among them."""

    def deliver(self, batches: Iterable[Batch]) -> Delivery:
        for batch in batches:
            needed = [row for row in batch.page.rows if self._is_needed(row)]
            self._held += [row for row in needed if not self._kinds or row.get("type") in self._kinds]
            self._passed += len(needed)
            if batch.page.completed:
                self._missing -= batch.page.completed
            del batch, needed  # the next one may need its memory
            if self._passed >= ROWS_BETWEEN_STATES:
                yield from self._release()
        # of seconds that have not come yet by the clock that is right, nothing will come
        self._missing = IntervalSet()
        yield from self._release()

    def _is_needed(self, row: Row) -> bool:
        second = seconds(row.get("created_at"))
        return second is None or second in self._needed

    def _first_complete(self) -> int:
        """The second from which on nothing is missing."""
        return self._missing.intervals[-1][1] + 1 if self._missing else BEGINNING

    def _release(self) -> Delivery:
        """The held rows that are newer than the newest second still missing, in parts that a state can follow."""
        edge = self._first_complete()
        ready = [row for row in self._held if (seconds(row.get("created_at")) or edge) >= edge]
        if not ready and edge == self._edge:
            return
        self._held = [row for row in self._held if (seconds(row.get("created_at")) or edge) < edge]
        ready.sort(key=lambda row: (seconds(row.get("created_at")) or 0, str(row.get("id"))), reverse=True)
        while ready:
            cut = _end_of_second(ready, ROWS_BETWEEN_STATES)
            part, ready = ready[:cut], ready[cut:]
            for rows in self._made(part):
                yield from rows
            for row in part:
                self._progress.meet(EVENTS.name, seconds(row.get("created_at")))
            low = seconds(part[-1].get("created_at")) or edge if ready else edge
            self._progress.cover(EVENTS.name, Page([], (low, FOREVER)))
            if ready:
                yield None
        self._edge = edge
        self._progress.cover(EVENTS.name, Page([], (edge, FOREVER)))
        if self._passed >= ROWS_BETWEEN_STATES:
            self._passed = 0
            yield None

    def _made(self, part: list[Row]) -> Iterator[list[Row]]:
        """The rows of each event; those of a gap count as made before the older ones."""
        while part and self._gaps:
            low, high = self._gaps[-1]
            older = next(
                (at for at, row in enumerate(part) if (seconds(row.get("created_at")) or high) < low), len(part)
            )
            yield from self._maker.rows(part[:older])
            part = part[older:]
            if part:
                self._maker.pass_over(self._between(low, high))
                self._gaps = self._gaps[:-1]
        yield from self._maker.rows(part)


def _end_of_second(rows: list[Row], at_least: int) -> int:
    cut = min(at_least, len(rows))
    while 0 < cut < len(rows) and rows[cut].get("created_at") == rows[cut - 1].get("created_at"):
        cut += 1
    return cut
