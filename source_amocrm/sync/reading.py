"""One reading of a list of entities: first the main walk, then what only events and the trash tell."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from source_amocrm.account import Account, Resource, by_ids
from source_amocrm.account.availability import WatchedListing
from source_amocrm.errors import PageTooLarge, Unpaid
from source_amocrm.http.answer import Params
from source_amocrm.sync.batch import Batch, Deletion, with_postdated
from source_amocrm.sync.events import EventLog
from source_amocrm.sync.lookup import Resolver, observed
from source_amocrm.sync.read_plan import BEGINNING, ReadPlan, merged
from source_amocrm.sync.settle import MOST_HELD, MOST_HELD_UNFILTERED, settled
from source_amocrm.sync.trash import in_trash, with_trash
from source_amocrm.walk.id_order import LARGEST_ID, in_id_order, rest_of_second
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import (
    REMEMBERED_KEYS,
    FilterIgnored,
    Listing,
    OrderIgnored,
    Page,
    PageCheckpoint,
    RawPage,
    Row,
    TiesShuffled,
    bounds,
    key,
    seconds,
)
from source_amocrm.walk.newest_first import newest_first
from source_amocrm.walk.worker_pool import Prefetch

DELETIONS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Readers:
    """What the streams that share a reading need of it.

    `several_rows`: one of them makes several rows of a record. `mark_deleted`: one of them wants tombstones.
    `event_log`: None if none of them needs what only events tell. `resolvers`: they take values from the list.
    """

    plans: Sequence[ReadPlan]
    params: Params
    event_log: EventLog | None
    mark_deleted: bool
    several_rows: bool
    resolvers: Sequence[Resolver]


class EntityReading:
    """Reads one list of entities for all streams that are made of it, as a chain of stages over batches."""

    def __init__(self, account: Account, resource: Resource, readers: Readers) -> None:
        self._account = account
        self._resource = resource
        self._readers = readers
        self._plan = merged(readers.plans)
        self._watched = WatchedListing(account.listing(resource, readers.params))
        self._walk = MainWalk(account, resource, self._plan, self._watched.listing)
        self._keys = ReadKeys(readers.plans)
        self._trash = Prefetch(account.pool, lambda: in_trash(account, resource, self._plan))

    def ask_first(self) -> None:
        """Requests the first page before the reading begins."""
        self._walk.ask_first()

    def batches(self) -> Iterator[Batch]:
        with self._watched.errors():
            yield from with_postdated(self._batches())

    def _batches(self) -> Iterator[Batch]:
        rows = self._settled(self._walked())
        yield from observed(self._keys.remembered(rows), self._readers.resolvers, lambda: self._walk.whole)
        if self._readers.event_log:
            yield from self._changed(self._readers.event_log)

    def _walked(self) -> Iterator[Batch]:
        yield from self._walk.resumed()
        if self._wants_trash:
            self._trash.start()
        yield from self._walk.batches(self._keys.delivered)

    def _settled(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yields the batches, and after the last one the records whose second had not ended (see `settle`)."""
        if not self._readers.several_rows:
            return batches
        api = self._account.api
        return settled(
            batches,
            self._resource.name,
            lambda: MOST_HELD if self._account.filter_works(self._resource) else MOST_HELD_UNFILTERED,
            lambda tick: api.sleep(max(0.0, tick - api.clock())),
            self._read_again,
        )

    def _changed(self, event_log: EventLog) -> Iterator[Batch]:
        """Yields rows whose links or tags changed without a new `updated_at`, restored rows, and deletions."""
        changes = event_log.of(self._resource, self._plan)
        wanted = changes.to_read_again(self._keys.delivered, self._deletions_to_check())
        page = self._read_again(wanted)
        present = {row["id"] for row in page.rows}
        gone = changes.gone(wanted - present)
        if page.rows:
            for resolver in self._readers.resolvers:
                resolver.observe(page.rows)
            at_least = {entity_id: deletion.at for entity_id, deletion in gone.items()} | changes.restored
            yield Batch(self._resource.name, page, floor=BEGINNING, at_least=at_least)
        if self._readers.mark_deleted:
            yield from self._tombstones(gone, present)

    def _deletions_to_check(self) -> int | None:
        """Returns the second since which deleted entities are read by id, because they may be back; None for none.

        A deleted note never comes back. Without a trash, or with a filter by many ids, deletions are few enough to ask.
        """
        if self._resource.holds_notes or not self._readers.mark_deleted:
            return None
        few = self._account.filter_works(self._resource) or not self._resource.has_trash
        return self._plan.changes_since if few else None

    def _tombstones(self, gone: dict[int, Deletion], present: Collection[int]) -> Iterator[Batch]:
        if self._wants_trash:
            gone = with_trash(gone, self._trash.result(), self._keys.ids)
        if self._walk.behind:
            present = {*present, *(row["id"] for row in by_ids(self._account, self._resource, gone))}
        deletions = [deletion for entity_id, deletion in gone.items() if entity_id not in present]
        for start in range(0, len(deletions), DELETIONS_AT_ONCE):
            part = tuple(deletions[start : start + DELETIONS_AT_ONCE])
            yield Batch(self._resource.name, Page([]), part)

    def _read_again(self, ids: Iterable[int]) -> Page:
        """Reads the entities that exist among `ids`, as they are now."""
        wanted = set(ids)
        if not wanted:
            return Page([])
        before = self._account.clocks.moment()
        rows = list(by_ids(self._account, self._resource, wanted, self._readers.params))
        after = replace(self._account.clocks.moment(), sent_at=before.sent_at)
        return Page(rows, answered=(before, after))

    @property
    def _wants_trash(self) -> bool:
        return self._readers.mark_deleted and self._resource.has_trash


class MainWalk:
    """Chooses the walk that reads the rows of `resource` by the `plan`, and the next one where the server fails it."""

    def __init__(self, account: Account, resource: Resource, plan: ReadPlan, listing: Listing) -> None:
        self._account = account
        self._resource = resource
        self._plan = plan
        self._listing = listing
        self._traits = ListTraits()
        self._first = Prefetch(account.pool, self._oldest_rows)

    @property
    def behind(self) -> bool:
        """Whether rows changed faster than the walk read them, so that the newest changes are left to the next sync."""
        return self._traits.behind

    @property
    def whole(self) -> bool:
        """Whether the ended walk has read every row of the list."""
        return self._plan.at_first and not self.behind

    def ask_first(self) -> None:
        """Requests the first page if everything is wanted: that needs no filter, so it need not wait for `/account`."""
        if self._resource.by_cursor and self._plan.at_first:
            self._first.start()

    def resumed(self) -> Iterator[Batch]:
        """Reads the rest of a walk by page number that an earlier sync began."""
        if self._plan.resume:
            yield from self._by_page_number(self._plan.resume.since, self._plan.resume.checkpoint)

    def batches(self, delivered: Set[int | str]) -> Iterator[Batch]:
        """Reads the needed rows. `delivered` grows meanwhile; rows in it are left out when a second walk takes over."""
        pages = self._by_date(self._first.result() if self._first.started else None)
        if self._resource.by_cursor and self._account.filter_may_work(self._resource):
            try:
                yield from map(partial(Batch, self._resource.name), pages)
                return
            except FilterIgnored:
                if self._resource.paid_filter:
                    self._account.filter_is_ignored()
            except TiesShuffled as shuffled:
                yield from self._in_order_of_ids(shuffled)
                return
            except Unpaid:
                if not self._resource.paid_filter:
                    raise
                # Only the filter may not be paid for: the list itself shows it when it is asked for without.
                self._account.filter_is_ignored()
            except OrderIgnored:
                pass
        before = set(delivered)
        yield from map(partial(Batch.without, unwanted=lambda row: key(row) in before), self._unfiltered())

    def _oldest_rows(self) -> RawPage | None:
        try:
            return self._listing.ask({f"order[{self._listing.cursor}]": "asc"})
        except PageTooLarge:
            return None

    def _by_date(self, first: RawPage | None) -> Iterator[Page]:
        """Reads the needed seconds, oldest first: rows edited meanwhile move into the seconds that are read last."""
        pool = self._account.pool
        intervals, within = self._plan.seconds, self._plan.within
        if within:
            yield from rest_of_second(self._listing, within.since, pool, within.checkpoint)
            intervals -= (within.since, within.since)
        for low, high in intervals.intervals:
            near = self._plan.requested_since if low == self._plan.since else low
            yield from keyset(self._listing, (near, high), self._traits, raw=first, pool=pool)
            first = None

    def _unfiltered(self) -> Iterator[Batch]:
        since = self._plan.since
        if self._resource.by_cursor and since > BEGINNING:
            try:
                yield from map(partial(Batch, self._resource.name), newest_first(self._listing, since))
                return
            except OrderIgnored:
                pass
        yield from self._by_page_number(since)

    def _in_order_of_ids(self, shuffled: TiesShuffled) -> Iterator[Batch]:
        """Reads the rows that a walk in the order of dates left over."""

        def known(row: Row) -> bool:
            return self._listing.second_of(row) == shuffled.since and key(row) in shuffled.delivered

        yield from map(partial(Batch.without, unwanted=known), self._by_page_number(shuffled.since))

    def _by_page_number(self, since: int, checkpoint: PageCheckpoint | None = None) -> Iterator[Batch]:
        """Reads the rows since a second by page number, with the filter where that works."""
        name, listing = self._resource.name, self._listing
        if since > BEGINNING and self._account.filter_works(self._resource):
            low = since if self._resource.by_cursor else min(since, self._plan.requested_since)
            listing = listing.narrowed(bounds(listing, low - 1, FOREVER))
        pages = map(partial(Batch, name, floor=since), in_id_order(listing, self._account.pool, checkpoint))
        yield from map(partial(Batch.without, unwanted=lambda row: (listing.second_of(row) or FOREVER) < since), pages)
        yield Batch(name, Page([]), walked=True)


class ReadKeys:
    """`delivered`: the keys of rows that every reader has been given; in a first sync REMEMBERED_KEYS of them, for a
    filter that is ignored shows at the second page.

    `ids`: the ids of all rows that came, of which there may be millions.
    """

    def __init__(self, plans: Sequence[ReadPlan]) -> None:
        self._plans = plans
        self._first_sync = merged(plans).changes_since is None
        self.delivered: set[int | str] = set()
        self.ids = array("q")

    def remembered(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields the same batches; their keys are stored before a batch goes on."""
        return map(self._added, batches)

    def _added(self, batch: Batch) -> Batch:
        """Stores the keys of a batch. Rows older than one of the plans needs do not count as delivered."""
        row_ids = (row.get("id") for row in batch.page.rows)
        self.ids.extend(row_id for row_id in row_ids if isinstance(row_id, int) and 0 < row_id < LARGEST_ID)
        if self._first_sync and len(self.delivered) >= REMEMBERED_KEYS:
            return batch
        floor = FOREVER if batch.floor is None else batch.floor
        for row in batch.page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= floor or all(second in plan.seconds for plan in self._plans):
                self.delivered.add(key(row))
        return batch
