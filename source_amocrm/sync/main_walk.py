"""Which walk reads the rows of a list by its read plan, and which one takes over where the server fails it."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import partial

from source_amocrm.account import Account, Resource
from source_amocrm.errors import PageTooLarge, Unpaid
from source_amocrm.sync.declaration import Batch
from source_amocrm.sync.read_plan import BEGINNING, ReadPlan
from source_amocrm.walk.id_order import in_id_order, rest_of_second
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import (
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
)
from source_amocrm.walk.newest_first import newest_first
from source_amocrm.walk.worker_pool import Prefetch


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
