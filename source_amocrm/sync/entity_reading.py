"""How a list of entities is read in one sync: which walk, and what only events can tell afterwards."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from source_amocrm.account import switched_off
from source_amocrm.account.account import Account
from source_amocrm.account.opening import Opening
from source_amocrm.account.resources import Resource
from source_amocrm.errors import AmocrmError, PageTooLarge
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.event_log import Changes, Deletion, EventLog
from source_amocrm.sync.progress import BEGINNING, ReadPlan, merged
from source_amocrm.sync.settle_buffer import SettleBuffer
from source_amocrm.sync.trash import in_trash
from source_amocrm.walk.cursor_filter import bounds
from source_amocrm.walk.interval_set import FOREVER
from source_amocrm.walk.keyset import TiesShuffled, keyset
from source_amocrm.walk.list_traits import ListTraits
from source_amocrm.walk.listing import (
    FilterIgnored,
    Listing,
    OrderIgnored,
    Page,
    PageCheckpoint,
    Params,
    RawPage,
    Row,
    key,
    seconds,
)
from source_amocrm.walk.newest_first import newest_first
from source_amocrm.walk.page_number import by_page_number
from source_amocrm.walk.same_second import rest_of_second

REMEMBERED_KEYS = 5_000
"""A filter that is ignored shows at the second page: so many rows back it is known what was delivered before."""
DELETIONS_AT_ONCE = 1_000
LARGEST_ID = 2**63


@dataclass
class EntityReading:
    """One reading of a list of entities for readers with these `plans`.

    `observe` sees every row; `read_through(whole, failure)` ends the main walk.
    """

    account: Account
    entities: Resource
    plans: list[ReadPlan]
    params: Params
    event_log: EventLog | None
    mark_deleted: bool
    several_rows: bool = False
    """A reader makes several rows of a record."""
    observe: Callable[[list[Row]], None] = lambda _: None
    read_through: Callable[[bool, AmocrmError | None], None] = lambda *_: None
    _seen: set[int | str] = field(default_factory=set)
    _live: array[int] = field(default_factory=lambda: array("q"))
    """The ids that the main walk brought."""
    _first: Future[RawPage | None] | None = None
    _skeletons: Future[list[Deletion]] | None = None
    _postdated: set[int | str] = field(default_factory=set)
    """The keys of rows whose date had not come when they were read."""

    def __post_init__(self) -> None:
        self.plan = merged(self.plans)
        self._traits = ListTraits()
        self._opening = Opening(self.entities.path)
        self._settle_buffer = SettleBuffer(self.account, self.entities, self.params) if self.several_rows else None

    def batches(self) -> Iterator[Batch]:
        with self._opening.watched(switched_off.ANSWERS):
            for batch in self._batches():
                yield replace(batch, postdated=self._postdated)

    def _batches(self) -> Iterator[Batch]:
        whole, failure = False, None
        try:
            for batch in self._settled():
                self._remember(batch)
                self.observe(batch.page.rows)
                yield batch
            whole = self.plan.at_first and not self._traits.behind
        except AmocrmError as error:
            failure = error
            raise
        finally:
            self.read_through(whole, failure)
        yield from self._after()

    def _settled(self) -> Iterator[Batch]:
        """The main walk, and at its end the records that must not be delivered earlier."""
        if self._settle_buffer is None:
            yield from self._main()
            return
        for batch in self._main():
            yield replace(batch, page=replace(batch.page, rows=self._settle_buffer.settled(batch.page.rows)))
        begun = self.account.passed()
        for rows in self._settle_buffer.later():
            self._compare(rows, begun)
            yield Batch(self.entities.name, Page(rows), floor=BEGINNING)

    def _remember(self, batch: Batch) -> None:
        """The rows that are delivered to every reader; what is older than needed is not."""
        ids = (row.get("id") for row in batch.page.rows)
        self._live.extend(own for own in ids if isinstance(own, int) and 0 < own < LARGEST_ID)
        if self.plan.changes_since is None and len(self._seen) >= REMEMBERED_KEYS:
            return
        floor = FOREVER if batch.floor is None else batch.floor
        for row in batch.page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= floor or all(second in plan.seconds for plan in self.plans):
                self._seen.add(key(row))

    def _main(self) -> Iterator[Batch]:
        listing = self._listing()
        if self.plan.resume:
            yield from self._by_number(listing, self.plan.resume.since, self.plan.resume.checkpoint)
        self._ask_for_trash()
        first = self._first.result() if self._first else None
        if self.entities.by_cursor and self.account.filter_may_work(self.entities):
            try:
                yield from (Batch(self.entities.name, page) for page in self._by_date(listing, first))
                return
            except FilterIgnored:
                if self.entities.paid_filter:
                    self.account.filter_is_ignored()
            except TiesShuffled as shuffled:
                yield from self._in_order_of_ids(listing, shuffled)
                return
            except OrderIgnored:
                pass
        delivered = set(self._seen)
        for batch in self._unfiltered(listing):
            page = batch.page
            rows = [row for row in page.rows if key(row) not in delivered]
            yield replace(batch, page=replace(page, rows=rows))

    def _listing(self) -> Listing:
        return replace(self.account.listing(self.entities, self.params), on_page=self._look)

    def _look(self, found: RawPage) -> None:
        """A page that came, in whichever thread."""
        self._opening.look(found)
        self._compare(found.rows, found.earliest)
        if self._settle_buffer:
            self._settle_buffer.look(found)

    def _compare(self, rows: list[Row], now: int) -> None:
        self._postdated.update(key(row) for row in rows if (seconds(row.get("updated_at")) or BEGINNING) > now)

    def ask_first(self) -> None:
        """The first page where everything is wanted: it needs no filter, and so not what `/account` tells."""
        if self.entities.by_cursor and self.plan.at_first:
            self._first = self.account.pool.submit(self._oldest_rows)

    def _oldest_rows(self) -> RawPage | None:
        listing = self._listing()
        try:
            return listing.ask({f"order[{listing.cursor}]": "asc"})
        except PageTooLarge:
            return None

    def _by_date(self, listing: Listing, first: RawPage | None) -> Iterator[Page]:
        """The needed seconds, the oldest first: what is edited meanwhile comes to lie in those that are read last."""
        pool = self.account.pool
        intervals, within = self.plan.seconds, self.plan.within
        if within:
            yield from rest_of_second(listing, within.since, pool, within.checkpoint)
            intervals -= (within.since, within.since)
        for low, high in intervals.intervals:
            near = self.plan.asked_from if low == self.plan.since else low
            yield from keyset(listing, (near, high), self._traits, raw=first, pool=pool)

    def _unfiltered(self, listing: Listing) -> Iterator[Batch]:
        since = self.plan.since
        if self.entities.by_cursor and since > BEGINNING:
            try:
                yield from (Batch(self.entities.name, page) for page in newest_first(listing, since))
                return
            except OrderIgnored:
                pass
        yield from self._by_number(listing, since)

    def _in_order_of_ids(self, listing: Listing, shuffled: TiesShuffled) -> Iterator[Batch]:
        """What a walk in the order of dates has left."""
        for batch in self._by_number(listing, shuffled.since):
            rows = [
                row
                for row in batch.page.rows
                if listing.second_of(row) != shuffled.since or key(row) not in shuffled.delivered
            ]
            yield replace(batch, page=replace(batch.page, rows=rows))

    def _by_number(self, listing: Listing, since: int, checkpoint: PageCheckpoint | None = None) -> Iterator[Batch]:
        """A walk by page number over the rows since a second; asked with the filter where it works."""
        name = self.entities.name
        if since > BEGINNING and self.account.filter_works(self.entities):
            low = since if self.entities.by_cursor else min(since, self.plan.asked_from)
            listing = listing.narrowed(bounds(listing, low - 1, FOREVER))
        for page in by_page_number(listing, self.account.pool, checkpoint):
            rows = [row for row in page.rows if (listing.second_of(row) or FOREVER) >= since]
            yield Batch(name, replace(page, rows=rows), floor=since)
        yield Batch(name, Page([]), walked=True)

    def _after(self) -> Iterator[Batch]:
        """Deletions and restores, and the rows whose links or tags changed without a new updated_at."""
        if self.event_log is None:
            return
        notes = self.entities.collection == "notes"
        changes = self.event_log.of(self.entities.name, notes, self.plan.deletions_since, self.plan.changes_since)
        begun = self.account.passed()
        rows = [] if notes else list(self._again(changes))
        self._compare(rows, begun)
        gone = dict(changes.deleted)
        if rows:
            self.observe(rows)
            back = {own: deletion.at for own, deletion in gone.items()} | changes.restored
            yield Batch(self.entities.name, Page(rows), floor=BEGINNING, back=back)
        if self.mark_deleted:
            if self.entities.has_trash:
                for deletion in self._in_trash():
                    known = gone.get(deletion.id)
                    if known is None or known.at < deletion.at:
                        gone[deletion.id] = deletion
                # What came in this sync is there, or was when its page was read: if it is not any more, or since when
                # it is back, the next sync's events tell.
                for own in self._live:
                    gone.pop(own, None)
            for row in [*rows, *(self.account.by_ids(self.entities, gone) if self._traits.behind else ())]:
                gone.pop(row["id"], None)
            found = list(gone.values())
            for start in range(0, len(found), DELETIONS_AT_ONCE):
                yield Batch(self.entities.name, Page([]), tuple(found[start : start + DELETIONS_AT_ONCE]))

    def _again(self, changes: Changes) -> Iterator[Row]:
        """The rows, as they are now, of entities that events name and that the walk did not bring.

        A merged entity that is not found is taken as deleted then, unless an event tells when it was.
        """
        wanted = set(changes.restored) | (changes.touched | set(changes.merged)) - self._seen
        since = self.plan.changes_since
        # without a trash, or a filter to ask for many at once, deletions are few enough to ask for each
        if since is not None and (self.account.filter_works(self.entities) or not self.entities.has_trash):
            wanted |= {own for own, gone in changes.deleted.items() if gone.at >= since}
        for row in self.account.by_ids(self.entities, wanted, self.params):
            wanted.discard(row["id"])
            yield row
        for own in wanted & set(changes.merged):
            changes.deleted.setdefault(own, changes.merged[own])

    def _ask_for_trash(self) -> None:
        if self.mark_deleted and self.entities.has_trash:
            self._skeletons = self.account.pool.submit(lambda: in_trash(self.account, self.entities, self.plan))

    def _in_trash(self) -> list[Deletion]:
        asked, self._skeletons = self._skeletons, None
        if asked is None or asked.cancel():
            return in_trash(self.account, self.entities, self.plan)
        return asked.result()
